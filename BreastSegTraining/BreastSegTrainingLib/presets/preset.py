"""A preset: a method from recipe to evaluation, checked when it is loaded."""

import copy
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.files import read_json
from BreastSegLib.recipe import load_recipe

from .. import trainers
from .schema import first_problem
from .variants import merged, variants

FORMAT = "breastseg-preset-1"
FOLDER = Path(__file__).resolve().parents[2] / "Resources" / "presets"
SELECTIONS = FOLDER.parent / "selections"
TWO_D = "2d"
TEXTS = ("notes", "published")  # lists of texts about the method
PLANNED = ("patch_size", "spacing")  # one number for each axis


@dataclass(frozen=True)
class Preset:
    """A method that can be trained.

    Parameters
    ----------
    name, title, source : str
        The source by its short name (M1 … M6).
    recipe : str
        Name or file.
    dataset : dict
        ``label``, ``stratify``, ``folds``, ``test``, ``selection``, and ``train_folds`` where not all are trained.
    configuration : str
        ``2d``, ``3d_fullres`` or ``3d_lowres``.
    trainer : str
    plan, settings : dict
        What is changed in nnU-Net's plans and in the trainer's settings; as `launch.Training` takes them.
    evaluation : dict
        ``measures``, ``cleanup``, ``empty``, ``groups``, ``bands``, ``image_level``.
    notes, published : tuple of str
        Where this differs from the source; what the source reports.
    """

    name: str
    title: str
    source: str
    recipe: str
    dataset: dict
    configuration: str
    trainer: str
    plan: dict = field(default_factory=dict)
    settings: dict = field(default_factory=dict)
    evaluation: dict = field(default_factory=dict)
    notes: tuple = ()
    published: tuple = ()

    @property
    def folds(self):
        """tuple of str: the folds that are trained; ``all`` where the dataset has none."""
        every = tuple(str(number) for number in range(self.dataset["folds"])) or ("all",)
        return tuple(self.dataset.get("train_folds", every))

    def training_values(self):
        """Return what `launch.Training` takes of it: ``preset``, ``configuration``, ``trainer``, ``folds`` …"""
        return {
            "preset": self.name,
            "configuration": self.configuration,
            "trainer": self.trainer,
            "folds": self.folds,
            "plan": copy.deepcopy(self.plan),
            "settings": copy.deepcopy(self.settings),
        }

    def to_json(self):
        """dict: the preset as its file declares it."""
        record = {"format": FORMAT, **copy.deepcopy(asdict(self))}
        return {key: list(value) if key in TEXTS else value for key, value in record.items()}

    def changed(self, **values):
        """Return the preset with other values, checked again; tables take what is given into themselves.

        Raises
        ------
        BadInput
            If it is none with these.
        """
        return parse_preset(merged(self.to_json(), values), self.name)


def names():
    """Return the names of the presets that ship with the extension, by method."""
    return list(_shipped())


def load_preset(name_or_path, recipe=None):
    """Return the `Preset` of a shipped name or of a JSON file.

    Parameters
    ----------
    name_or_path : str or Path
    recipe : str, optional
        Another recipe, as for the ablation of M4.

    Raises
    ------
    BadInput
        If there is no such preset, or something in it is wrong; the message names the field and what it may be.
    """
    path = Path(name_or_path)
    if path.suffix == ".json":
        record = read_json(path)
        if isinstance(record, dict) and "variants" in record:
            raise BadInput("The file holds several presets", path, "presets show NAME --json prints one")
    elif str(name_or_path) in _shipped():
        path = str(name_or_path)
        record = copy.deepcopy(_shipped()[path])
    else:
        raise BadInput(f"There is no preset {str(name_or_path)!r}", hint="Choose one of " + ", ".join(names()))
    if recipe is not None and isinstance(record, dict):
        record["recipe"] = str(recipe)
    return parse_preset(record, path)


