"""The one study that an exam consists of."""

from ...errors import BadInput, Undecided


def one_study(found, answer):
    """Return the files of one study, and what is left out.

    Pictures without tags belong to no study and stay.

    Parameters
    ----------
    found : list of Described
    answer : str or None
        The study that the user chose: its number among the choices.

    Returns
    -------
    found : list of Described
    left_out : list of (str, str)

    Raises
    ------
    Undecided
        If there are several studies and none is chosen.
    BadInput
        If the answer is no study.
    """
    keys = {(item.date, item.patient, item.study) for item in found if item.kind == "dicom"}
    # The date is for the order only: one study has one identifier.
    studies = {}
    for date, patient, study in sorted(keys):
        studies.setdefault((patient, study), date)
    if len(studies) < 2:
        return found, []
    order = sorted(studies, key=lambda key: (studies[key], key))
    patients = sorted({patient for patient, _ in order})
    choices = []
    for number, key in enumerate(order, 1):
        count = sum((item.patient, item.study) == key for item in found)
        who = f", patient {patients.index(key[0]) + 1}" if len(patients) > 1 else ""
        choices.append((str(number), f"{_day(studies[key])}, {count} image{'s' * (count != 1)}{who}"))
    if answer is None:
        who = f"{len(patients)} patients" if len(patients) > 1 else "one patient"
        said = "; ".join(f"{number}: {words}" for number, words in choices)
        raise Undecided(
            f"The mammograms belong to {len(order)} studies of {who}",
            said,
            "Choose one study",
            name="study",
            choices=choices,
        )
    if str(answer) not in dict(choices):
        raise BadInput("This is none of the studies", str(answer)[:20], f"Choose 1 to {len(order)}")
    chosen = order[int(answer) - 1]
    kept = [item for item in found if item.kind != "dicom" or (item.patient, item.study) == chosen]
    others = [(item.view.where, "another study") for item in found if item not in kept]
    return kept, others


def _day(text):
    return (
        f"study of {text[:4]}-{text[4:6]}-{text[6:8]}" if len(text) == 8 and text.isdigit() else "study without date"
    )
