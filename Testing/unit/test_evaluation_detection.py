"""Lesions found and false ones, the FROC curve and the image-level classes, against sets made by hand."""

import numpy as np
import pytest
from BreastSegLib.errors import BadInput
from BreastSegTrainingLib.evaluation.detection import (
    DetectionOptions,
    candidates,
    detect,
    froc,
    match_lesions,
    summarise_detection,
)
from BreastSegTrainingLib.evaluation.imagelevel import image_class, image_level
from BreastSegTrainingLib.evaluation.overlap import Counts, count
from evaluation_pairs import masks
from hypothesis import given, settings
from hypothesis import strategies as st


def regions(mask):
    """Return the regions of a mask as sets of voxels, by walking from neighbour to neighbour."""
    left, found = {tuple(map(int, place)) for place in np.argwhere(mask)}, []
    while left:
        todo, region = [left.pop()], set()
        while todo:
            place = todo.pop()
            region.add(place)
            near = {other for other in left if max(abs(a - b) for a, b in zip(place, other)) <= 1}
            left -= near
            todo += near
        found.append(frozenset(region))
    return set(found)


def by_sets(truth, prediction, matching):
    """Return lesions there are, found and false ones."""
    true, seen = regions(truth), regions(prediction)

    def hit(a, b):
        return bool(a & b) if matching == "overlap" else len(a & b) >= matching * len(a | b)

    found = sum(any(hit(a, b) for b in seen) for a in true)
    return {"truth": len(true), "found": found, "false": sum(not any(hit(a, b) for a in true) for b in seen)}


@settings(max_examples=150, deadline=None)
@given(masks(), st.sampled_from(("overlap", 0.1, 0.5, 1.0)))
def test_lesions_are_those_of_sets(drawn, matching):
    truth, prediction, _ = drawn
    assert detect(truth, prediction, DetectionOptions(matching)) == by_sets(truth, prediction, matching)


def test_one_prediction_can_find_two_lesions_and_two_find_one():
    truth, prediction = np.zeros((2, 5, 20), bool)
    truth[2, 2:5] = truth[2, 7:9] = truth[2, 14:19] = True
    prediction[2, 4:8] = prediction[2, 14] = prediction[2, 17] = prediction[0, 19] = True
    total, hits, labels = match_lesions(truth, prediction)
    assert total == 3 and labels.max() == 4
    assert sorted(hits) == [(), (0, 1), (2,), (2,)]
    assert detect(truth, prediction) == {"truth": 3, "found": 3, "false": 1}
    assert detect(truth, prediction, DetectionOptions(0.3)) == {"truth": 3, "found": 0, "false": 4}


def test_candidates_have_the_largest_or_mean_chance_of_their_region():
    truth, chances = np.zeros((4, 12), bool), np.zeros((4, 12), np.float32)
    truth[1, 1:3] = truth[1, 9] = True
    chances[1, 1:4], chances[3, 6:8], chances[1, 9] = (0.9, 0.6, 0.3), (0.4, 0.2), 0.05
    prediction = chances > 0.5
    found = candidates(truth, prediction, chances)
    assert [(round(score, 5), hits) for score, hits in found] == [(0.9, [0]), (0.4, [])]
    mean = candidates(truth, prediction, chances, DetectionOptions(score="mean", froc_from=None))
    assert [(round(score, 5), hits) for score, hits in mean] == [(0.75, [0])]
    lower = candidates(truth, prediction, chances, DetectionOptions(froc_from=0.01))
    assert [hits for _, hits in lower] == [[0], [1], []]
    assert candidates(truth, prediction, np.zeros_like(chances)) == []


CASES = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.lists(st.tuples(st.sampled_from((0.2, 0.4, 0.6, 0.8, 1.0)), st.lists(st.integers(0, 2), max_size=2))),
    ).map(lambda case: (case[0], [(score, [n for n in hits if n < case[0]]) for score, hits in case[1]])),
    max_size=6,
)