def parse_preset(record, where="preset"):
    """Return the `Preset` that the JSON object `record` declares (see `load_preset`)."""
    if not isinstance(record, dict):
        raise BadInput("A preset is a JSON object", where)
    problem = first_problem(record)
    if problem:
        raise BadInput(problem[0][:1].upper() + problem[0][1:], where, "It may be " + problem[1])
    values = {key: value for key, value in record.items() if key != "format"}
    values |= {key: tuple(values.get(key, ())) for key in TEXTS}
    preset = Preset(**values)
    _check_recipe(preset, where)
    _check_plan(preset, where)
    _check_dataset(preset, where)
    _check_trainer(preset, where)
    _check_evaluation(preset, where)
    return preset


def _check_recipe(preset, where):
    try:
        recipe = load_recipe(preset.recipe)
    except BadInput as error:
        raise BadInput(f"The recipe of the preset cannot be used: {error.what}", where, error.hint) from error
    if recipe.modality == "mammography" and preset.configuration != TWO_D:
        raise BadInput(
            f"The configuration is {preset.configuration}, but the recipe {recipe.name} is for mammograms",
            where,
            f"Choose {TWO_D}",
        )


def _check_plan(preset, where):
    axes = 2 if preset.configuration == TWO_D else 3
    for name in PLANNED:
        given = preset.plan.get(name)
        if given is not None and len(given) != axes:
            raise BadInput(f"plan.{name} has {len(given)} values", where, f"{preset.configuration} takes {axes}")


def _check_trainer(preset, where):
    if preset.trainer not in trainers.names():
        raise BadInput(f"There is no trainer {preset.trainer}", where, "Trainers: " + ", ".join(trainers.names()))
    try:
        trainers.resolve(preset.trainer, preset.settings)
    except trainers.SettingsWrong as error:
        raise BadInput(str(error), f"{where}, settings") from error


def _check_dataset(preset, where):
    dataset = preset.dataset
    if dataset["folds"] == 1:
        raise BadInput("dataset.folds is 1", where, "It may be 0 or 2 to 20")
    given = dataset.get("train_folds", ())
    known = {"all", *map(str, range(dataset["folds"]))}
    wrong = [fold for fold in given if fold not in known]
    if wrong or len(set(given)) < len(given):
        raise BadInput(f"dataset.train_folds is {', '.join(given)}", where, f"The folds: {', '.join(sorted(known))}")
    selection = dataset["selection"]
    if selection is not None and not (SELECTIONS / f"{Path(selection).name}.json").is_file():
        known = ", ".join(sorted(path.stem for path in SELECTIONS.glob("*.json")))
        raise BadInput(f"dataset.selection is {selection}", where, f"Choose null or one of {known}")


def _check_evaluation(preset, where):
    """Refuse measures, rules and groups that the evaluation has not."""
    known, evaluation = _evaluation_words(), preset.evaluation
    for field_name, words in (
        ("measures", evaluation["measures"]),
        ("empty", [evaluation["empty"]]),
        ("groups", evaluation["groups"]),
    ):
        wrong = next((word for word in words if word not in known[field_name]), None)
        if wrong is not None:
            raise BadInput(
                f"evaluation.{field_name} knows no {wrong}", where, "It may be " + ", ".join(known[field_name])
            )


@cache
def _evaluation_words():
    """Return what an evaluation may be told: from the tables of the evaluation itself."""
    measures = read_json(FOLDER.parent / "evaluation_measures.json")
    return {
        "measures": tuple(row["name"] for row in measures["measures"]),
        "empty": tuple(row["name"] for row in measures["rules"]),
        "groups": tuple(read_json(FOLDER.parent / "evaluation_groups.json")["columns"]),
    }


@cache
def _shipped():
    """Return the JSON object of each shipped preset by its name; a file with variants holds one for each of them."""
    records = (read_json(path) for path in sorted(FOLDER.glob("*.json")))
    return {one["name"]: one for record in records for one in variants(record)}
