"""The scene in the views: sides, overlays, surfaces, layouts; and the node selector that follows the scene."""

import numpy
import pytest


def exam(host, center=(45.0, 15.0, 0.0), radius=12.0):
    """Return a volume (LPS grid, as from DICOM) with a bright ball at a RAS position, and its segmentation."""
    import slicer
    import vtk

    matrix = vtk.vtkMatrix4x4()
    for axis, (step, origin) in enumerate(((-1.5, 75.0), (-1.5, 90.0), (1.5, -45.0))):
        matrix.SetElement(axis, axis, step)
        matrix.SetElement(axis, 3, origin)
    z, y, x = numpy.mgrid[:60, :120, :100]
    right, anterior, superior = 75 - 1.5 * x, 90 - 1.5 * y, -45 + 1.5 * z
    inside = (right - center[0]) ** 2 + (anterior - center[1]) ** 2 + (superior - center[2]) ** 2 < radius**2
    volume = slicer.util.addVolumeFromArray(numpy.where(inside, 200.0, 50.0).astype(numpy.float32), matrix, "Phase")
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Lesions")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    segmentId = node.GetSegmentation().AddEmptySegment("", "Lesion", (1.0, 0.0, 0.0))
    slicer.util.updateSegmentBinaryLabelmapFromArray(inside.astype(numpy.uint8), node, segmentId, volume)
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    return volume, node, segmentId


def pixels(view):
    """Return a view's picture, as an array of height, width, RGB."""
    view.forceRender()
    image = view.image().convertToFormat(view.image().Format.Format_RGB888)
    rows = numpy.frombuffer(image.constBits(), numpy.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).astype(int)


def red(picture):
    """Return where a picture is red rather than grey."""
    return (picture[..., 0] > picture[..., 1] + 30) & (picture[..., 0] > picture[..., 2] + 30)


@pytest.mark.parametrize("side, column", [(45.0, "left"), (-45.0, "right")])
def test_patient_right_is_screen_left_in_axial_and_coronal(host, side, column):
    exam(host, center=(side, 15.0, 0.0))
    for name in ("Red", "Green"):
        widget = host.layoutManager.sliceWidget(name)
        widget.mrmlSliceNode().JumpSliceByOffsetting(side, 15.0, 0.0)
        found = red(pixels(widget.sliceView()))
        assert found.sum() > 200, f"no overlay in {name}"
        mean = numpy.nonzero(found)[1].mean() / found.shape[1]
        assert (mean < 0.45) if column == "left" else (mean > 0.55), f"{name}: overlay at {mean:.2f} of the width"


def test_anterior_is_up_in_axial(host):
    exam(host, center=(0.0, 50.0, 0.0))
    found = red(pixels(host.layoutManager.sliceWidget("Red").sliceView()))
    assert found.sum() > 200 and numpy.nonzero(found)[0].mean() < 0.45 * found.shape[0]


def test_overlay_covers_the_bright_ball_and_can_be_hidden(host):
    volume, node, segmentId = exam(host)
    view = host.layoutManager.sliceWidget("Red").sliceView()
    with_overlay = red(pixels(view))
    node.GetDisplayNode().SetVisibility(False)
    plain = pixels(view)
    bright = (plain.min(axis=2) > 200) & (plain.max(axis=2) - plain.min(axis=2) < 10)
    assert not red(plain).any()
    agreement = 2 * (with_overlay & bright).sum() / (with_overlay.sum() + bright.sum())
    assert agreement > 0.9, agreement


def test_outline_only(host):
    volume, node, segmentId = exam(host)
    view = host.layoutManager.sliceWidget("Red").sliceView()
    filled = red(pixels(view)).sum()
    node.GetDisplayNode().SetVisibility2DFill(False)
    outline = red(pixels(view)).sum()
    assert 0 < outline < filled / 3