@settings(max_examples=200, deadline=None)
@given(CASES)
def test_froc_is_what_every_threshold_gives(cases):
    lesions = sum(total for total, _ in cases)
    scores = sorted({score for _, found in cases for score, _ in found}, reverse=True)
    expected = []
    for threshold in scores if lesions else ():
        kept = [(image, hits) for image, (_, found) in enumerate(cases) for score, hits in found if score >= threshold]
        seen = {(image, number) for image, hits in kept for number in hits}
        expected.append([sum(not hits for _, hits in kept) / len(cases), len(seen) / lesions, threshold])
    assert froc(cases) == pytest.approx(np.array(expected).reshape(-1, 3)) if expected else froc(cases) == []


def test_summary_over_images():
    records = [
        {"detection": {"truth": 2, "found": 1, "false": 3}, "candidates": [[0.9, [0]], [0.7, []]]},
        {"detection": {"truth": 1, "found": 1, "false": 0}, "candidates": [[0.8, [0]]]},
        {"error": "The mask file is damaged"},
    ]
    found = summarise_detection(records)
    assert (found["truth"], found["found"], found["false"], found["images"]) == (3, 2, 3, 2)
    assert found["sensitivity"] == pytest.approx(2 / 3) and found["false_per_image"] == pytest.approx(1.5)
    assert [point[2] for point in found["froc"]] == [0.9, 0.8, 0.7]
    assert found["froc"][-1][:2] == pytest.approx([0.5, 2 / 3])


def test_masks_alone_give_one_point():
    records = [{"detection": {"truth": 2, "found": 1, "false": 3}, "candidates": None}]
    assert summarise_detection(records)["froc"] == [[3.0, 0.5, None]]
    assert summarise_detection(records, "cleaned")["sensitivity"] is None
    healthy = summarise_detection([{"detection": {"truth": 0, "found": 0, "false": 2}, "candidates": None}])
    assert healthy["sensitivity"] is None and healthy["false_per_image"] == 2 and healthy["froc"] == []
    assert summarise_detection([])["false_per_image"] is None


@pytest.mark.parametrize(
    "wrong", [{"matching": 0}, {"matching": "iou"}, {"matching": 1.5}, {"score": "sum"}, {"froc_from": 2}]
)
def test_unknown_options_are_refused(wrong):
    with pytest.raises(BadInput):
        DetectionOptions(**wrong)


@pytest.mark.parametrize(
    ("truth", "prediction", "both", "expected"),
    [
        (0, 0, 0, "TN"),
        (10, 0, 0, "FN"),
        (0, 10, 0, "FP"),
        (10, 10, 0, "FP"),
        (10, 10, 4, "FP"),  # Dice is 0.4, not above it
        (10, 10, 5, "TP"),
    ],
)
def test_image_classes_are_those_of_m5(truth, prediction, both, expected):
    assert image_class(Counts(both, prediction - both, truth - both, 100)) == expected


@settings(max_examples=60, deadline=None)
@given(masks())
def test_image_class_of_any_pair(drawn):
    truth, prediction, _ = drawn
    sizes = int(truth.sum()) + int(prediction.sum())
    dice = 2 * int((truth & prediction).sum()) / sizes if sizes else None
    expected = "TN" if not sizes else "TP" if dice > 0.4 else "FN" if truth.any() and not prediction.any() else "FP"
    assert image_class(count(truth, prediction)) == expected


def test_image_level_is_that_of_scikit_learn():
    from sklearn import metrics

    rng = np.random.default_rng(0)
    truth, prediction = rng.random((2, 50)) < 0.4
    names = np.array([["TN", "FP"], ["FN", "TP"]])[truth.astype(int), prediction.astype(int)]
    found = image_level(names)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(truth, prediction))
    assert found["sensitivity"] == pytest.approx(metrics.recall_score(truth, prediction))
    assert found["specificity"] == pytest.approx(metrics.recall_score(truth, prediction, pos_label=False))
    assert found["f1"] == pytest.approx(metrics.f1_score(truth, prediction))
    assert found["matrix"] == metrics.confusion_matrix(truth, prediction).tolist()
    nothing = image_level([])
    assert nothing["accuracy"] is nothing["specificity"] is nothing["f1"] is None
