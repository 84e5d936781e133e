"""What is wrong with cases among each other: doubles, patients with two ids, and what differs from the others.

Each function yields (case name, code, text, names of fixes, whether one is chosen, the earlier case). The later case
of a pair has the finding, so that the earlier one can be used meanwhile. Cases that are left out of the dataset
disturb nobody; what is found about them counts as mended.
"""

from collections import Counter, defaultdict

import numpy as np

from .facts import DCE

LEAST_CASES = 5  # of a kind, to tell what is usual
LEAST_FACTOR = 2.0  # between a voxel size and the median
SPREADS = 6.0  # median absolute deviations, scaled to standard deviations
NORMAL = 1.4826
PLACEHOLDER = 4  # patient ids under one identity: it is no person but a word such as "anonymous"
LEAST_GROUP = 3  # patients whose identities must contradict their ids before headers are distrusted


def among(table, facts):
    """Return all findings that need more than one case."""
    read = [case for case in table if case.name in facts and facts[case.name].kind]
    return [
        *_doubles(read, facts),
        *_people(read, facts),
        *_voxel_sizes(read, facts),
        *_phase_counts(read, facts),
    ]


def untrusted_identities(table, facts):
    """Return why the identities of the headers are not used, '' when they are."""
    read = [case for case in table if case.name in facts]
    placeholders, per_image = _distrust(read, facts)
    if per_image:
        return "The DICOM headers give each image an id of its own; they tell nothing about patients."
    if placeholders:
        return "The DICOM headers give many patients one id: a placeholder, it tells nothing about patients."
    return ""


def _doubles(cases, facts):
    first = {}
    for case in cases:
        own = facts[case.name]
        twins = [first[value] for value in own.pixels if value in first]
        if case.selected:
            for value in own.pixels:
                first.setdefault(value, case)
        if not twins or twins[0].name == case.name:
            continue
        twin = twins[0]
        if twin.patient != case.patient:
            # The same pixels are no two women, so that nothing but one id mends it.
            text = f"the same image as {twin.name}, which is patient {_short(twin.patient)}"
            yield case.name, "patient-two-ids", text, ("same-patient",), not case.selected, twin.name
        if _other_lesion(case, twin, facts):
            continue
        same = facts[twin.name].pixels == own.pixels
        text = f"the same {'image' if same else 'pixels in a phase'} as {twin.name}"
        fixed = not case.selected or "accept-duplicate" in case.parts("fixes")
        yield case.name, "duplicate-image", text, ("drop", "accept-duplicate"), fixed, twin.name


def _other_lesion(case, twin, facts):
    """bool: whether two rows are two lesions of one image."""
    lesions = {case.get("lesion"), twin.get("lesion")}
    masks = {facts[case.name].mask_hash, facts[twin.name].mask_hash}
    return "" not in lesions and len(lesions) == 2 and len(masks) == 2


def _people(cases, facts):
    placeholders, per_image = _distrust(cases, facts)
    if per_image:
        return
    by_identity, by_patient, seen = {}, {}, set()
    for case in cases:
        who = facts[case.name].identity
        if not who or who in placeholders:
            continue
        accepted = not case.selected or "accept-patients" in case.parts("fixes")
        earlier = by_identity.get(who, case)
        shared = set(facts[earlier.name].pixels) & set(facts[case.name].pixels)
        if earlier.patient != case.patient and not shared:
            text = f"by the headers the same person as {earlier.name}, which is patient {_short(earlier.patient)}"
            yield case.name, "patient-two-ids", text, ("same-patient", "accept-patients"), accepted, earlier.name
        earlier = by_patient.get(case.patient, case)
        if facts[earlier.name].identity != who:
            text = f"by the headers another person than {earlier.name} of the same patient id"
            yield case.name, "patient-two-people", text, ("accept-patients",), accepted, earlier.name
        if case.selected and case.name not in seen:
            by_identity.setdefault(who, case)
            by_patient.setdefault(case.patient, case)
            seen.add(case.name)


def _distrust(cases, facts):
    """Return identities that are placeholders, and whether headers give each image an id of its own."""
    ids, people, count = defaultdict(set), defaultdict(set), Counter()
    for case in cases:
        if who := facts[case.name].identity:
            ids[who].add(case.patient)
            people[case.patient].add(who)
            count[case.patient] += 1
    placeholders = {who for who, patients in ids.items() if len(patients) >= PLACEHOLDER}
    several = [patient for patient, number in count.items() if number > 1]
    contradicted = sum(len(people[patient]) > 1 for patient in several)
    return placeholders, contradicted >= LEAST_GROUP and contradicted > len(several) / 2


def _voxel_sizes(cases, facts):
    """Yield cases one axis of whose voxels is far from the others of its kind: median and MAD of the logarithm."""
    groups = defaultdict(list)
    for case in cases:
        if facts[case.name].spacing_known and facts[case.name].spacing:
            groups[facts[case.name].kind].append(case)
    for group in groups.values():
        if len(group) < LEAST_CASES:
            continue
        # In-plane and between slices, whichever axes they are in the file.
        logs = np.log([sorted(facts[case.name].spacing) for case in group])
        middle = np.median(logs, axis=0)
        distance = np.abs(logs - middle)
        limit = np.maximum(np.log(LEAST_FACTOR), SPREADS * NORMAL * np.median(distance, axis=0))
        for place in np.flatnonzero((distance > limit).any(axis=1)):
            case = group[place]
            size = " × ".join(f"{value:.4g}" for value in facts[case.name].spacing)
            usual = " × ".join(f"{value:.4g}" for value in np.exp(middle))
            fixed = not case.selected or "accept-spacing" in case.parts("fixes")
            text = f"the voxel size is {size} mm, that of the others about {usual} mm"
            yield case.name, "spacing-outlier", text, ("accept-spacing",), fixed, ""


def _phase_counts(cases, facts):
    """Yield dynamics with fewer phases than more than half of those of their centre have."""
    groups = defaultdict(list)
    for case in cases:
        own = facts[case.name]
        if own.kind == DCE and own.phases and own.phases[0]["role"] != "channel":
            groups[case.get("centre")].append((case, len(own.phases)))
    for group in groups.values():
        usual, times = Counter(count for _, count in group).most_common(1)[0]
        if len(group) < LEAST_CASES or times <= len(group) / 2:
            continue
        for case, count in group:
            if count < usual:
                fixed = not case.selected or "accept-phases" in case.parts("fixes")
                text = f"the exam has {count} phases, most others have {usual}"
                yield case.name, "phases-missing", text, ("accept-phases",), fixed, ""


def _short(text):
    return text if len(text) <= 40 else text[:39] + "…"
