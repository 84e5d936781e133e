"""Kinetics in scene and panel: curves and numbers; the worker's answers are made with NumPy."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from breastseg_fixtures import breastseg, scene, turnUntil  # noqa: F401
from kinetics_fixtures import (  # noqa: F401
    addSampleExam,
    box,
    column,
    made,
    onlyBox,
    seriesOf,
    settle,
    tableOf,
    vtkErrors,
)


def test_the_table_holds_the_times_and_the_curves(box, made):  # noqa: F811
    table = tableOf(made.exam)
    assert column(table, "Name") == [phase.title for phase in made.exam.phases]
    assert column(table, "Time after first post-contrast phase (s)") == [phase.time_s for phase in made.exam.phases]
    for row in made.result.measures["lesions"]:
        own, arrays = made.parts == row["value"], made.worker.arrays
        expected = [100 * np.mean(array[own] / arrays[0][own].astype(float) - 1) for array in arrays]
        np.testing.assert_allclose(column(table, f"Lesion {row['label']} (%)"), expected, atol=1e-3)
    assert column(table, "Normal tissue (%)") == made.result.measures["tissue"]["curve_pct"]


def test_each_curve_is_told_apart_in_colour_and_in_grey(box, made):  # noqa: F811
    series = seriesOf(made.exam)
    assert [node.GetName() for node in series] == ["Lesion 1", "Lesion 2", "Lesion 3", "Normal tissue", "Shown phase"]
    lesions, tissue = series[:3], series[3]
    assert len({node.GetColor() for node in lesions}) == 3 and len({node.GetMarkerStyle() for node in lesions}) == 3
    assert all(node.GetMarkerStyle() != node.MarkerStyleNone for node in lesions)
    assert all(node.GetLineStyle() == node.LineStyleSolid for node in lesions)
    assert tissue.GetLineStyle() == tissue.LineStyleDash and len(set(tissue.GetColor())) == 1, "dashed and grey"
    widths = [node.GetLineWidth() for node in lesions]
    assert widths[0] > widths[1] == widths[2], "the chosen one is the thick one"
    for node in series[:4]:
        assert node.GetXColumnName() == "Time after first post-contrast phase (s)"
        assert node.GetPlotType() == node.PlotTypeScatter


def test_no_point_lies_on_the_frame_and_the_axes_have_titles(box, made):  # noqa: F811
    from BreastSegLib.scene import kineticcurves

    chart = kineticcurves.chartOf(made.exam)
    assert chart.GetXAxisTitle() == "Time after first post-contrast phase (s)"
    assert chart.GetYAxisTitle() == "Enhancement (%)" and chart.GetLegendVisibility()
    values = [value for row in made.result.measures["lesions"] for value in row["curve_pct"]]
    values += made.result.measures["tissue"]["curve_pct"]
    low, high = chart.GetYAxisRange()
    assert low < min(values) - 1 and max(values) + 1 < high < 1.3 * max(values)
    low, high = chart.GetXAxisRange()
    times = [phase.time_s for phase in made.exam.phases]
    assert low < times[0] - 5 and times[-1] + 5 < high


@pytest.mark.parametrize("times", [[None] * 6, [-90, 0, 90, 90, 180, 270], [0, 1, 2, None, 4, 5]])
def test_without_usable_times_the_phases_are_counted(box, made, times):  # noqa: F811
    measures = dict(made.result.measures)
    measures["phases"] = [{**phase, "time_s": time} for phase, time in zip(measures["phases"], times)]
    box.show(made.exam, replace(made.result, measures=measures))
    assert column(tableOf(made.exam), "Phase") == [0, 1, 2, 3, 4, 5]
    assert {node.GetXColumnName() for node in seriesOf(made.exam)[:4]} == {"Phase"}


def test_of_many_lesions_the_largest_and_the_chosen_one_are_drawn(box, made):  # noqa: F811
    first = made.result.measures["lesions"][0]
    rows = [{**first, "label": label, "curve_pct": [0, *[label] * 5]} for label in range(1, 10)]
    box.show(made.exam, replace(made.result, measures={**made.result.measures, "lesions": rows}))
    assert [node.GetName() for node in seriesOf(made.exam)[:-2]] == [f"Lesion {n}" for n in (1, 2, 3, 4, 5)]
    box.choose(8)
    assert [node.GetName() for node in seriesOf(made.exam)[:-2]] == [f"Lesion {n}" for n in (1, 2, 3, 4, 8)]
    assert column(tableOf(made.exam), "Lesion 7 (%)") == [0, 7, 7, 7, 7, 7], "the table holds all of them"
    box.show(made.exam, made.result)
    assert len(seriesOf(made.exam)) == 5 and tableOf(made.exam).GetColumnByName("Lesion 7 (%)") is None


def test_lesions_without_a_curve_are_left_out(box, made):  # noqa: F811
    rows = [dict(row) for row in made.result.measures["lesions"]]
    rows[0]["curve_pct"], rows[1]["curve_pct"] = None, [0, 1, 2, None, 4, 5]
    box.show(made.exam, replace(made.result, measures={**made.result.measures, "lesions": rows}))
    assert [node.GetName() for node in seriesOf(made.exam)] == ["Lesion 3", "Normal tissue", "Shown phase"]


def test_the_phase_that_is_shown_is_marked(box, made):  # noqa: F811
    from BreastSegLib.scene import examnodes, kineticcurves

    def marked():
        table = kineticcurves.nodeOf(made.exam, kineticcurves.MARK_TABLE).GetTable()
        return column(table, "x"), column(table, "y")

    limits = list(kineticcurves.chartOf(made.exam).GetYAxisRange())
    assert marked() == ([0.0, 0.0], limits)
    examnodes.showPhase(made.exam.nodes[3], fit=False)
    assert marked() == ([180.0, 180.0], limits)
    import slicer

    other = slicer.util.addVolumeFromArray(np.zeros((3, 3, 3), np.float32))
    slicer.util.setSliceViewerLayers(background=other)
    assert marked()[1][0] == marked()[1][1], "no line"


def test_the_large_plot_comes_and_goes(box, made):  # noqa: F811
    import slicer
    from BreastSegLib.scene import kineticcurves

    manager = slicer.app.layoutManager()
    before = manager.layout
    box.ui.kineticsPlotButton.click()
    assert manager.layout != before and manager.plotViewCount == 1
    view = manager.plotWidget(0).mrmlPlotViewNode()
    assert view.GetPlotChartNodeID() == kineticcurves.chartOf(made.exam).GetID()
    box.ui.kineticsPlotButton.click()
    assert manager.layout == before


def test_the_numbers_of_the_chosen_lesion_are_shown(box, made):  # noqa: F811
    rows = made.result.measures["lesions"]
    for row in rows:
        box.choose(row["label"])
        texts = {key: label.text for key, label in box.numbers._values.items()}
        assert texts["time_to_peak_s"] == f"{row['time_to_peak_s']:.0f} s"
        assert texts["slope_max_pct_per_s"] == f"{row['slope_max_pct_per_s']:.2f} %/s"
        assert texts["ser_mean"] == f"{row['ser_mean']:.2f}"
        assert texts["ftv_mm3"] == f"{row['ftv_mm3'] / 1000:.2f} cm³"
        text = box.ui.kineticsShareLabel.text
        assert row["curve_type"] in text.lower()
        for word, key in (("Persistent", "persistent_pct"), ("Plateau", "plateau_pct"), ("Wash-out", "washout_pct")):
            assert f"{word} {row[key]:.0f} %" in text
        shown = [not part.isHidden() for part in box.numbers._parts]
        assert shown == [round(row[key]) > 0 for key in ("persistent_pct", "plateau_pct", "washout_pct")]
    assert box.ui.kineticsLesionBox.count == 3
    first = f"1: {rows[0]['name']}, {rows[0]['volume_mm3'] / 1000:.2f} cm³"
    assert box.ui.kineticsLesionBox.itemText(0) == first


def test_what_is_unknown_is_said_to_be(box, made):  # noqa: F811
    rows = [dict(row) for row in made.result.measures["lesions"]]
    unknown = ("ser_mean", "persistent_pct", "plateau_pct", "washout_pct", "time_to_peak_s", "ftv_mm3", "volume_mm3")
    rows[0] = {**rows[0], **dict.fromkeys(unknown), "curve_type": "", "name": ""}
    box.show(made.exam, replace(made.result, measures={**made.result.measures, "lesions": rows}))
    assert {box.numbers._values[key].text for key in ("ser_mean", "time_to_peak_s", "ftv_mm3")} == {"–"}
    assert box.ui.kineticsShareBar.isHidden() and "–" in box.ui.kineticsShareLabel.text
    assert box.ui.kineticsLesionBox.itemText(0) == "1"


def test_the_chosen_lesion_stays_when_it_is_measured_again(box, made):  # noqa: F811
    box._onMeasured, kept = lambda *pair: box.choose(1), box._onMeasured
    box.choose(3)
    box.measure()
    settle(box)
    box._onMeasured = kept
    assert box.chosen == 3 and box.ui.kineticsLesionBox.currentIndex == 2


def test_the_box_says_what_is_missing(box, made, tmp_path):  # noqa: F811
    box.show(None, None)
    assert "Load a DCE-MRI exam" in box.ui.kineticsNoteLabel.text and box.ui.kineticsFrame.isHidden()
    box.show(replace(made.exam, name="Exam 2"), None)
    assert not box.ui.kineticsFrame.isHidden(), "the curves are still in the scene"
    other, result, _parts = addSampleExam(tmp_path / "other", "Exam 3", masses=1)
    box.show(other, None)
    assert "Segment the exam" in box.ui.kineticsNoteLabel.text and box.ui.kineticsFrame.isHidden()
    box.show(other, result)
    assert "not been measured" in box.ui.kineticsNoteLabel.text and not box.ui.kineticsFrame.isHidden()
    assert box.ui.kineticsMeasureButton.text == "Measure" and box.ui.kineticsMeasureButton.isEnabled()


def test_numbers_of_other_phases_are_said_to_be_old(box, made):  # noqa: F811
    phases = [replace(phase, time_s=phase.time_s * 2) for phase in made.exam.phases]
    box.show(replace(made.exam, phases=tuple(phases)), made.result)
    assert "have been changed" in box.ui.kineticsNoteLabel.text
    box.show(made.exam, made.result)
    assert box.ui.kineticsNoteLabel.text == ""


def test_the_curves_of_another_result_are_not_taken_for_its_own(box, made):  # noqa: F811
    import slicer

    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "other")
    box.show(made.exam, replace(made.result, node=other, nodes=(other,), measures=None))
    assert box.ui.kineticsPlotFrame.isHidden() and "not been measured" in box.ui.kineticsNoteLabel.text
    assert not box.ui.kineticsPlotButton.isEnabled() and not box.ui.kineticsFrame.isHidden()
    box.show(made.exam, made.result)
    assert not box.ui.kineticsPlotFrame.isHidden() and box.ui.kineticsNoteLabel.text == ""


def test_no_phase_before_contrast_no_kinetics(box, made):  # noqa: F811
    posts = replace(made.exam, phases=made.exam.phases[1:], nodes=made.exam.nodes[1:])
    box.show(posts, made.result)
    assert "no pre-contrast phase" in box.ui.kineticsNoteLabel.text and box.ui.kineticsFrame.isHidden()
    one = replace(made.exam, phases=made.exam.phases[:1], nodes=made.exam.nodes[:1])
    box.show(one, made.result)
    assert "no post-contrast phase" in box.ui.kineticsNoteLabel.text and box.ui.kineticsFrame.isHidden()


def test_one_phase_after_contrast_allows_enhancement_only(box, made):  # noqa: F811
    two = replace(made.exam, phases=made.exam.phases[:2], nodes=made.exam.nodes[:2])
    box.show(two, replace(made.result, measures=None))
    assert "one post-contrast phase only" in box.ui.kineticsNoteLabel.text
    assert [box.ui.kineticsMapBox.itemText(place) for place in range(box.ui.kineticsMapBox.count)] == [
        "Nothing",
        "Enhancement (PE)",
    ]


def test_mammograms_have_no_kinetics(box, made):  # noqa: F811
    box.showGroup(SimpleNamespace(kind="mammograms"))
    assert box.testGroup.isHidden()
    box.show(SimpleNamespace(kind="mammograms"), made.result)
    assert box._exam is None
    box.showGroup(made.exam)
    assert not box.testGroup.isHidden()


def test_nothing_is_left_when_the_exam_goes(box, made, scene):  # noqa: F811
    import slicer
    from BreastSegLib.scene import kineticcurves

    box.refresh(True)
    for node in made.exam.nodes[:-1]:
        slicer.mrmlScene.RemoveNode(node)
    box.refresh(True)
    slicer.app.processEvents()
    assert kineticcurves.allNodes(), "a volume of it is there"
    slicer.mrmlScene.RemoveNode(made.exam.nodes[-1])
    box.show(None, None)
    turnUntil(lambda: not kineticcurves.allNodes(), 5)


def test_the_curves_go_with_their_segmentation(box, made):  # noqa: F811
    import slicer
    from BreastSegLib.scene import kineticcurves

    box.refresh(True)
    slicer.mrmlScene.RemoveNode(made.result.node)
    box.refresh(True)
    turnUntil(lambda: not kineticcurves.allNodes(), 5)
    box.refresh(True)
    assert box.ui.kineticsFrame.isHidden() and "Segment the exam" in box.ui.kineticsNoteLabel.text


@pytest.mark.parametrize("first", ["vtkMRMLPlotChartNode", "vtkMRMLPlotSeriesNode", "vtkMRMLTableNode"])
def test_nodes_deleted_by_hand_are_no_fault(box, made, scene, vtkErrors, caplog, first):  # noqa: F811
    import slicer
    from BreastSegLib.scene import examnodes, kineticcurves

    nodes = sorted(kineticcurves.allNodes(), key=lambda node: not node.IsA(first))
    for place, node in enumerate(nodes):
        slicer.mrmlScene.RemoveNode(node)
        examnodes.showPhase(made.exam.nodes[place % 6], fit=False)
        box.refresh(True)
        box.choose(1 + place % 3)
    slicer.app.processEvents()
    box.show(made.exam, replace(made.result))
    assert len(seriesOf(made.exam)) == 5, "they are made again"
    assert not caplog.records and not vtkErrors


def test_another_exam_stops_the_measurement_of_this_one(box, made, tmp_path):  # noqa: F811
    made.worker.patience = 10**6
    box.measure()
    turnUntil(lambda: made.worker.busy)
    other, result, _parts = addSampleExam(tmp_path / "other", "Exam 2", masses=1)
    box.show(other, result)
    assert not box.working and box.testSession.closed == 1
    assert not list(tmp_path.glob("measure-*"))
