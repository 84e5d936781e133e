"""Measuring an exam: what comes out, what goes in, and what happens to a run when measuring fails."""

import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.exam.store import save_exam
from BreastSegLib.measures import Settings, maps, quantities
from BreastSegLib.pipeline import measure, measure_exam, measuring
from BreastSegLib.pipeline.phasemotion import phase_motion
from BreastSegLib.pipeline.result import Finding
from BreastSegLib.recipe.breast_mri import breast_mask
from BreastSegLib.volume import Volume
from scipy import ndimage


@pytest.fixture(scope="module")
def truth(sample, tmp_path_factory):
    """The sample's mask as a file, and a chance of 0.9 inside and 0.1 outside."""
    folder = tmp_path_factory.mktemp("truth")
    np.save(folder / "mask.npy", sample.truth.array)
    np.save(folder / "chance.npy", np.where(sample.truth.array > 0, 0.9, 0.1).astype(np.float32))
    return folder


def request(exam_store, truth, tmp_path, **more):
    base = {"source": {"store": str(exam_store)}, "mask": str(truth / "mask.npy"), "output": str(tmp_path / "out")}
    return {**base, **more}


def quiet(*_):
    pass


def test_a_lesion_is_measured(sample, exam_store, truth, tmp_path):
    stages = []
    answer = measure_exam(
        request(exam_store, truth, tmp_path, chance=str(truth / "chance.npy")), lambda *place: stages.append(place[0])
    )
    found = answer["measures"]
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer, "plain JSON"
    assert found["format"] == "breastseg-measures-1" and found["kind"] == "dce" and found["spacing_known"]
    assert list(dict.fromkeys(stages)) == ["Reading", "Measuring"] and not (tmp_path / "out").exists()
    (row,) = found["lesions"]
    inside = sample.truth.array > 0
    assert {quantity.key for quantity in quantities("dce")} <= set(row)
    assert row["volume_mm3"] == pytest.approx(inside.sum() * np.prod(sample.exam.geometry.spacing))
    assert row["confidence"] == pytest.approx(0.9) and row["side"] == sample.masses[0].side
    pre, post = (sample.exam.volume(name).array[inside].astype(float) for name in ("pre", "post1"))
    assert row["curve_signal"][:2] == pytest.approx([pre.mean(), post.mean()], rel=1e-5)
    assert found["total"] == {"volume_mm3": row["volume_mm3"], "lesions": 1, "ftv_mm3": row["ftv_mm3"]}
    assert [phase["name"] for phase in found["phases"]] == ["pre", "post1", "post2"]
    assert len(found["tissue"]["curve_pct"]) == 3 and found["tissue"]["voxels"] > 1000
    kinds = {warning["kind"] for warning in found["warnings"]}
    assert not kinds & {"empty", "outside-breast", "low-probability", "moved", "times-unknown", "spacing-unknown"}
    assert found["settings"] == Settings().to_json()


def test_settings_names_and_labels(sample, exam_store, truth, tmp_path):
    two = sample.truth.array.copy()
    two[0, 0, :3] = 1
    two[0, 0, 10:14] = 2
    np.save(tmp_path / "two.npy", two)
    common = {"mask": str(tmp_path / "two.npy"), "names": {"1": "Index lesion", "2": "Satellite"}}
    apart = measure_exam(request(exam_store, truth, tmp_path, **common), quiet)["measures"]
    assert [(row["value"], row["name"]) for row in apart["lesions"]] == [
        (1, "Index lesion"), (2, "Satellite"), (1, "Index lesion"),
    ]  # fmt: skip
    whole = measure_exam(
        request(exam_store, truth, tmp_path, **common, connected=False, settings={"pe_threshold_pct": 400}), quiet
    )["measures"]
    assert [row["voxels"] for row in whole["lesions"]] == [int((two == 1).sum()), 4]
    assert whole["settings"]["pe_threshold_pct"] == 400 and whole["total"]["ftv_mm3"] < apart["total"]["ftv_mm3"]
    outside = [row for row in whole["warnings"] if row["kind"] == "outside-breast"]
    assert [row["lesions"] for row in outside] == [[2]] and "Lesion 2 lies outside" in outside[0]["text"]
    for wrong in ({"settings": {"pe": 1}}, {"settings": {"early_s": "soon"}}, {"names": {"one": "a"}}):
        with pytest.raises(BadInput):
            measure_exam(request(exam_store, truth, tmp_path, **wrong), quiet)


