"""Apply the fixes that a user has chosen: what they change in the rows of a table."""


def changes_for(table, found, facts, choices, names):
    """Return what the chosen fixes change.

    Parameters
    ----------
    table : CaseTable
    found : dict of str to list of Finding
    facts : dict of str to Facts
    choices : dict of str to Fix
        By code of the check.
    names : set of str
        Cases that may be mended; of a patient that gets another id all cases are changed.

    Returns
    -------
    dict of str to dict
        By case name: values by column.
    """
    patients = {case.name: case.patient for case in table}
    changes, renamed = {}, {}
    for case in table:
        for one in found[case.name] if case.name in names else ():
            fix = choices.get(one.code)
            if fix is None or one.fixed or fix.name not in one.fixes:
                continue
            own = changes.setdefault(case.name, {})
            if fix.how == "export":
                chosen = own.get("fixes", case.get("fixes"))
                parts = [part.strip() for part in chosen.split(";") if part.strip()]
                own["fixes"] = "; ".join(dict.fromkeys([*parts, fix.name]))
            elif fix.name == "drop":
                if changes.get(one.other, {}).get("selected") == "no":
                    continue  # the earlier case goes itself: the next look tells whether this one is still a double
                own |= {"selected": "no", "reason": f"check: {one.text}"}
            elif fix.name == "side-from-mask":
                own["side"] = facts[case.name].side
            elif fix.name == "same-patient":
                _rename(renamed, case.patient, patients[one.other])
    for case in table:
        if case.patient in renamed:
            changes.setdefault(case.name, {})["patient"] = _resolved(renamed, case.patient)
    return {name: values for name, values in changes.items() if values}


def _rename(renamed, old, new):
    old, new = _resolved(renamed, old), _resolved(renamed, new)
    if old != new:
        renamed[old] = new


def _resolved(renamed, patient):
    while patient in renamed:
        patient = renamed[patient]
    return patient
