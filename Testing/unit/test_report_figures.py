"""The pictures of reports: right and left, where outlines lie, projections, the chart."""

from dataclasses import replace

import numpy as np
import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.dce import number_phases
from BreastSegLib.measures import Settings, measure_dce
from BreastSegLib.measures.phasechoice import choose_phases
from BreastSegLib.reports.blocks import Figure, FigureRow
from BreastSegLib.reports.chart import LINES, TISSUE, curve_figure, places_of, ticks
from BreastSegLib.reports.depthview import depth_figure, first_hit
from BreastSegLib.reports.drawing import draw_scale_bar
from BreastSegLib.reports.figures import key_figures, projection_figure, subtraction_mip
from BreastSegLib.reports.framing import Framing
from BreastSegLib.reports.mammogramfigures import breast_piece, close_ups, tone, view_figures
from BreastSegLib.reports.phasestrip import phase_figures
from BreastSegLib.reports.planes import Plane, direction_letters, ijk_of
from BreastSegLib.volume import Geometry
from hypothesis import given, settings
from hypothesis import strategies as st
from report_cases import (
    FLIPPED,
    SAGITTAL,
    body_exam,
    centred,
    mammogram_content,
    mammograms,
    picture,
    yellow,
)

LESION = ((40.0, -20.0, 15.0), 9.0)  # left, anterior, above the middle
OBLIQUE = tuple(
    np.array([[np.cos(0.35), -np.sin(0.35), 0], [np.sin(0.35), np.cos(0.35), 0], [0, 0, 1]]).round(12).ravel()
)
GRIDS = {
    "axial": centred((30, 60, 80), (2.5, 2.5, 3.0)),
    "flipped": centred((30, 60, 80), (2.5, 2.5, 3.0), FLIPPED),
    "sagittal": centred((70, 40, 60), (2.5, 2.5, 2.8), SAGITTAL),
    "oblique": centred((30, 70, 80), (2.5, 2.5, 3.0), OBLIQUE),
    "head first or not": centred((30, 60, 80), (2.5, 2.5, 3.0), (1, 0, 0, 0, -1, 0, 0, 0, -1)),
}


def measured(exam, mask):
    """The rows of lesions."""
    return measure_dce(exam, mask, Settings())["lesions"]


@pytest.fixture(scope="module", params=GRIDS, ids=lambda name: name.replace(" ", "-"))
def case(request):
    """An exam with one lesion on the patient's left, on grids that store it in every way."""
    exam, mask = body_exam(GRIDS[request.param], [LESION])
    return exam, mask, measured(exam, mask)


def test_key_images_are_axial_sagittal_and_coronal_and_tell_the_directions(case):
    exam, mask, rows = case
    figures = key_figures(exam, mask, rows)
    assert [figure.caption.split(",")[0] for figure in figures] == ["Axial", "Sagittal", "Coronal"]
    expected = {"axial": "LPRA", "sagittal": "PFAH", "coronal": "LFRH"}
    for name, letters in expected.items():
        plane = Plane.of(exam.geometry, name)
        assert "".join(letter[0] for letter in plane.letters) == letters, name


def test_outline_lies_around_the_lesion_seen_the_radiological_way(case):
    """The pixel at which the outline is centred, back in the patient, is the lesion's centre."""
    exam, mask, rows = case
    framing = Framing(exam.volumes[exam.reference])
    centre = np.asarray(rows[0]["centroid_lps"])
    corners = centre + 9.0 * np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)])
    box = framing.breast_box(corners)
    for figure, name in zip(key_figures(exam, mask, rows, framing), ("axial", "sagittal", "coronal")):
        plane, pixels = Plane.of(exam.geometry, name), picture(figure)
        found = yellow(pixels)
        assert len(found[0]) > 50, name
        middle = [(found[axis].min() + found[axis].max()) / 2 for axis in (1, 0)]
        part = plane.window(box)
        column, row = plane.place(ijk_of(exam.geometry, centre))
        expected = (column - part[1].start + 0.5) / (part[1].stop - part[1].start) * pixels.shape[1]
        assert middle[0] == pytest.approx(expected, abs=0.04 * pixels.shape[1])
        expected = (row - part[0].start + 0.5) / (part[0].stop - part[0].start) * pixels.shape[0]
        assert middle[1] == pytest.approx(expected, abs=0.04 * pixels.shape[0])


