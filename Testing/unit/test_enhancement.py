"""The enhancement of the breast tells where contrast arrives, and does not cry wolf."""

import numpy as np
import pytest
import scipy.io
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.exam.dce import number_phases
from BreastSegLib.exam.enhancement import Enhancement, arrival, body_mask, enhancement_notes, mean_enhancement
from BreastSegLib.samples.dce import CURVES, make_dce_exam

SMALL = {"shape": (27, 64, 104), "spacing": (1.85, 1.8, 3.0), "radius_mm": (4, 8)}
FIRST = "order: acquisition time; role: first in time"
TAGS = "order: acquisition time; role: contrast agent tag"


def phases(count, pre=True):
    return number_phases([("pre" if pre and k == 0 else "post", None, "", ()) for k in range(count)])


def notes_of(arrays, evidence=FIRST, pre=True):
    curve = mean_enhancement(arrays)
    return arrival(curve), enhancement_notes(phases(len(arrays), pre), curve, evidence)


@pytest.fixture(scope="module")
def exams():
    """The phases of exams with every curve type, 0 to 4 masses, with and without noise and motion."""
    found = []
    for seed in range(1, 40):
        try:
            sample = make_dce_exam(
                seed,
                masses=seed % 5,
                curve=CURVES[seed % 3],
                posts=2 + seed % 4,
                noise=(0, 9, 20)[seed // 3 % 3],
                motion_mm=(0, 2)[seed // 9 % 2],
                **SMALL,
            )
        except BadInput:  # masses that do not fit
            continue
        found.append([volume.array for volume in sample.exam.volumes])
    assert len(found) >= 30
    return found


@pytest.fixture(scope="module")
def real(real_data):
    """The real slice: time points as (1, y, x), and the arterial input."""
    found = scipy.io.loadmat(real_data / "breast-dce-invivo" / "invivo.mat")
    return [frame[None] for frame in found["DCEdata"]], found["Cp"].ravel()


@pytest.mark.parametrize("evidence", [FIRST, TAGS])
@pytest.mark.parametrize("scale, offset", [(1, 0), (0.004, 0), (1, 1000), (3, -1024)])
def test_exams_in_order_are_left_in_peace(exams, scale, offset, evidence):
    for arrays in exams:
        assert notes_of([np.float32(scale) * a + np.float32(offset) for a in arrays], evidence) == (1, [])


def test_scale_and_offset_do_not_change_the_curve(exams):
    plain = mean_enhancement(exams[0])
    for scale, offset in ((0.004, 0), (1, 1000), (3, -1024)):
        other = mean_enhancement([a.astype(float) * scale + offset for a in exams[0]])
        np.testing.assert_allclose(other.percent, plain.percent, rtol=1e-3, atol=1e-3)
        assert other.voxels == plain.voxels


@pytest.mark.parametrize(
    "name, change, words",
    [
        ("pre is missing", lambda a: a[1:], "is the pre-contrast phase missing"),
        ("pre is second", lambda a: [a[1], a[0], *a[2:]], "is not the darkest: phase post1"),
        ("pre is last", lambda a: [*a[1:], a[0]], "is not the darkest"),
        ("reversed", lambda a: a[::-1], "is not the darkest"),
        ("pre comes again", lambda a: [a[0], a[1], a[0], *a[2:]], "post2 looks as before contrast after"),
        ("contrast never comes", lambda a: [a[0], a[0] * 1.02, a[0] * 0.97], "No phase enhances"),
    ],
)
def test_a_wrong_order_is_said(exams, name, change, words):
    for arrays in exams:
        first, notes = notes_of(change(arrays))
        assert first is None, name
        assert len(notes) == 1 and words in notes[0], name


@pytest.mark.parametrize(
    "evidence, pre, words",
    [
        (FIRST, True, "choose which of phases 1 to 4"),
        (TAGS, True, "the roles come from contrast agent tag"),
        (TAGS, False, "all phases are taken as after contrast"),
    ],
)
def test_several_phases_before_contrast_are_found(exams, evidence, pre, words):
    for number, arrays in enumerate(exams[:10]):
        rng = np.random.default_rng(number)
        early = [arrays[0] + rng.normal(0, 5, arrays[0].shape).astype(np.float32) for _ in range(3)]
        first, notes = notes_of([*early, *arrays], evidence, pre)
        assert first == 4
        assert len(notes) == 1 and words in notes[0] and "Phases 1 to 4" in notes[0]


def test_the_first_pass_of_the_bolus_and_washout_are_no_jumps():
    count = 7
    for percent in ((0, 1, 90, 60, 55, 52, 50), (0, 40, 70, 75, 72, 68, 60), (0, 30, 22, 18, 15, 14, 13)):
        curve = Enhancement(tuple(map(float, percent)), 1000)
        first = 2 if percent[1] == 1 else 1
        notes = enhancement_notes(phases(count), curve, FIRST)
        assert arrival(curve) == first
        assert not any("jumps" in note for note in notes)


def test_a_phase_out_of_line_is_named():
    for percent, name in (((0, 60, 30, 62, 63), "post2"), ((0, 30, 35, 80, 40), "post3")):
        notes = enhancement_notes(phases(5), Enhancement(tuple(map(float, percent)), 1000), TAGS)
        assert len(notes) == 1 and f"jumps up and down at {name}." in notes[0]


def test_a_phase_while_contrast_arrives_counts_as_after():
    assert arrival(Enhancement((0.0, 0.4, -0.5, 12.0, 60.0, 65.0), 1000)) == 3
    assert arrival(Enhancement((0.0, 3.0, -3.5, 4.0, 60.0, 65.0), 1000)) == 4


def test_the_real_slice_enhances_when_the_arterial_input_does(real):
    frames, arterial = real
    curve = mean_enhancement(frames)
    first = arrival(curve)
    # The input rises above a tenth of its peak at the same time point.
    assert first == int(np.argmax(arterial > 0.1 * arterial.max()))
    assert max(curve.percent[1:first]) < 5 < 30 < min(curve.percent[first:])
    notes = enhancement_notes(phases(len(frames)), curve, FIRST)
    assert len(notes) == 1 and f"Phases 1 to {first} look as before contrast" in notes[0]


def test_real_phases_in_and_out_of_order(real):
    frames, _ = real
    assert notes_of(frames[3:]) == (1, [])
    assert notes_of([frames[2], frames[7], frames[15], frames[24]]) == (1, [])
    assert "missing" in notes_of(frames[6:])[1][0]
    assert "post1 is" in notes_of([frames[7], frames[2], frames[15]])[1][0]


def test_awkward_images():
    constant = np.ones((3, 8, 8), np.float32)
    curve = mean_enhancement([constant, constant])
    assert (curve.percent, curve.voxels, arrival(curve)) == ((0.0, 0.0), 0, None)
    assert "no body" in enhancement_notes(phases(2), curve)[0]
    assert mean_enhancement([]).percent == ()
    rng = np.random.default_rng(3)
    image = rng.uniform(0, 50, (5, 30, 40))
    image[:, 8:22, 8:32] += 300
    single = mean_enhancement([image])
    assert single.percent == (0.0,) and arrival(single) is None and enhancement_notes(phases(1), single) == []
    holes = image.copy()
    holes[2, 10:14, 10:20] = np.nan
    holes[1, 0, 0] = np.inf
    enhanced = image * 1.5
    curve = mean_enhancement([holes, enhanced])
    assert np.isfinite(curve.percent).all() and 40 < curve.percent[1] < 80
    assert arrival(mean_enhancement([image - image, enhanced])) is None
    for shape in ((1, 1, 1), (1, 2, 200), (300, 1, 1)):
        assert np.isfinite(mean_enhancement([rng.random(shape), rng.random(shape)]).percent).all()


def test_the_body_mask_is_the_body():
    rng = np.random.default_rng(5)
    truth = np.zeros((12, 40, 40), bool)
    truth[:, 10:30, 5:35] = True
    image = np.abs(rng.normal(0, 8, truth.shape)) + 200 * truth
    image[5, 12:15, 12:15] = 3000  # one bright vessel
    assert (body_mask(image) == truth).mean() > 0.99
    assert not body_mask(np.full((2, 2, 2), np.nan)).any()


def test_arrays_are_read_in_part_and_can_be_cancelled(tmp_path, exams):
    arrays = exams[0]
    for index, array in enumerate(arrays):
        np.save(tmp_path / f"{index}.npy", array)
    mapped = [np.load(tmp_path / f"{k}.npy", mmap_mode="r") for k in range(len(arrays))]
    seen = []
    curve = mean_enhancement(mapped, lambda *args: seen.append(args))
    assert curve == mean_enhancement(arrays)
    assert [done for _, done, _ in seen] == list(range(len(arrays) + 1))

    def stop(stage, done, total):
        if done == 1:
            raise Cancelled()

    with pytest.raises(Cancelled):
        mean_enhancement(arrays, stop)
