"""Skin, chest wall, nipple, quadrant and clock: against a chest that is known in closed form, and synthetic exams."""

import json
from functools import lru_cache

import numpy as np
import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.measures.lesions import lesion_labels, measure_shapes
from BreastSegLib.measures.outline import AIR, NEITHER, THORAX, Outline
from BreastSegLib.measures.position import clock, nipples, quadrant
from BreastSegLib.measures.shape import points_lps
from BreastSegLib.measures.surroundings import Surroundings, edge_faces
from BreastSegLib.recipe.breast_mri import breast_mask
from BreastSegLib.samples import anatomy
from BreastSegLib.samples.dce import make_dce_exam
from BreastSegLib.volume import Geometry
from geometry_cases import centred, geometries, named_matrices, rotation
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial import cKDTree

MIDDLE, RADII, WALL, THORAX_AT, HALF = 75.0, (52.0, 70.0, 55.0), 10.0, 34.0, 100.0
EXTENT = (330.0, 150.0, 140.0)  # of the field of view in the patient, mm
MATRICES = named_matrices()
STRAIGHT = MATRICES["axial"]


def grid(matrix=STRAIGHT, spacing=(1.9, 1.9, 2.3)):
    """Return a grid about the chest whose axes are the columns of `matrix`."""
    along = np.abs(matrix).T @ EXTENT  # along each grid axis
    shape = tuple(int(length / s) for length, s in zip(along[::-1], spacing[::-1]))
    return centred(shape, spacing, matrix)


@lru_cache(maxsize=3)
def places(geometry):
    z, y, x = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in geometry.shape), indexing="ij")
    return np.moveaxis(np.stack([x, y, z], -1) @ geometry.ijk_to_lps[:3, :3].T + geometry.origin, -1, 0)


@lru_cache(maxsize=8)
def chest(geometry, sides=(-1, 1), thorax=True):
    """Return the mask of a chest with half ellipsoids for breasts, its thorax left out, and nothing else."""
    x, y, z = places(geometry)
    mask = (y > WALL) & (np.abs(x) < 150) & (y < 60)
    for side in sides:
        inside = ((x - side * MIDDLE) / RADII[0]) ** 2 + ((y - WALL) / RADII[1]) ** 2 + (z / RADII[2]) ** 2
        mask |= (inside <= 1) & (y <= WALL)
    if thorax:
        mask &= ~((y > THORAX_AT) & (np.abs(x) < HALF))
    return mask


def skin():
    """Return a tree of points of the chest's front, about 0.5 mm apart."""
    a, b = np.meshgrid(np.radians(np.arange(0, 90, 0.4)), np.radians(np.arange(0, 360, 0.4)))
    unit = np.stack([np.sin(a) * np.cos(b), -np.cos(a), np.sin(a) * np.sin(b)], -1).reshape(-1, 3)
    parts = [unit * RADII + (side * MIDDLE, WALL, 0) for side in (-1, 1)]
    x, z = (axis.ravel() for axis in np.meshgrid(np.arange(-150, 150, 0.5), np.arange(-70, 70, 0.5)))
    open_ones = ((np.abs(x) - MIDDLE) / RADII[0]) ** 2 + (z / RADII[2]) ** 2 > 1
    return cKDTree(np.concatenate([*parts, np.stack([x, 0 * x + WALL, z], -1)[open_ones]]))


SKIN = skin()
LESIONS = (((60, -20, 10), 7), ((-91, 2, -16), 5), ((-70, -30, 20), 4), ((84, 8, 0), 6))


def measured(geometry, breast, lesions=LESIONS, **options):
    """Return the rows of some balls, in their order."""
    at, mask = places(geometry), np.zeros(geometry.shape, np.uint8)
    for number, (centre, radius) in enumerate(lesions, start=1):
        mask[sum((p - c) ** 2 for p, c in zip(at, centre)) <= radius**2] = number
    rows = measure_shapes(*_split(mask, geometry), breast=breast, **options)
    return sorted(rows, key=lambda row: row["value"])


def _split(mask, geometry):
    labels, values = lesion_labels(mask)
    return labels, geometry, values


