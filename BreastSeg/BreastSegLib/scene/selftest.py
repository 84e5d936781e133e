"""The ways that the module's self test goes, each with a new logic on sample data."""

import os
import tempfile

import slicer

from ..recipe import regions_of_mask
from ..samples.dce import make_dce_exam
from ..samples.dicom_mg import write_mammogram_dicom
from ..samples.mammogram import make_mammogram
from ..samples.writing import write_dce_sample
from . import previewflow, selfchecks

SEED = 9001


def wholeWay(test, logic):
    """Load and segment a sample exam, written as DICOM; measure the result, edit it and measure it again.

    Parameters
    ----------
    test : ScriptedLoadableModuleTest
    logic : BreastSeg.BreastSegLogic
    """
    test.delayDisplay("Making a sample exam", msec=100)
    sample = make_dce_exam(seed=SEED, side="right", radius_mm=(8.0, 11.0))
    with tempfile.TemporaryDirectory() as folder:
        write_dce_sample(sample, os.path.join(folder, "sample"))
        test.delayDisplay("Loading and segmenting", msec=100)
        exam = os.path.join(folder, "sample", "exam")
        node = logic.segment(exam=exam, model="demo-dce", device="cpu", probabilities=True)
    selfchecks.checkPhases(test, logic.exam, sample)
    selfchecks.checkSegmentation(test, node, logic, sample)
    selfchecks.checkMap(test, logic.result.maps[0], logic, sample)
    selfchecks.checkMeasures(test, node, logic)


def mammogram(test, logic):
    """Load an inverted mammogram, written as DICOM; parameters as of `wholeWay`."""
    test.delayDisplay("Making a sample mammogram", msec=100)
    sample = make_mammogram(SEED, "R", "MLO", polarity="MONOCHROME1")
    selfchecks.checkMammogram(test, _loaded(logic, sample), sample)


def region(test, logic):
    """Preview and segment the mass in a box on a mammogram of the right breast; parameters as of `wholeWay`."""
    test.delayDisplay("Making a sample mammogram", msec=100)
    sample = make_mammogram(SEED, "R", "CC", size=(1248, 960), shape="oval", diameter_mm=16.0)
    x0, y0, x1, y1 = regions_of_mask(sample.truth)[0].box
    regions = [{"view": "RCC", "box": [x0 - 15, y0 - 10, x1 + 10, y1 + 15]}]
    exam = _loaded(logic, sample)
    preview = logic.preview(exam, "mass-region-224", regions)
    prepared = slicer.util.arrayFromVolume(preview.cases[0].channels[0].node)
    test.assertEqual(prepared.shape, (1, 224, 224))
    previewflow.hidePreview(preview)
    node = logic.segment(exam, "demo-mass-region", "cpu", regions=regions)
    test.assertEqual(len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")), 1, "the preview is gone")
    segmentId = node.GetSegmentation().GetNthSegmentID(0)
    mask = slicer.util.arrayFromSegmentBinaryLabelmap(node, segmentId, exam.nodes[0])[0] > 0
    selfchecks.checkOverlap(test, mask, sample.truth > 0)
    test.assertEqual(logic.result.lesions[0]["side"], "right")


def _loaded(logic, sample):
    """Return what the scene holds of a sample mammogram that was written as DICOM."""
    with tempfile.TemporaryDirectory() as folder:
        write_mammogram_dicom(sample, os.path.join(folder, "view.dcm"))
        return logic.loadExam(folder)
