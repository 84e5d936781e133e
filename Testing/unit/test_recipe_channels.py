"""The language of channels: what it says, what it refuses, and its arithmetic against plain numpy."""

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.dce import DceExam, Phase
from BreastSegLib.recipe.channels import (
    channel_volume,
    channel_volumes,
    each_channel,
    parse_source,
    problem_with,
    resolve,
)
from BreastSegLib.volume import Geometry, Volume
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

TIMES = (None, 0.0, 90.0, 180.0)


def phases_at(times=TIMES, pre=True):
    """Return a pre-contrast phase (unless `pre` is false) and a post-contrast phase for each further time."""
    return tuple([Phase("pre", 0, times[0])] * pre + [Phase("post", n, time) for n, time in enumerate(times[1:], 1)])


def exam_of(*values, phases=None):
    """Return an exam of the given phases' arrays."""
    values = [np.asarray(value, np.float32) for value in values]
    values = [value.reshape((1,) * (3 - value.ndim) + value.shape) for value in values]
    geometry = Geometry(values[0].shape)
    phases = phases or phases_at((None, *(90.0 * n for n in range(len(values) - 1))))
    return DceExam(tuple(phases), tuple(Volume(value, geometry) for value in values))


def computed(text, exam, **options):
    volume, used, figures = channel_volume(parse_source(text), exam, **options)
    return volume.array, used, figures


# --- parsing ---------------------------------------------------------------------------------------------------------

TERMS = st.one_of(
    st.sampled_from(("pre", "last")),
    st.integers(1, 99).map("post{}".format),
    st.integers(0, 2000).map("post@{}s".format),
    st.decimals(0, 900, places=1).map("post@{}s".format),
)
SPACE = st.sampled_from(("", " ", "  "))


@given(TERMS, TERMS, SPACE)
def test_every_source_reads_back_as_itself(a, b, space):
    assume(a != b)
    cases = {a: ("phase", (a,)), f"{a} - {b}": ("difference", (a, b))}
    if a != "pre":
        cases[f"pe({space}{a}{space})"] = ("pe", (a, "pre"))
    if "pre" not in (a, b):
        cases[f"ser({a}{space},{space}{b})"] = ("ser", (a, b, "pre"))
    for text, (kind, terms) in cases.items():
        source = parse_source(f"{space}{text}{space}")
        assert (source.kind, source.terms, source.plain) == (kind, terms, kind == "phase")
        assert parse_source(source.text) == source


def test_ser_is_short_for_the_first_against_the_last_phase():
    assert parse_source("ser") == parse_source("ser(post1,last)")
    assert parse_source("ser").text == "ser(post1, last)"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "Pre",
            "post",
            "post0",
            "post100",
            "post@150",
            "post@-5s",
            "post@nans",
            "post2-pre",
            "post2 - pre - post1",
        ),
        *("post2 + pre", "pe", "pe()", "pe(post1", "pe post1", "pe(post1, post2)", "pe(post2 - pre)", "pe(pe(post1))"),
        *("ser()", "ser(post1)", "ser(post1 post2)", "ser(post1, post2, last)", "ser(ser)", "pe(post1) - pre", "sers"),
        "pre\npost1",
    ],
)
def test_what_is_not_in_the_language_is_answered_with_the_language(text):
    with pytest.raises(BadInput) as caught:
        parse_source(text)
    line = caught.value.line
    assert repr(text) in line and "\n" not in line
    for word in ("pre", "post1", "post@150s", "last", "post2 - pre", "pe(post1)", "ser(post1, last)"):
        assert word in line.split("not understood", 1)[1]


@settings(max_examples=300)
@given(st.text("prelastoserx0129@.,-()  ", max_size=24))
def test_any_text_is_understood_or_refused(text):
    try:
        source = parse_source(text)
    except BadInput:
        return
    assert parse_source(source.text) == source


@pytest.mark.parametrize(
    "text", ["pe(pre)", "post1 - post1", "ser(post1, post1)", "ser(pre, post1)", "ser(post1, pre)"]
)
def test_a_phase_used_twice_is_refused_when_it_is_read(text):
    with pytest.raises(BadInput, match="twice"):
        parse_source(text)


# --- which phase -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("term", "index"),
    [("pre", 0), ("post1", 1), ("post3", 3), ("last", 3), ("post@45s", 1), ("post@46s", 2), ("post@240s", 3)],
)
def test_terms_mean_phases(term, index):
    assert resolve(term, SimpleNamespace(phases=phases_at())) == index