@pytest.mark.parametrize(
    ("name", "spacing"),
    [*((name, (1.9, 1.9, 2.3)) for name in MATRICES), ("axial", (1.0, 1.3, 2.3)), ("oblique", (1.2, 1.3, 3.0))],
)
def test_distances_and_places_do_not_depend_on_the_way_of_storing(name, spacing):
    geometry = grid(MATRICES[name], spacing)
    breast = chest(geometry)
    rows = measured(geometry, breast)
    fine = np.array(geometry.spacing)
    factors = np.array(Outline(breast, geometry).factors[::-1])
    # A face between two voxels lies within half a step of the surface that parts their centres; the nearest face to a
    # point of the surface lies within a voxel's diagonal.
    low = (fine.max() + (fine * factors).max()) / 2
    high = np.linalg.norm(fine) + np.linalg.norm(fine * factors)
    for row, (centre, radius) in zip(rows, LESIONS):
        true = SKIN.query(centre)[0] - radius
        assert true - low <= row["skin_mm"] <= true + high, centre
        wall = THORAX_AT - centre[1] - radius
        assert wall - low <= row["chest_wall_mm"] <= wall + high, centre
        assert abs(row["skin_mm"] - true) < 2 and abs(row["chest_wall_mm"] - wall) < 2  # in fact
    assert [row["side"] for row in rows] == ["left", "right", "right", "left"]
    assert [row["quadrant"] for row in rows] == ["upper inner", "lower outer", "upper inner", "central"]
    assert [row["clock"] for row in rows] == ["10:00", "7:30", "12:30", ""]


@pytest.mark.parametrize("name", MATRICES)
def test_the_nipple_is_where_the_breast_reaches_farthest(name):
    geometry = grid(MATRICES[name])
    found = nipples(Outline(chest(geometry), geometry))
    for side, sign in (("right", -1), ("left", 1)):
        np.testing.assert_allclose(found[side], (sign * MIDDLE, WALL - RADII[1], 0), atol=3)


def test_a_mirrored_chest_gives_mirrored_places():
    geometry = grid()
    mirrored = [((-x, y, z), r) for (x, y, z), r in LESIONS]
    rows, other = measured(geometry, chest(geometry)), measured(geometry, chest(geometry), mirrored)
    swap = {"right": "left", "left": "right"}
    for one, two in zip(rows, other):
        assert two["side"] == swap[one["side"]] and two["quadrant"] == one["quadrant"]
        assert two["skin_mm"] == pytest.approx(one["skin_mm"], abs=2)
        if one["clock"]:
            hours = [int(h) % 12 + int(m) / 60 for h, m in (row["clock"].split(":") for row in (one, two))]
            assert sum(hours) == 12


def test_the_clock_is_that_of_who_faces_the_patient():
    nipple = np.array([80.0, -60, 0])
    for hours in np.arange(0, 12, 0.5):
        angle = np.radians(30 * hours)
        point = nipple + (40 * np.sin(angle), 30, 40 * np.cos(angle))  # 3:00 is the patient's left
        text = f"{int(hours) or 12}:{'30' if hours % 1 else '00'}"
        assert clock(point, nipple) == text
        assert clock(point + (0.5, 9, 0.5), nipple) == text
    assert clock(nipple + (6, 50, -6), nipple) == clock(nipple, None) == ""


@pytest.mark.parametrize(
    ("side", "step", "expected"),
    [
        ("right", (-30, 9, 30), ("upper outer", "10:30")),
        ("right", (30, 9, 30), ("upper inner", "1:30")),
        ("right", (-30, 9, 0), ("upper outer", "9:00")),
        ("left", (30, 9, -0.1), ("lower outer", "3:00")),
        ("left", (30, 9, -30), ("lower outer", "4:30")),
        ("left", (-30, 9, -30), ("lower inner", "7:30")),
        ("left", (7, 40, 7), ("central", "")),
    ],
)
def test_quadrants(side, step, expected):
    nipple = np.array([75.0 if side == "left" else -75, -60, 3])
    assert (quadrant(nipple + step, nipple, side), clock(nipple + step, nipple)) == expected


def test_what_is_not_known_stays_empty():
    assert quadrant((1, 2, 3), None, "left") == quadrant((1, 2, 3), (1, 2, 3), "") == ""


# --- the outline


def test_a_mask_without_thorax_tells_no_chest_wall():
    geometry = grid()
    rows = measured(geometry, chest(geometry, thorax=False), thorax_seen=False)
    assert all(row["chest_wall_mm"] is None and row["skin_mm"] > 0 and row["quadrant"] for row in rows)


def test_air_behind_the_sides_of_the_chest_is_no_thorax():
    geometry = grid()
    outline = Outline(chest(geometry), geometry)
    to_index = np.linalg.inv(geometry.ijk_to_lps)

    def kind(*point):
        index = (to_index @ [*point, 1])[:3][::-1]
        return outline.kind_at(np.round(index)[None].astype(int))[0]

    assert kind(0, 50, 0) == kind(60, 40, 20) == THORAX
    assert kind(120, 70, 0) == kind(-120, 70, 0) == kind(0, -40, 0) == kind(155, 20, 0) == AIR