def test_patients_left_is_on_the_right_and_the_front_is_up(case):
    exam, mask, rows = case
    pixels = picture(projection_figure(exam, mask, rows, choose_phases(exam.phases, Settings())))
    found_rows, columns = yellow(pixels)
    assert columns.mean() > 0.55 * pixels.shape[1]
    assert found_rows.mean() < 0.6 * pixels.shape[0]
    mirrored, mirrored_mask = body_exam(exam.geometry, [((-40.0, -20.0, 15.0), 9.0)])
    other = picture(
        projection_figure(
            mirrored, mirrored_mask, measured(mirrored, mirrored_mask), choose_phases(exam.phases, Settings())
        )
    )
    assert yellow(other)[1].mean() < 0.45 * other.shape[1]


def test_lesion_in_3d_is_on_the_side_of_the_patient_and_at_its_height(case):
    exam, mask, rows = case
    framing = Framing(exam.volumes[exam.reference])
    pixels = picture(depth_figure(exam.volumes[exam.reference], mask, rows, framing.air_level)).astype(int)
    red = np.nonzero(pixels[..., 0] - pixels[..., 1] > 40)
    assert len(red[0]) > 100
    assert red[1].mean() > 0.52 * pixels.shape[1] and red[0].mean() < 0.5 * pixels.shape[0]


@pytest.mark.parametrize("axis", (0, 1, 2))
def test_projection_is_the_maximum_that_numpy_finds(axis):
    rng = np.random.default_rng(axis)
    first, second = rng.normal(0, 50, (2, 7, 9, 11)).astype(np.float32)
    np.testing.assert_array_equal(subtraction_mip(first, second, axis), (first - second).max(axis=axis))
    np.testing.assert_array_equal(subtraction_mip(first, None, axis), first.max(axis=axis))


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(*[st.floats(-1, 1) for _ in range(3)]).filter(lambda v: np.linalg.norm(v) > 0.2),
    st.floats(-3, 3),
    st.sampled_from(["axial", "sagittal", "coronal"]),
    st.tuples(*[st.sampled_from([-1, 1]) for _ in range(3)]),
)
def test_planes_of_any_grid_hang_the_same_way(axis, angle, name, signs):
    """Rotated by anything and flipped in any way, what the picture shows to the right is nearest to its letter."""
    a = np.asarray(axis) / np.linalg.norm(axis)
    cross = np.array([[0, -a[2], a[1]], [a[2], 0, -a[0]], [-a[1], a[0], 0]])
    matrix = (np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross) * np.asarray(signs)
    geometry = Geometry((5, 6, 7), (1.0, 2.0, 3.0), (0, 0, 0), tuple(matrix.ravel()))
    plane = Plane.of(geometry, name)
    grid_axes = {plane.normal, plane.right[0], plane.down[0]}
    assert grid_axes == {0, 1, 2}
    # One voxel to the right in the picture is one step in the direction that the letter tells.
    array = np.arange(5 * 6 * 7, dtype=float).reshape(5, 6, 7)
    shown = plane.slice(array, 2)
    for step, (grid_axis, sign) in (((0, 1), plane.right), ((1, 0), plane.down)):
        start = [2, 2]
        values = [shown[tuple(start)], shown[start[0] + step[0], start[1] + step[1]]]
        places = [np.array(np.unravel_index(int(v), array.shape))[::-1] for v in values]
        moved = matrix @ ((places[1] - places[0]) * np.asarray(geometry.spacing))
        wanted = sign * matrix[:, grid_axis]
        assert np.allclose(moved / np.linalg.norm(moved), wanted, atol=1e-9)
        column, row = plane.place(places[0])
        assert (row, column) == (start[0], start[1])


def test_letters_of_oblique_directions():
    assert direction_letters(np.array([1.0, 0, 0])) == "L"
    assert direction_letters(np.array([0.1, -0.99, 0])) == "A"
    assert direction_letters(np.array([0.6, -0.8, 0])) == "AL"
    assert direction_letters(np.array([-0.3, 0, 0.95])) == "HR"


def test_breast_box_holds_the_lesion_and_leaves_the_other_breast_out():
    exam, mask = body_exam(GRIDS["axial"], [LESION])
    framing = Framing(exam.volumes[1])
    corner = np.asarray(LESION[0]) + LESION[1]
    box = framing.breast_box(np.array([corner, np.asarray(LESION[0]) - LESION[1]]))
    low, high = (exam.geometry.ijk_to_lps @ np.append(box[:, end] - end, 1) for end in (0, 1))
    assert (low[:3] <= np.asarray(LESION[0]) - LESION[1]).all() and (high[:3] >= corner).all()
    assert low[0] > -15 and high[0] == pytest.approx(90 + 6, abs=6)
    both = framing.breast_box(both=True)
    assert (exam.geometry.ijk_to_lps @ np.append(both[:, 0], 1))[0] < -85


