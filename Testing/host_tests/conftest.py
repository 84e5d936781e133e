"""One host for all tests in this folder: a process can have one application only."""

from pathlib import Path

import pytest

TINY = Path(__file__).parent / "data" / "TinyModule" / "TinyModule.py"


@pytest.fixture(scope="session", autouse=True)
def _session_host():
    from Host import application

    running = application.start([TINY], testing=True)
    yield running
    application.stop()


@pytest.fixture
def host(_session_host):
    """The running host with an empty scene; errors that slots raised in the test make it fail."""
    import slicer
    from Host.pythonqt import slotErrors

    slicer.mrmlScene.Clear(0)
    _session_host.app.processEvents()
    before = len(slotErrors)
    yield _session_host
    raised = slotErrors[before:]
    del slotErrors[before:]
    assert not raised, "\n".join(raised)


@pytest.fixture
def tiny(host):
    """The Python widget object of the test module, shown in the panel."""
    import slicer

    slicer.util.selectModule("TinyModule")
    return slicer.util.getModuleWidget("TinyModule")