def test_a_hollow_between_the_breasts_is_no_thorax():
    """Breasts that hang over: behind their inner sides is air, and body behind it."""
    geometry = grid()
    x, y, _ = places(geometry)
    breast = chest(geometry) | ((y > -20) & (y < -8) & (np.abs(x) < 140) & (np.abs(x) > 12))
    kinds = Outline(breast, geometry).kinds
    assert (kinds == NEITHER).any()
    assert not (kinds[y < THORAX_AT - 2] == THORAX).any()  # a block is one voxel here


def test_dark_pockets_and_single_voxels_of_noise_do_not_matter():
    geometry = grid()
    breast = chest(geometry)
    rng = np.random.default_rng(3)
    noisy = breast ^ (rng.random(breast.shape) < 0.03)
    noisy[ndimage.binary_erosion(breast, iterations=3) & (rng.random(breast.shape) < 0.2)] = False
    for one, two in zip(measured(geometry, breast), measured(geometry, noisy)):
        assert two["skin_mm"] == pytest.approx(one["skin_mm"], abs=2.5)
        assert two["chest_wall_mm"] == pytest.approx(one["chest_wall_mm"], abs=2.5)
        assert two["clock"] == one["clock"]


@pytest.mark.parametrize("name", ["axial", "sagittal", "oblique sagittal"])
def test_an_exam_of_one_breast(name):
    whole = grid(MATRICES[name])
    x = places(whole)[0]
    keep = np.flatnonzero((x > 4).all(axis=tuple(a for a in range(3) if a != Outline(x > 0, whole).axes[0])))
    axis = Outline(x > 0, whole).axes[0]
    cut = tuple(slice(keep[0], keep[-1] + 1) if a == axis else slice(None) for a in range(3))
    first = np.zeros(3)
    first[axis] = keep[0]
    # A plane cuts the body off, from side to side.
    breast = chest(whole)[cut] & (places(whole)[1][cut] < THORAX_AT)
    geometry = Geometry(breast.shape, whole.spacing, points_lps(first, whole), whole.direction)
    rows = measured(geometry, breast, LESIONS[:1])
    assert rows[0]["side"] == "left" and rows[0]["clock"] == "10:00"
    assert rows[0]["chest_wall_mm"] == pytest.approx(THORAX_AT + 20 - 7, abs=2)


def test_a_lesion_at_the_skin_or_beyond_has_no_distance():
    geometry = grid()
    tip = (MIDDLE, WALL - RADII[1], 0)
    rows = measured(geometry, chest(geometry), [(tip, 6), ((-75, -70, 0), 3), ((0, THORAX_AT, 0), 4)])
    assert rows[0]["skin_mm"] == rows[1]["skin_mm"] == rows[2]["chest_wall_mm"] == 0


# --- no nipple


def test_no_nipple_without_a_bulge():
    geometry = grid()
    assert nipples(Outline(chest(geometry, sides=()), geometry)) == {"right": None, "left": None}
    found = nipples(Outline(chest(geometry, sides=(1,)), geometry))
    assert found["right"] is None and found["left"] is not None


@pytest.mark.parametrize("lost", ["front", "head", "side"])
def test_no_nipple_where_the_image_cuts_the_breast_off(lost):
    whole = grid()
    x, y, z = places(whole)
    keep = {"front": y > -45, "head": z < -2, "side": x < 74}[lost]
    box = ndimage.find_objects(keep.astype(np.uint8))[0]
    breast = chest(whole)[box]
    geometry = Geometry(breast.shape, whole.spacing, points_lps([part.start for part in box], whole), whole.direction)
    found = nipples(Outline(breast, geometry))
    assert found["left"] is None
    assert (found["right"] is None) == (lost != "side")


def test_a_flat_front_gives_its_middle():
    geometry = grid()
    _, y, _ = places(geometry)
    found = nipples(Outline(chest(geometry) & (y > -45), geometry))
    for side, sign in (("right", -1), ("left", 1)):
        np.testing.assert_allclose(found[side][[0, 2]], (sign * MIDDLE, 0), atol=2)


def test_no_side_no_nipple():
    geometry = Geometry((20, 60, 50), (2, 2, 2), (-12, -60, -20))  # x from -12 to 86: one breast and a little more
    breast = np.zeros(geometry.shape, bool)
    breast[4:16, 20:, 10:40] = True
    assert nipples(Outline(breast, geometry)) == {"right": None, "left": None}


@pytest.mark.parametrize("fill", [True, False])
def test_a_mask_that_holds_all_or_nothing_tells_nothing(fill):
    geometry = grid()
    row = measured(geometry, np.full(geometry.shape, fill))[0]
    assert row["chest_wall_mm"] is None and row["clock"] == row["quadrant"] == ""
    assert row["skin_mm"] is None