def test_maps_are_those_of_the_exam(sample, exam_store, truth, tmp_path):
    answer = measure_exam(request(exam_store, truth, tmp_path, maps=["pe", "types", "pe"]), quiet)
    assert {name for name in ("pe", "ser", "types") if name in answer} == {"pe", "types"}
    pe, plain = np.load(answer["pe"]), maps.pe_map(sample.exam, Settings()).array
    inside = pe != 0
    assert pe.dtype == np.float32 and np.array_equal(pe[inside], plain[inside])
    assert np.array_equal(pe[sample.truth.array != 0], plain[sample.truth.array != 0]), "lesions are whole"
    heart = ~inside & (plain > 100)
    assert heart.sum() > 500 and not (heart & breast_mask(sample.exam.volumes[sample.exam.reference]).mask).any()
    assert np.load(answer["types"]).dtype == np.uint8
    with pytest.raises(BadInput, match="no such map.*pe, ser, types"):
        measure_exam(request(exam_store, truth, tmp_path, maps=["motion"]), quiet)


def test_maps_that_the_phases_do_not_allow_are_left_out(sample, truth, tmp_path):
    one = replace(sample.exam, phases=sample.exam.phases[:2], volumes=sample.exam.volumes[:2])
    store = save_exam(one, tmp_path / "exam")
    answer = measure_exam(request(store, truth, tmp_path, maps=["pe", "ser", "types"]), quiet)
    assert "pe" in answer and "ser" not in answer and "types" not in answer


def test_what_the_clean_up_removed(sample, exam_store, truth, tmp_path):
    raw, mask = sample.truth.array.copy(), sample.truth.array
    raw[30:36, 40:46, 20:26] = 1
    np.save(tmp_path / "raw.npy", raw)
    common = request(exam_store, truth, tmp_path)
    found = measure_exam({**common, "raw": str(tmp_path / "raw.npy")}, quiet)["measures"]
    (one,) = [row for row in found["warnings"] if row["kind"] == "removed"]
    volume = 216 * np.prod(sample.exam.geometry.spacing)
    assert f"{volume / 1000:.2f} cm³" in one["text"] and found["removed"][0]["volume_mm3"] == pytest.approx(volume)
    # Brought back into the mask it is no longer missing.
    again = {**common, "mask": str(tmp_path / "raw.npy"), "removed": found["removed"]}
    found = measure_exam(again, quiet)["measures"]
    assert found["removed"] == [] and len(found["lesions"]) == 2
    assert not [row for row in found["warnings"] if row["kind"] == "removed"]
    assert mask.sum() == sample.truth.array.sum()


def test_what_does_not_depend_on_the_mask_is_taken_from_former_measures(exam_store, truth, tmp_path, monkeypatch):
    common = request(exam_store, truth, tmp_path, model="demo-dce")
    first = measure_exam(common, quiet)["measures"]
    assert [row["name"] for row in first["inputs"][0]["channels"]] == ["pre", "post1", "post2"]
    for name in ("prepare_cases", "phase_motion"):
        monkeypatch.setattr(measuring, name, lambda *_, **__: pytest.fail("done again"))
    assert measure_exam({**common, "former": first}, quiet)["measures"] == first


def test_the_model_s_training_is_compared(sample, exam_store, truth, tmp_path):
    found = measure_exam(request(exam_store, truth, tmp_path, model="demo-dce"), quiet)["measures"]
    assert not [row for row in found["warnings"] if row["kind"].startswith("unlike")], "it was trained on such"
    part = (slice(0, 15), slice(None), slice(0, 60))
    few = replace(sample.exam.geometry, shape=(15, 96, 60), spacing=(1.2, 1.2, 4.5))
    exam = replace(sample.exam, volumes=tuple(Volume(v.array[part], few) for v in sample.exam.volumes))
    np.save(tmp_path / "few.npy", sample.truth.array[part])
    other = request(save_exam(exam, tmp_path / "few"), truth, tmp_path, mask=str(tmp_path / "few.npy"))
    found = measure_exam({**other, "model": "demo-dce"}, quiet)["measures"]
    kinds = {row["kind"] for row in found["warnings"]}
    assert {"unlike-training-size", "unlike-training-resolution"} <= kinds


