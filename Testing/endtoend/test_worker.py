"""The real worker with torch and nnU-Net: what it answers, how it is cancelled, how it ends."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from BreastSegLib.errors import BadInput, Cancelled, DeviceUnavailable, Undecided, WorkerDied
from BreastSegLib.exam.store import load_exam
from BreastSegLib.inference.client import WorkerClient
from BreastSegLib.inference.messages import EXAM_STAGES, STAGES
from BreastSegLib.pipeline import segment
from BreastSegLib.samples.writing import write_dce_sample
from worker_cases import QUIET, small_exam, small_model

PACKAGE = Path(__file__).resolve().parents[2] / "BreastSeg"


@pytest.fixture(scope="module")
def client():
    """A worker that stays warm for this file's tests."""
    with WorkerClient(environment=QUIET) as one:
        yield one


@pytest.fixture(scope="module")
def small(sample, tmp_path_factory):
    """A small exam and a small model, where the size does not matter."""
    folder = tmp_path_factory.mktemp("small")
    return small_exam(sample, folder / "exam"), small_model(folder / "model")


def predict_fields(client, exam_store, tiny_model, **changes):
    """Return the fields of a predict request."""
    return {
        "source": {"store": str(exam_store)},
        "model": str(tiny_model),
        "device": "cpu",
        "folds": None,
        "tta": False,
        "cleanup": True,
        "output": str(client.folder / "result"),
        **changes,
    }


def test_result_has_every_part_and_the_same_every_time(client, exam_store, tiny_model, sample):
    stages = []
    first = segment(
        {"store": exam_store},
        tiny_model,
        "cpu",
        client=client,
        probabilities=True,
        on_event=lambda e: stages.append(e.get("stage")),
    )
    second = segment({"store": exam_store}, tiny_model, "cpu", client=client)
    assert first["mask"].geometry == sample.exam.geometry
    assert np.array_equal(first["mask"].array, second["mask"].array)
    assert [stage for stage in STAGES if stage in stages] == list(STAGES)
    assert first["probabilities"].array.min() >= 0 and first["probabilities"].array.max() <= 1.0001
    assert (
        len(first["components"]) <= 1
        and len(segment({"store": exam_store}, tiny_model, "cpu", cleanup=False, client=client)["removed"]) == 0
    )
    record = first["record"]
    assert record["device"] == "cpu" and record["model"]["folds"] == ["0", "1"] and record["versions"]["torch"]
    assert [phase["number"] for phase in record["phases"]] == [0, 1, 2]


def test_probabilities_equal_nnunet_predictor(client, exam_store, tiny_model, sample, monkeypatch):
    """Our sliding window against nnU-Net's own predictor on the same prepared channels.

    nnU-Net weights and sums tiles in half precision, which is off by up to 0.1 where only the faint corner of one tile
    reaches; it is made to sum in float32 here, so that the two can be compared to the last digit that matters.
    """
    import functools

    import torch
    from BreastSegLib.recipe import load_recipe, prepare, restore
    from nnunetv2.inference import predict_from_raw_data

    prepared = prepare(load_recipe("phase-aware-0000-0002"), sample.exam)
    predictor = predict_from_raw_data.nnUNetPredictor(
        use_mirroring=False, device=torch.device("cpu"), allow_tqdm=False
    )
    predictor.initialize_from_trained_model_folder(str(tiny_model), (0, 1), "checkpoint_final.pth")
    monkeypatch.setattr(torch, "half", torch.float32)
    monkeypatch.setattr(
        predict_from_raw_data,
        "compute_gaussian",
        functools.partial(predict_from_raw_data.compute_gaussian, dtype=torch.float32),
    )
    _, theirs = predictor.predict_single_npy_array(prepared.channels, {"spacing": [1.0, 1.0, 1.0]}, None, None, True)
    ours = segment({"store": exam_store}, tiny_model, "cpu", cleanup=False, probabilities=True, client=client)
    expected = restore(prepared.record, np.asarray(theirs[1], np.float32)).array
    assert np.abs(ours["probabilities"].array - expected).max() < 1e-3
    a, b = ours["raw"].array > 0, expected > 0.5
    assert 2 * (a & b).sum() / (a.sum() + b.sum()) >= 0.999


