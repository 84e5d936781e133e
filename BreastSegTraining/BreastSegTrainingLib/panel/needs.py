"""Which Python packages a command needs that Slicer does not bring: asked for before the command begins."""

from contextlib import suppress
from pathlib import Path

from BreastSegLib.errors import BreastSegError
from BreastSegLib.panel import packages
from BreastSegLib.recipe import load_recipe

from ..presets import load_preset

REQUIREMENTS = Path(__file__).resolve().parents[2] / "Resources" / "requirements-training.txt"
DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "openpyxl": "openpyxl",
    "xlrd": "xlrd",
    "skimage": "scikit-image",
    "matplotlib": "matplotlib",
    "segmentation_models_pytorch": "segmentation-models-pytorch",
    "submitit": "submitit",
}
LAYOUTS = {"inbreast": ("skimage", "xlrd"), "mama-mia": ("openpyxl",)}
READING = ("check", "quality", "export", "mask")  # verbs that read masks
NETWORKS = ("train", "resume", "predict", "best")  # verbs that need torch and nnU-Net
FIGURES = ("evaluate", "compare", "curves")
OWN_NETWORK = "breastseg_networks."


def neededFor(arguments, hasOutlines=False):
    """Return the import names of the packages that a command needs.

    Parameters
    ----------
    arguments : sequence of str
        Verb and what stands behind it.
    hasOutlines : bool
        Whether a mask of the table is an XML file of outlines.
    """
    verb, names = str(arguments[0]), []
    if verb == "cases":
        names += LAYOUTS.get(_option(arguments, "--layout"), ())
    if verb == "export":
        names.append("sklearn")
    recipe = _option(arguments, "--recipe")
    if verb == "export" and recipe:
        with suppress(BreastSegError):  # the command tells what is wrong with it
            names += packages.toPrepare(load_recipe(recipe))
    if verb in READING and hasOutlines:
        names.append("skimage")
    if verb in NETWORKS:
        names += ["skimage", "torch", "nnunetv2"]
    if verb == "train":
        names += ["segmentation_models_pytorch"] if _hasOwnNetwork(arguments) else []
        names += ["submitit"] if _option(arguments, "--executor") == "slurm" else []
    if verb in FIGURES:
        names.append("matplotlib")
    if verb in ("evaluate", "compare"):
        names.append("skimage")
    return tuple(dict.fromkeys(names))


def ensure(names, session):
    """Install the packages that are missing, after asking.

    Raises
    ------
    BadInput
        If the user declines or an installation fails.
    """
    running = [name for name in names if name not in DISTRIBUTIONS]
    others = [name for name in names if name in DISTRIBUTIONS]
    packages.ensurePackages(running, session)
    packages.ensurePackages(others, session, DISTRIBUTIONS, REQUIREMENTS)


def _hasOwnNetwork(arguments):
    """Return whether a preset has a network that nnU-Net does not bring."""
    with suppress(BreastSegError):
        plan = load_preset(_option(arguments, "--preset")).plan
        return str((plan.get("architecture") or {}).get("network_class_name", "")).startswith(OWN_NETWORK)
    return False


def _option(arguments, name):
    texts = [str(text) for text in arguments]
    return texts[texts.index(name) + 1] if name in texts[:-1] else ""
