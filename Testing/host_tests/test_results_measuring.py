"""Measuring what is drawn: what goes to the worker and what comes back, and regions that a clean-up removed."""

import itertools

import numpy as np
import pytest
from breastseg_fixtures import breastseg, drain, scene  # noqa: F401
from BreastSegLib.errors import BadInput, BreastSegError
from region_fixtures import addExam, view
from results_fixtures import BOX, OTHER, MeasuringClient, draw, lps, maskOf, resultOf, rowOf
from run_fixtures import OBLIQUE, Client, addDceExam, dceRows, runOn


@pytest.fixture
def exam(scene, tmp_path):  # noqa: F811
    """An exam of three phases on an oblique grid."""
    return addDceExam(tmp_path / "exam")


# --- measuring


def measure(client, exam, folder, result, **options):
    from BreastSegLib.scene import measureflow

    return measureflow.measureResult(client, exam, folder, lambda *told: None, result=result, **options)


def test_measuring_sends_the_segments_as_they_are_drawn(exam, tmp_path):
    from BreastSegLib.scene import lesiontable

    node, read = draw(exam, BOX, OTHER), []
    result = resultOf(node, removed=[{"change": "removed", "centroid_lps": [1.0, 2.0, 3.0]}])
    client = MeasuringClient(rowOf(BOX), rowOf(OTHER, 2))
    measured = drain(measure(client, exam, tmp_path, result, onRead=lambda: read.append(1)))
    (request,) = client.requests
    assert request["request"] == "measure" and request["connected"] is False
    assert request["names"] == {"1": "Lesion 1", "2": "Lesion 2"}
    assert request["removed"] == result.measures["removed"] and "chance" not in request
    np.testing.assert_array_equal(client.arrays["mask"][0], maskOf(BOX, OTHER))
    assert measured.node is node and len(measured.measures["lesions"]) == 2 and read == [1]
    assert lesiontable.tableOf(measured).GetNumberOfRows() == 2
    assert not list(tmp_path.glob("measure-*")), "nothing stays behind"


def test_a_lesion_that_has_not_changed_keeps_its_confidence(exam, tmp_path):
    result = resultOf(draw(exam, BOX, OTHER), rowOf(BOX, confidence=0.87), rowOf(OTHER, 2, confidence=0.66))
    grown = {**rowOf(OTHER, 2), "voxels": 241}
    measured = drain(measure(MeasuringClient(rowOf(BOX), grown), exam, tmp_path, result))
    assert [row["confidence"] for row in measured.measures["lesions"]] == [0.87, None]


def test_the_chance_that_the_model_left_is_sent_along(exam, tmp_path):
    run = drain(runOn(exam, Client(dceRows), tmp_path, probabilities=True))
    client = MeasuringClient(rowOf(BOX))
    drain(measure(client, exam, tmp_path, run))
    assert client.arrays["chance"][0].shape == OBLIQUE.shape and client.arrays["chance"][0].max() == np.float32(0.9)
    drawn = resultOf(draw(exam, BOX))
    client = MeasuringClient(rowOf(BOX))
    drain(measure(client, exam, tmp_path, drawn))
    assert "chance" not in client.arrays, "what a model says has nothing to do with what is drawn by hand"


def test_mammograms_are_measured_together(scene, tmp_path):  # noqa: F811
    from BreastSegLib.scene.sceneexam import SceneResult

    exam = addExam(tmp_path / "exam", [view(), view("R"), view("L", "MLO")])
    box = (slice(0, 1), slice(10, 20), slice(10, 20))
    nodes = [draw(exam, box, image=exam.nodes[place]) for place in (0, 2)]
    client = MeasuringClient()
    drain(measure(client, exam, tmp_path, SceneResult(nodes[0], (), (), {}, {}, tuple(nodes))))
    masks = client.arrays["mask"]
    assert masks[1] is None and masks[0].max() == 1 and masks[2].max() == 2
    assert client.requests[0]["names"] == {"1": "Lesion 1", "2": "Lesion 1"}


def test_comparing_sends_both(exam, tmp_path):
    client = MeasuringClient(rowOf(BOX))
    one, other = resultOf(draw(exam, BOX)), resultOf(draw(exam, OTHER, BOX))
    drain(measure(client, exam, tmp_path, one, other=other))
    np.testing.assert_array_equal(client.arrays["other"][0], maskOf(OTHER, BOX))


def test_overlaps_are_a_warning(exam, tmp_path):
    result = resultOf(draw(exam, BOX, BOX))
    measured = drain(measure(MeasuringClient(rowOf(BOX)), exam, tmp_path, result))
    (warning,) = measured.measures["warnings"]
    assert warning["kind"] == "overlap" and "80 voxels" in warning["text"]


def test_errors_and_closing_leave_the_result_as_it_was(exam, tmp_path):
    result = resultOf(draw(exam, BOX), rowOf(BOX))
    with pytest.raises(BreastSegError, match="Out of ideas"):
        drain(measure(MeasuringClient(error="Out of ideas"), exam, tmp_path, result))
    total = len(list(measure(MeasuringClient(rowOf(BOX)), exam, tmp_path, result)))
    assert total > 2
    for stop in range(1, total):
        turns = measure(MeasuringClient(rowOf(BOX)), exam, tmp_path, result)
        for _turn in range(stop):
            next(turns)
        turns.close()
        assert not list(tmp_path.glob("measure-*")), f"after turn {stop}"