def test_auto_device_without_a_gpu_is_an_error_with_a_hint(client, exam_store, tiny_model):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(DeviceUnavailable, match="--device cpu"):
        segment({"store": exam_store}, tiny_model, "auto", client=client)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"device": "tpu"}, "Unknown device"),
        ({"folds": [7]}, "no fold 7"),
        ({"source": {"store": "/no/such/exam"}}, "exam.json"),
        ({"model": "/no/such/model"}, "no such model"),
        ({"source": {}}, "exam"),
    ],
)
def test_bad_requests_are_answered_and_the_worker_lives(client, exam_store, tiny_model, change, message):
    client.start()
    with pytest.raises(BadInput, match=message):
        client.wait(client.send("predict", **predict_fields(client, exam_store, tiny_model, **change)))
    assert client.alive


def test_one_phase_where_the_model_wants_three(client, sample, tiny_model, tmp_path):
    from BreastSegLib.exam.dce import DceExam
    from BreastSegLib.exam.store import save_exam

    store = save_exam(DceExam(sample.exam.phases[:1], sample.exam.volumes[:1]), tmp_path)
    with pytest.raises(BadInput, match="post1.*it has pre") as caught:
        segment({"store": store}, tiny_model, "cpu", client=client)
    assert "\n" not in caught.value.line


@pytest.mark.parametrize("value, message", [(np.nan, "not numbers|NaN"), (0.0, "constant")])
def test_unusable_pixels(client, sample, tiny_model, tmp_path, value, message):
    from BreastSegLib.exam.dce import with_volumes
    from BreastSegLib.exam.store import save_exam
    from BreastSegLib.volume import Volume

    arrays = [volume.array.copy() for volume in sample.exam.volumes]
    arrays[1][...] = value if value == 0 else arrays[1]
    arrays[1][3, 4, 5] = value
    store = save_exam(with_volumes(sample.exam, [Volume(a, sample.exam.geometry) for a in arrays]), tmp_path)
    with pytest.raises(BadInput, match=message):
        segment({"store": store}, tiny_model, "cpu", client=client)


def test_truncated_array(client, sample, tiny_model, tmp_path):
    from BreastSegLib.exam.store import array_name, save_exam

    path = save_exam(sample.exam, tmp_path) / array_name(1)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(BadInput, match="cannot be read"):
        segment({"store": tmp_path}, tiny_model, "cpu", client=client)


def test_checkpoint_that_is_not_one(client, exam_store, tiny_model, tmp_path):
    import shutil

    from BreastSegLib.models.card import read_card, write_card

    broken = shutil.copytree(tiny_model, tmp_path / "broken")
    (broken / "fold_0" / "checkpoint_final.pth").write_bytes(b"this is no checkpoint")
    card = read_card(broken)
    card.pop("checksums"), card.pop("format")
    write_card(broken, card)
    client.start()
    with pytest.raises(BadInput, match="checkpoint is damaged"):
        client.wait(client.send("predict", **predict_fields(client, exam_store, broken)))
    assert client.alive


@pytest.mark.parametrize("stage", STAGES)
def test_cancel_in_every_stage(exam_store, tiny_model, client, stage):
    """Cancelling when a stage is first seen ends the run within a second and a half, and the next run works."""
    client.start()
    client.send("predict", **predict_fields(client, exam_store, tiny_model, tta=stage == "Segmenting"))
    asked = None
    with pytest.raises(Cancelled):
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            for event in client.poll():
                if event["event"] == "progress" and event["stage"] == stage and asked is None:
                    client.cancel()
                    asked = time.monotonic()
                if event["event"] == "result":
                    # The last stage may have been over before the cancel arrived; then the result is whole and
                    # nothing is lost.
                    assert stage in ("Writing", "Measuring")
                    raise Cancelled()
                if event["event"] == "error":
                    assert event["code"] == "cancelled", event
                    raise Cancelled()
            time.sleep(0.005)
    assert asked is not None and time.monotonic() - asked < 1.5
    assert not client.busy


