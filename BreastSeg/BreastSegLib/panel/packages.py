"""Packages that Slicer does not bring: asked for when a model is first run. Loading an exam needs none of them."""

import importlib.util
import logging
from pathlib import Path

from ..errors import BadInput
from ..scene.texts import _

# import name -> name of its distribution; torch is the PyTorch extension's to install
TO_RUN = {"skimage": "scikit-image", "torch": "torch", "nnunetv2": "nnunetv2"}
# Some recipes, and the regions that a clean-up has removed.
TO_MEASURE = ("skimage",)
# Steps of recipes that need scikit-image.
IMAGE_STEPS = {"clahe", "resize-and-pad"}
TO_WRITE = {"reportlab": "reportlab"}
TO_TALK = {"pynetdicom": "pynetdicom", "dicomweb_client": "dicomweb-client"}  # with an archive
RESOURCES = Path(__file__).resolve().parents[2] / "Resources"
REQUIREMENTS = RESOURCES / "requirements-run.txt"
OF_REPORTS = RESOURCES / "requirements-report.txt"
OF_ARCHIVES = RESOURCES / "requirements-pacs.txt"


def toPrepare(recipe):
    """Return the import names of the packages without which a recipe cannot prepare an exam."""
    steps = {step["step"] for step in (*recipe.intensity, *recipe.steps)}
    return ("skimage",) if steps & IMAGE_STEPS else ()


def toWrite(kinds):
    """Return the import names of the packages without which some kinds of files cannot be written."""
    return ("reportlab",) if {"pdf", "pdf_dicom"} & set(kinds) else ()


def ensurePackages(names, session, distributions=TO_RUN, requirements=REQUIREMENTS):
    """Install the packages that are missing, after asking. Nothing to do when the user named another interpreter.

    Parameters
    ----------
    names : sequence of str
        Import names, of those in `distributions`.
    session : scene.session.Session
    distributions : dict of str to str
        Name of the distribution by import name.
    requirements : Path
        File that says which versions.

    Raises
    ------
    BadInput
        If the user declines, an installation fails, or the PyTorch extension is missing.
    """
    if session.interpreter:
        return
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if not missing:
        return
    session.endWorker()
    if "torch" in missing:
        _installTorch()
    others = [distributions[name] for name in missing if name != "torch"]
    if others:
        _installOthers(others, requirements)
    importlib.invalidate_caches()
    still = [name for name in names if importlib.util.find_spec(name) is None]
    if still:
        raise BadInput(
            _("Python packages are missing: {names}").format(names=", ".join(still)),
            hint=_("Install them, or name an interpreter that has them under Model, Advanced"),
        )


def _installOthers(names, file):
    import slicer.packaging

    wanted = [requirement for requirement in slicer.packaging.load_requirements(file) if requirement.name in names]
    requirements = [str(requirement) for requirement in wanted]
    try:
        slicer.packaging.pip_ensure(requirements, requester="BreastSeg")
    except RuntimeError as error:
        logging.info(f"BreastSeg: packages were not installed: {error}")
        what = _("Python packages are missing and were not installed: {names}").format(names=", ".join(requirements))
        hint = _("Press the button again and agree, or name an interpreter that has them under Model, Advanced")
        raise BadInput(what, hint=hint) from error


def _installTorch():
    try:
        import PyTorchUtils
    except ImportError as error:
        hint = _("Install the extension “PyTorch” with the Extensions Manager and restart Slicer")
        raise BadInput(_("PyTorch is missing"), hint=hint) from error
    if PyTorchUtils.PyTorchUtilsLogic().installTorch(askConfirmation=True) is None:
        raise BadInput(_("PyTorch is missing and was not installed"), hint=_("Press the button again and agree"))