def test_empty_and_constant_exams_have_pictures_too():
    exam, mask = body_exam(GRIDS["axial"], [])
    flat = replace(exam, volumes=tuple(replace(v, array=np.zeros_like(v.array)) for v in exam.volumes))
    for some in (exam, flat):
        figures = key_figures(some, mask, [])
        assert len(figures) == 3 and all(len(yellow(picture(figure))[0]) == 0 for figure in figures)
        projection_figure(some, mask, [], choose_phases(some.phases, Settings()))
        depth_figure(some.volumes[1], mask, [], Framing(some.volumes[1]).air_level)


def test_single_slice_has_no_strips_of_pictures():
    exam, mask = body_exam(centred((1, 60, 80), (2.5, 2.5, 5.0)), [((40.0, -20.0, 0.0), 9.0)])
    figures = key_figures(exam, mask, measured(exam, mask))
    assert [figure.caption.split(",")[0] for figure in figures] == ["Axial"]


def test_scale_bar_is_as_long_as_it_says_and_missing_where_the_spacing_is_unknown():
    from PIL import Image

    image = Image.new("RGB", (500, 300))
    length = draw_scale_bar(image, 125.0, 24)  # 4 pixels are 1 mm
    pixels = np.asarray(image)
    widest = max((row == 255).all(axis=1).sum() for row in pixels[-40:])
    assert length == 20 and widest == pytest.approx(4 * length, abs=3)
    exam, mask = body_exam(GRIDS["axial"], [LESION])
    rows = measured(exam, mask)
    known, unknown = key_figures(exam, mask, rows)[0], key_figures(replace(exam, spacing_known=False), mask, rows)[0]
    corner = (slice(-60, None), slice(-200, None))
    assert (picture(known)[corner] > 200).sum() > 1000 > (picture(unknown)[corner] > 200).sum()


def test_phases_of_a_lesion_are_shown_alike():
    exam, mask = body_exam(GRIDS["axial"], [LESION])
    rows, choice = measured(exam, mask), choose_phases(exam.phases, Settings())
    figures = phase_figures(exam, mask, rows[0], choice)
    assert "minus" in figures[-1].caption and figures[0].caption.startswith("Pre")
    middle = [
        picture(f)[f.size[1] // 2 - 5 : f.size[1] // 2 + 5, f.size[0] // 2 - 5 : f.size[0] // 2 + 5].mean()
        for f in figures
    ]
    assert middle[0] < middle[1] < middle[2] and middle[-1] > 200  # takes up contrast; nothing else is left
    assert not phase_figures(exam, mask, rows[0], replace(choice, pre=None))


def test_first_hit_lies_between_voxels():
    ball = (10 - np.abs(np.arange(40) - 25.3))[:, None, None] * np.ones((1, 3, 3))
    depth, hit = first_hit(ball, 0.5)
    assert hit.all() and depth[1, 1] == pytest.approx(25.3 - 9.5, abs=0.01)
    depth, hit = first_hit(np.zeros((5, 2, 2)), 0.5)
    assert not hit.any() and np.isnan(depth).all()


# --- the chart ---


def phases(times):
    """A pre-contrast phase and post-contrast phases at these seconds."""
    return number_phases([("pre", -60.0, "", ())] + [("post", t, "", ()) for t in times])


def test_lines_of_the_chart_differ_without_colour():
    styles = [(dashes, marker) for _, dashes, marker in (*LINES, TISSUE)]
    assert len(set(styles)) == len(styles) and len({dashes for dashes, _ in styles}) >= len(styles) - 1
    for color, _, _ in (*LINES, TISSUE):
        red, green, blue = color
        assert 0.299 * red + 0.587 * green + 0.114 * blue < 128  # dark enough on white paper


def test_chart_draws_the_curve_where_its_values_are():
    some = phases([0.0, 90.0, 180.0])
    figure = curve_figure(some, [{"label": 1, "curve_pct": [0.0, 100.0, 50.0, 75.0]}], None)
    pixels = picture(figure).astype(int)
    red = (pixels[..., 0] > 140) & (pixels[..., 1] < 60)
    rows, columns = np.nonzero(red[:, : pixels.shape[1] - 230])
    low, high = rows.max(), rows.min()  # the marker of 0 and that of 100
    first = columns.min() + 10
    peak = np.mean(columns[rows < high + 12])
    last = columns.max() - 10
    assert (peak - first) / (last - first) == pytest.approx(60 / 240, abs=0.02)  # seconds, not numbers of phases
    near = np.abs(columns - last) < 4
    assert (low - np.mean(rows[near])) / (low - high) == pytest.approx(0.75, abs=0.05)


def test_chart_without_times_keeps_the_order_and_says_so():
    some = tuple(replace(phase, time_s=None) for phase in phases([0.0, 90.0]))
    assert places_of(some) == ([0.0, 1.0, 2.0], False)
    assert "not known" in curve_figure(some, [{"label": 1, "curve_pct": [0.0, 1.0, 2.0]}], None).caption


def test_chart_takes_what_there_is():
    some = phases([0.0, 90.0])
    assert curve_figure(some, [], None) is None
    assert curve_figure(some, [{"label": 1, "curve_pct": None}], None) is None
    assert curve_figure(some, [{"label": 1, "curve_pct": [0.0, None, 20.0]}], {"curve_pct": [0.0, 5.0, 8.0]})
    many = [{"label": n, "curve_pct": [0.0, 10.0 * n, 5.0 * n]} for n in range(1, 40)]
    assert "5 largest" in curve_figure(some, many, None).caption
    assert curve_figure(some, [{"label": 1, "curve_pct": [0.0, 0.0, 0.0]}], None)


@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e4))
def test_ticks_are_round_and_inside(low, span):
    found = ticks(low, low + span)
    assert 1 <= len(found) <= 8
    assert all(low - 1e-6 * span <= value <= low + span * (1 + 1e-6) for value in found)