@pytest.mark.parametrize("stage", EXAM_STAGES)
def test_cancel_while_an_exam_is_read(dicom_sample, client, stage):
    client.start()
    source = {"folder": str(dicom_sample / "exam"), "motion": "bspline"}
    request = client.send("read", source=source, output=str(client.folder / "exam"))
    asked = []

    def cancel(event):
        if event.get("stage") == stage and not asked:
            client.cancel()
            asked.append(time.monotonic())

    with pytest.raises(Cancelled):
        client.wait(request, cancel)
    assert asked and time.monotonic() - asked[0] < 1.5


def test_read_tells_enhancement_motion_and_phases(dicom_sample, client, sample):
    client.start()
    source = {"folder": str(dicom_sample / "exam"), "motion": "rigid"}
    answer = client.wait(client.send("read", source=source, output=str(client.folder / "exam")))
    assert answer["kind"] == "dce" and [row["role"] for row in answer["phases"]] == ["pre", "post", "post"]
    assert answer["enhancement"]["percent"][0] == 0 and min(answer["enhancement"]["percent"][1:]) > 10
    assert [row["phase"] for row in answer["motion"]] == ["pre", "post2"]
    assert load_exam(answer["exam"]).geometry.same_grid(sample.exam.geometry)


def test_read_of_mammograms(client, tmp_path):
    from BreastSegLib.samples.writing import write_mammogram_sample

    folder = write_mammogram_sample(tmp_path / "view", 3, laterality="R", view="CC")
    client.start()
    answer = client.wait(client.send("read", source={"folder": str(folder)}, output=str(client.folder / "views")))
    assert answer["kind"] == "mammograms" and [view["laterality"] for view in answer["views"]] == ["R"]
    view = answer["views"][0]
    array = np.load(Path(answer["exam"]) / view["array"])
    assert array.dtype == np.float32 and list(array.shape) == view["geometry"]["shape"] and view["tone"]["window"] > 0


def test_question_of_the_worker_can_be_answered(client, sample, tmp_path):
    written = write_dce_sample(sample, tmp_path / "sample", format="nifti")
    for number, path in enumerate(sorted((written / "exam").iterdir())):
        path.rename(path.with_name(f"CASE_{number:04d}.nii.gz"))
    client.start()
    source, output = {"folder": str(written / "exam")}, str(client.folder / "exam")
    with pytest.raises(Undecided) as question:
        client.wait(client.send("read", source=source, output=output))
    assert question.value.name == "meaning"
    assert [value for value, _ in question.value.choices] == ["phases", "channels"]
    source["decisions"] = {"meaning": "phases"}
    answer = client.wait(client.send("read", source=source, output=output))
    assert [row["role"] for row in answer["phases"]] == ["pre", "post", "post"]


def test_killed_in_the_middle_is_said_and_survived(small):
    exam_store, small_one = small
    with WorkerClient(environment=QUIET) as client:
        client.start()
        request = client.send("predict", **predict_fields(client, exam_store, small_one, tta=True))

        def kill(event):
            if event.get("stage") == "Segmenting":
                os.kill(event_pid[0], signal.SIGKILL)

        event_pid = [client.pid]
        with pytest.raises(WorkerDied, match="signal 9") as caught:
            client.wait(request, kill, timeout=120)
        assert "run again" in caught.value.line
        assert segment({"store": exam_store}, small_one, "cpu", client=client)["record"]["device"] == "cpu"


def test_no_worker_outlives_a_killed_parent(exam_store, tiny_model, tmp_path):
    """The parent gets SIGKILL while the worker computes: worker and private folder are gone within five seconds."""
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(f"""
        import sys, time
        sys.path.insert(0, {str(PACKAGE)!r})
        from BreastSegLib.inference.client import WorkerClient
        client = WorkerClient()
        client.start()
        client.send("predict", source={{"store": {str(exam_store)!r}}}, model={str(tiny_model)!r}, device="cpu",
                    folds=None, tta=True, cleanup=True, output=str(client.folder / "out"))
        while True:
            for event in client.poll():
                if event.get("stage") == "Segmenting":
                    print(client.pid, client.folder, flush=True)
            time.sleep(0.01)
    """)
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    pid, folder = parent.stdout.readline().split(maxsplit=1)
    worker = psutil.Process(int(pid))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    _, alive = psutil.wait_procs([worker], timeout=5)
    assert not alive
    assert not Path(folder.strip()).exists()


