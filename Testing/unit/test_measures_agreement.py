"""Agreement of two masks: against scikit-learn's and SciPy's figures, and the evaluation of trainings."""

import json

import numpy as np
import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.measures.agreement import agreement
from BreastSegLib.volume import Geometry, Volume
from BreastSegTrainingLib.evaluation.measures import MeasureOptions
from BreastSegTrainingLib.evaluation.pair import measure_pair
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score, jaccard_score

SPACING = (0.8, 1.1, 2.5)
pairs = st.tuples(*[st.integers(1, 7)] * 3).flatmap(
    lambda shape: st.tuples(*[arrays(np.uint8, shape, elements=st.sampled_from([0, 0, 1, 3]))] * 2)
)


@settings(max_examples=80, deadline=None)
@given(pairs)
def test_figures_are_those_of_others(masks):
    a, b = (mask != 0 for mask in masks)
    found = agreement(*masks, Geometry(a.shape, SPACING))
    json.dumps(found, allow_nan=False)
    if not (a | b).any():
        assert found["dice"] is None and found["jaccard"] is None and found["hd95_mm"] is None
        return
    assert found["dice"] == pytest.approx(f1_score(a.ravel(), b.ravel(), zero_division=0))
    assert found["jaccard"] == pytest.approx(jaccard_score(a.ravel(), b.ravel(), zero_division=0))
    kind, unit, each = ("area", "mm2", 0.88) if len(a) == 1 else ("volume", "mm3", 2.2)
    assert found[f"{kind}_a_{unit}"] == pytest.approx(a.sum() * each)
    assert found[f"{kind}_difference_{unit}"] == pytest.approx((int(b.sum()) - int(a.sum())) * each)
    if a.any():
        assert found["difference_pct"] == pytest.approx(100 * (b.sum() / a.sum() - 1))
    if a.any() and b.any():
        other = measure_pair(a, b, SPACING[::-1], MeasureOptions(measures=("hd95", "dice")))
        assert found["hd95_mm"] == pytest.approx(other["hd95"]) and found["dice"] == pytest.approx(other["dice"])
    else:
        assert found["hd95_mm"] is None


@settings(max_examples=40, deadline=None)
@given(pairs)
def test_the_order_of_the_masks_does_not_matter(masks):
    geometry = Geometry(masks[0].shape, SPACING)
    one, two = agreement(*masks, geometry), agreement(*masks[::-1], geometry)
    for key in ("dice", "jaccard", "hd95_mm", "lesions_both"):
        assert one[key] == two[key]
    assert (one["lesions_a"], one["lesions_only_a"]) == (two["lesions_b"], two["lesions_only_b"])
    assert one["lesions_both"] <= min(one[f"lesions_{m}"] - one[f"lesions_only_{m}"] for m in "ab")


def boxes(*places):
    mask = np.zeros((20, 30, 40), np.uint8)
    for place in places:
        mask[place] = 1
    return mask


ONE, TWO, THREE = np.s_[2:6, 2:6, 2:6], np.s_[2:6, 2:6, 10:14], np.s_[12:16, 20:24, 30:34]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((ONE, TWO), (ONE, TWO), (2, 2, 2, 0, 0)),
        ((ONE, TWO), (TWO, THREE), (2, 2, 1, 1, 1)),
        ((ONE, TWO), (np.s_[3:5, 3:5, 2:14],), (2, 1, 1, 0, 0)),  # two that the other mask takes for one
        ((ONE,), (THREE,), (1, 1, 0, 1, 1)),
        ((), (THREE,), (0, 1, 0, 0, 1)),
        ((), (), (0, 0, 0, 0, 0)),
    ],
)
def test_lesions_found_by_both(a, b, expected):
    found = agreement(boxes(*a), boxes(*b), Geometry((20, 30, 40), SPACING))
    keys = ("lesions_a", "lesions_b", "lesions_both", "lesions_only_a", "lesions_only_b")
    assert tuple(found[key] for key in keys) == expected


def test_a_box_that_was_moved():
    geometry = Geometry((20, 30, 40), SPACING)
    a, b = Volume(boxes(np.s_[5:15, 5:15, 5:15]), geometry), boxes(np.s_[5:15, 5:15, 8:18])
    found = agreement(a, b, geometry)
    assert found["dice"] == pytest.approx(0.7) and found["jaccard"] == pytest.approx(7 / 13)
    assert found["hd95_mm"] == pytest.approx(3 * 0.8) and found["difference_pct"] == 0


def test_without_known_spacing_nothing_is_told_in_mm():
    found = agreement(boxes(ONE), boxes(ONE, TWO), Geometry((20, 30, 40)), spacing_known=False)
    assert all(value is None for key, value in found.items() if "_mm" in key)
    assert found["difference_pct"] == 100 and found["dice"] == pytest.approx(2 / 3)


def test_other_grids_are_refused():
    with pytest.raises(BadInput, match="one grid"):
        agreement(boxes(ONE), boxes(ONE)[1:], Geometry((20, 30, 40)))
