"""Exams and masks as nodes: order, names, geometry, sides, codes."""

import numpy as np
import pytest
from breastseg_fixtures import breastseg, drain, scene  # noqa: F401
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.exam.dce import number_phases
from BreastSegLib.volume import Geometry, Volume, geometry_of

OBLIQUE = Geometry(
    (20, 30, 40),
    (1.5, 1.0, 2.0),
    (-30.0, -25.0, -18.0),
    (0.9659258, -0.258819, 0.0, 0.258819, 0.9659258, 0.0, 0.0, 0.0, 1.0),
)


@pytest.fixture
def phases():
    return number_phases([("pre", -90, "tag", ()), ("post", 0, "tag", ()), ("post", 90, "tag", ())])


def addExam(phases, geometry, name="Exam 1", value=100.0):
    from BreastSegLib.scene import examnodes

    arrays = [np.full(geometry.shape, value * (index + 1), np.float32) for index in range(len(phases))]
    return drain(examnodes.addPhaseNodes(phases, arrays, geometry, name, (500.0, 250.0)))


def test_phases_become_nodes_in_order(scene, phases):  # noqa: F811
    import slicer

    nodes = addExam(phases, OBLIQUE)
    assert [node.GetName() for node in nodes] == [
        "Exam 1 Pre (-90 s)",
        "Exam 1 Post 1 (+0 s)",
        "Exam 1 Post 2 (+90 s)",
    ]
    for index, node in enumerate(nodes):
        assert float(slicer.util.arrayFromVolume(node).mean()) == 100.0 * (index + 1)
        import vtk

        matrix = vtk.vtkMatrix4x4()
        node.GetIJKToRASMatrix(matrix)
        np.testing.assert_allclose(slicer.util.arrayFromVTKMatrix(matrix), OBLIQUE.ijk_to_ras, atol=1e-6)
        display = node.GetDisplayNode()
        assert (display.GetWindow(), display.GetLevel(), display.GetAutoWindowLevel()) == (500.0, 250.0, 0)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    parents = {hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) for node in nodes}
    assert len(parents) == 1 and hierarchy.GetItemName(parents.pop()) == "Exam 1"


def test_a_cancelled_load_leaves_nothing(scene, phases):  # noqa: F811
    from BreastSegLib.scene import examnodes

    before = (
        scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode"),
        scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeDisplayNode"),
    )
    name = examnodes.uniqueExamName()
    turns = examnodes.addPhaseNodes(phases, [np.zeros(OBLIQUE.shape, np.float32)] * 3, OBLIQUE, name, (1.0, 0.5))
    next(turns), next(turns)
    with pytest.raises(Cancelled):
        turns.throw(Cancelled())
    assert (
        scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode"),
        scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeDisplayNode"),
    ) == before
    assert examnodes.uniqueExamName() == name


@pytest.mark.parametrize("side, code", [("right", "24028007^Right"), ("left", "7771000^Left")])
def test_segmentation_lies_where_the_mask_lies(scene, phases, side, code):  # noqa: F811
    import slicer
    from BreastSegLib.scene import segmentationnode

    nodes = addExam(phases, OBLIQUE)
    mask = np.zeros(OBLIQUE.shape, np.uint8)
    mask[5:9, 10:14, slice(4, 9) if side == "right" else slice(31, 36)] = 1
    centre = (OBLIQUE.ijk_to_lps @ [*np.argwhere(mask).mean(axis=0)[::-1], 1])[:3]
    component = {"label": 1, "voxels": int(mask.sum()), "volume_mm3": 1.0, "centroid_lps": list(centre), "side": side}
    node = drain(
        segmentationnode.addSegmentation(
            mask,
            OBLIQUE,
            nodes[1],
            name="Result",
            labels={1: "mass"},
            components=[component],
            provenance={"id": "run-1"},
        )
    )
    segmentation = node.GetSegmentation()
    assert segmentation.GetNumberOfSegments() == 1
    segment = segmentation.GetNthSegment(0)
    assert segment.GetName() == f"Mass, {side} breast"
    assert (
        f"SCT^4147007^Mass~^^~Anatomic codes - DICOM master list~SCT^76752008^Breast~SCT^{code}"
        in segment.GetTerminology()
    )
    segmentId = segmentation.GetNthSegmentID(0)
    back = slicer.util.arrayFromSegmentBinaryLabelmap(node, segmentId, nodes[1])
    np.testing.assert_array_equal(back, mask)
    # Slicer's first world axis points to the patient's right.
    ras = node.GetSegmentCenterRAS(segmentId)
    assert (ras[0] > 0) == (side == "right")
    np.testing.assert_allclose(ras, [-centre[0], -centre[1], centre[2]], atol=max(OBLIQUE.spacing))
    assert node.GetAttribute("BreastSeg.id") == "run-1"
    assert segment.GetRepresentation("Closed surface").GetNumberOfPoints() > 0
    # Only the bounding box was imported, and the exam is the reference.
    assert segment.GetRepresentation("Binary labelmap").GetNumberOfPoints() == mask.sum()
    assert node.GetNodeReferenceID(node.GetReferenceImageGeometryReferenceRole()) == nodes[1].GetID()


