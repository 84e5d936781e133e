"""Several patients or studies in one place: listed, never mixed."""

from ..decisions import ask


def choose_study(headers, findings, where=""):
    """Return the key of the study to use, or None when there is one only.

    Parameters
    ----------
    headers : list of Header
        Those that matter (localisers and such left out).
    findings : Findings
        ``study`` is the number of the study in the list, from 1.
    where : str or Path
        For messages.

    Raises
    ------
    Undecided
        If there are several and the user has not chosen; dates and numbers of images are listed, no names.
    """
    studies = {}
    for header in headers:
        studies.setdefault(header.study_key, []).append(header)
    if len(studies) < 2:
        return None
    keys = sorted(studies, key=lambda key: (studies[key][0].study_date, key))
    chosen = findings.decided("study", [str(k + 1) for k in range(len(keys))])
    if chosen is not None:
        findings.notes.append(f"Study {chosen} of {len(keys)} in the folder was chosen by the user.")
        return keys[int(chosen) - 1]
    patients = {header.patient for header in headers}
    who = f"{len(patients)} patients" if len(patients) > 1 else "one patient"
    dates = ", ".join(_date(studies[key][0].study_date) for key in keys)
    choices = [(k + 1, _title(studies[key], patients)) for k, key in enumerate(keys)]
    raise ask(
        "study",
        f"The folder holds {len(keys)} studies of {who} (study dates {dates})",
        where,
        choices,
        "Choose the folder of one study, or one of the list",
    )


def _title(headers, patients):
    series = len({header.series for header in headers})
    person = f"patient {sorted(patients).index(headers[0].patient) + 1}, " if len(patients) > 1 else ""
    counted = f"{series} series, {len(headers)} images"
    return f"{person}{_date(headers[0].study_date)}, {counted}"


def _date(text):
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}" if len(text) == 8 and text.isdigit() else "unknown date"