def test_threed_view_shows_the_closed_surface(host):
    volume, node, segmentId = exam(host)
    view = host.layoutManager.threeDWidget(0).threeDView()
    empty = red(pixels(view)).sum()
    node.CreateClosedSurfaceRepresentation()
    view.resetFocalPoint()
    shown = red(pixels(view))
    assert empty == 0 and shown.sum() > 100
    rows, columns = numpy.nonzero(shown)
    assert abs(columns.mean() / shown.shape[1] - 0.5) < 0.1 and abs(rows.mean() / shown.shape[0] - 0.5) < 0.1


def test_mask_round_trip(host):
    import slicer

    volume, node, segmentId = exam(host)
    mask = slicer.util.arrayFromSegmentBinaryLabelmap(node, segmentId, volume)
    assert numpy.array_equal(mask, slicer.util.arrayFromVolume(volume) > 100)


def test_terminology_is_understood(host):
    import slicer

    entry = slicer.vtkSlicerTerminologyEntry()
    logic = slicer.modules.terminologies.logic()
    text = (
        "Segmentation category and type - DICOM master list~SCT^49755003^Morphologically Altered Structure"
        "~SCT^4147007^Mass~^^~Anatomic codes - DICOM master list~SCT^76752008^Breast~SCT^7771000^Left"
    )
    assert logic.DeserializeTerminologyEntry(text, entry)
    assert entry.GetTypeObject().GetCodeMeaning() == "Mass"
    assert entry.GetRegionModifierObject().GetCodeValue() == "7771000"
    assert not logic.DeserializeTerminologyEntry("Mass", slicer.vtkSlicerTerminologyEntry())


def test_layouts(host):
    import slicer

    manager = slicer.app.layoutManager()
    layouts = slicer.vtkMRMLLayoutNode
    try:
        manager.setLayout(layouts.SlicerLayoutOneUpRedSliceView)
        assert manager.layout == layouts.SlicerLayoutOneUpRedSliceView and manager.threeDViewCount == 0
        assert (
            host.layoutManager.sliceWidget("Red").isVisible()
            and not host.layoutManager.sliceWidget("Green").isVisible()
        )
        manager.setLayout(layouts.SlicerLayoutFourUpPlotView)
        assert manager.plotViewCount == 1 and manager.plotWidget(0).plotView() is not None
    finally:
        manager.setLayout(layouts.SlicerLayoutFourUpView)
    assert manager.threeDViewCount == 1 and manager.sliceViewNames() == ("Red", "Yellow", "Green")


def test_plot_is_drawn(host):
    import slicer

    manager = slicer.app.layoutManager()
    try:
        chart = slicer.util.plot(numpy.array([[0, 0], [1, 3], [2, 2], [3, 5]]), xColumnIndex=0, title="Enhancement")
        slicer.app.processEvents()
        assert chart is not None and manager.plotViewCount == 1
        picture = pixels(host.layoutManager.plotWidget(0).plotView())
        chart.GetNthPlotSeriesNode(0).SetColor(0.0, 0.0, 1.0)
        blue = pixels(host.layoutManager.plotWidget(0).plotView())
        assert ((picture.max(axis=2) < 80).sum() > 300) and ((blue[..., 2] > 200) & (blue[..., 0] < 80)).sum() > 200
    finally:
        manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)


def test_table_view_follows_the_table(host):
    import slicer
    import vtk

    view = slicer.qMRMLTableView()
    view.setMRMLScene(slicer.mrmlScene)
    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "sizes")
    view.setMRMLTableNode(table)
    slicer.util.updateTableFromArray(table, [numpy.array([1.5, 2.5])], ["volume"])
    table.Modified()
    assert view.model().rowCount() == 2 and view.model().index(1, 0).data() == "2.5"
    table.AddColumn(vtk.vtkStringArray())
    table.Modified()
    assert view.model().columnCount() == 2


def test_segments_table(host):
    import slicer

    volume, node, segmentId = exam(host)
    view = slicer.qMRMLSegmentsTableView()
    view.setMRMLScene(slicer.mrmlScene)
    view.setSegmentationNode(node)
    assert view.segmentCount == 1 and view.displayedSegmentIDs() == (segmentId,)
    node.GetSegmentation().AddEmptySegment("second", "Second")
    assert view.segmentCount == 2 and view.rowForSegmentID("second") == 1
    view.setSelectedSegmentIDs(["second"])
    assert view.selectedSegmentIDs() == ("second",)
    node.GetSegmentation().RemoveSegment("second")
    assert view.segmentCount == 1


