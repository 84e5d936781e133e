"""What the module's self test looks at in the scene."""

import logging

import numpy as np
import slicer
import vtk


def checkPhases(test, exam, sample):
    """All phases are there, in order, named, on the exam's grid, and the first post-contrast phase is shown.

    Parameters
    ----------
    test : unittest.TestCase
    exam : SceneExam
    sample : samples.dce.DceSample
        The truth.
    """
    test.assertEqual([phase.name for phase in exam.phases], [phase.name for phase in sample.exam.phases])
    for node, phase in zip(exam.nodes, exam.phases):
        test.assertIn(phase.title, node.GetName())
        found = _array(node.GetIJKToRASMatrix)
        np.testing.assert_allclose(found, sample.exam.geometry.ijk_to_ras, atol=1e-3)
    test.assertEqual(exam.reference.GetAttribute("BreastSeg.Phase"), "1")
    composite = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
    if composite is not None:
        test.assertEqual(composite.GetBackgroundVolumeID(), exam.reference.GetID())


def checkSegmentation(test, node, logic, sample):
    """Grid, code, side, volume and surface of the segmentation are right.

    Parameters
    ----------
    test : unittest.TestCase
    node : vtkMRMLSegmentationNode
    logic : BreastSeg.BreastSegLogic
        With the exam and the result.
    sample : samples.dce.DceSample
        The truth.
    """
    segmentation = node.GetSegmentation()
    test.assertGreaterEqual(segmentation.GetNumberOfSegments(), 1)
    segmentId = segmentation.GetNthSegmentID(0)
    segment = segmentation.GetSegment(segmentId)
    test.assertIn("SCT^76752008^Breast~SCT^24028007^Right", segment.GetTerminology())
    test.assertRegex(segment.GetTerminology(), r"SCT\^(4147007\^Mass|108369006\^Neoplasm)~")
    test.assertTrue(segmentation.ContainsRepresentation("Closed surface"))
    test.assertGreater(node.GetSegmentCenterRAS(segmentId)[0], 0, "a lesion of the right breast lies at R > 0")
    mask = slicer.util.arrayFromSegmentBinaryLabelmap(node, segmentId, logic.exam.reference) > 0
    truth = sample.truth.array > 0
    test.assertEqual(mask.shape, truth.shape)
    checkOverlap(test, mask, truth)
    volume = np.count_nonzero(mask) * sample.exam.geometry.voxel_volume
    test.assertAlmostEqual(logic.result.lesions[0]["volume_mm3"], volume, delta=1e-3 * volume)
    test.assertEqual(logic.result.lesions[0]["side"], "right")


def checkMap(test, node, logic, sample):
    """The chance of a lesion lies on the exam's grid, is a probability, and is highest in the lesion.

    Parameters
    ----------
    test : unittest.TestCase
    node : vtkMRMLScalarVolumeNode
    logic : BreastSeg.BreastSegLogic
    sample : samples.dce.DceSample
        The truth.
    """
    phases = logic.exam.reference
    np.testing.assert_allclose(_array(node.GetIJKToRASMatrix), _array(phases.GetIJKToRASMatrix), atol=1e-3)
    chance, truth = slicer.util.arrayFromVolume(node), sample.truth.array > 0
    test.assertEqual(chance.shape, truth.shape)
    test.assertGreaterEqual(chance.min(), 0.0)
    test.assertLessEqual(chance.max(), 1.0)
    test.assertGreater(chance[truth].mean(), 0.5)
    test.assertLess(chance[~truth].mean(), 0.05)


def checkOverlap(test, mask, truth):
    """A mask and the truth (bool, any shape) overlap well."""
    dice = 2 * np.count_nonzero(mask & truth) / (np.count_nonzero(mask) + np.count_nonzero(truth))
    logging.info(f"BreastSeg: self test Dice {dice:.3f}")
    test.assertGreater(dice, 0.7)


def checkMeasures(test, node, logic):
    """The run's lesions are measured, and a lesion that has lost half of itself measures less when measured again.

    Parameters
    ----------
    test : unittest.TestCase
    node : vtkMRMLSegmentationNode
    logic : BreastSeg.BreastSegLogic
        With the exam and the result.
    """
    row = logic.result.measures["lesions"][0]
    test.assertEqual(row["side"], "right")
    test.assertGreater(row["enhancement_mean_pct"], 50)
    test.assertGreaterEqual(row["longest_mm"], row["inplane_mm"])
    test.assertGreaterEqual(row["inplane_mm"], row["perpendicular_mm"])
    segmentId, reference = node.GetSegmentation().GetNthSegmentID(0), logic.exam.reference
    mask = slicer.util.arrayFromSegmentBinaryLabelmap(node, segmentId, reference)
    test.assertEqual(row["voxels"], np.count_nonzero(mask))
    middle = int(np.nonzero(mask)[0].mean())
    mask[middle:] = 0
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, segmentId, reference)
    again = logic.measure(logic.exam, logic.result).measures["lesions"][0]
    test.assertEqual(again["voxels"], np.count_nonzero(mask))
    test.assertLess(again["volume_mm3"], row["volume_mm3"])


def checkMammogram(test, exam, sample):
    """An inverted mammogram has bright tissue, its pixel size, and lies as a radiologist hangs it.

    Parameters
    ----------
    test : unittest.TestCase
    exam : SceneMammograms
    sample : samples.mammogram.SampleMammogram
        The truth: a right MLO view.
    """
    node = exam.nodes[0]
    test.assertEqual([view.name for view in exam.views], ["RMLO"])
    np.testing.assert_allclose(node.GetSpacing()[:2], (sample.spacing_mm, sample.spacing_mm))
    array = slicer.util.arrayFromVolume(node)[0]
    inside = sample.breast > 0
    test.assertGreater(array[inside].mean(), array[~inside].mean(), "tissue is bright")
    # Columns run to the right of the screen, rows down it, in the axial view.
    directions = _array(node.GetIJKToRASDirectionMatrix)
    np.testing.assert_allclose(directions[:3, :2], [[-1, 0], [0, -1], [0, 0]])


def _array(getMatrix):
    """Return the 4 × 4 matrix that a method of a node fills in."""
    matrix = vtk.vtkMatrix4x4()
    getMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)
