"""What was chosen in the panel, as arguments of the command ``batch`` and in words. No Qt, so that all is tested."""

from ..scene.texts import _

# As the choose box lists them.
FORMATS = ("nii.gz", "nrrd", "seg.nrrd")
MAPS = ("probabilities", "disagreement", "entropy")


def argumentsOf(settings, source, isTable, output, format):
    """Return what stands behind ``batch``.

    Parameters
    ----------
    settings : dict
        ``model``, ``device``, and what `RunOptions.options` tells.
    source : str
        The table of cases, or the folder that holds the exams.
    isTable : bool
    output : str or Path
    format : str
        One of `FORMATS`.

    Returns
    -------
    list of str
    """
    arguments = ["--model", str(settings["model"].folder), "--cases" if isTable else "--exams", source]
    arguments += ["--output", str(output), "--device", settings["device"], "--format", format]
    if settings["folds"] is not None:
        arguments += ["--folds", *settings["folds"]]
    for option, given in (
        ("--tta", settings["tta"]),
        ("--exact", not settings["shortcuts"]),
        ("--no-cleanup", not settings["cleanup"]),
    ):
        arguments += [option] if given else []
    maps = [name for name in MAPS if settings[name]]
    return [*arguments, "--maps", *maps] if maps else arguments


def inWords(settings):
    """Return short sentences about what differs from the usual run."""
    words = []
    if settings["folds"] is not None:
        words.append(_("Folds: {folds}.").format(folds=", ".join(settings["folds"])))
    if settings["tta"]:
        words.append(_("Mirrored images are averaged."))
    if not settings["shortcuts"]:
        words.append(_("No shortcuts."))
    if not settings["cleanup"]:
        words.append(_("No clean-up."))
    names = {"probabilities": _("chance of a lesion"), "disagreement": _("disagreement"), "entropy": _("uncertainty")}
    maps = [names[name] for name in MAPS if settings[name]]
    if maps:
        words.append(_("Maps: {names}.").format(names=", ".join(maps)))
    return words