def test_noise_is_not_measured_piece_by_piece(sample):
    """A mask of thousands of specks would take minutes: the largest are measured, and the rest is told."""
    rng = np.random.default_rng(0)
    noise = (rng.random(sample.truth.array.shape) < 0.02).astype(np.uint8)
    noise[sample.truth.array > 0] = 1
    pieces = ndimage.label(noise, np.ones((3, 3, 3)))[1]
    found = measuring.measured(
        sample.exam, [Volume(noise, sample.exam.geometry)], [None], measuring.Asked(), lambda *_: None
    )
    (one,) = [row for row in found["warnings"] if row["kind"] == "many-lesions"]
    assert len(found["lesions"]) == 100 and found["lesions"][0]["voxels"] >= sample.truth.array.sum()
    assert f"{pieces:,} pieces" in one["text"] and one["data"]["others"] == pieces - 100
    measured = sum(row["voxels"] for row in found["lesions"])
    assert one["data"]["voxels"] + measured == noise.sum() and len(found["warnings"]) < 20


@pytest.mark.parametrize("kind", ["channels", "untimed", "spacing"])
def test_exams_that_tell_less(sample, truth, tmp_path, kind):
    phases, exam = sample.exam.phases, sample.exam
    if kind == "channels":
        phases = [replace(phase, role="channel", number=n, time_s=None) for n, phase in enumerate(phases)]
    if kind == "untimed":
        phases = [replace(phase, time_s=None) for phase in phases]
    exam = replace(exam, phases=tuple(phases), spacing_known=kind != "spacing")
    found = measuring.measured(exam, [sample.truth], [None], measuring.Asked(), quiet)
    json.dumps(found, allow_nan=False)
    (row,) = found["lesions"]
    kinds = {warning["kind"] for warning in found["warnings"]}
    if kind == "channels":
        assert "no-phases" in kinds and row["curve_pct"] is None and row["volume_mm3"] > 0
    if kind == "untimed":
        assert "times-unknown" in kinds and row["time_to_peak_s"] is None and row["curve_pct"]
    if kind == "spacing":
        lengths = [q.key for q in quantities("dce") if q.unit in ("mm", "mm²", "mm³")]
        assert "spacing-unknown" in kinds and {row[key] for key in lengths} == {None} and row["voxels"] > 0
        assert found["total"]["volume_mm3"] is None and not found["spacing_known"]


@pytest.mark.parametrize("moved_mm, told", [(0, False), (4, True)])
def test_moved_phases_are_told(sample, moved_mm, told):
    step = moved_mm / sample.exam.geometry.spacing[1]
    moved = ndimage.shift(sample.exam.volumes[2].array, (0, step, 0), order=1, mode="nearest")
    exam = replace(sample.exam, volumes=(*sample.exam.volumes[:2], Volume(moved, sample.exam.geometry)))
    rows, corrected = phase_motion(exam)
    assert [row["phase"] for row in rows] == ["pre", "post2"] and not corrected
    assert rows[0]["mm"] < 1.0 and abs(rows[1]["mm"] - moved_mm) < 0.8
    found = measuring.measured(exam, [sample.truth], [None], measuring.Asked(), quiet)
    assert any(row["kind"] == "moved" for row in found["warnings"]) == told


