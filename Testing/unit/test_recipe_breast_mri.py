"""The breast mask: lesions stay inside whatever the exam looks like, air and thorax go where they can be told."""

from functools import lru_cache

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.recipe.breast_mri import breast_mask
from BreastSegLib.samples import anatomy
from BreastSegLib.samples.dce import make_dce_exam
from BreastSegLib.volume import Geometry, Volume
from scipy import ndimage
from scipy.io import loadmat

BREAST = (anatomy.FAT, anatomy.GLAND, anatomy.NIPPLE, anatomy.SKIN)
THORAX = (anatomy.LUNG, anatomy.HEART)
EYE = np.eye(3)


@lru_cache(maxsize=4)
def sample(seed, **options):
    return make_dce_exam(seed, **{"posts": 1, "masses": 2, "radius_mm": (3, 9), **options})


def stored(volume, order, signs):
    """Return the same image with its axes (x, y, z) stored in another order and direction, and its geometry."""
    geometry = volume.geometry
    size = np.array(geometry.shape[::-1])
    array = volume.array.transpose([2 - order[2 - k] for k in range(3)])
    first = np.zeros(3)
    for axis, (old, sign) in enumerate(zip(order, signs)):
        if sign < 0:
            array = np.flip(array, 2 - axis)
            first[old] = size[old] - 1
    origin = (geometry.ijk_to_lps @ np.append(first, 1))[:3]
    direction = geometry.matrix[:, list(order)] * signs
    spacing = [geometry.spacing[old] for old in order]
    array = np.ascontiguousarray(array)
    return Volume(array, Geometry(array.shape, spacing, tuple(origin), tuple(direction.ravel())))


def dice(a, b):
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


@pytest.mark.parametrize("phase", [0, 1])
@pytest.mark.parametrize("seed", range(6))
def test_lesions_stay_and_air_and_thorax_go(seed, phase):
    made = sample(seed, bias=0.15 + 0.2 * (seed % 3), oblique_degrees=8.0 * (seed % 5 - 2), noise=4.0 + 3 * (seed % 4))
    found = breast_mask(made.exam.volumes[phase])
    assert found.found and found.note == ""
    assert found.mask[made.truth.array > 0].all()
    tissue = made.tissue.array
    assert found.mask[np.isin(tissue, BREAST)].mean() > 0.99
    assert found.mask[tissue == anatomy.AIR].mean() < 0.06
    assert found.mask[np.isin(tissue, THORAX)].mean() < 0.7
    assert found.mask.mean() < 0.56


def test_most_of_heart_and_lungs_go_in_a_typical_exam():
    out = []
    for seed in range(6):
        made = sample(seed)
        out.append(1 - breast_mask(made.exam.volumes[1]).mask[np.isin(made.tissue.array, THORAX)].mean())
    assert np.mean(out) > 0.75


@pytest.mark.parametrize(
    ("order", "signs"),
    [((0, 1, 2), (-1, -1, 1)), ((0, 1, 2), (1, 1, -1)), ((1, 2, 0), (1, -1, 1)), ((0, 2, 1), (1, -1, -1))],
    ids=["turned round", "from the feet", "sagittal", "coronal"],
)
def test_the_way_of_storing_does_not_matter(order, signs):
    made = sample(3)
    plain = breast_mask(made.exam.volumes[1])
    other = breast_mask(stored(made.exam.volumes[1], order, signs))
    expected = stored(Volume(plain.mask, made.exam.geometry), order, signs).array
    assert other.note == plain.note == ""
    assert dice(other.mask, expected) > 0.98
    assert other.mask[stored(made.truth, order, signs).array > 0].all()


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0)], ids=["axial", "sagittal"])
def test_exams_of_one_breast_keep_it_whole(side, order):
    made = sample(11, side=side)
    half = made.exam.geometry.shape[2] // 2
    part = np.s_[:, :, :half] if side == "right" else np.s_[:, :, half:]
    cut = [np.ascontiguousarray(v.array[part]) for v in (made.exam.volumes[1], made.truth, made.tissue)]
    geometry = Geometry(cut[0].shape, made.exam.geometry.spacing)
    image, truth, tissue = (stored(Volume(a, geometry), order, (1, 1, 1)).array for a in cut)
    volume = stored(Volume(cut[0], geometry), order, (1, 1, 1))
    found = breast_mask(Volume(image, volume.geometry))
    assert found.found and found.mask[truth > 0].all()
    assert found.mask[np.isin(tissue, BREAST)].mean() > 0.99


def changed(made, change):
    array = made.exam.volumes[1].array.copy()
    change(array, made)
    return Volume(array, made.exam.geometry)


def suppress_fat(array, made):
    array[made.tissue.array == anatomy.FAT] *= 0.3