@given(
    st.lists(st.floats(0, 900), min_size=1, max_size=8),
    st.integers(0, 1000),
    st.sampled_from((0.0, 1.0, 30.0, 60.0)),
)
def test_nearest_phase_within_the_tolerance(times, wanted, tolerance):
    exam = SimpleNamespace(phases=phases_at((None, *sorted(times))))
    distances = [abs(time - wanted) for time in sorted(times)]
    if min(distances) <= tolerance:
        assert resolve(f"post@{wanted}s", exam, tolerance) == 1 + distances.index(min(distances))
    else:
        with pytest.raises(BadInput) as caught:
            resolve(f"post@{wanted}s", exam, tolerance)
        nearest = exam.phases[1 + distances.index(min(distances))]
        assert nearest.title in caught.value.line and f"At most {tolerance:g} s are allowed" in caught.value.line


@pytest.mark.parametrize(
    ("text", "times", "expected"),
    [
        ("post4", TIMES, "The exam has no phase post4 (it has pre, post1, post2, post3). Load the missing phase"),
        ("pe(post4)", TIMES, "The exam has no phase post4, which pe(post4) needs (it has pre, post1, post2, post3)."),
        ("last", (None,), "The exam has no post-contrast phase (it has pre)."),
        ("post@90s", (None,), "The exam has no post-contrast phase, which post@90s needs (it has pre)."),
        (
            "post@90s",
            (None, None, None),
            "The times of the phases are unknown, but post@90s needs them. Enter the times",
        ),
        (
            "post@240.1s",
            TIMES,
            "For post@240.1s the nearest phase is 60.1 s away (Post 3 (+180 s)). At most 60 s are allowed.",
        ),
        ("post@300s", (None, 0.0, None), "At most 60 s are allowed. Enter the times of the other phases"),
        ("post2 - last", (None, 0.0, 90.0), "The channel post2 - last takes the phase post2 twice"),
        ("ser", (None, 0.0), "The channel ser(post1, last) takes the phase post1 twice"),
        ("ser(post@80s, post@100s)", TIMES, "takes the phase post2 twice"),
        ("ser(post3, post1)", TIMES, "takes post3 as the early phase, which comes after post1, the late one"),
    ],
)
def test_what_is_missing_is_said_in_one_line(text, times, expected):
    phases = phases_at(times)
    problem = problem_with([parse_source("pre"), parse_source(text)], phases)
    assert expected in problem and "\n" not in problem
    exam = exam_of(*(np.ones((1, 2, 2)) for _ in phases), phases=phases)
    with pytest.raises(BadInput) as caught:
        channel_volumes([parse_source(text)], exam)
    assert caught.value.line == problem


def test_no_pre_contrast_phase():
    phases = phases_at(pre=False)
    assert "no phase pre, which pe(post1) needs (it has post1, post2, post3)" in problem_with(
        [parse_source("pe(post1)")], phases
    )
    assert problem_with([parse_source("post1")], phases) == ""


def test_the_tolerance_is_an_argument():
    source = parse_source("post@120s")
    assert problem_with([source], phases_at(), 30) == ""
    assert "At most 29.5 s" in problem_with([source], phases_at(), 29.5)
    exam = exam_of(*np.arange(8.0).reshape(4, 1, 1, 2), phases=phases_at())
    assert computed("post@120s", exam, tolerance_s=30)[1] == ["post2"]
    with pytest.raises(BadInput, match="30 s away"):
        channel_volumes([source], exam, 29)


# --- arithmetic ------------------------------------------------------------------------------------------------------


def test_a_plain_source_is_the_phase_itself():
    exam = exam_of([[1, 2]], [[3, 4]])
    volume, used, figures = channel_volume(parse_source("last"), exam)
    assert volume is exam.volumes[1] and used == ["post1"] and figures == {}


def test_percent_enhancement_by_hand():
    # The 95th percentile of 100, 100, 100, 200 is 185.
    exam = exam_of([[100, 100, 200, 100, 0, -50]], [[150, 100, 100, 400, 80, 80]])
    array, used, figures = computed("pe(post1)", exam)
    np.testing.assert_array_equal(array, [[[50, 0, -50, 300, 0, 0]]])
    assert array.dtype == np.float32 and used == ["post1", "pre"]
    assert figures == pytest.approx({"signal_p95": 185, "signal_floor": 18.5, "guarded_voxels": 2})
    array, _, figures = computed("pe(post1)", exam_of([[100, 100, 100, 9.75, 10.25]], [[100, 100, 100, 39, 41]]))
    np.testing.assert_array_equal(array[0, 0], [0, 0, 0, 0, 300])  # the floor is 10
    assert figures["guarded_voxels"] == 1


def test_signal_enhancement_ratio_by_hand():
    pre = [[100, 100, 100, 100, 100, 4]]
    early = [[200, 150, 80, 150, 150, 90]]
    late = [[150, 200, 200, 104, 60, 90]]
    array, used, figures = computed("ser", exam_of(pre, early, late))
    # wash-out 2, persistent 0.5, below the pre-contrast phase -0.2; no rise of 5; a fall; air
    np.testing.assert_allclose(array[0, 0], [2, 0.5, -0.2, 0, 0, 0], rtol=1e-7)
    assert used == ["post1", "post2", "pre"]
    assert figures == {"signal_p95": 100, "signal_floor": 10, "rise_floor": 5, "guarded_voxels": 3}


