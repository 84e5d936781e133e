"""What a run leaves in the scene: a mask over each mammogram, areas, the mask before its clean-up; or nothing at all.

The worker's answers are made here; its own tests show that it gives such answers.
"""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from breastseg_fixtures import breastseg, drain, scene  # noqa: F401
from BreastSegLib.errors import BadInput, BreastSegError, Cancelled
from BreastSegLib.volume import Geometry
from region_fixtures import SHAPE, SPACING, addExam, layout, rasOf, ui, view  # noqa: F401

CODES = {"left": "7771000^Left", "right": "24028007^Right"}


class AnsweringClient:
    """Stands for the worker's client: notes the request and answers it with what a function makes of it."""

    def __init__(self, answer):
        self.requests, self._answer, self._events = [], answer, []

    def send(self, request, **fields):
        self.requests.append({"request": request, **fields})
        for event in self._answer(fields):
            self._events.append({"id": 7, **event})
        return 7

    def poll(self):
        events, self._events = self._events, []
        return events


def modelOf(recipe, folder="/models/mine"):
    """Return what the application needs of a model."""
    labels = {"lesion": {"value": 1, "terminology": "mass"}}
    return SimpleNamespace(
        name="mine", folder=Path(folder), card={"recipe": recipe, "labels": labels}, recipe_source=recipe
    )


def lesionsIn(mask, spacing, geometry, side):
    """Return components as the worker reports them."""
    import SimpleITK as sitk

    parts = sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray(mask), True))
    rows = []
    for label in range(1, int(parts.max()) + 1):
        voxels = int((parts == label).sum())
        centre = geometry.ijk_to_lps @ [*np.argwhere(parts == label).mean(axis=0)[::-1], 1.0]
        area = None if spacing is None else voxels * spacing[0] * spacing[1]
        row = {"label": label, "voxels": voxels, "area_mm2": area, "centroid_lps": list(centre[:3]), "side": side}
        rows.append(row)
    return rows


def answering(masks, raws=None, record=None):
    """Return what answers ``predict`` with masks {index of the view: (1, y, x)} on the views as they were sent."""

    def answer(fields):
        sent = json.loads((Path(fields["source"]["store"]) / "exam.json").read_text(encoding="utf-8"))["views"]
        rows = []
        for index, mask in masks.items():
            paths = {"mask": mask, "raw": (raws or {}).get(index, mask)}
            for kind, array in paths.items():
                paths[kind] = str(Path(fields["output"]) / f"{index}-{kind}.npy")
                np.save(paths[kind], array)
            geometry = Geometry.from_json(sent[index]["geometry"])
            rows.append(
                {
                    "view": sent[index]["name"],
                    "index": index,
                    **paths,
                    "geometry": geometry.to_json(),
                    "components": lesionsIn(mask, sent[index]["spacing"], geometry, "left"),
                    "removed": [],
                }
            )
        yield {"event": "progress", "stage": "Segmenting", "done": 1, "total": 2}
        yield {
            "event": "result",
            "kind": "mammograms",
            "views": rows,
            "notes": ["A note."],
            "record": record or {"id": "run-1", "model": {"name": "mine"}},
            "timings": {"Segmenting": 1.0},
        }

    return answer


def blob(*boxes):
    """Return a mask with boxes (y0, y1, x0, x1)."""
    mask = np.zeros((1, *SHAPE), np.uint8)
    for y0, y1, x0, x1 in boxes:
        mask[0, y0:y1, x0:x1] = 1
    return mask


def run(client, exam, folder, model=None, **options):
    from BreastSegLib.scene import examflow

    told = []
    turns = examflow.segmentExam(client, exam, folder, lambda *a: told.append(a), model=model or whole(), **options)
    return turns, told


def whole():
    return modelOf("ffdm-512")


def left():
    """Return the names of the nodes that only a run makes."""
    import slicer

    return [
        node.GetName()
        for kind in ("vtkMRMLSegmentationNode", "vtkMRMLSegmentationDisplayNode")
        for node in slicer.util.getNodesByClass(kind)
    ]