def test_no_motion_is_told_where_there_is_nothing_to_see(sample):
    flat = replace(sample.exam, volumes=tuple(Volume(v.array * 0, v.geometry) for v in sample.exam.volumes))
    assert {row["mm"] for row in phase_motion(flat)[0]} == {None}
    assert phase_motion(replace(sample.exam, spacing_known=False)) == ([], False)
    one = replace(sample.exam, phases=sample.exam.phases[:1], volumes=sample.exam.volumes[:1])
    assert phase_motion(one) == ([], False)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"mask": "none.npy"}, "no such mask file"),
        ({"mask": ["a.npy", "b.npy"]}, "has one mask"),
        ({"chance": "chance.npy"}, "from 0 to 1, not 0.2 to 1.8"),
        ({"chance": "small.npy"}, "does not lie on the exam's grid"),
        ({"chance": "text.npy"}, "cannot be read"),
        ({"model": "no-such-model"}, "no such model"),
    ],
)
def test_bad_input_is_one_line(exam_store, truth, tmp_path, change, words):
    np.save(tmp_path / "chance.npy", np.load(truth / "chance.npy") * 2)
    np.save(tmp_path / "small.npy", np.zeros((3, 3, 3), np.float32))
    (tmp_path / "text.npy").write_text("no array")
    change = {key: [str(tmp_path / v) for v in value] if isinstance(value, list) else str(tmp_path / value)
              if key != "model" else value for key, value in change.items()}  # fmt: skip
    with pytest.raises(BadInput, match=words) as caught:
        measure_exam(request(exam_store, truth, tmp_path, **change), quiet)
    assert "\n" not in caught.value.line


def finding(sample):
    one = Finding(sample.exam, sample.exam.geometry)
    one.mask = one.raw = sample.truth
    one.chance = Volume(sample.truth.array.astype(np.float32), sample.exam.geometry)
    return one.describe()


def nothing_known():
    return None, ()


@pytest.mark.parametrize(
    "error, words",
    [
        (MemoryError(), "too little memory"),
        (ZeroDivisionError("x"), "ZeroDivisionError"),
        (BadInput("The breast is odd", "here"), "The breast is odd"),
    ],
)
def test_a_failure_of_measuring_keeps_the_result(sample, monkeypatch, error, words, capsys):
    def broken(*_, **__):
        raise error

    monkeypatch.setattr(measuring, "measure_dce", broken)
    one = finding(sample)
    one.removed = [{"step": "largest-component", "change": "removed", "voxels": 9, "volume_mm3": 12.0}]
    found = measuring.measured_run(sample.exam, [one], measuring.Asked(), quiet, nothing_known)
    assert [row["kind"] for row in found["warnings"]] == ["measuring-failed"] and words in found["warnings"][0]["text"]
    (row,) = found["lesions"]
    assert row["volume_mm3"] == one.components[0]["volume_mm3"] and row["side"] == sample.masses[0].side
    assert row["longest_mm"] is None and row["curve_type"] == "" and found["removed"] == one.removed
    assert "Traceback" in capsys.readouterr().err, "the log says more"
    json.dumps(found, allow_nan=False)


def test_a_failure_in_the_model_s_files_keeps_the_result(sample):
    def broken():
        raise BadInput("plans.json is damaged")

    found = measuring.measured_run(sample.exam, [finding(sample)], measuring.Asked(), quiet, broken)
    assert found["warnings"][0]["kind"] == "measuring-failed" and len(found["lesions"]) == 1


def test_a_cancel_goes_through(sample):
    def stop(*_):
        raise Cancelled()

    with pytest.raises(Cancelled):
        measuring.measured_run(sample.exam, [finding(sample)], measuring.Asked(), stop, nothing_known)


def test_scripts_measure_files_in_this_process(sample, truth, tmp_path):
    paths = []
    for phase, volume in zip(sample.exam.phases, sample.exam.volumes):
        paths.append(tmp_path / f"{phase.name}.nii.gz")
        sitk.WriteImage(volume.to_sitk(), str(paths[-1]))
    sitk.WriteImage(sample.truth.to_sitk(), str(tmp_path / "mask.nrrd"))
    events = []
    source = {"files": paths, "times": [-60, 0, 90]}
    result = measure(source, tmp_path / "mask.nrrd", maps=("pe",), on_event=events.append)
    assert result["kind"] == "dce" and len(result["measures"]["lesions"]) == 1
    assert result["pe"].geometry.shape == sample.truth.array.shape and np.isfinite(result["pe"].array).all()
    assert {"Reading", "Measuring"} <= {event["stage"] for event in events}
    assert all({"stage", "done", "total", "eta_s"} <= set(event) for event in events)
    assert str(tmp_path) not in json.dumps(result["measures"]), "no file names"