def test_ser_takes_the_phases_that_it_names():
    rng = np.random.default_rng(3)
    exam = exam_of(*rng.uniform(50, 300, (5, 3, 4, 5)))
    _, used, _ = computed("ser(post@90s, post@260s)", exam)
    assert used == ["post2", "post4", "pre"]
    np.testing.assert_array_equal(computed("ser(post@90s, post@260s)", exam)[0], computed("ser(post2, last)", exam)[0])
    assert not np.array_equal(computed("ser", exam)[0], computed("ser(post2, last)", exam)[0])


def test_differences_do_not_wrap_round():
    geometry = Geometry((2, 2, 2))
    volumes = tuple(Volume(np.full((2, 2, 2), v, np.uint16), geometry) for v in (500, 100))
    array, used, figures = computed("post1 - pre", DceExam((Phase("pre", 0), Phase("post", 1)), volumes))
    np.testing.assert_array_equal(array, -400.0)
    assert array.dtype == np.float32 and used == ["post1", "pre"] and figures == {}


def reference(kind, pre, early, late):
    """The definition in double precision, without any care for memory."""
    pre, early, late = (np.asarray(a, np.float64) for a in (pre, early, late))
    p95 = np.percentile(pre[pre > 0], 95)
    usable = pre >= 0.1 * p95
    if kind == "ser":
        usable &= late - pre >= 0.05 * p95
    below = np.where(usable, pre if kind == "pe" else late - pre, 1)
    ratio = (100 * (early - pre) if kind == "pe" else early - pre) / below
    return np.where(usable, ratio, 0), int((~usable).sum())


SIGNALS = arrays.arrays(
    np.float32,
    (3, 2, 3, 4),
    elements=st.one_of(st.just(0.0), st.floats(-100, 4000, width=32), st.floats(0, 50, width=32)),
)


MOST = float(np.finfo(np.float32).max)


@settings(max_examples=200, deadline=None)
@given(SIGNALS, st.sampled_from(("pe", "ser")))
def test_ratios_against_plain_numpy(signals, kind):
    assume((signals[0] > 0).any())
    array, _, figures = computed("pe(post1)" if kind == "pe" else "ser", exam_of(*signals))
    p95 = np.percentile(signals[0][signals[0] > 0].astype(np.float64), 95)
    edges = [signals[0].astype(float) - 0.1 * p95, signals[2].astype(float) - signals[0] - 0.05 * p95]
    assume(min(np.abs(edge).min() for edge in edges) > 1e-9 * p95)  # no voxel exactly on a floor
    expected, guarded = reference(kind, *signals)
    np.testing.assert_allclose(array, expected.clip(-MOST, MOST), rtol=1e-6, atol=1e-30)
    assert figures["guarded_voxels"] == guarded
    assert figures["signal_p95"] == pytest.approx(p95, rel=1e-12)


ANY_FINITE = arrays.arrays(
    np.float32, (3, 1, 2, 3), elements=st.floats(allow_nan=False, allow_infinity=False, width=32)
)


@settings(max_examples=200, deadline=None)
@given(ANY_FINITE, st.sampled_from(("pe(post1)", "ser")))
@example(np.array([[1e-45, 0, 0], [3e38, 0, 1], [3e38, 0, 1]], np.float32).reshape(3, 1, 1, 3), "pe(post1)")
@example(np.array([[1e-45, 0, 0], [3e38, 0, 1], [1e-45, 3e-45, 1]], np.float32).reshape(3, 1, 1, 3), "ser")
def test_ratios_are_always_finite(signals, text):
    exam = exam_of(*signals)
    before = [volume.array.copy() for volume in exam.volumes]
    try:
        array, _, figures = computed(text, exam)
    except BadInput as error:
        assert "no signal" in error.line and not (signals[0] > 0).any()
        return
    assert np.isfinite(array).all()
    assert not array[signals[0] < np.float64(figures["signal_floor"])].any()
    for volume, values in zip(exam.volumes, before):
        np.testing.assert_array_equal(volume.array, values)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_values_that_are_not_finite_are_refused_not_hidden(bad, which):
    signals = np.full((3, 2, 2, 2), 100.0)
    signals[which, 1, 0, 1] = bad
    name = ("pre", "post1", "post2")[which]
    with pytest.raises(BadInput, match=f"phase {name} holds values that are not finite"):
        computed("ser", exam_of(*signals))


def test_an_empty_pre_contrast_phase_is_refused():
    with pytest.raises(BadInput, match=r"pe\(post1\) cannot be computed.*no signal"):
        computed("pe(post1)", exam_of(np.zeros((2, 2, 2)), np.ones((2, 2, 2))))