def test_a_segmentation_that_is_removed_meanwhile_is_one_line(exam, tmp_path):
    import slicer

    result = resultOf(draw(exam, BOX))
    turns = measure(MeasuringClient(rowOf(BOX)), exam, tmp_path, result)
    next(turns)
    slicer.mrmlScene.RemoveNode(result.node)
    with pytest.raises(BadInput, match="removed from the scene meanwhile"):
        drain(turns)


def test_more_segments_than_a_mask_has_values_are_refused(exam, tmp_path):
    node = draw(exam, BOX)
    for number in range(255):
        node.GetSegmentation().AddEmptySegment("", f"Empty {number}")
    with pytest.raises(BadInput, match="256 segments.*255 can be"):
        drain(measure(MeasuringClient(), exam, tmp_path, resultOf(node)))


# --- what the clean-up removed


def cleaned(exam, folder, raw, mask):
    """Return a run's result of which the clean-up has left `mask` of `raw`."""

    def rows(fields, values):
        answer = dceRows(fields, values)
        for kind, array in (("raw", raw), ("mask", mask)):
            answer[kind] = f"{fields['output']}/{kind}.npy"
            np.save(answer[kind], array)
        box = np.argwhere(mask)
        centre = lps(box.mean(axis=0))
        return {**answer, "components": [{**answer["components"][0], "centroid_lps": centre}]}

    return drain(runOn(exam, Client(rows), folder))


SPECK = (slice(17, 19), slice(25, 28), slice(33, 36))


def removedRow(box):
    row = rowOf(box)
    return {"change": "removed", "voxels": row["voxels"], "centroid_lps": row["centroid_lps"], "side": "left"}


def segmentsOf(node, exam):
    import slicer

    found = {}
    for one in node.GetSegmentation().GetSegmentIDs():
        name = node.GetSegmentation().GetSegment(one).GetName()
        found[name] = slicer.util.arrayFromSegmentBinaryLabelmap(node, one, exam.reference)
    return found


@pytest.mark.parametrize("rows", [[OTHER], [OTHER, SPECK], []])
def test_removed_regions_come_back_as_segments_and_go_again(exam, tmp_path, rows):
    from BreastSegLib.scene import removedregions

    result = cleaned(exam, tmp_path, maskOf(BOX, OTHER, SPECK, values=[1, 1, 1]), maskOf(BOX))
    before = list(segmentsOf(result.node, exam))
    made = drain(removedregions.bringBack(result, [OBLIQUE], [removedRow(box) for box in rows]))
    after = segmentsOf(result.node, exam)
    wanted = rows or [OTHER, SPECK]
    new = [after[name] for name in after if name not in before]
    assert all("brought back" in name for name in after if name not in before)
    assert len(new) == len(wanted)
    for array, box in zip(new, wanted):
        np.testing.assert_array_equal(array, maskOf(box))
    if rows:
        assert sum("left breast" in name for name in after) == len(rows)
    removedregions.takeOut(result, made)
    assert list(segmentsOf(result.node, exam)) == before


def test_a_lesion_that_the_user_deleted_does_not_come_back(exam, tmp_path):
    from BreastSegLib.scene import removedregions

    result = cleaned(exam, tmp_path, maskOf(BOX, OTHER, values=[1, 1]), maskOf(BOX))
    result.node.GetSegmentation().RemoveAllSegments()
    drain(removedregions.bringBack(result, [OBLIQUE], [removedRow(OTHER)]))
    (array,) = segmentsOf(result.node, exam).values()
    np.testing.assert_array_equal(array, maskOf(OTHER))


def test_when_measuring_fails_nothing_has_come_back(exam, tmp_path):
    from BreastSegLib.scene import removedregions

    result = cleaned(exam, tmp_path, maskOf(BOX, OTHER, values=[1, 1]), maskOf(BOX))
    before = list(segmentsOf(result.node, exam))
    how = {"result": result, "regions": [removedRow(OTHER)]}

    def bringing(client):
        return removedregions.bringBackAndMeasure(client, exam, tmp_path, lambda *told: None, **how)

    with pytest.raises(BreastSegError, match="Out of ideas"):
        drain(bringing(MeasuringClient(error="Out of ideas")))
    assert list(segmentsOf(result.node, exam)) == before
    for stop in itertools.count(1):
        turns = bringing(MeasuringClient(rowOf(BOX)))
        try:
            for _turn in range(stop):
                next(turns)
        except StopIteration:
            break
        turns.close()
        assert list(segmentsOf(result.node, exam)) == before, f"after turn {stop}"
    assert stop > 6


def test_without_the_former_mask_it_says_so(exam, tmp_path):
    from BreastSegLib.scene import removedregions

    result = resultOf(draw(exam, BOX))
    with pytest.raises(BadInput, match="no longer in the scene"):
        drain(
            removedregions.bringBackAndMeasure(
                MeasuringClient(), exam, tmp_path, lambda *told: None, result=result, regions=[removedRow(OTHER)]
            )
        )
