"""The window stays alive: the event loop never stands still for long while an exam is loaded and segmented."""

from breastseg_fixtures import (  # noqa: F401
    breastseg,
    finish,
    load,
    scene,
    status,
    widget,
)

LIMIT_S = 0.2
ATTEMPTS = 3


def longestBlock(action):
    """Return the shortest longest block of a few attempts, and what blocked then.

    A busy machine can starve any process for a moment.
    """
    from Host.eventloop import BlockMeter

    found = []
    for _ in range(ATTEMPTS):
        with BlockMeter() as meter:
            action()
        found.append((meter.longest(drawing=False), meter.report()))
        if found[-1][0] < LIMIT_S:
            break
    return min(found)


def test_event_loop_is_never_blocked(widget, dicom_sample):  # noqa: F811
    panel = widget.panel
    panel.modelStep.refresh()
    assert panel.modelStep.chooseModel("demo-dce")
    panel.modelStep.chooseDevice("cpu")
    panel.ui.chanceMapCheck.checked = panel.ui.entropyMapCheck.checked = True

    def loadExam():
        assert load(panel, dicom_sample / "exam") is not None, status(panel)

    def segment():
        panel.session.endWorker()
        panel.ui.segmentButton.click()
        finish(panel)
        assert panel.result is not None and len(panel.result.maps) == 2, status(panel)

    panel.session.endWorker()
    seconds, report = longestBlock(loadExam)
    assert seconds < LIMIT_S, report
    seconds, report = longestBlock(segment)
    panel.ui.chanceMapCheck.checked = panel.ui.entropyMapCheck.checked = False
    assert seconds < LIMIT_S, report
