"""Maps of kinetics over the exam, and their thresholds; the worker answers in the last test only."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from breastseg_fixtures import breastseg, drain, load, scene, turnUntil, widget  # noqa: F401
from kinetics_fixtures import (  # noqa: F401
    KINDS,
    box,
    chooseMap,
    column,
    made,
    mapNode,
    mapsOf,
    onlyBox,
    seriesOf,
    settle,
    tableOf,
    vtkErrors,
)
from run_fixtures import composites, foregrounds
from test_breastseg_examstep import saveAndLoad


def test_a_map_is_made_when_it_is_chosen_first(box, made, tmp_path):  # noqa: F811
    import slicer

    made.result.node.GetSegmentation().RemoveSegment(made.result.node.GetSegmentation().GetNthSegmentID(0))
    chooseMap(box, "pe")
    request = made.worker.requests[0]
    assert request["maps"] == ["pe"] and request["connected"] is False
    remaining = sorted(int((made.parts == value).sum()) for value in (1, 2, 3))[:2]
    assert sorted(np.bincount(request["maskArray"].ravel())[1:]) == remaining, "the segments as they are now"
    node, expected = mapNode(made.exam, "pe"), mapsOf(made.worker.arrays)["pe"]
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(node), expected)
    assert foregrounds() == {"Exam 1 enhancement"} and node.GetName() == "Exam 1 enhancement"
    assert box.ui.kineticsMapBox.currentIndex == 1 and "20 %" in box.ui.kineticsLegendLabel.text
    assert not list(tmp_path.glob("measure-*")), "nothing is left on the disk"
    former, measured = box.told[0]
    assert former is made.result and len(measured.measures["lesions"]) == 2
    assert box.ui.kineticsLesionBox.count == 2, "the lesions as they are now"
    chooseMap(box, "")
    assert foregrounds() == {None}
    chooseMap(box, "pe")
    assert len(made.worker.requests) == 1 and foregrounds() == {"Exam 1 enhancement"}, "it was there"


def drawn(node, value):
    """Return red, green, blue and opacity in which a map draws a value."""
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

    kind = vtk.VTK_UNSIGNED_CHAR if node.GetImageData().GetScalarType() == vtk.VTK_UNSIGNED_CHAR else vtk.VTK_FLOAT
    image = vtk.vtkImageData()
    image.SetDimensions(1, 1, 1)
    image.GetPointData().SetScalars(numpy_to_vtk(np.array([value], float), deep=True, array_type=kind))
    source = vtk.vtkTrivialProducer()
    source.SetOutput(image)
    display = node.GetDisplayNode()
    before = display.GetInputImageDataConnection()
    display.SetInputImageDataConnection(source.GetOutputPort())
    port = display.GetOutputImageDataConnection()
    port.GetProducer().Update()
    result = vtk_to_numpy(port.GetProducer().GetOutputDataObject(port.GetIndex()).GetPointData().GetScalars())[0]
    display.SetInputImageDataConnection(before)
    return result.astype(int)


def test_maps_have_windows_and_colours_that_tell_the_classes(box, made):  # noqa: F811
    for kind in KINDS:
        chooseMap(box, kind)
    pe, ser, types = (mapNode(made.exam, kind) for kind in KINDS)
    display = pe.GetDisplayNode()
    assert (display.GetWindow(), display.GetLevel()) == (200, 100) and not display.GetAutoWindowLevel()
    lightness = [drawn(pe, value)[:3] @ (0.2126, 0.7152, 0.0722) for value in range(20, 201, 20)]
    assert (np.diff(lightness) > 3).all(), "the stronger, the brighter"
    assert drawn(pe, 19)[3] == 0 and drawn(pe, 21)[3] == 255 and drawn(pe, 900)[3] == 255
    for value, strongest in ((0.3, 2), (0.88, 2), (0.92, 1), (1.08, 1), (1.13, 0), (1.9, 0), (7.0, 0)):
        assert np.argmax(drawn(ser, value)[:3]) == strongest and drawn(ser, value)[3] == 255, value
    assert drawn(ser, 0)[3] == 0 and drawn(ser, -0.4)[3] == 0
    for value, strongest in ((1, 2), (2, 1), (3, 0)):
        assert np.argmax(drawn(types, value)[:3]) == strongest and drawn(types, value)[3] == 255
    assert drawn(types, 0)[3] == 0 and types.GetImageData().GetScalarTypeAsString() == "unsigned char"
    assert not types.GetDisplayNode().GetInterpolate() and not ser.GetDisplayNode().GetInterpolate()
    names = [types.GetDisplayNode().GetColorNode().GetColorName(place) for place in range(3)]
    assert names == ["Persistent", "Plateau", "Wash-out"]


def test_each_map_has_a_legend_and_all_go_together(box, made, scene):  # noqa: F811
    import slicer

    before = scene.GetNumberOfNodes()
    for kind in KINDS:
        chooseMap(box, kind)
        legend = mapNode(made.exam, kind).GetNthDisplayNode(1)
        assert legend.IsA("vtkMRMLColorLegendDisplayNode") and legend.GetTitleText()
        assert legend.GetColorNodeID() == mapNode(made.exam, kind).GetDisplayNode().GetColorNodeID()
    assert scene.GetNumberOfNodes() == before + 3 * 4 + 1, "volume, display, legend and colours; a table of numbers"
    chooseMap(box, "")
    from BreastSegLib.scene import mapnodes

    mapnodes.remove([mapNode(made.exam, kind) for kind in KINDS])
    assert scene.GetNumberOfNodes() == before + 1
    assert not [
        n for n in slicer.util.getNodesByClass("vtkMRMLColorTableNode") if n.GetAttribute("BreastSeg.MapColors")
    ]


def legends():
    """Return the titles of the colour legends that are seen in the red slice view."""
    import slicer

    slicer.app.processEvents()
    window = slicer.app.layoutManager().sliceWidget("Red").sliceView().renderWindow()
    props = [prop for renderer in window.GetRenderers() for prop in renderer.GetViewProps()]
    bars = [prop for prop in props if "ScalarBar" in prop.GetClassName() and prop.GetVisibility()]
    return sorted(prop.GetTitle() for prop in bars if prop.GetTitle())


def test_a_legend_is_seen_as_long_as_its_map_is(box, made):  # noqa: F811
    assert legends() == []
    chooseMap(box, "ser")
    assert legends() == ["SER"]
    chooseMap(box, "types")
    assert legends() == ["Curve"]
    chooseMap(box, "")
    assert legends() == []


def test_the_ratio_of_noise_is_not_shown(box, made, tmp_path):  # noqa: F811
    import slicer

    chooseMap(box, "ser")
    assert made.worker.requests[0]["maps"] == ["pe", "ser"] and mapNode(made.exam, "pe") is None
    maps = mapsOf(made.worker.arrays)
    limit = made.result.measures["settings"]["enhancing_pct"]
    expected = np.where(maps["pe"] >= limit, maps["ser"], 0)
    assert (expected != maps["ser"]).any(), "or this shows nothing"
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(mapNode(made.exam, "ser")), expected)


def test_new_thresholds_make_the_maps_anew(box, made):  # noqa: F811
    from BreastSegLib.scene import overlay

    chooseMap(box, "pe")
    chooseMap(box, "ser")
    first = mapNode(made.exam, "pe").GetID()
    box.ui.kineticsThresholdsGroup.collapsed = False
    box.ui.kineticsEarlyBox.setValue(90)
    assert "Measure again" in box.ui.kineticsStatusLabel.text
    box.ui.kineticsMeasureButton.click()
    settle(box)
    request = made.worker.requests[-1]
    assert request["settings"]["early_s"] == 90 and request["maps"] == ["pe", "ser"]
    assert mapNode(made.exam, "pe").GetID() != first and len(overlay.mapsOf(made.exam.nodes)) == 2
    assert mapNode(made.exam, "pe").GetName() == "Exam 1 enhancement", "it takes the former one's name"
    assert foregrounds() == {"Exam 1 enhancement ratio"}, "what was shown is shown"
    count = len(made.worker.requests)
    chooseMap(box, "pe")
    assert len(made.worker.requests) == count, "fresh"
    box.ui.kineticsResetButton.click()
    chooseMap(box, "ser")
    assert len(made.worker.requests) == count + 1, "made with other thresholds"


def test_a_run_of_a_model_leaves_maps_of_kinetics(box, made):  # noqa: F811
    from BreastSegLib.scene import mapnodes, overlay

    chooseMap(box, "types")
    mapnodes.replaceFormer([], made.exam.nodes, "mine")
    assert mapNode(made.exam, "types") is not None and overlay.chosen() == ("types", "")
    assert foregrounds() == {"Exam 1 curve types"}
    mapnodes.replaceFormer([], made.exam.nodes, "", ("pe",))
    assert mapNode(made.exam, "types") is not None


def test_step_3_offers_the_maps_too_and_names_no_model(box, made):  # noqa: F811
    import qt
    from BreastSegLib.panel.mapbox import MapBox

    chooseMap(box, "pe")
    ui = SimpleNamespace(mapBox=qt.QComboBox(), mapFrame=qt.QWidget(), mapLegendLabel=qt.QLabel())
    steps = MapBox(ui)
    steps.show(made.exam, "demo-dce")
    assert ui.mapBox.itemText(1) == "Enhancement (PE)" and ui.mapBox.currentIndex == 1


def test_a_cancelled_map_leaves_nothing(box, made, scene, tmp_path):  # noqa: F811
    before = scene.GetNumberOfNodes()
    made.worker.patience = 10**6
    box.ui.kineticsMapBox.setCurrentIndex(2)
    box._onMap(2)
    turnUntil(lambda: made.worker.busy)
    assert not box.ui.kineticsProgressFrame.isHidden() and not box.ui.kineticsMapBox.isEnabled()
    box.ui.kineticsCancelButton.click()
    settle(box)
    assert scene.GetNumberOfNodes() == before and not list(tmp_path.glob("measure-*"))
    assert box.ui.kineticsStatusLabel.text == "Cancelled." and box.ui.kineticsProgressFrame.isHidden()
    assert box.ui.kineticsMapBox.currentIndex == 0 and foregrounds() == {None} and not box.told


def test_cancelled_at_any_turn_nothing_half_done_is_left(box, made, scene, tmp_path):  # noqa: F811
    from BreastSegLib.errors import Cancelled
    from BreastSegLib.measures.settings import Settings
    from BreastSegLib.scene import kineticsflow

    before, turnsToGo = scene.GetNumberOfNodes(), 0
    while True:
        turns = kineticsflow.measureKinetics(
            made.worker, made.exam, tmp_path, lambda *rest: None, result=made.result, settings=Settings(), maps=KINDS
        )
        turnsToGo += 1
        try:
            for _turn in range(turnsToGo):
                next(turns)
        except StopIteration:
            break
        with pytest.raises(Cancelled):
            turns.throw(Cancelled())
        made.worker._left = None
        assert scene.GetNumberOfNodes() == before and not list(tmp_path.glob("measure-*"))
    assert turnsToGo > 10


def test_a_failure_is_told_in_one_line(box, made):  # noqa: F811
    made.worker.failure = "The masks are of another exam"
    chooseMap(box, "ser")
    assert "The masks are of another exam" in box.ui.kineticsStatusLabel.text
    assert "bold" in box.ui.kineticsStatusLabel.styleSheet and foregrounds() == {None}
    made.worker.failure = None
    chooseMap(box, "ser")
    assert box.ui.kineticsStatusLabel.text == "" and foregrounds() == {"Exam 1 enhancement ratio"}


def test_the_thresholds_are_the_published_ones(box, made):  # noqa: F811
    ui = box.ui
    shown = [getattr(ui, f"kinetics{name}Box").value for name in ("Early", "Late", "Enhancement", "Background")]
    assert shown == [150, 450, 70, 60] and (ui.kineticsNeighboursBox.value, ui.kineticsRatioBox.value) == (4, 0)
    assert ui.kineticsThresholdsGroup.collapsed
    ui.kineticsThresholdsGroup.collapsed = False
    for name, value in (("Early", 100), ("Late", 500), ("Enhancement", 60), ("Background", 30), ("Neighbours", 2)):
        getattr(ui, f"kinetics{name}Box").setValue(value)
    ui.kineticsRatioBox.setValue(0.9)
    ui.kineticsMeasureButton.click()
    settle(box)
    sent = made.worker.requests[-1]["settings"]
    wanted = {"early_s": 100, "late_s": 500, "pe_threshold_pct": 60, "min_neighbours": 2, "ser_min": 0.9}
    assert {key: sent[key] for key in wanted} == wanted and sent["background_fraction"] == pytest.approx(0.3)
    assert sent["flat_pct"] == 10, "what has no box is as it was"
    assert made.worker.requests[-1]["maps"] == [] if "maps" in made.worker.requests[-1] else True
    assert box.told[-1][1].measures["settings"] == sent
    assert box.ui.kineticsPhasesLabel.text == "Early phase: Post 2 (+90 s). Late phase: Post 5 (+360 s)."
    ui.kineticsResetButton.click()
    assert [getattr(ui, f"kinetics{name}Box").value for name in ("Early", "Late", "Background")] == [150, 450, 60]
    assert "Post 2" in box.ui.kineticsPhasesLabel.text, "with which it was measured"


def test_the_thresholds_of_a_measurement_are_shown(box, made):  # noqa: F811
    settings = {**made.result.measures["settings"], "pe_threshold_pct": 50.0, "flat_pct": 7.0}
    box.show(made.exam, replace(made.result, measures={**made.result.measures, "settings": settings}))
    assert box.ui.kineticsEnhancementBox.value == 50 and box.thresholds.settings.flat_pct == 7
    strange = {**made.result.measures, "settings": {"of tomorrow": 1}}
    box.show(made.exam, replace(made.result, measures=strange))
    assert box.ui.kineticsEnhancementBox.value == 50


def test_thresholds_that_do_not_go_together_are_refused(box):  # noqa: F811
    box.ui.kineticsThresholdsGroup.collapsed = False
    box.ui.kineticsLateBox.setValue(100)
    assert box.ui.kineticsStatusLabel.text == "The late phase is not after the early phase"
    assert not box.ui.kineticsMeasureButton.isEnabled() and not box.ui.kineticsMapBox.isEnabled()
    box.ui.kineticsResetButton.click()
    assert box.ui.kineticsMeasureButton.isEnabled()


def test_nothing_is_measured_while_the_panel_does_something_else(box, made):  # noqa: F811
    box.refresh(False)
    assert not box.ui.kineticsMeasureButton.isEnabled() and not box.ui.kineticsThresholdsGroup.isEnabled()
    box.measure()
    assert not box.working and not made.worker.requests


def test_maps_deleted_by_hand_are_no_fault(box, made, scene, vtkErrors, caplog):  # noqa: F811
    import slicer

    chooseMap(box, "ser")
    vtkErrors.clear()
    caplog.clear()
    node = mapNode(made.exam, "ser")
    assert node.GetDisplayNode().GetColorNode().GetHideFromEditors(), "legends of Slicer fail without their colours"
    slicer.mrmlScene.RemoveNode(node.GetNthDisplayNode(1))
    box.refresh(True)
    slicer.mrmlScene.RemoveNode(node)
    slicer.app.processEvents()
    box.refresh(True)
    assert box.ui.kineticsMapBox.currentIndex == 0 and foregrounds() == {None}
    chooseMap(box, "ser")
    assert foregrounds() == {"Exam 1 enhancement ratio"} and len(made.worker.requests) == 2
    assert not caplog.records and not vtkErrors


def test_curves_and_maps_come_back_with_a_saved_scene(box, made, scene, tmp_path, vtkErrors):  # noqa: F811
    import slicer
    from BreastSegLib.scene import kineticcurves

    chooseMap(box, "types")
    before = {name: column(tableOf(made.exam), name) for name in ("Lesion 1 (%)", "Normal tissue (%)", "Name")}
    colour = drawn(mapNode(made.exam, "types"), 3)
    for kind in ("vtkMRMLTableNode", "vtkMRMLColorTableNode"):
        for node in slicer.util.getNodesByClass(kind):
            if node.GetAttribute("BreastSeg.Kinetics") or node.GetAttribute("BreastSeg.MapColors"):
                ending = "tsv" if kind == "vtkMRMLTableNode" else "ctbl"
                assert slicer.util.saveNode(node, str(tmp_path / f"{node.GetID()}.{ending}"))
    box.show(None, None)
    saveAndLoad(scene, tmp_path)
    images = [slicer.util.getNode(f"Exam 1 {phase.title}") for phase in made.exam.phases]
    again = replace(made.exam, nodes=tuple(images))
    box.show(again, None)
    for name, values in before.items():
        found = column(tableOf(again), name)
        assert found == (values if name == "Name" else pytest.approx(values, rel=1e-5)), name
    chart = kineticcurves.chartOf(again)
    assert chart is not None and [node.GetName() for node in seriesOf(again)][:2] == ["Lesion 1", "Lesion 2"]
    assert not box.ui.kineticsPlotFrame.isHidden()
    assert list(drawn(mapNode(again, "types"), 3)) == list(colour)
    assert foregrounds() == {"Exam 1 curve types"}
    box.show(again, replace(made.result, node=made.result.node))
    assert len(kineticcurves.nodesOf(again)) == 1 + 5 + 2, "the same nodes, not twice"


def test_views_keep_what_the_user_has_set(box, made):  # noqa: F811
    chooseMap(box, "ser")
    assert {composite.GetForegroundOpacity() for composite in composites()} == {0.8}
    composites()[0].SetForegroundOpacity(0.3)
    box.refresh(True)
    assert composites()[0].GetForegroundOpacity() == pytest.approx(0.3)


def test_long_work_is_done_in_turns(made, tmp_path):  # noqa: F811
    from BreastSegLib.measures.settings import Settings
    from BreastSegLib.scene import kineticsflow

    stages = []
    turns = kineticsflow.measureKinetics(
        made.worker,
        made.exam,
        tmp_path,
        lambda stage, *rest: stages.append(stage),
        result=made.result,
        settings=Settings(),
        maps=KINDS,
    )
    answer = drain(turns)
    assert [node.GetName() for node in answer.maps] == [
        "Exam 1 enhancement",
        "Exam 1 enhancement ratio",
        "Exam 1 curve types",
    ]
    assert "Measuring" in stages and stages[-1] == "Showing the map"


def test_curves_and_maps_of_the_worker_are_those_of_numpy(widget, sample, dicom_sample):  # noqa: F811
    import slicer
    from BreastSegLib.scene import segmentationnode

    panel = widget.panel
    exam = load(panel, dicom_sample / "exam")
    node = drain(
        segmentationnode.addSegmentation(
            sample.truth.array, exam.geometry, exam.reference, name="drawn", labels={1: "mass"}
        )
    )
    panel.refresh()
    kinetics, arrays = (
        panel.resultSteps.kinetics,
        [slicer.util.arrayFromVolume(node).astype(float) for node in exam.nodes],
    )
    assert (
        kinetics._result is not None
        and kinetics._result.node is node
        and kinetics.ui.kineticsMeasureButton.text == "Measure"
    )
    mask = slicer.util.arrayFromSegmentBinaryLabelmap(node, node.GetSegmentation().GetNthSegmentID(0), exam.reference)
    mask = mask > 0
    kinetics.measure()
    assert panel.state.working == "measuring" and not panel.ui.segmentButton.isEnabled()
    settle(kinetics)
    row = kinetics._measures["lesions"][0]
    assert row["voxels"] == mask.sum() and panel.resultsBox.result.measures is kinetics._measures, "step 4 follows"
    expected = [(100 * (array[mask] - arrays[0][mask]) / arrays[0][mask]).mean() for array in arrays]
    np.testing.assert_allclose(column(tableOf(exam), "Lesion 1 (%)"), expected, rtol=0.02, atol=0.5)
    early = next(
        place for place, phase in enumerate(exam.phases) if phase.title in kinetics.ui.kineticsPhasesLabel.text
    )
    for kind in KINDS:
        chooseMap(kinetics, kind)
        assert mapNode(exam, kind) is not None, kinetics.ui.kineticsStatusLabel.text
    found = slicer.util.arrayFromVolume(mapNode(exam, "pe"))
    known = found != 0
    assert known[mask].mean() > 0.99
    values = 100 * (arrays[early] - arrays[0])[known] / arrays[0][known]
    np.testing.assert_allclose(found[known], values, rtol=1e-3, atol=1e-2)
    ratio = slicer.util.arrayFromVolume(mapNode(exam, "ser"))[mask]
    expected = (arrays[early] - arrays[0])[mask] / (arrays[-1] - arrays[0])[mask]
    assert (ratio != 0).mean() > 0.9
    np.testing.assert_allclose(ratio[ratio != 0], expected[ratio != 0], rtol=1e-3, atol=1e-3)
    kinds = slicer.util.arrayFromVolume(mapNode(exam, "types"))
    shares = [100 * (kinds[mask] == kind).sum() / (kinds[mask] > 0).sum() for kind in (1, 2, 3)]
    told = [row[key] for key in ("persistent_pct", "plateau_pct", "washout_pct")]
    np.testing.assert_allclose(shares, told, atol=1.5)