def test_each_mask_lies_over_its_own_view(scene, layout, tmp_path):  # noqa: F811
    import slicer
    from BreastSegLib.scene import shownviews

    exam = addExam(tmp_path / "exam", [view(), view("R", "MLO"), view("L", "MLO")], [0, 180, 90])
    masks = {0: blob(), 1: blob((40, 70, 20, 80), (200, 210, 100, 110)), 2: blob((5, 25, 5, 35))}
    turns, told = run(AnsweringClient(answering(masks)), exam, tmp_path)
    result = drain(turns)
    assert len(result.nodes) == 3 and result.node is result.nodes[0]
    for place, node in enumerate(result.nodes):
        image = exam.nodes[place]
        assert node.GetName() == f"{image.GetName()} segmentation 1 (mine)"
        assert node.GetNodeReferenceID(node.GetReferenceImageGeometryReferenceRole()) == image.GetID()
        ids = node.GetSegmentation().GetSegmentIDs()
        total = np.zeros_like(masks[place])
        for one in ids:
            total += slicer.util.arrayFromSegmentBinaryLabelmap(node, one, image).astype(np.uint8)
        np.testing.assert_array_equal(total, masks[place])
        assert node.GetDisplayNode().GetVisibility() and not node.GetDisplayNode().GetVisibility3D()
        assert not node.GetSegmentation().ContainsRepresentation("Closed surface")
        assert node.GetAttribute("BreastSeg.id") == "run-1"
    assert [node.GetSegmentation().GetNumberOfSegments() for node in result.nodes] == [0, 2, 1]
    # The second view is of the right breast, whatever the answer says.
    segment = result.nodes[1].GetSegmentation().GetNthSegment(0)
    assert segment.GetName() == "Mass, right breast" and CODES["right"] in segment.GetTerminology()
    rows = result.lesions
    assert [(row["title"], row["side"], row["voxels"]) for row in rows] == [
        ("Right MLO", "right", 1800),
        ("Right MLO", "right", 100),
        ("Left MLO", "left", 600),
    ]
    assert rows[0]["area_mm2"] == pytest.approx(1800 * SPACING**2)
    for row, (x, y) in zip(rows, ((49.5, 54.5), (104.5, 204.5), (19.5, 14.5))):
        expected = rasOf(exam, row["place"], x, y) * (-1, -1, 1)
        np.testing.assert_allclose(row["centroid_lps"], expected, atol=1e-3)
    assert shownviews.placeShown(exam.nodes) == 1, "the first view with a lesion is shown"
    assert result.notes == ("A note.",) and ("Segmenting", 1, 2, None) in told
    assert not list(tmp_path.glob("run-*")), "the run's arrays are gone"
    folder = {parentName(node) for node in (*exam.nodes, *result.nodes)}
    assert folder == {"Exam 1"}


def parentName(node):
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    return hierarchy.GetItemName(hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)))


def test_a_mask_is_seen_on_its_own_image_only(scene, layout, tmp_path):  # noqa: F811
    from BreastSegLib.scene import regionnodes, viewlayout

    exam = addExam(tmp_path / "exam", [view(), view("R")])
    drain(run(AnsweringClient(answering({0: blob((100, 200, 50, 150)), 1: blob()})), exam, tmp_path)[0])
    node = regionnodes.addBox(exam, 0)
    node.SetCenterWorld(*rasOf(exam, 0, 100, 150))
    node.SetSize(16.0, 16.0, 1.0)
    viewlayout.showInSingleView(exam.nodes[0])
    assert coloured() > 200
    viewlayout.showInSingleView(exam.nodes[1])
    assert coloured() == 0


def coloured():
    """Return how many pixels of the red view are not grey."""
    from Host import application
    from Host.screenshots import _imageOfSize

    image = _imageOfSize(application.current().layoutManager.sliceWidget("Red").sliceView(), (300, 300))
    count = 0
    for y in range(image.height()):
        for x in range(image.width()):
            color = image.pixelColor(x, y)
            count += max(color.red(), color.green(), color.blue()) - min(color.red(), color.green(), color.blue()) > 20
    return count


def test_the_worker_gets_the_views_as_corrected_and_the_regions(scene, layout, tmp_path):  # noqa: F811
    from BreastSegLib.scene import mammogramnodes

    exam = addExam(tmp_path / "exam", [view(), view("L", "MLO")])
    exam = mammogramnodes.correctViews(exam, [("R", "CC"), ("L", "MLO")])
    sent, arrays = {}, []

    def answer(fields):
        store = Path(fields["source"]["store"])
        sent.update(json.loads((store / "exam.json").read_text(encoding="utf-8")))
        arrays.extend(np.load(store / row["array"]) for row in sent["views"])
        return answering({0: blob((5, 25, 5, 35))})(fields)

    client = AnsweringClient(answer)
    regions = ({"view": "RCC", "box": [0, 0, 40, 40]},)
    turns, _told = run(client, exam, tmp_path, modelOf("mass-region-224"), regions=regions, device="cpu", tta=True)
    result = drain(turns)
    (request,) = client.requests
    assert request["regions"] == list(regions) and request["tta"] is True and request["device"] == "cpu"
    assert [row["name"] for row in sent["views"]] == ["RCC", "LMLO"]
    np.testing.assert_array_equal(arrays[1], np.load(tmp_path / "exam" / "view_0001.npy"))
    assert [row["title"] for row in result.lesions] == ["Right CC"] and len(result.nodes) == 1


