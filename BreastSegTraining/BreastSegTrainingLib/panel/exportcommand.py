"""What was chosen for the dataset, as arguments of the command ``export``, and what is missing. No Qt."""

import re
from collections import Counter
from dataclasses import dataclass

from BreastSegLib.scene.texts import _

from . import counted

NAME = re.compile(r"[A-Za-z0-9_]+")
PREFIX = re.compile(r"[A-Za-z0-9]*")
# Columns that parts can be alike in; volume stands for the lesion's size.
STRATIFY = ("centre", "density", "birads", "volume")


@dataclass(frozen=True)
class DatasetSettings:
    """Everything that step 3 asks for.

    Parameters
    ----------
    recipe, number, name, output
        Name or file of the recipe, number and name of the dataset, the nnUNet_raw folder.
    prefix, key : str
        '' for the command's own choice.
    test : float
    folds, seed, workers : int
        `workers` 0: one for each processor.
    stratify : tuple of str
    licence, reference : str
    verify : bool
    """

    recipe: str = ""
    number: int = 101
    name: str = ""
    output: str = ""
    prefix: str = ""
    key: str = ""
    test: float = 0.2
    folds: int = 5
    stratify: tuple = ()
    seed: int = 0
    workers: int = 0
    licence: str = ""
    reference: str = ""
    verify: bool = False

    @property
    def dataset(self):
        """str: number and name, such as ``101_BreastDCE``."""
        return f"{self.number:03d}_{self.name}"


def whatIsMissing(settings, cases, selected):
    """Return the sentence that says what the user has to do before the export, or ''.

    Parameters
    ----------
    settings : DatasetSettings
    cases : int
        In the table.
    selected : sequence of Case
        Those that are not left out.
    """
    if not cases:
        return _("Add cases in step 1 first.")
    if not selected:
        return _("All cases are left out. Change the rules in step 2.")
    if not settings.recipe:
        return _("Choose a recipe.")
    if not NAME.fullmatch(settings.name):
        return _("Give the dataset a name of letters, digits and _.")
    if not settings.output:
        return _("Choose the folder for the dataset.")
    if not PREFIX.fullmatch(settings.prefix):
        return _("The prefix of the case names has letters and digits only.")
    if settings.folds == 1:
        return _("One fold is none: choose 2 or more, or none.")
    patients = len({case.patient for case in selected})
    kept = patients - round(settings.test * patients)
    if settings.folds > 1 and kept < settings.folds:
        return _("{folds} folds need as many patients outside the test part, and there are {count}.").format(
            folds=settings.folds, count=kept
        )
    return ""


def argumentsOf(settings, table):
    """Return what stands behind ``python -m BreastSegTrainingLib``."""
    arguments = ["export", str(table), "--recipe", settings.recipe, "--output", settings.output]
    arguments += ["--dataset", settings.dataset, "--test", f"{settings.test:g}", "--folds", str(settings.folds)]
    arguments += ["--seed", str(settings.seed)]
    for option, value in (
        ("--names", settings.prefix),
        ("--key", settings.key),
        ("--licence", settings.licence),
        ("--reference", settings.reference),
        ("--workers", settings.workers),
    ):
        arguments += [option, str(value)] if value else []
    arguments += ["--stratify", *settings.stratify] if settings.stratify else []
    return [*arguments, "--verify"] if settings.verify else arguments


def inWords(cases):
    """Return a sentence about what will be exported: cases, patients, per centre, and what is in the way."""
    selected = [case for case in cases if case.selected]
    fine = [case for case in selected if case.plain("status") == "ok"]
    patients = len({case.patient for case in fine})
    told = {"cases": counted.cases(len(fine)), "patients": counted.patients(patients)}
    text = _("{cases} of {patients} will be exported.").format(**told)
    unchecked = sum(not case.get("status") for case in selected)
    if unchecked:
        text = _("Not checked yet: {cases}; the export checks them first.").format(cases=counted.cases(unchecked))
        text += " " + _("Fine so far: {cases} of {patients}.").format(**told)
    centres = Counter(case.get("centre") or _("no centre") for case in fine)
    if len(centres) > 1:
        text += " " + ", ".join(f"{name}: {count}" for name, count in centres.most_common(6)) + "."
    held = len(selected) - len(fine) - unchecked
    if held:
        text += " " + _("{count} are refused or need a fix and stay out.").format(count=held)
    left = len(cases) - len(selected)
    if left:
        text += " " + _("{count} are left out by the rules.").format(count=left)
    return text