def test_masked_air_does_not_move_the_floor():
    rng = np.random.default_rng(0)
    tissue = rng.uniform(100, 200, (2, 2, 8, 8))
    alone = computed("pe(post1)", exam_of(*tissue))
    padded = [np.pad(phase, ((0, 0), (40, 40), (40, 40))) for phase in tissue]
    among_air = computed("pe(post1)", exam_of(*padded))
    assert alone[2]["signal_floor"] == among_air[2]["signal_floor"]
    np.testing.assert_array_equal(among_air[0][:, 40:-40, 40:-40], alone[0])


def test_views_and_turned_arrays_give_the_same():
    rng = np.random.default_rng(1)
    signals = rng.uniform(0, 300, (3, 4, 5, 6)).astype(np.float32)
    turned = [np.ascontiguousarray(signal[::-1, :, ::-1].transpose(2, 0, 1)) for signal in signals]
    geometry = Geometry((4, 5, 6))
    views = tuple(Volume(t.transpose(1, 2, 0)[::-1, :, ::-1], geometry) for t in turned)
    exam = DceExam(phases_at((None, 0.0, 90.0)), views)
    assert not views[0].array.flags.c_contiguous
    np.testing.assert_array_equal(computed("ser", exam)[0], computed("ser", exam_of(*signals))[0])


def test_the_published_tumour_washes_out(real_data):
    """Real sagittal slice: where signal enhancement ratio is above 1, the signal falls after the early phase."""
    from scipy.io import loadmat

    record = loadmat(real_data / "breast-dce-invivo" / "invivo.mat")
    data, seconds = record["DCEdata"], record["t"].ravel()
    data = data if data.shape[0] == len(seconds) else np.moveaxis(data, -1, 0)
    chosen = [1, *range(5, len(seconds), 4)]
    times = [float(seconds[index] - seconds[5]) for index in chosen]
    phases = phases_at((times[0], *times[1:]))
    exam = exam_of(*(data[index] for index in chosen), phases=phases)
    ser, used, figures = computed("ser(post@100s, last)", exam)
    early, late, pre = (exam.volume(name).array for name in used)
    expected, guarded = reference("ser", pre, early, late)
    np.testing.assert_allclose(ser, expected, rtol=1e-5, atol=1e-12)
    assert figures["guarded_voxels"] == guarded
    assert (ser > 1).any() and (late[ser > 1] < early[ser > 1]).all()


# --- several channels ------------------------------------------------------------------------------------------------


def test_channels_in_the_order_of_the_recipe():
    exam = exam_of([[100, 100]], [[150, 120]], [[200, 110]])
    rows = channel_volumes([parse_source(text) for text in ("post2 - pre", "pre", "pe(post1)")], exam)
    assert [used for _, used, _ in rows] == [["post2", "pre"], ["pre"], ["post1", "pre"]]
    np.testing.assert_allclose([v.array[0, 0] for v, _, _ in rows], [[100, 10], [100, 100], [50, 20]])


def test_files_given_as_channels_are_taken_as_they_are():
    exam = exam_of([[1, 2]], [[3, 4]], phases=(Phase("channel", 0), Phase("channel", 1)))
    sources = [parse_source("pe(post1)"), parse_source("post7")]
    assert problem_with(sources, exam.phases) == ""
    rows = channel_volumes(sources, exam)
    assert all(row[0] is volume for row, volume in zip(rows, exam.volumes))
    assert [row[1:] for row in rows] == [(["channel0"], {}), (["channel1"], {})]
    with pytest.raises(BadInput, match=r"2 channels are given, but the model has 1 \(post7\)"):
        channel_volumes(sources[1:], exam)
    assert "2 channels are given, but the model has 1" in problem_with(sources[1:], exam.phases)


def test_no_sources_are_all_phases():
    exam = exam_of([[1, 2]], [[3, 4]])
    assert [row[0] for row in channel_volumes((), exam)] == list(exam.volumes)
    assert problem_with((), exam.phases) == ""
    assert "no phases" in problem_with((), ())


def test_a_missing_phase_is_found_before_anything_is_computed():
    exam = exam_of(np.full((1, 2, 2), np.nan), np.ones((1, 2, 2)))
    with pytest.raises(BadInput, match="no phase post2"):
        each_channel([parse_source("pe(post1)"), parse_source("post2")], exam)


def test_ratios_need_little_more_than_their_result():
    rng = np.random.default_rng(0)
    exam = exam_of(*(rng.uniform(1, 300, (60, 128, 128)) for _ in range(3)))
    source, size = parse_source("ser"), exam.volumes[0].array.nbytes
    tracemalloc.start()
    try:
        channel_volume(source, exam)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size <= peak < size + 6e6  # counts of the percentile and a few slices
