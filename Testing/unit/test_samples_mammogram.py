"""Synthetic mammograms: the truth is what it says, the sides are right, the seed decides everything."""

from functools import cache

import numpy as np
import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.samples.mammogram import make_mammogram
from BreastSegLib.samples.mammogram_mass import SHAPES, Contour
from scipy import ndimage

SMALL, MEDIUM = (416, 320), (832, 640)


@cache
def made(seed=1, laterality="L", view="CC", **options):
    return make_mammogram(seed, laterality, view, **{"size": SMALL, **options})


def centre_of(mask):
    return np.array(ndimage.center_of_mass(mask))


@pytest.mark.parametrize(
    "laterality, view, density", [("L", "CC", "a"), ("R", "CC", "c"), ("L", "MLO", "d"), ("R", "MLO", "b")]
)
def test_truth_lies_in_the_breast_and_is_as_large_as_declared(laterality, view, density):
    sample = made(2, laterality, view, density=density)
    truth, mass = sample.truth > 0, sample.masses[0]
    assert truth.any() and not np.any(truth & (sample.breast == 0)) and not np.any(truth & (sample.pectoral > 0))
    assert ndimage.label(truth)[1] == 1
    area = truth.sum() * sample.spacing_mm**2
    expected = np.pi / 4 * mass.diameter_mm**2
    # Counting pixel centres errs by far less than half a pixel along the whole edge;
    # the edge is at most half as long again as a circle's.
    assert abs(area - expected) < 0.5 * sample.spacing_mm * 1.5 * np.pi * mass.diameter_mm
    assert np.abs(centre_of(truth) - mass.centre).max() * sample.spacing_mm < 0.2 * mass.diameter_mm


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_encloses_the_declared_area(shape):
    contour = Contour(np.random.default_rng(3), shape, 20.0)
    axis = np.arange(-25, 25, 0.05)
    inside = contour.relative(axis[None], axis[:, None]) < 1
    assert inside.sum() * 0.05**2 == pytest.approx(np.pi * 100, rel=2e-3)
    assert 10 <= contour.reach < 17  # nothing may stick out far beyond the circle of equal area


def test_chosen_shape_and_diameter_are_kept_and_no_mass_means_no_truth():
    sample = made(4, shape="lobulated", diameter_mm=12.0)
    assert (sample.masses[0].shape, sample.masses[0].diameter_mm) == ("lobulated", 12.0)
    without = made(4, mass=False)
    assert without.masses == () and not without.truth.any()


@pytest.mark.parametrize("view", ["CC", "MLO"])
def test_a_mass_is_brighter_than_what_it_replaces_in_both_polarities(view):
    for polarity, sign in (("MONOCHROME2", 1), ("MONOCHROME1", -1)):
        with_mass = made(5, view=view, diameter_mm=15.0, polarity=polarity)
        without = made(5, view=view, mass=False, polarity=polarity)
        change = sign * (with_mass.image.astype(int) - without.image.astype(int))
        inner = ndimage.binary_erosion(with_mass.truth > 0, iterations=2)
        far = ndimage.distance_transform_edt(with_mass.truth == 0) > 60
        assert change[inner].mean() > 0.05 * with_mass.largest
        assert not change[far].any()  # nothing else in the image moved