def test_node_selector_follows_the_scene(host):
    import slicer

    box, got = slicer.qMRMLNodeComboBox(), []
    box.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    box.setMRMLScene(slicer.mrmlScene)
    assert box.nodeCount() == 0 and box.currentNode() is None
    box.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: got.append(node and node.GetName()))
    first = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "first")
    assert box.currentNode() is first and got == ["first"]
    second = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "second")
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", "model")
    hidden = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScalarVolumeNode")
    hidden.UnRegister(None)
    hidden.SetHideFromEditors(True)
    slicer.mrmlScene.AddNode(hidden)
    assert box.nodeCount() == 2
    box.setCurrentNodeID(second.GetID())
    assert box.currentNode() is second
    slicer.mrmlScene.RemoveNode(second)
    assert box.currentNode() is first and box.nodeCount() == 1
    slicer.mrmlScene.Clear(0)
    assert box.currentNode() is None and got[-1] is None


def test_node_selector_none_and_attributes(host):
    import slicer

    box = slicer.qMRMLNodeComboBox()
    box.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    box.noneEnabled = True
    box.setMRMLScene(slicer.mrmlScene)
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "v")
    assert box.currentNode() is None
    box.setCurrentNode(volume)
    assert box.currentNodeID == volume.GetID()
    box.addAttribute("vtkMRMLScalarVolumeNode", "Phase")
    assert box.currentNode() is None and box.nodeCount() == 0
    volume.SetAttribute("Phase", "1")
    box.setCurrentNode(volume)
    assert box.currentNode() is volume


def test_checkable_node_selector(host):
    import qt
    import slicer

    box, got = slicer.qMRMLCheckableNodeComboBox(), []
    box.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    box.setMRMLScene(slicer.mrmlScene)
    box.connect("checkedNodesChanged()", lambda: got.append(len(box.checkedNodes())))
    nodes = [slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name) for name in "abc"]
    assert box.noneChecked() and len(box.uncheckedNodes()) == 3
    box.check(nodes[2])
    box.setCheckState(nodes[0], qt.Qt.Checked)
    assert box.checkedNodes() == (nodes[0], nodes[2]) and box.checkState(nodes[1]) == qt.Qt.Unchecked
    slicer.mrmlScene.RemoveNode(nodes[0])
    assert box.checkedNodes() == (nodes[2],) and got == [1, 2, 1]
    box.check(nodes[1])
    assert box.allChecked()


def test_files_round_trip(host, tmp_path):
    import slicer

    volume, node, segmentId = exam(host)
    for each, name, load in (
        (volume, "v ä.nrrd", slicer.util.loadVolume),
        (node, "s.seg.nrrd", slicer.util.loadSegmentation),
    ):
        path = str(tmp_path / name)
        assert slicer.util.saveNode(each, path)
        loaded = load(path)
        assert loaded is not None and loaded is not each and loaded.GetName() == name.split(".")[0]
    assert numpy.array_equal(
        slicer.util.arrayFromVolume(slicer.util.getNode("v ä")), slicer.util.arrayFromVolume(volume)
    )
    with pytest.raises(RuntimeError):
        slicer.util.loadVolume(str(tmp_path / "missing.nrrd"))


def test_subject_hierarchy_follows_the_scene(host):
    import slicer

    volume, node, segmentId = exam(host)
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    items = [hierarchy.GetItemByDataNode(each) for each in (volume, node)]
    assert all(items) and hierarchy.GetItemOwnerPluginName(items[1]) == "Segmentations"
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Exam 1")
    hierarchy.SetItemParent(items[0], folder)
    assert slicer.util.getSubjectHierarchyItemChildren(folder) == [items[0]]
    slicer.mrmlScene.RemoveNode(volume)
    assert slicer.util.getSubjectHierarchyItemChildren(folder) == []
    slicer.mrmlScene.Clear(0)
    again = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "again")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    assert hierarchy.GetItemByDataNode(again)