def touch(array, made):
    """Fill the cleft between the breasts up to 15 mm behind the nipples: the sternum's skin is hidden."""
    tip = np.argmax(array.max(axis=(0, 2)) > 100)
    depth = tip + int(15 / 1.2)
    columns = slice(array.shape[2] // 2 - 14, array.shape[2] // 2 + 14)
    part = array[4:-4, depth:, columns]
    part[part < 60] = 170


def add_arms(array, made):
    array[:, -30:, :8] = 200
    array[:, -30:, -8:] = 200


def lose_signal_at_the_back(array, made):
    array *= np.linspace(1.5, 0.05, array.shape[1], dtype=np.float32)[None, :, None]


def fold_over(array, made):
    array[:, :10] += 0.4 * array[:, -10:]


def bright_heart(array, made):
    array[made.tissue.array == anatomy.HEART] *= 6


@pytest.mark.parametrize(
    "change",
    [suppress_fat, touch, add_arms, lose_signal_at_the_back, fold_over, bright_heart],
    ids=lambda f: f.__name__,
)
@pytest.mark.parametrize("seed", [0, 4])
def test_no_lesion_is_lost_when(change, seed):
    made = sample(seed, masses=3)
    found = breast_mask(changed(made, change))
    assert found.found
    assert found.mask[made.truth.array > 0].all()


@pytest.mark.parametrize("back", [25, 40, 55])
def test_a_field_of_view_that_ends_before_the_thorax_is_no_trouble(back):
    made = sample(6)
    volume = Volume(
        np.ascontiguousarray(made.exam.volumes[1].array[:, :-back]), Geometry((40, 96 - back, 160), (1.2, 1.2, 2))
    )
    found = breast_mask(volume)
    assert found.found and found.mask[made.truth.array[:, :-back] > 0].all()


def test_one_breast_missing_keeps_the_other():
    made = sample(8, side="left")
    array = made.exam.volumes[1].array.copy()
    wall = int(np.median(np.argmax(made.tissue.array[20] == anatomy.MUSCLE, axis=0))) - 6
    array[:, :wall, :80] = 8
    found = breast_mask(Volume(array, made.exam.geometry))
    assert found.found and found.mask[made.truth.array > 0].all()


@pytest.mark.parametrize("seed", [2, 3])
@pytest.mark.parametrize(
    "direction",
    [
        np.diag([1, -1, -1]),
        EYE[:, [0, 2, 1]] * (1, 1, -1),
        EYE[:, [0, 2, 1]] * (1, -1, 1),
        EYE[:, [1, 0, 2]] * (1, -1, 1),
        EYE[:, [1, 2, 0]],
        EYE[:, [2, 0, 1]],
    ],
    ids=["back", "feet", "head", "side", "turned", "turned twice"],
)
def test_directions_that_are_wrong_cost_no_lesion(seed, direction):
    """Anterior is said to be where it is not: nothing may be taken for thorax and cut off."""
    made = sample(seed)
    geometry = Geometry(made.exam.geometry.shape, made.exam.geometry.spacing, direction=tuple(direction.ravel()))
    found = breast_mask(Volume(made.exam.volumes[1].array, geometry))
    assert "whole body" in found.note
    assert found.mask[made.truth.array > 0].all()


def whole_chest(chest=(165, 110), breast=(65, 90, 80), middle=85, fat=220, arms=False):
    """Return an axial volume of a chest with its back, where breast tissue lies, and what is inside the ribs.

    `chest` holds half axes along (x, y), `breast` along (x, y, z), in mm; `middle` is the distance of the breasts'
    middles from the midline.
    """
    step = 2.5
    z, y, x = np.ogrid[-36:36, -44:92, -90:90]
    z, y, x = z * step, y * step, x * step
    across, deep = chest
    ring = [((x / (across - t)) ** 2 + ((y - deep) / (deep - t)) ** 2 < 1) | (z > 1e9) for t in (0, 18, 32)]
    bulge = [
        ((x - s * middle) / breast[0]) ** 2 + ((y - 15) / breast[1]) ** 2 + (z / breast[2]) ** 2 < 1 for s in (-1, 1)
    ]
    tissue = (bulge[0] | bulge[1]) & ~ring[1]
    values = np.where(ring[0] | tissue, fat, 6.0)
    rng = np.random.default_rng(0)
    values[tissue & (rng.random(values.shape) < 0.3)] = 180
    values[ring[1]] = 150
    values[ring[2] & (np.abs(x) > 25) & (((np.abs(x) - 75) / 60) ** 2 + ((y - deep) / 75) ** 2 < 1)] = 15
    values[ring[2] & (((x - 20) / 45) ** 2 + ((y - 60) / 35) ** 2 + (z / 60) ** 2 < 1)] = 400
    if arms:
        values[(((np.abs(x) - 195) / 28) ** 2 + ((y - 110) / 40) ** 2 < 1) & (z < 1e9) & ~ring[0]] = 200
    values = np.hypot(values + rng.normal(0, 8, values.shape), rng.normal(0, 8, values.shape)).astype(np.float32)
    return Volume(values, Geometry(values.shape, (step,) * 3)), tissue, ring[2]


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"middle": 61},  # the breasts touch
        {"middle": 61, "fat": 60, "arms": True},
        {"chest": (140, 90), "breast": (45, 50, 60), "middle": 65},
        {"chest": (190, 130), "breast": (90, 110, 88), "middle": 100},
        {"breast": (60, 40, 70)},
    ],
    ids=["usual", "touching", "touching, fat suppressed, arms down", "small", "large", "shallow"],
)
def test_a_whole_chest_keeps_all_of_the_breasts_and_little_of_what_is_inside_the_ribs(shape):
    volume, tissue, inside = whole_chest(**shape)
    found = breast_mask(volume)
    assert found.found and found.note == ""
    assert found.mask[tissue].all()
    assert found.mask[np.broadcast_to(inside, tissue.shape)].mean() < 0.25


