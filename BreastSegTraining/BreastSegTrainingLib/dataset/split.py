"""Which patients train and which test, and the folds of cross-validation: whole patients, alike in what matters."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from BreastSegLib.errors import BadInput

from ..cases.columns import all_columns, known_name

NUMERIC_GROUPS = 3  # small, medium, large
UNKNOWN = "unknown"
OTHER = "other"
FINEST = 20  # parts that a test share is made of


@dataclass(frozen=True)
class SplitOptions:
    """How a table is divided.

    Parameters
    ----------
    test : float
        Share of the cases that are kept for testing, 0 to 0.9; 0 keeps none.
    folds : int
        Of the cross-validation of the others; 0 makes none.
    stratify : tuple of str
        Columns whose values should be alike in all parts: ``centre``, ``density``, ``birads``, ``volume_mm3`` …
        Numbers count as small, medium or large.
    seed : int

    Raises
    ------
    BadInput
        If a number is out of range or a column is unknown.
    """

    test: float = 0.0
    folds: int = 5
    stratify: tuple = ()
    seed: int = 0

    def __post_init__(self):
        if not 0 <= self.test <= 0.9:
            raise BadInput("The share of test cases is not between 0 and 0.9", f"{self.test}")
        if self.folds != 0 and not 2 <= self.folds <= 20:
            raise BadInput("The number of folds is not 0 or 2 to 20", f"{self.folds}")
        names = tuple(dict.fromkeys(known_name("volume_mm3" if n == "volume" else n) or n for n in self.stratify))
        unknown = next((name for name in names if name not in all_columns()), None)
        if unknown:
            raise BadInput(f"There is no column {unknown!r} to stratify by", hint="Use columns of the case table")
        telling = next((name for name in names if all_columns()[name].identifying), None)
        if telling:
            raise BadInput(f"The column {telling} can tell who a patient is, so nothing is stratified by it")
        if not 0 <= self.seed < 2**32:
            raise BadInput("The seed is not a whole number from 0 to 4294967295", f"{self.seed}")
        object.__setattr__(self, "stratify", names)

    def to_json(self):
        """dict: the options, JSON-ready."""
        return {"test": self.test, "folds": self.folds, "stratify": list(self.stratify), "seed": self.seed}


@dataclass(frozen=True)
class Split:
    """The part and fold of each case.

    Parameters
    ----------
    parts : list of str
        ``train`` or ``test``.
    folds : list of (int or None)
        Fold in which the case validates; None for test cases and where no folds are made.
    strata : list of str
        What each case was stratified by.
    notes : tuple of str
    """

    parts: list
    folds: list
    strata: list
    notes: tuple = field(default=())


def divide(cases, options, kept=None):
    """Divide cases into training, test and folds, patient by patient.

    The first time scikit-learn's StratifiedGroupKFold does it. Patients who have a place keep it, so that what was a
    test case is never trained on when the table grows; new ones go where their stratum is rarest.

    Parameters
    ----------
    cases : sequence of Case
    options : SplitOptions
    kept : dict of str to (str, int or None), optional
        Part and fold of patients from an earlier export.

    Returns
    -------
    Split

    Raises
    ------
    BadInput
        If there are too few patients, or the column ``split`` puts one patient into both parts.
    """
    if not cases:
        raise BadInput("There are no cases to divide")
    patients = [case.patient for case in cases]
    strata, notes = strata_of(cases, options)
    places = dict(kept or {})
    _check_places(places, options)
    places.update(_fixed_parts(cases, places))
    new = {patient for patient in patients if patient not in places}
    if new:
        places.update(_parts(patients, strata, places, options))
    if options.folds:
        places.update(_folds(patients, strata, places, options))
        _check_folds({places[patient] for patient in patients}, options)
    parts = [places[patient][0] for patient in patients]
    if "train" not in parts:
        raise BadInput("All cases are for testing, none for training", hint="Correct the column split, or --resplit")
    notes += _notes(parts, options, bool(kept))
    return Split(parts, [places[patient][1] for patient in patients], strata, tuple(notes))


def strata_of(cases, options):
    """Return the stratum of each case, and notes.

    Strata with fewer cases than folds cannot be spread over them: they give up their last column, and at last all of
    them are ``other``.
    """
    least = max(2, options.folds)
    columns = [_values(cases, name) for name in options.stratify]
    rows = list(zip(*columns)) if columns else [()] * len(cases)
    keys, merged = list(rows), 0
    for length in range(len(columns), 0, -1):
        counts = Counter(keys)
        rare = [index for index, key in enumerate(keys) if len(key) == length and counts[key] < least]
        merged = merged or len({keys[index] for index in rare})
        for index in rare:
            keys[index] = rows[index][: length - 1]
    notes = []
    if merged:
        said = f"{merged} combinations of {', '.join(options.stratify)} have" if merged > 1 else "One stratum has"
        notes.append(f"{said} fewer than {least} cases and were joined with others.")
    return [" / ".join(key) if key else OTHER for key in keys], notes


def leakage(patients, parts, folds, pixels=None):
    """Return a sentence for each way in which training would see what it is tested on.

    Parameters
    ----------
    patients : sequence of str
    parts : sequence of str
        ``train`` or ``test``.
    folds : sequence of (int or None)
    pixels : sequence of str, optional
        A hash of each case's image.
    """
    sentences = []
    for what, keys in (("One patient is", patients), ("The same image is", pixels or ())):
        places = {}
        for key, part, fold in zip(keys, parts, folds):  # of no keys, nothing
            if key:
                places.setdefault(key, set()).add((part, fold))
        both = sum(len({part for part, _ in places_of}) > 1 for places_of in places.values())
        apart = sum(len(places_of) > 1 for places_of in places.values()) - both
        if both:
            sentences.append(f"{what} in both training and test ({both} times)")
        if apart:
            sentences.append(f"{what} in several folds ({apart} times)")
    return sentences


def splits_final(names, split, folds):
    """Return the content of nnU-Net's ``splits_final.json``.

    Parameters
    ----------
    names : sequence of (sequence of str)
        Names of the samples of each case.
    split : Split
    folds : int
    """
    rows = []
    for fold in range(folds):
        row = {"train": [], "val": []}
        for samples, part, own in zip(names, split.parts, split.folds):
            if part == "train":
                row["val" if own == fold else "train"] += list(samples)
        rows.append({kind: sorted(values) for kind, values in row.items()})
    return rows


def _values(cases, name):
    """Return the value of a column for each case as text; numbers as thirds of the cases."""
    column = all_columns()[name]
    if column.kind not in ("number", "integer"):
        return [case.plain(name).strip().casefold() or UNKNOWN for case in cases]
    numbers = np.array([np.nan if (value := case.number(name)) is None else value for case in cases], float)
    known = numbers[np.isfinite(numbers)]
    if not known.size:
        return [UNKNOWN] * len(cases)
    edges = np.quantile(known, np.arange(1, NUMERIC_GROUPS) / NUMERIC_GROUPS)
    titles = ("small", "medium", "large")
    return [UNKNOWN if np.isnan(value) else titles[int(np.searchsorted(edges, value))] for value in numbers]


def _check_places(places, options):
    wrong = next((fold for _, fold in places.values() if fold is not None and fold >= max(options.folds, 1)), None)
    if wrong is not None:
        raise BadInput(
            f"The dataset was divided into more folds than {options.folds}", hint="Give the same number, or --resplit"
        )


def _check_folds(places, options):
    """Refuse a fold that has lost its patients: nnU-Net could not validate it."""
    empty = [fold for fold in range(options.folds) if ("train", fold) not in places]
    if empty:
        raise BadInput(f"Fold {empty[0]} has no patients any more", hint="Give --resplit, to divide all anew")


def _fixed_parts(cases, places):
    """Return the places of patients whose part the table fixes in its column ``split``."""
    fixed = {}
    for case in cases:
        part = case.plain("split")
        if part in ("train", "test"):
            if fixed.setdefault(case.patient, part) != part:
                raise BadInput(
                    "One patient is in training and in test by the column split",
                    f"case {case.name}",
                    "Correct the table",
                )
            before = places.get(case.patient, (part, None))[0]
            if before != part:
                raise BadInput(
                    f"The column split says {part}, and the dataset has the patient in {before}",
                    f"case {case.name}",
                    "Correct the table, or give --resplit",
                )
    return {patient: (part, places.get(patient, (part, None))[1]) for patient, part in fixed.items()}


def _parts(patients, strata, places, options):
    """Return the parts of patients who have none."""
    new = [index for index, patient in enumerate(patients) if patient not in places]
    if options.test == 0:
        return {patients[index]: ("train", None) for index in new}
    if places and len(new) < len(patients):
        return _added_parts(patients, strata, places, options)
    count = len(set(patients))
    if count < 2:
        raise BadInput("One patient cannot be divided into training and test", hint="Give --test 0")
    # scikit-learn makes equal parts: as many as come nearest to the share, and as the largest stratum can fill.
    most = max(2, min(FINEST, count, max(Counter(strata).values())))
    pieces = min(range(2, most + 1), key=lambda n: (round(abs(_taken(options.test, n) / n - options.test), 6), n))
    taken = _taken(options.test, pieces)
    fold_of = _group_folds([patients[i] for i in new], [strata[i] for i in new], pieces, options.seed)
    return {patient: ("test" if fold < taken else "train", None) for patient, fold in fold_of.items()}


def _taken(share, pieces):
    return min(max(1, round(share * pieces)), pieces - 1)


def _added_parts(patients, strata, places, options):
    """Return the parts of new patients: each goes where her stratum lacks cases."""
    result, test, total = {}, Counter(), Counter()
    for patient, stratum in zip(patients, strata):
        if patient in places:
            total[stratum] += 1
            test[stratum] += places[patient][0] == "test"
    everything = [sum(test.values()), sum(total.values())]
    for patient in _shuffled({patient for patient in patients if patient not in places}, options.seed):
        own = [stratum for name, stratum in zip(patients, strata) if name == patient]
        size = len(own)
        # Rounded down, and by all cases where the stratum is balanced, so that single new patients train.
        lacking = options.test * (total[own[0]] + size) - test[own[0]]
        overall = options.test * (everything[1] + size) - everything[0]
        part = "test" if lacking >= size and overall >= size else "train"
        result[patient] = (part, None)
        for stratum in own:
            total[stratum] += 1
            test[stratum] += part == "test"
        everything = [everything[0] + size * (part == "test"), everything[1] + size]
    return result


def _folds(patients, strata, places, options):
    """Return the places of training patients with their folds."""
    train = [index for index, patient in enumerate(patients) if places[patient][0] == "train"]
    groups = {patients[index] for index in train}
    if len(groups) < options.folds:
        raise BadInput(
            f"{len(groups)} training patients cannot be divided into {options.folds} folds",
            hint="Give fewer --folds, or more cases",
        )
    if all(places[patient][1] is None for patient in groups):
        fold_of = _group_folds([patients[i] for i in train], [strata[i] for i in train], options.folds, options.seed)
        return {patient: ("train", fold) for patient, fold in fold_of.items()}
    counts = [Counter() for _ in range(options.folds)]
    for index in train:
        if (fold := places[patients[index]][1]) is not None:
            counts[fold][strata[index]] += 1
    result = {}
    for patient in _shuffled({p for p in groups if places[p][1] is None}, options.seed):
        own = [stratum for name, stratum in zip(patients, strata) if name == patient]
        fold = min(range(options.folds), key=lambda k: (sum(counts[k][s] for s in own), sum(counts[k].values()), k))
        counts[fold].update(own)
        result[patient] = ("train", fold)
    return result


def _group_folds(patients, strata, count, seed):
    """Return {patient: fold} by scikit-learn's StratifiedGroupKFold."""
    import warnings

    try:
        from sklearn.model_selection import StratifiedGroupKFold
    except ImportError as error:
        raise BadInput(
            "Dividing cases needs the package scikit-learn", hint="Install it: pip install scikit-learn"
        ) from error
    if max(Counter(strata).values()) < count:
        strata = [OTHER] * len(strata)  # no stratum could be spread
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    fold_of = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rare strata were joined and are told of by us
        for fold, (_, held) in enumerate(splitter.split(np.zeros(len(patients)), strata, patients)):
            fold_of.update({patients[index]: fold for index in held})
    empty = count - len(set(fold_of.values()))
    if empty:
        raise BadInput(
            f"{len(set(patients))} patients leave {empty} of {count} folds empty", hint="Give fewer --folds"
        )
    return fold_of


def _shuffled(patients, seed):
    ordered = sorted(patients)
    return [ordered[index] for index in np.random.default_rng(seed).permutation(len(ordered))]


def _notes(parts, options, kept):
    notes = []
    share = parts.count("test") / len(parts)
    if options.test and abs(share - options.test) > 0.05:
        notes.append(
            f"{share:.0%} of the cases are for testing, not {options.test:.0%}: whole patients are kept together."
        )
    if kept:
        notes.append("Patients of the earlier export keep their part and fold.")
    return notes