@pytest.mark.parametrize("view", ["CC", "MLO"])
@pytest.mark.parametrize("laterality", ["L", "R"])
def test_chest_wall_is_on_the_side_of_the_usual_hanging(laterality, view):
    sample = made(2, laterality, view, density="a" if view == "CC" else "b")
    wall, far = (0, -1) if laterality == "L" else (-1, 0)
    assert sample.breast[:, wall].sum() > 0.3 * SMALL[0] and not sample.breast[:, far].any()
    # The image agrees with its own mask: breast tissue at the chest wall, air on the other side.
    edge = sample.display[SMALL[0] // 2 - 25 : SMALL[0] // 2 + 25]
    near, away = (edge[:, 3:20], edge[:, -30:-15]) if laterality == "L" else (edge[:, -20:-3], edge[:, 15:30])
    assert near.mean() > 5 * away.mean()
    across, down = sample.orientation
    assert across == {"L": "A", "R": "P"}[laterality]
    assert down == {"LCC": "R", "RCC": "L", "LMLO": "FR", "RMLO": "FL"}[laterality + view]


def test_pectoral_muscle_only_in_mlo_and_up_at_the_chest_wall():
    assert not made(2, "R", "CC", density="c").pectoral.any()
    for laterality in "LR":
        sample = made(2, laterality, "MLO", density="d" if laterality == "L" else "b")
        muscle = sample.pectoral > 0
        assert 0.02 < muscle.mean() < 0.35 and not np.any(muscle & (sample.breast == 0))
        row, column = centre_of(muscle)
        assert row < SMALL[0] / 3 and (column < SMALL[1] / 3) == (laterality == "L")


def test_densities_differ_in_glandular_tissue():
    samples = [made(6, density=density, mass=False) for density in "abcd"]
    shares = [sample.gland_share for sample in samples]
    assert shares == sorted(shares) and shares[3] > 5 * shares[0] and shares[2] > 1.4 * shares[1]
    # What was made is what is seen: denser breasts are brighter.
    levels = [sample.display[ndimage.binary_erosion(sample.breast > 0, iterations=20)].mean() for sample in samples]
    assert levels == sorted(levels) and levels[3] > 1.3 * levels[0]


def test_same_seed_same_bytes_other_seed_other_image():
    first, again = make_mammogram(1, size=SMALL), make_mammogram(1, size=SMALL)
    assert first.image.tobytes() == again.image.tobytes() and first.truth.tobytes() == again.truth.tobytes()
    assert first.masses == again.masses
    assert not np.array_equal(first.image, made(2, "L", "CC", density="b").image)
    assert not np.array_equal(
        first.image, made(1, "R", "CC").image[:, ::-1]
    )  # a right breast is another breast, not a mirrored one


def test_a_larger_matrix_shows_the_same_breast():
    small, large = made(1, size=MEDIUM), made(1, size=(1664, 1280))
    assert large.spacing_mm == pytest.approx(small.spacing_mm / 2)
    assert large.masses[0].diameter_mm == small.masses[0].diameter_mm
    reduced = large.truth.reshape(832, 2, 640, 2).mean((1, 3)) > 0.5
    assert (reduced != (small.truth > 0)).sum() < 0.06 * small.truth.sum()


@pytest.mark.parametrize("padding, least, most", [("border", 0.01, 0.15), ("air", 0.4, 0.95)])
@pytest.mark.parametrize("polarity", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_displays_black_and_touches_no_breast(padding, least, most, polarity):
    sample = made(1, padding=padding, polarity=polarity)
    assert sample.padding_value == (0 if polarity == "MONOCHROME2" else sample.largest)
    padded = sample.image == sample.padding_value
    assert least < padded.mean() < most and not np.any(padded & (sample.breast > 0))
    assert sample.image.max() <= sample.largest and sample.image.dtype == np.uint16
    if polarity == "MONOCHROME1":
        assert sample.padding_value == sample.image.max()


def test_no_padding_leaves_the_value_unused():
    sample = made(1, padding="none")
    assert sample.padding_value is None and not np.isin(sample.image, (0, sample.largest)).any()


@pytest.mark.parametrize("laterality", ["L", "R"])
def test_view_mark_is_burned_in_away_from_the_breast_and_readable(laterality):
    with_mark, without = (made(1, laterality, padding="none", size=MEDIUM, markers=shown) for shown in (True, False))
    bright = (with_mark.display > 0.8 * with_mark.largest) & (without.display < 0.1 * without.largest)
    inner = np.zeros(MEDIUM, bool)
    inner[30:130, 25:-25] = True
    mark = bright & inner
    assert mark.sum() > 300 and not np.any(mark & (with_mark.breast > 0))
    rows, columns = np.nonzero(mark)
    assert (columns.mean() > MEDIUM[1] / 2) == (laterality == "L")
    # Readable, not mirrored: an L has its stroke on the left, an R its bow; the first letter is the side.
    first = mark[rows.min() : rows.max() + 1, columns.min() : columns.min() + 17]
    left, right = first[:, :6].sum(), first[:, -6:].sum()
    assert left > 1.3 * right


def test_counts_for_processing_fall_with_attenuation():
    counts = made(8, density="c", intent="processing", polarity="MONOCHROME1")
    shown = made(8, density="c", intent="presentation")
    assert counts.bits == 14 and shown.bits == 12
    air = (counts.breast == 0) & (counts.image != counts.padding_value) & (counts.display < 0.3 * counts.largest)
    inside = ndimage.binary_erosion(counts.breast > 0, iterations=20)
    assert np.median(counts.image[air]) > 3 * np.median(counts.image[inside])
    assert np.corrcoef(np.log(counts.image[inside].astype(float)), shown.image[inside])[0, 1] < -0.85


@pytest.mark.parametrize(
    "options, word",
    [
        ({"view": "ML"}, "view"),
        ({"laterality": "left"}, "laterality"),
        ({"density": "e"}, "density"),
        ({"polarity": "RGB"}, "polarity"),
        ({"diameter_mm": 80}, "mass"),
        ({"size": (100, 100), "spacing_mm": 0.1}, "mm"),
        ({"padding": "all"}, "padding"),
        ({"bits": 16}, "bits"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(options, word):
    with pytest.raises(BadInput) as error:
        make_mammogram(1, **options)
    assert word in error.value.line and "\n" not in error.value.line
