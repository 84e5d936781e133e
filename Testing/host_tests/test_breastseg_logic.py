"""Scripts: the five lines that an expert writes, and the module's own self test."""

import pytest
from breastseg_fixtures import breastseg, scene  # noqa: F401


@pytest.fixture
def logic(scene):  # noqa: F811
    from BreastSeg import BreastSegLogic

    logic = BreastSegLogic()
    yield logic
    logic.close()


def test_five_lines(logic, dicom_sample, tiny_model):
    stages = []
    node = logic.segment(
        exam=dicom_sample / "exam",
        model=tiny_model,
        device="cpu",
        onProgress=lambda stage, *rest: stages.append(stage),
    )
    assert node.IsA("vtkMRMLSegmentationNode") and node.GetSegmentation().GetNumberOfSegments() == len(
        logic.result.lesions
    )
    assert {"Reading", "Segmenting", "Writing"} <= set(stages)
    again = logic.segment(exam=logic.exam, model=tiny_model, device="cpu")
    assert logic.result.lesions and again is not node, "a loaded exam is segmented again without reading"


def test_bad_model_name(logic, dicom_sample):
    from BreastSegLib.errors import BadInput

    with pytest.raises(BadInput, match="There is no such model"):
        logic.segment(exam=dicom_sample / "exam", model="nothing")


def test_self_test(scene):  # noqa: F811
    import slicer

    slicer.selfTests["BreastSeg"](msec=0)