# --- mammograms ---


@pytest.mark.parametrize("count", (1, 2, 3, 4))
def test_every_view_has_a_picture_with_its_outline(count):
    exam, masks = mammograms(count)
    rows = mammogram_content(exam, masks).lesions
    figures = view_figures(exam, masks, rows)
    assert len(figures) == count and figures[0].caption == "Right CC (1 lesion)"
    for figure, image, mask in zip(figures, exam.images, masks):
        pixels = picture(figure)
        piece = breast_piece(image.array[0], mask)
        middle = [np.nonzero(mask.array[0])[axis].mean() - piece[axis].start for axis in (0, 1)]
        found = yellow(pixels)
        for axis in (0, 1):
            place = middle[axis] / (piece[axis].stop - piece[axis].start) * pixels.shape[axis]
            assert (found[axis].min() + found[axis].max()) / 2 == pytest.approx(place, abs=0.02 * pixels.shape[axis])
    near = close_ups(exam, masks, rows)
    assert len(near) == count and all(len(yellow(picture(figure))[0]) > 100 for figure in near)


def test_view_without_mask_says_that_it_was_not_segmented():
    exam, masks = mammograms(2)
    masks = [None, masks[1]]
    rows = [row for row in mammogram_content(exam, masks).lesions if row["view_index"] == 1]
    captions = [figure.caption for figure in view_figures(exam, masks, rows)]
    assert captions == ["Right CC (not segmented)", "Left CC (1 lesion)"]


def test_window_of_an_inverted_file_is_turned_with_it():
    """As `exam.mammograms.tones.tone_of` has it, which the application shows views by."""
    from BreastSegLib.exam.mammograms.tones import tone_of
    from BreastSegLib.exam.mammograms.view import View, Window

    plain = Window("w", "LINEAR", 1000, 400)
    curve = Window("c", "SIGMOID", 1000, 400, tuple(np.linspace(0, 1, 256) ** 2), 400, 1600)
    for window in (plain, curve):
        for mirror in (None, 4095.0):
            view = View(windows=(window,), mirror=mirror)
            low, high, grey = tone(view, None)
            expected = tone_of(view)
            assert (high - low, (high + low) / 2) == pytest.approx((expected["window"], expected["level"]))
            assert grey == expected["curve"] or np.allclose(grey, expected["curve"])


def test_figure_has_to_be_a_picture():
    with pytest.raises(BadInput, match="no PNG or JPEG"):
        Figure.of(b"GIF89a", "x")
    with pytest.raises(BadInput, match="no PNG or JPEG"):
        Figure.of(b"\x89PNG\r\n\x1a\nrubbish", "x")


@given(st.lists(st.floats(0.2, 5), min_size=1, max_size=6), st.floats(10, 200))
def test_figures_fit_beside_each_other(aspects, width):
    figures = tuple(Figure(b"\x89PNG\r\n\x1a\n", "", (round(1000 * a), 1000)) for a in aspects)
    widths = FigureRow(figures, 50).widths(width + 20)
    assert sum(widths) + 2.5 * (len(widths) - 1) <= width + 20 + 1e-6
    heights = [w / f.aspect for w, f in zip(widths, figures)]
    assert max(heights) - min(heights) < 1e-6 and max(heights) <= 50 + 1e-6