def test_worker_behind_a_launcher_is_ended_and_the_folder_stays(small, tmp_path):
    """Slicer's Python starts through a launcher: ending that alone would leave the worker, or cost the arrays."""
    exam_store, small_one = small
    launcher = tmp_path / "launcher"
    launcher.write_text(f'#!/bin/sh\n{sys.executable} "$@"\nexit $?\n')
    launcher.chmod(0o755)
    with WorkerClient(python=launcher, environment=QUIET) as client:
        client.start()
        (client.folder / "loaded exam").touch()
        client.send("predict", **predict_fields(client, exam_store, small_one, tta=True))
        pid = None
        while pid is None:
            pid = next((event["pid"] for event in client.poll() if event["event"] == "ready"), None)
        worker = psutil.Process(pid)
        assert pid != client.pid
        client.kill()
        psutil.wait_procs([worker], timeout=2)
        assert not worker.is_running()
        assert (client.folder / "loaded exam").exists()
        assert [event["code"] for event in client.poll()] == ["worker-died"]
        assert segment({"store": exam_store}, small_one, "cpu", client=client)["record"]["device"] == "cpu"


def test_worker_that_is_let_go_leaves_the_folder(exam_store, tiny_model, tmp_path):
    """End of input without a lease: the worker ends itself and deletes nothing."""
    private, lease = tmp_path / "private", tmp_path / "private" / "lease"
    for held in (False, True):
        private.mkdir(exist_ok=True)
        lease.touch() if held else lease.unlink(missing_ok=True)
        command = [sys.executable, "-m", "BreastSegLib.inference.worker", "--folder", private, "--lease", lease]
        worker = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(PACKAGE)}
        )
        worker.stdin.close()
        assert worker.wait(20) == 3
        assert private.exists() is not held


def test_full_disk_while_arrays_are_written(exam_store, tiny_model, dicom_sample, tmp_path):
    """A file-size limit stands in for the full disk: the worker says so in one line and stays."""
    wrapper = tmp_path / "limited.py"
    wrapper.write_text(
        "import resource, runpy, sys, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "sys.argv[1:] = sys.argv[4:]\n"
        "runpy.run_module('BreastSegLib.inference.worker', run_name='__main__', alter_sys=True)\n"
    )
    launcher = tmp_path / "python"
    launcher.write_text(f'#!/bin/sh\nexec {sys.executable} {wrapper} "$@"\n')
    launcher.chmod(0o755)
    with WorkerClient(python=launcher) as client:
        client.start()
        with pytest.raises(BadInput, match="could not be written"):
            client.wait(client.send("predict", **predict_fields(client, exam_store, tiny_model)), timeout=120)
        with pytest.raises(BadInput, match="could not be written") as caught:
            source = {"folder": str(dicom_sample / "exam")}
            client.wait(client.send("read", source=source, output=str(client.folder / "read")), timeout=120)
        assert "\n" not in caught.value.line
        assert client.alive


def test_close_leaves_nothing(exam_store, tiny_model):
    client = WorkerClient()
    client.start()
    worker, folder = psutil.Process(client.pid), client.folder
    client.close()
    assert not worker.is_running() and not folder.exists()


def test_a_model_that_changed_after_its_card_is_not_loaded(client, exam_store, tiny_model, tmp_path):
    import shutil

    changed = shutil.copytree(tiny_model, tmp_path / "changed")
    with open(changed / "fold_1" / "checkpoint_final.pth", "ab") as stream:
        stream.write(b"more")
    with pytest.raises(BadInput, match="changed after its card was written: fold_1/checkpoint_final.pth"):
        segment({"store": exam_store}, changed, "cpu", client=client)