def test_other_shapes_are_refused():
    with pytest.raises(BadInput, match="shape"):
        Outline(np.ones((3, 3, 3), bool), Geometry((3, 3, 4)))


@pytest.mark.parametrize("seed", range(20))
def test_the_short_cut_to_the_nearest_point_is_exact(seed):
    rng = np.random.default_rng(seed)
    geometry = Geometry(tuple(rng.integers(5, 16, 3)), tuple(rng.uniform(1.4, 3, 3)))  # blocks of one voxel
    breast = np.pad(rng.random(tuple(n - 2 for n in geometry.shape)) < 0.97, 1)
    outline, mask = Outline(breast, geometry, thorax_seen=False), rng.random(geometry.shape) < 0.05
    mask[2, 2, 2] = True
    points, voxels = edge_faces(mask)
    spacing = np.array(geometry.spacing[::-1])
    apart = np.linalg.norm((points * spacing)[:, None] - (outline.air * spacing)[None], axis=-1)
    expected = 0 if (outline.kind_at(voxels) == AIR).any() else apart.min()
    assert Surroundings(outline).skin_mm(mask, (0, 0, 0)) == pytest.approx(expected)
    part = ndimage.binary_erosion(breast)  # lesions that do not touch the air
    if part.any():
        points, _ = edge_faces(part)
        apart = np.linalg.norm((points * spacing)[:, None] - (outline.air * spacing)[None], axis=-1)
        assert Surroundings(outline).skin_mm(part, (0, 0, 0)) == pytest.approx(apart.min())


@settings(max_examples=60, deadline=None)
@given(geometries(sizes=(1, 8)), st.integers(0, 2**32 - 1), st.floats(0.05, 0.95), st.booleans())
def test_any_mask_gives_rows_without_nan(geometry, seed, share, thorax_seen):
    rng = np.random.default_rng(seed)
    breast, mask = rng.random(geometry.shape) < share, (rng.random(geometry.shape) < 0.2).astype(np.uint8)
    labels, values = lesion_labels(mask)
    rows = measure_shapes(labels, geometry, values, breast=breast, thorax_seen=thorax_seen)
    json.dumps(rows, allow_nan=False)
    for row in rows:
        assert row["skin_mm"] is None or 0 <= row["skin_mm"] <= np.linalg.norm(geometry.extent)
        assert row["clock"] == "" or row["side"]


# --- synthetic exams


@pytest.mark.parametrize("seed", [0, 1, 3, 9])
def test_synthetic_exams(seed):
    made = make_dce_exam(
        seed, posts=1, masses=3, radius_mm=(3, 9), oblique_degrees=8.0 * (seed % 5 - 2), bias=0.15, noise=4.0
    )
    geometry, tissue = made.exam.geometry, made.tissue.array
    found = breast_mask(made.exam.volumes[1])
    seen = nipples(Outline(found.mask, geometry, not found.note))
    marked = np.array(points_lps(np.argwhere(tissue == anatomy.NIPPLE), geometry))
    for side, sign in (("right", -1), ("left", 1)):
        # Turned breasts reach farthest beside the nipple.
        assert np.linalg.norm(seen[side] - marked[marked[:, 0] * sign > 0].mean(axis=0)) < 10
    labels, values = lesion_labels(made.truth)
    rows = measure_shapes(labels, geometry, values, breast=found.mask, thorax_seen=not found.note)
    to_air, to_muscle = (
        ndimage.distance_transform_edt(~np.isin(tissue, kinds), sampling=geometry.spacing[::-1])
        for kinds in ((anatomy.AIR,), (anatomy.MUSCLE, anatomy.LUNG, anatomy.HEART))
    )
    assert len(rows) == 3
    for row in rows:
        its = labels == row["label"]
        half_voxels = 1.2  # a distance between centres is longer than one between edges
        assert row["skin_mm"] == pytest.approx(to_air[its].min() - half_voxels, abs=2)
        # The breast mask is generous: its thorax begins behind the muscle's front.
        assert 5 < row["chest_wall_mm"] - (to_muscle[its].min() - half_voxels) < 25
        assert row["clock"] or row["quadrant"] == "central"


def test_the_turn_of_the_grid_is_undone():
    """The same patient on a straight and on an oblique grid."""
    straight = measured(grid(), chest(grid()))
    oblique = grid(rotation(14, 2) @ rotation(-11, 0) @ rotation(6, 1))
    for one, two in zip(straight, measured(oblique, chest(oblique))):
        assert (one["side"], one["quadrant"], one["clock"]) == (two["side"], two["quadrant"], two["clock"])
        np.testing.assert_allclose(one["centroid_lps"], two["centroid_lps"], atol=0.5)
