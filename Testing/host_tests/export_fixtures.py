"""What the tests of export and archive share: a coarse synthetic exam as DICOM, and the group as it was."""

import pytest


@pytest.fixture(scope="session")
def coarse(tmp_path_factory):
    """The folder of an exam of three phases with twenty slices each, as DICOM."""
    from BreastSegLib.samples.dce import make_dce_exam
    from BreastSegLib.samples.writing import write_dce_sample

    sample = make_dce_exam(seed=7, posts=2, shape=(20, 48, 80), spacing=(2.1, 2.1, 3.4))
    return write_dce_sample(sample, tmp_path_factory.mktemp("coarse") / "sample") / "exam"


def tick(box, *kinds):
    """Tick these kinds and no others."""
    from BreastSegLib.panel.exportbox import KINDS

    for kind, (name, _end) in KINDS.items():
        getattr(box.ui, name).checked = kind in kinds


def asUsual(box):
    """Leave the group as a user finds it."""
    tick(box, "html", "pdf", "csv")
    box.ui.exportFolderEdit.setCurrentPath("")
    box.ui.exportNameEdit.text = "breast"