def test_two_lesions_become_two_segments_with_their_sides(scene, phases):  # noqa: F811
    from BreastSegLib.scene import segmentationnode

    nodes = addExam(phases, OBLIQUE)
    mask = np.zeros(OBLIQUE.shape, np.uint8)
    rows = []
    for side, columns in (("right", slice(4, 9)), ("left", slice(31, 36))):
        one = np.zeros_like(mask)
        one[5:9, 10:14, columns] = 1
        mask |= one
        centre = (OBLIQUE.ijk_to_lps @ [*np.argwhere(one).mean(axis=0)[::-1], 1])[:3]
        rows.append(
            {"label": 1, "voxels": int(one.sum()), "volume_mm3": 1.0, "centroid_lps": list(centre), "side": side}
        )
    node = drain(
        segmentationnode.addSegmentation(mask, OBLIQUE, nodes[1], name="Result", labels={1: "mass"}, components=rows)
    )
    segmentation = node.GetSegmentation()
    names = {
        segmentation.GetNthSegment(i).GetName(): node.GetSegmentCenterRAS(segmentation.GetNthSegmentID(i))
        for i in range(2)
    }
    assert set(names) == {"Mass, right breast", "Mass, left breast"}
    assert names["Mass, right breast"][0] > 0 > names["Mass, left breast"][0]


def test_an_empty_mask_gives_an_empty_segmentation(scene, phases):  # noqa: F811
    from BreastSegLib.scene import segmentationnode

    nodes = addExam(phases, OBLIQUE)
    node = drain(
        segmentationnode.addSegmentation(
            np.zeros(OBLIQUE.shape, np.uint8), OBLIQUE, nodes[1], name="Result", labels={1: "mass"}
        )
    )
    assert node.GetSegmentation().GetNumberOfSegments() == 0


def test_nodes_are_written_as_they_lie_in_the_world(scene, phases, tmp_path):  # noqa: F811
    import SimpleITK as sitk
    import slicer
    import vtk
    from BreastSegLib.scene import fromnodes

    nodes = addExam(phases, OBLIQUE)
    slicer.util.updateVolumeFromArray(
        nodes[0], np.arange(np.prod(OBLIQUE.shape), dtype=np.int16).reshape(OBLIQUE.shape) % 999
    )
    shift = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 12.0)
    shift.SetMatrixTransformToParent(matrix)
    nodes[1].SetAndObserveTransformNodeID(shift.GetID())
    files = drain(fromnodes.writeNodes(nodes, tmp_path))
    first, second = (Volume.from_sitk(sitk.ReadImage(path)) for path in files[:2])
    assert first.geometry.difference(OBLIQUE) < 1e-6
    np.testing.assert_array_equal(first.array, slicer.util.arrayFromVolume(nodes[0]))
    # 12 mm to the right is -12 mm along x in LPS.
    np.testing.assert_allclose(np.subtract(second.geometry.origin, OBLIQUE.origin), [-12, 0, 0], atol=1e-6)
    assert geometry_of(sitk.ReadImage(files[2])).difference(OBLIQUE) < 1e-6


def test_nodes_that_cannot_be_used_say_why(scene, phases, tmp_path):  # noqa: F811
    import slicer
    from BreastSegLib.scene import fromnodes

    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    with pytest.raises(BadInput, match=r"holds no image \(Empty\)"):
        fromnodes.geometryOf(empty)
    node = addExam(phases, OBLIQUE)[0]
    bent = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode")
    import vtk

    spline = slicer.vtkOrientedBSplineTransform()
    image = vtk.vtkImageData()
    image.SetDimensions(4, 4, 4)
    image.AllocateScalars(vtk.VTK_DOUBLE, 3)
    image.GetPointData().GetScalars().Fill(1.0)
    spline.SetCoefficientData(image)
    bent.SetAndObserveTransformToParent(spline)
    node.SetAndObserveTransformNodeID(bent.GetID())
    with pytest.raises(BadInput, match="non-linear transform.*Harden"):
        fromnodes.geometryOf(node)


def test_phases_corrected_by_hand(scene, phases):  # noqa: F811
    from BreastSegLib.scene import corrections
    from BreastSegLib.scene.sceneexam import SceneExam

    nodes = addExam(phases, OBLIQUE)
    exam = SceneExam("Exam 1", "nowhere", phases, OBLIQUE, tuple(nodes), (), (0, 1, 2))
    changed = corrections.correctPhases(exam, [(0, "pre", -90.0), (2, "post", 0.0), (1, "post", 80.0)])
    assert changed.order == (0, 2, 1)
    assert [phase.evidence for phase in changed.phases] == ["tag", "set by hand", "set by hand"]
    assert [node.GetName() for node in nodes] == [
        "Exam 1 Pre (-90 s)",
        "Exam 1 Post 2 (+80 s)",
        "Exam 1 Post 1 (+0 s)",
    ]
    assert changed.reference is nodes[2]
    for rows, sentence in (([], "Every phase is left out"), ([(1, "post", 0.0), (0, "pre", -9.0)], "not the first")):
        with pytest.raises(BadInput, match=sentence):
            corrections.correctPhases(exam, rows)


def test_arranged_store_follows_the_order(scene, phases, tmp_path):  # noqa: F811
    from BreastSegLib.exam.dce import DceExam
    from BreastSegLib.exam.store import load_exam, save_exam
    from BreastSegLib.scene import arrangedstore, corrections
    from BreastSegLib.scene.sceneexam import SceneExam

    arrays = [np.full(OBLIQUE.shape, value, np.float32) for value in (1, 2, 3)]
    store = save_exam(DceExam(phases, tuple(Volume(array, OBLIQUE) for array in arrays)), tmp_path / "store")
    exam = SceneExam("Exam 1", str(store), phases, OBLIQUE, tuple(addExam(phases, OBLIQUE)), (), (0, 1, 2))
    changed = corrections.correctPhases(exam, [(0, "pre", -90.0), (2, "post", 0.0), (1, "post", 80.0)])
    read = load_exam(arrangedstore.arrangedStore(changed, tmp_path / "arranged"))
    assert [float(volume.array[0, 0, 0]) for volume in read.volumes] == [1, 3, 2]
    assert [phase.time_s for phase in read.phases] == [-90, 0, 80]