def test_fine_and_coarse_grids_give_the_same_breast():
    made = sample(1)
    fine = made.exam.volumes[1]
    coarse = Volume(np.ascontiguousarray(fine.array[:, ::2, ::2]), Geometry((40, 48, 80), (2.4, 2.4, 2.0)))
    assert dice(breast_mask(fine).mask[:, ::2, ::2], breast_mask(coarse).mask) > 0.97


@pytest.fixture(scope="module")
def slice_in_vivo(real_data):
    return np.asarray(loadmat(real_data / "breast-dce-invivo" / "invivo.mat")["DCEdata"])[20].astype(np.float32)


@pytest.mark.parametrize("thick", [1, 30], ids=["one slice", "30 slices"])
@pytest.mark.parametrize(
    "rows",
    [
        (1, 0, 0, 0, 1, 0, 0, 0, 1),
        (0, 0, 1, 1, 0, 0, 0, -1, 0),
        (0, 0, 1, -1, 0, 0, 0, -1, 0),
        (0, 0, 1, 0, 1, 0, 1, 0, 0),
    ],
    ids=["unknown", "sagittal", "mirrored", "turned"],
)
def test_the_real_tumour_stays_whatever_the_directions(slice_in_vivo, thick, rows, artefacts):
    array = np.repeat(slice_in_vivo[None], thick, axis=0)
    found = breast_mask(Volume(array, Geometry(array.shape, (0.9, 0.9, 3.0), direction=rows)))
    assert found.found
    # The tumour with its rim, by eye; the air before the breast; the inframammary fold below it.
    assert found.mask[:, 93:125, 82:116].all()
    assert not found.mask[:, :40, :60].any() and not found.mask[:, 150:, :100].any()


def test_the_thorax_of_the_real_slice_is_told_only_from_right_directions(slice_in_vivo):
    array = np.repeat(slice_in_vivo[None], 30, axis=0)
    told, mirrored = (
        breast_mask(Volume(array, Geometry(array.shape, (0.9, 0.9, 3.0), direction=(0, 0, 1, way, 0, 0, 0, -1, 0))))
        for way in (1, -1)
    )
    assert told.note == "" and "whole body" in mirrored.note
    assert not told.mask[:, :, 185:].any() and mirrored.mask[:, :, 185:].any()


def test_heads_give_a_mask_of_the_head(real_data):
    folder = real_data / "dicom-mr-series" / "ge-no-temporal-index"
    names = sorted(str(p) for p in folder.glob("*.dcm"))
    planes = [sitk.GetArrayFromImage(sitk.ReadImage(name))[0].astype(np.float32) for name in names]
    volume = Volume(np.array(planes[::3]), Geometry((15, *planes[0].shape), (3.4, 3.4, 5.0)))
    found = breast_mask(volume)
    assert found.mask.shape == volume.array.shape and found.mask.any()
    middle = found.mask[:, 25:40, 25:40]
    assert middle.mean() > 0.9


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan, np.inf])
def test_an_image_of_one_value_shows_no_breast_and_says_so(value):
    found = breast_mask(Volume(np.full((20, 40, 50), value, np.float32), Geometry((20, 40, 50), (2, 2, 2))))
    assert not found.found and found.mask.all() and found.mask.dtype == bool
    assert found.note == "No breast was found in the image; the whole image is used."


def test_single_values_that_are_not_numbers_do_no_harm():
    made = sample(3)
    array = made.exam.volumes[1].array.copy()
    array[5, 6, 7], array[20, 50, 60], array[30, 2, 100] = np.nan, np.inf, -np.inf
    found = breast_mask(Volume(array, made.exam.geometry))
    assert found.found and found.mask[made.truth.array > 0].all() and found.mask.mean() < 0.56


@pytest.mark.parametrize("shape", [(1, 60, 80), (30, 1, 80), (30, 60, 1), (1, 1, 1), (2, 3, 4)])
def test_thin_images_give_a_mask(shape):
    rng = np.random.default_rng(0)
    array = ndimage.gaussian_filter(rng.random(shape), 2).astype(np.float32)
    found = breast_mask(Volume(array, Geometry(shape, (2, 2, 2))))
    assert found.mask.shape == shape and found.mask.dtype == bool and found.mask.any()
