"""What the panel knows, and the sentence that says what is missing. No Qt, so that every sentence is tested."""

import re
from dataclasses import dataclass

SOURCES = ("folder", "files", "nodes")
# What chosen files can be; '' as long as the user has not said.
MEANINGS = ("", "phases", "channels", "mammograms")
VOLUME_ENDINGS = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
MAMMOGRAM_ENDINGS = (".dcm", ".png", ".tif", ".tiff", ".pgm")


@dataclass(frozen=True)
class PanelState:
    """Everything that decides whether the primary button works.

    Parameters
    ----------
    source : {'folder', 'files', 'nodes'}
        Where the exam comes from.
    chosen : int
        Number of folders, files or volumes that are chosen.
    phases : int
        Number of phases of the loaded exam that are in use; 0 when none is loaded.
    views : int
        Number of mammograms that are loaded.
    meaning : {'', 'phases', 'channels', 'mammograms'}
        What the chosen files are.
    question : str
        What the user has to decide before the exam can be loaded; empty when nothing is asked.
    volumesGone : bool
        Whether volumes of the loaded exam were removed from the scene.
    phaseProblem : str
        Why the phase table cannot be used as it is; empty when it can.
    models : int
        Number of installed models.
    model : str
        Title of the chosen model; empty when none is chosen.
    modelProblem : str
        Why the chosen model cannot be used with this exam; empty when it can.
    recipeProblem : str
        Why the chosen recipe cannot prepare this exam; empty when it can.
    working : str
        What is being done at the moment: '', 'loading', 'previewing', 'segmenting' or 'measuring'.
    """

    source: str = "folder"
    chosen: int = 0
    phases: int = 0
    views: int = 0
    meaning: str = ""
    question: str = ""
    volumesGone: bool = False
    phaseProblem: str = ""
    models: int = 0
    model: str = ""
    modelProblem: str = ""
    recipeProblem: str = ""
    working: str = ""


def whatIsMissing(state, _=str):
    """Return the sentence that says what the user has to do before a run, or '' when everything is there.

    Parameters
    ----------
    state : PanelState
    _ : callable, optional
        Translates a text.
    """
    if state.working == "loading":
        return _("The exam is being loaded.")
    if state.working == "previewing":
        return _("The preview is being prepared.")
    if state.working == "segmenting":
        return _("The segmentation is running.")
    if state.working == "measuring":
        return _("The lesions are being measured.")
    if state.volumesGone:
        return _("Volumes of the exam were removed from the scene. Load the exam again.")
    if state.question:
        return _("Answer the question under “Load exam” first.")
    if state.phases == 0 and state.views == 0:
        return whatIsMissingToLoad(state, _) or _("Press “Load exam”.")
    if state.phaseProblem:
        return state.phaseProblem
    if state.models == 0:
        return _("No model is installed.")
    if not state.model:
        return _("Choose a model first.")
    return state.modelProblem


def whatIsMissingToLoad(state, _=str):
    """Return the sentence that says what the user has to do before an exam can be loaded, or ''."""
    if state.working:
        return _("Wait until the present work has ended, or cancel it.")
    if state.chosen:
        return _("Say first what the files are.") if state.source == "files" and not state.meaning else ""
    if state.source == "files":
        return _("Choose the image files first.")
    if state.source == "nodes":
        return _("Tick the volumes of the exam first.")
    return _("Choose an exam folder first.")


def whatIsMissingToPreview(state, _=str):
    """Return the sentence that says what the user has to do before a recipe can be previewed, or ''."""
    if state.working:
        return _("Wait until the present work has ended, or cancel it.")
    if state.volumesGone or (state.phases == 0 and state.views == 0):
        return _("Load an exam first.")
    return state.phaseProblem or state.recipeProblem


def whatIsMissingToBatch(state, optionsProblem="", _=str):
    """Return the sentence that says why no batch can be started, apart from which exams it is for, or ''."""
    if state.working:
        return _("Wait until the present work has ended, or cancel it.")
    if state.models == 0:
        return _("No model is installed.")
    if not state.model:
        return _("Choose a model first.")
    return optionsProblem


def meaningOf(names):
    """Return what files most likely are by their names; '' where the names leave it open and the user has to say.

    Names that end in ``_0000``, ``_0001`` … are phases to some and channels to others.
    """
    names = [name.lower() for name in names]
    if names and all(name.endswith(MAMMOGRAM_ENDINGS) for name in names):
        return "mammograms"
    open_ = any(re.search(r"_[0-9]{4}\.(nii(\.gz)?|nrrd|nhdr|mha|mhd)$", name) for name in names)
    return "phases" if names and not open_ and all(name.endswith(VOLUME_ENDINGS) for name in names) else ""


def canSegment(state):
    """Return whether the primary button is enabled."""
    return not whatIsMissing(state)


def canLoad(state):
    """Return whether an exam can be loaded."""
    return not whatIsMissingToLoad(state)


def inThePanel(sentence, _=str):
    """Return a sentence of the worker or a command as it reads in the panel, which has no flags."""
    for begin, shown in (
        (r"\bUse", _("Choose the CPU under “Run on”")),
        (r"\buse", _("choose the CPU under “Run on”")),
    ):
        sentence = re.sub(begin + r" --device cpu\b", shown, sentence)
    return sentence


def timeLeft(seconds, _=str):
    """Return the time left for people, such as ``about 2 min left``; '' when it is unknown."""
    if seconds is None or seconds < 0:
        return ""
    if seconds < 1.5:
        return _("almost done")
    if seconds < 90:
        return _("about {seconds} s left").format(seconds=round(seconds))
    return _("about {minutes} min left").format(minutes=round(seconds / 60))
