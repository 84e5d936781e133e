"""Which Python packages a command needs that Slicer does not bring: asked for before the command begins."""

from contextlib import suppress
from pathlib import Path

from BreastSegLib.errors import BreastSegError
from BreastSegLib.panel import packages
from BreastSegLib.recipe import load_recipe

REQUIREMENTS = Path(__file__).resolve().parents[2] / "Resources" / "requirements-training.txt"
DISTRIBUTIONS = {"sklearn": "scikit-learn", "openpyxl": "openpyxl", "xlrd": "xlrd", "skimage": "scikit-image"}
LAYOUTS = {"inbreast": ("skimage", "xlrd"), "mama-mia": ("openpyxl",)}
READING = ("check", "quality", "export", "mask")  # verbs that read masks


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
    return tuple(dict.fromkeys(names))


def ensure(names, session):
    """Install the packages that are missing, after asking.

    Raises
    ------
    BadInput
        If the user declines or an installation fails.
    """
    packages.ensurePackages(names, session, DISTRIBUTIONS, REQUIREMENTS)


def _option(arguments, name):
    texts = [str(text) for text in arguments]
    return texts[texts.index(name) + 1] if name in texts[:-1] else ""