def test_mammograms_that_came_with_a_scene_are_read_from_their_nodes(scene, layout, tmp_path):  # noqa: F811
    from dataclasses import replace

    from BreastSegLib.exam.mammograms.store import load_views
    from BreastSegLib.scene import mammogramflow

    exam = replace(addExam(tmp_path / "exam", [view(), view("R")], [0, 180]), store="")
    read = load_views(drain(mammogramflow.arrangeViews(exam, tmp_path / "arranged")))
    assert [one.name for one in read.views] == ["LCC", "RCC"] and read.views[0].spacing == (SPACING, SPACING)
    for place, image in enumerate(read.images):
        np.testing.assert_array_equal(image.array, np.load(tmp_path / "exam" / f"view_{place:04d}.npy"))
        ras = rasOf(exam, place, 7, 9)
        np.testing.assert_allclose((image.geometry.ijk_to_ras @ [7, 9, 0, 1])[:3], ras, atol=1e-6)


def test_the_mask_before_the_clean_up_is_kept_hidden_beside_the_result(scene, layout, tmp_path):  # noqa: F811
    import slicer

    exam = addExam(tmp_path / "exam", [view(), view("R")])
    mask, raw = blob((40, 70, 20, 80)), blob((40, 70, 20, 80), (200, 204, 100, 110))
    turns, _told = run(AnsweringClient(answering({0: mask, 1: mask}, {0: raw})), exam, tmp_path)
    result = drain(turns)
    (before,) = [node for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode") if node not in result.nodes]
    assert before.GetName() == f"{result.node.GetName()} before clean-up"
    assert not before.GetDisplayNode().GetVisibility() and parentName(before) == "Exam 1"
    (one,) = before.GetSegmentation().GetSegmentIDs()
    np.testing.assert_array_equal(slicer.util.arrayFromSegmentBinaryLabelmap(before, one, exam.nodes[0]), raw)
    labelmap = before.GetSegmentation().GetSegment(one).GetRepresentation("Binary labelmap")
    assert labelmap.GetExtent() == (20, 109, 40, 203, 0, 0), "no more than the bounding box"


def test_the_mask_before_the_clean_up_of_a_dce_exam(scene, layout, tmp_path):  # noqa: F811
    import slicer

    exam, mask = dceExam(tmp_path)
    raw = mask.copy()
    raw[1, 1, 1:3] = 1
    result = drain(run(AnsweringClient(dceAnswer(mask, raw)), exam, tmp_path, modelOf("phase-aware-0000-0002"))[0])
    names = {node.GetName(): node for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode")}
    assert set(names) == {"Exam 1 segmentation 1 (mine)", "Exam 1 segmentation 1 (mine) before clean-up"}
    before = names["Exam 1 segmentation 1 (mine) before clean-up"]
    assert result.nodes == (names["Exam 1 segmentation 1 (mine)"],) and not before.GetDisplayNode().GetVisibility()
    (one,) = before.GetSegmentation().GetSegmentIDs()
    np.testing.assert_array_equal(slicer.util.arrayFromSegmentBinaryLabelmap(before, one, exam.reference), raw)
    drain(run(AnsweringClient(dceAnswer(mask, mask)), exam, tmp_path, modelOf("phase-aware-0000-0002"))[0])
    assert len(slicer.util.getNodesByClass("vtkMRMLSegmentationNode")) == 3, (
        "where nothing was changed nothing is kept"
    )


def dceExam(folder):
    from BreastSegLib.exam.dce import DceExam, number_phases
    from BreastSegLib.exam.store import save_exam
    from BreastSegLib.scene import examnodes
    from BreastSegLib.scene.sceneexam import SceneExam
    from BreastSegLib.volume import Volume

    grid = Geometry((6, 20, 24), (1.0, 1.0, 2.0))
    phases = number_phases([("pre", -90, "tag", ()), ("post", 0, "tag", ())])
    arrays = [np.full(grid.shape, value, np.float32) for value in (1, 2)]
    store = save_exam(DceExam(phases, tuple(Volume(array, grid) for array in arrays)), folder / "store")
    nodes = drain(examnodes.addPhaseNodes(phases, arrays, grid, "Exam 1", (1.0, 0.5)))
    mask = np.zeros(grid.shape, np.uint8)
    mask[2:4, 5:9, 6:12] = 1
    return SceneExam("Exam 1", str(store), phases, grid, tuple(nodes), (), (0, 1)), mask


def dceAnswer(mask, raw):
    def answer(fields):
        for name, array in (("mask", mask), ("raw", raw)):
            np.save(Path(fields["output"]) / f"{name}.npy", array)
        grid = Geometry(mask.shape, (1.0, 1.0, 2.0))
        row = {"label": 1, "voxels": int(mask.sum()), "volume_mm3": 2.0 * mask.sum(), "side": "left"}
        paths = {name: str(Path(fields["output"]) / f"{name}.npy") for name in ("mask", "raw")}
        rows = [{**row, "centroid_lps": [8.5, 6.5, 5.0]}]
        yield {"event": "result", "kind": "dce", **paths, "geometry": grid.to_json(), "components": rows}

    return answer


def test_no_lesion_leaves_empty_nodes_and_a_sentence(scene, layout, tmp_path):  # noqa: F811
    exam = addExam(tmp_path / "exam", [view()])
    result = drain(run(AnsweringClient(answering({0: blob()})), exam, tmp_path)[0])
    assert result.lesions == () and result.node.GetSegmentation().GetNumberOfSegments() == 0


def test_cancelled_at_any_turn_nothing_of_the_run_stays(scene, layout, tmp_path):  # noqa: F811
    exam = addExam(tmp_path / "exam", [view(), view("R")])
    mask, raw = blob((40, 70, 20, 80)), blob((40, 70, 20, 80), (200, 204, 100, 110))
    answer = answering({0: mask, 1: mask}, {0: raw, 1: raw})
    total = len(list(run(AnsweringClient(answer), exam, tmp_path)[0]))
    assert total > 10 and len(left()) == 8
    scene.Clear(0)
    exam = addExam(tmp_path / "exam", [view(), view("R")])
    for stop in range(1, total + 1):
        turns, _told = run(AnsweringClient(answer), exam, tmp_path)
        for _ in range(stop):
            next(turns)
        if stop % 2:
            with pytest.raises(Cancelled):
                turns.throw(Cancelled())
        else:
            turns.close()
        assert left() == [] and not list(tmp_path.glob("run-*")), f"after turn {stop} of {total}"


def test_a_failed_run_leaves_nothing(scene, layout, tmp_path):  # noqa: F811
    exam = addExam(tmp_path / "exam", [view()])

    def refusing(fields):
        yield {
            "event": "error",
            "code": "bad-input",
            "message": "The region lies outside the image",
            "hint": "Move it",
        }

    with pytest.raises(BreastSegError, match="outside the image"):
        drain(run(AnsweringClient(refusing), exam, tmp_path)[0])
    damaged = answering({0: np.ones((1, 20, 30), np.uint8)})
    with pytest.raises(BreastSegError, match=r"The worker's result is .*\(1, 20, 30\)"):
        drain(run(AnsweringClient(damaged), exam, tmp_path)[0])

    def ofAnotherImage(fields):
        for event in damaged(fields):
            for row in event.get("views", ()):
                row["geometry"] = replace(Geometry.from_json(row["geometry"]), shape=(1, 20, 30)).to_json()
            yield event

    with pytest.raises(BadInput, match=r"another size than the image \(Exam 1 Left CC\)"):
        drain(run(AnsweringClient(ofAnotherImage), exam, tmp_path)[0])
    assert left() == [] and not list(tmp_path.glob("run-*"))


@pytest.mark.parametrize(
    "recipe, kind, sentence",
    [
        ("mass-region-224", "mammograms", "looks at a region around each mass, and none is given"),
        ("phase-aware-0000-0002", "mammograms", "is for DCE-MRI, and mammograms are loaded"),
        ("ffdm-512", "dce", "is for mammograms, and a DCE-MRI exam is loaded"),
    ],
)
def test_a_model_that_does_not_fit_is_one_line(scene, tmp_path, recipe, kind, sentence):  # noqa: F811
    exam = addExam(tmp_path / "exam", [view()]) if kind == "mammograms" else dceExam(tmp_path)[0]
    client = AnsweringClient(answering({}))
    with pytest.raises(BadInput, match=sentence) as caught:
        drain(run(client, exam, tmp_path, modelOf(recipe))[0])
    assert "\n" not in caught.value.line and client.requests == []
