"""Maps of a run as volume nodes: where they lie, how they are shown, and that none is left when it no longer holds.

The worker's answers are made here; its own tests show that it gives such answers.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from breastseg_fixtures import breastseg, drain, scene  # noqa: F401
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.volume import Geometry
from region_fixtures import SHAPE, addExam, layout, view  # noqa: F401
from run_fixtures import (
    KINDS,
    OBLIQUE,
    Client,
    addDceExam,
    composites,
    dceModel,
    dceRows,
    foregrounds,
    maps,
    peak,
    record,
    runOn,
    write,
)
from test_breastseg_examstep import saveAndLoad

ALL = dict.fromkeys(KINDS, True)


@pytest.fixture
def exam(scene, tmp_path):  # noqa: F811
    from BreastSegLib.scene import examnodes, overlay

    found = addDceExam(tmp_path / "store")
    examnodes.showPhase(found.reference)
    yield found
    overlay.choose(None)


def test_the_request_tells_the_worker_what_was_chosen(exam, tmp_path):
    client = Client(dceRows)
    drain(runOn(exam, client, tmp_path))
    told = {name: client.requests[0][name] for name in ("device", "tta", "cleanup", "folds", "shortcuts", *KINDS)}
    assert told == {
        "device": "auto",
        "tta": False,
        "cleanup": True,
        "folds": None,
        "shortcuts": True,
        **dict.fromkeys(KINDS, False),
    }
    drain(runOn(exam, client, tmp_path, folds=(0, "2"), shortcuts=False, tta=True, entropy=True))
    assert client.requests[1]["folds"] == ["0", "2"] and client.requests[1]["shortcuts"] is False
    assert client.requests[1]["entropy"] is True and client.requests[1]["probabilities"] is False
    json.dumps(client.requests[1])
    with pytest.raises(BadInput, match="No fold is chosen"):
        drain(runOn(exam, client, tmp_path, folds=()))


def test_maps_lie_on_the_exams_grid_with_the_workers_values(exam, tmp_path):
    import slicer
    import vtk

    client = Client(dceRows)
    result = drain(runOn(exam, client, tmp_path, **ALL))
    assert [node.GetName() for node in result.maps] == [
        "Exam 1 chance of a lesion (mine)",
        "Exam 1 disagreement (mine)",
        "Exam 1 uncertainty (mine)",
    ]
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    folder = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(result.node))
    for node, kind, value, top in zip(result.maps, KINDS, client.values, (1.0, 0.5, 1.0)):
        expected = peak((slice(5, 9), slice(10, 14), slice(4, 9)), value, OBLIQUE.shape)
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(node), expected)
        matrix = vtk.vtkMatrix4x4()
        node.GetIJKToRASMatrix(matrix)
        np.testing.assert_allclose(slicer.util.arrayFromVTKMatrix(matrix), OBLIQUE.ijk_to_ras, atol=1e-6)
        display = node.GetDisplayNode()
        assert (display.GetWindow(), display.GetLevel()) == (top, top / 2) and not display.GetAutoWindowLevel()
        assert display.GetColorNode() is not None and display.GetColorNode().GetName() != "Grey"
        assert display.GetApplyThreshold() and display.GetLowerThreshold() == pytest.approx(0.05 * top)
        assert display.GetUpperThreshold() > top, "the highest voxels are drawn"
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == folder
        assert node.GetAttribute("BreastSeg.id") == "run-1" and node.GetAttribute("BreastSeg.Map") == kind
    assert len({node.GetDisplayNode().GetColorNodeID() for node in result.maps}) == 3, "none is taken for another"
    assert foregrounds() == {None}, "nobody asked to see them over the exam"


def test_only_what_was_asked_for_is_made(exam, tmp_path):
    result = drain(runOn(exam, Client(dceRows), tmp_path, probabilities=True))
    assert maps() == ["Exam 1 chance of a lesion (mine)"] and len(result.maps) == 1


def test_the_next_run_of_the_model_replaces_its_maps(exam, tmp_path):
    import slicer
    from BreastSegLib.scene import overlay

    client = Client(dceRows)
    drain(runOn(exam, client, tmp_path, **ALL))
    drain(runOn(exam, client, tmp_path, dceModel("other"), probabilities=True))
    overlay.choose(("probabilities", "mine"))
    displays = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeDisplayNode")
    client.values = (0.6, 0.2, 0.5)
    result = drain(runOn(exam, client, tmp_path, probabilities=True, entropy=True))
    assert sorted(maps()) == [
        "Exam 1 chance of a lesion (mine)",
        "Exam 1 chance of a lesion (other)",
        "Exam 1 uncertainty (mine)",
    ]
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeDisplayNode") == displays - 1
    assert slicer.util.arrayFromVolume(result.maps[0]).max() == np.float32(0.6)
    assert foregrounds() == {"Exam 1 chance of a lesion (mine)"}
    assert composites()[0].GetForegroundVolumeID() == result.maps[0].GetID(), "the new one is shown"
    drain(runOn(exam, client, tmp_path))
    assert maps() == ["Exam 1 chance of a lesion (other)"], "a map of a former run would not fit the new mask"
    assert foregrounds() == {None}


def test_a_cancelled_run_leaves_the_former_maps_and_nothing_of_its_own(exam, tmp_path):
    import slicer

    client = Client(dceRows)
    former = drain(runOn(exam, client, tmp_path, **ALL)).maps
    count = slicer.mrmlScene.GetNumberOfNodes()
    for turnsToGo in range(4, 14):
        turns = runOn(exam, client, tmp_path, **ALL)
        for _turn in range(turnsToGo):
            next(turns)
        with pytest.raises(Cancelled):
            turns.throw(Cancelled())
        assert slicer.mrmlScene.GetNumberOfNodes() == count
        assert [node.GetID() for node in former if node.GetScene()] == [node.GetID() for node in former]
    assert turnsToGo > 10 and not list(tmp_path.glob("run-*"))


def test_a_map_of_another_size_is_refused(exam, tmp_path):
    import slicer

    def wrong(fields, values):
        answer = dceRows(fields, values)
        np.save(answer["entropy"], np.zeros((3, 4, 5), np.float32))
        return answer

    count = slicer.mrmlScene.GetNumberOfNodes()
    with pytest.raises(BadInput, match="another size than the image"):
        drain(runOn(exam, Client(wrong), tmp_path, **ALL))
    assert slicer.mrmlScene.GetNumberOfNodes() == count


def test_a_map_over_the_exam_follows_the_phases(exam, tmp_path):
    from BreastSegLib.scene import examnodes, overlay

    drain(runOn(exam, Client(dceRows), tmp_path, **ALL))
    overlay.choose(("entropy", "mine"))
    assert foregrounds() == {"Exam 1 uncertainty (mine)"}
    assert {composite.GetForegroundOpacity() for composite in composites()} == {0.5}
    composites()[0].SetForegroundOpacity(0.3)
    examnodes.showPhase(exam.nodes[2], fit=False)
    assert foregrounds() == {"Exam 1 uncertainty (mine)"}
    assert composites()[0].GetForegroundOpacity() == pytest.approx(0.3), "as strong as the user has set it"
    other = addDceExam(tmp_path / "other", "Exam 2")
    examnodes.showPhase(other.reference)
    assert foregrounds() == {None}, "never over another exam"
    examnodes.showPhase(exam.reference)
    assert foregrounds() == {"Exam 1 uncertainty (mine)"}
    overlay.choose(None)
    assert foregrounds() == {None} and {composite.GetForegroundOpacity() for composite in composites()} == {0.0}


def test_a_volume_of_the_users_own_stays_in_the_foreground(exam, tmp_path):
    import slicer
    from BreastSegLib.scene import overlay

    own = slicer.util.addVolumeFromArray(np.zeros((3, 3, 3), np.float32), name="own")
    slicer.util.setSliceViewerLayers(foreground=own, foregroundOpacity=0.8)
    drain(runOn(exam, Client(dceRows), tmp_path, **ALL))
    overlay.choose(None)
    assert foregrounds() == {"own"} and composites()[0].GetForegroundOpacity() == pytest.approx(0.8)
    other = addDceExam(tmp_path / "other", "Exam 2")
    slicer.util.setSliceViewerLayers(background=other.reference)
    overlay.choose(("entropy", "mine"))
    assert foregrounds() == {"own"}, "there is no such map of what is shown"
    assert composites()[0].GetForegroundOpacity() == pytest.approx(0.8)


def test_maps_come_back_with_a_saved_scene(exam, scene, tmp_path):  # noqa: F811
    import slicer
    from BreastSegLib.scene import overlay

    drain(runOn(exam, Client(dceRows), tmp_path, **ALL))
    overlay.choose(("disagreement", "mine"))
    saveAndLoad(scene, tmp_path)
    images = [slicer.util.getNode(f"Exam 1 {phase.title}") for phase in exam.phases]
    found = overlay.mapsOf(images)
    assert [overlay.keyOf(node) for node in found] == [(kind, "mine") for kind in KINDS]
    assert slicer.util.arrayFromVolume(found[0]).max() == np.float32(0.9)
    assert found[0].GetDisplayNode().GetApplyThreshold() and found[0].GetDisplayNode().GetWindow() == 1.0
    assert overlay.chosen() == ("disagreement", "mine") and foregrounds() == {"Exam 1 disagreement (mine)"}


# Mammograms


def viewRows(places):
    """Return what answers for mammograms: a lesion and maps on each of the given views."""

    def rows(fields, values):
        sent = json.loads((Path(fields["source"]["store"]) / "exam.json").read_text(encoding="utf-8"))["views"]
        box = (slice(0, 1), slice(40, 70), slice(20, 80))
        found = []
        for place in places:
            mask = np.zeros((1, *SHAPE), np.uint8)
            mask[box] = 1
            own = {kind: peak(box, value / (place + 1), mask.shape) for kind, value in values.items()}
            geometry = Geometry.from_json(sent[place]["geometry"])
            centre = list((geometry.ijk_to_lps @ [49.5, 54.5, 0.0, 1.0])[:3])
            row = {"label": 1, "voxels": int(mask.sum()), "area_mm2": 72.0, "centroid_lps": centre, "side": "left"}
            paths = write(fields, f"{place}-", mask, own)
            found.append(
                {
                    "view": sent[place]["name"],
                    "index": place,
                    **paths,
                    "geometry": geometry.to_json(),
                    "components": [row],
                    "removed": [],
                }
            )
        return {"kind": "mammograms", "views": found, "record": record()}

    return rows


def mammogramModel():
    model = dceModel()
    model.card["recipe"] = model.recipe_source = "ffdm-512"
    return model


def test_each_mammogram_has_its_own_maps_in_its_own_plane(scene, layout, tmp_path):  # noqa: F811
    import slicer
    import vtk
    from BreastSegLib.scene import overlay, shownviews

    exam = addExam(tmp_path / "exam", [view(), view("R", "MLO"), view("L", "MLO")], [0, 180, 90])
    client = Client(viewRows([0, 2]))
    result = drain(runOn(exam, client, tmp_path, mammogramModel(), probabilities=True, entropy=True))
    images = [exam.nodes[0], exam.nodes[0], exam.nodes[2], exam.nodes[2]]
    for node, image in zip(result.maps, images, strict=True):
        own, its = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
        node.GetIJKToRASMatrix(own)
        image.GetIJKToRASMatrix(its)
        np.testing.assert_allclose(slicer.util.arrayFromVTKMatrix(own), slicer.util.arrayFromVTKMatrix(its), atol=1e-9)
        assert node.GetName().startswith(image.GetName()) and overlay.imageIds(node) == [image.GetID()]
    assert slicer.util.arrayFromVolume(result.maps[2]).max() == pytest.approx(0.3)
    red = layout.sliceWidget("Red").sliceLogic().GetSliceCompositeNode()
    assert red.GetForegroundVolumeID() is None
    overlay.choose(("probabilities", "mine"))
    shownviews.show(exam.nodes, 2)
    assert red.GetForegroundVolumeID() == result.maps[2].GetID()
    shownviews.show(exam.nodes, 1)
    assert red.GetForegroundVolumeID() is None, "this view was not looked at"
    shownviews.show(exam.nodes, 0)
    assert red.GetForegroundVolumeID() == result.maps[0].GetID() and red.GetForegroundOpacity() == 0.5
    drain(runOn(exam, Client(viewRows([1])), tmp_path, mammogramModel(), probabilities=True))
    assert maps() == [f"{exam.nodes[1].GetName()} chance of a lesion (mine)"], "those of all views are replaced"
    overlay.choose(None)
