"""The way of a preview: the worker prepares the exam with a recipe, and the scene shows it; in short turns."""

import shutil
import uuid
from pathlib import Path

from . import histogramnodes, previewlayout, previewnodes
from .answers import answerTo
from .arrangedstore import arrange
from .mammogramflow import arrangeViews
from .texts import _
from .turns import reported


def prepareExam(client, exam, folder, report, *, recipe, regions=()):
    """Have the worker prepare an exam that is in the scene, and show what comes of it beside the original.

    Parameters
    ----------
    client : WorkerClient
    exam : SceneExam or SceneMammograms
    folder : str or Path
        Private; the arrays go there, and are deleted when they are in the scene.
    report : callable
        ``report(stage, done, total, eta_s)``.
    recipe : str
        Name of a recipe, or the path of its file.
    regions : sequence of dict
        Where the recipe shall look, see `recipe.regions`; needed by recipes with the step region only.

    Returns
    -------
    Preview

    Raises
    ------
    BreastSegError
        What went wrong; nothing of the preview stays in the scene then, and the views are as they were.
    """
    output = Path(folder) / f"preview-{uuid.uuid4().hex[:8]}"
    try:
        if exam.kind == "mammograms":
            store = yield from arrangeViews(exam, output / "exam")
        else:
            store = yield from arrange(client, exam, output / "exam", report)
        yield
        fields = {"source": {"store": store}, "recipe": str(recipe), "output": str(output), "breast": True}
        if regions:
            fields["regions"] = list(regions)
        answer = yield from answerTo(client, client.send("prepare", **fields), report)
        yield
        preview = yield from _shown(answer, exam, report)
    finally:
        shutil.rmtree(output, ignore_errors=True)
    return preview


def showChannel(preview, case, channel, fit=True):
    """Show a channel on the right and the image that it was made from on the left.

    Parameters
    ----------
    preview : Preview
    case : PreviewCase
    channel : PreviewChannel
    fit : bool
        Show both whole; otherwise the fields of view stay.
    """
    previewnodes.showOutline(preview, case)
    histogramnodes.fillHistogram(preview.histogram, channel.before, channel.after)
    previewlayout.showPair(channel.original, channel.node, linked=preview.kind == "dce", fit=fit)


def hidePreview(preview):
    """Give the views back and remove what the preview has put into the scene."""
    previewlayout.leave()
    previewnodes.removePreview(preview)


def _shown(answer, exam, report):
    total = sum(len(row["channels"]) for row in answer["cases"])
    turns = previewnodes.addPreview(answer, exam)
    preview = yield from reported(turns, total, report, _("Showing the preview"))
    try:
        previewlayout.enter()
        # The views get their new sizes now; fitted earlier, the images would be cut off.
        yield
        yield
        first = preview.cases[0]
        showChannel(preview, first, first.channels[first.main])
    except BaseException:
        # GeneratorExit included.
        hidePreview(preview)
        raise
    return preview
