"""Jobs on a real SLURM cluster of one node, which these tests start for themselves."""

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import slurm_cluster
from BreastSegLib.errors import BadInput
from BreastSegLib.executors import ENDED, LOST, RUNNING, WAITING, Job, JobState, Resources, make
from BreastSegLib.samples.dce import make_dce_exam
from BreastSegLib.samples.writing import write_dce_sample
from BreastSegLib.volume import Volume

pytestmark = pytest.mark.skipif(bool(slurm_cluster.why_not()), reason=slurm_cluster.why_not() or "-")

LIBRARY = Path(__file__).resolve().parents[2] / "BreastSeg"
PATIENCE_S = 60.0
SECRET = "BREASTSEG_TEST_SECRET"
# Counts how often it was started; the first times it runs until it is told to stop, which it notes.
COUNTING = """
import os, signal, sys, time
def stop(*_):
    print("noted", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
count = int(open("count").read()) + 1 if os.path.exists("count") else 1
with open("count.part", "w") as stream:
    stream.write(str(count))
os.rename("count.part", "count")
print("start", count, flush=True)
time.sleep(0 if count > 1 else 300)
"""


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """The test's own cluster."""
    with slurm_cluster.Cluster(tmp_path_factory.mktemp("slurm")) as running:
        yield running


@pytest.fixture
def slurm(cluster):
    """The executor of that cluster; what a failed test left in the queue is taken out."""
    executor, handles = make("slurm", environment={**os.environ, **cluster.environment, SECRET: "x"}), []
    submit = executor.submit

    def remembered(job):
        handles.append(submit(job))
        return handles[-1]

    executor.submit = remembered
    yield executor
    for handle in handles:
        if not executor.state(handle).over:
            executor.cancel(handle, 0)


def python(code):
    """Return the command that runs a piece of Python."""
    return (sys.executable, "-u", "-c", code)


def until(condition, look_s=0.2):
    """Wait for something that must come."""
    end = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(look_s)
    return value


def over(executor, handle):
    """Wait for the end of a job."""
    return until(lambda: state if (state := executor.state(handle)).over else None)


def runs(executor, handle, text):
    """Wait until a job has written something into its log."""
    until(lambda: text in executor.log(handle).splitlines())


def of_job(number):
    """Return the numbers of the processes that belong to a job of the cluster."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            marked = f"SLURM_JOB_ID={number}".encode() in (path / "environ").read_bytes().split(b"\0")
            if marked or (path / "cmdline").read_bytes().startswith(f"slurmstepd: [{number}.".encode()):
                found.append(int(path.name))
    return found


def start_again(cluster, executor, handle):
    """Wait until a job is queued again, and let the cluster start it at once instead of after two minutes."""
    until(lambda: executor.state(handle).state == WAITING)
    until(lambda: not of_job(handle["job"]))  # an end that arrives after the new start would be taken for its own
    time.sleep(1.0)
    cluster.ask("scontrol", "update", f"jobid={handle['job']}", "StartTime=now")


def test_a_job_on_the_cluster(slurm, tmp_path):
    code = (
        f"import os, sys\nprint('größe', os.environ['WANTED'], os.environ.get('{SECRET}'), os.getcwd())\nsys.exit(7)"
    )
    folder = tmp_path / "Fälle ü 1"
    resources = Resources(cpus=2, memory_gb=0.5, hours=0.5, options={"comment": "two words"})
    handle = slurm.submit(Job("Lauf ü", python(code), folder, {"WANTED": "ja „so“ $HOME"}, resources))
    assert slurm.state(handle).state in (WAITING, RUNNING)
    assert over(slurm, handle) == JobState(ENDED, 7)
    assert slurm.log(handle) == f"größe ja „so“ $HOME None {folder}"
    assert slurm.cancel(handle) == JobState(ENDED, 7)  # too late: nothing changes
    assert (folder / "cluster").stat().st_mode & 0o077 == 0  # the variables lie there
    assert over(make("slurm", environment=slurm._environment), handle) == JobState(ENDED, 7)  # from the handle alone


def test_a_command_or_a_python_that_does_not_exist(slurm, cluster, tmp_path):
    handle = slurm.submit(Job("x", ("no-such-program",), tmp_path / "a"))
    other = make("slurm", environment=slurm._environment, python=tmp_path / "no-python")
    failed = other.submit(Job("x", ("true",), tmp_path / "b"))
    assert over(slurm, handle).exit_code == 127
    assert "no-such-program" in slurm.log(handle)
    state = over(slurm, failed)
    assert (state.state, state.exit_code) == (ENDED, None) and "failed on the node" in state.reason
    assert "no-python" in slurm.log(failed)


def test_cancel_lets_the_command_stop_by_itself(slurm, tmp_path):
    handle = slurm.submit(Job("x", python(COUNTING), tmp_path / "a", restart=True))
    deaf = slurm.submit(Job("x", ("sh", "-c", "trap '' TERM; echo deaf; sleep 100 & wait; wait"), tmp_path / "b"))
    queued = slurm.submit(Job("x", ("true",), tmp_path / "c", resources=Resources(options={"begin": "now+1hour"})))
    runs(slurm, handle, "start 1")
    runs(slurm, deaf, "deaf")
    assert slurm.cancel(handle, 20) == JobState(ENDED, 0, "cancelled")
    assert slurm.log(handle) == "start 1\nnoted"
    state = slurm.cancel(deaf, 0.5)
    assert (state.state, state.reason) == (ENDED, "cancelled")
    assert slurm.state(queued).state == WAITING
    assert slurm.cancel(queued) == JobState(ENDED, None, "cancelled")


def test_a_job_is_started_again_when_its_time_is_up(slurm, cluster, tmp_path):
    minute = Resources(hours=1 / 60)
    again = slurm.submit(Job("x", python(COUNTING), tmp_path / "again", resources=minute, restart=True))
    once = slurm.submit(Job("x", python(COUNTING), tmp_path / "once", resources=minute))
    runs(slurm, again, "start 1")
    start_again(cluster, slurm, again)
    assert over(slurm, again) == JobState(ENDED, 0)
    log = slurm.log(again).splitlines()
    assert log[:2] == ["start 1", "noted"] and "time limit" in log[2] and log[3:] == ["start 2"]
    assert over(slurm, once) == JobState(ENDED, None, "time limit")
    assert slurm.log(once) == "start 1\nnoted"


def test_a_job_that_makes_way_for_another_goes_on_later(slurm, cluster, tmp_path):
    handle = slurm.submit(Job("x", python(COUNTING), tmp_path, restart=True))
    runs(slurm, handle, "start 1")
    # As submitit imitates it for tests: first SIGTERM, then its own signal.
    cluster.ask("scancel", handle["job"], "--signal", "TERM")
    runs(slurm, handle, "noted")
    assert slurm.state(handle).state == RUNNING  # it does not end, or the cluster would not start it again
    cluster.ask("scancel", handle["job"], "--signal", "USR2")
    start_again(cluster, slurm, handle)
    assert over(slurm, handle) == JobState(ENDED, 0)
    assert "preempted" in slurm.log(handle) and slurm.log(handle).endswith("start 2")


def test_restarts_have_an_end(slurm, cluster, tmp_path):
    never = make("slurm", environment=slurm._environment, restarts=0)
    handle = never.submit(Job("x", python(COUNTING), tmp_path, restart=True))
    runs(slurm, handle, "start 1")
    cluster.ask("scancel", handle["job"], "--signal", "USR2")
    assert over(slurm, handle) == JobState(ENDED, None, "time limit")


def test_a_job_that_somebody_else_ends(slurm, cluster, tmp_path):
    handle = slurm.submit(Job("x", python(COUNTING), tmp_path, restart=True))
    runs(slurm, handle, "start 1")
    cluster.ask("scancel", handle["job"])
    state = over(slurm, handle)
    assert (state.state, state.reason) == (ENDED, "cancelled")
    # The cluster may forget it now.
    assert slurm.state({**handle, "job": "999999"}) == state


def test_a_node_that_fails(slurm, cluster, tmp_path):
    once = slurm.submit(Job("x", python(COUNTING), tmp_path / "once"))
    again = slurm.submit(Job("x", python(COUNTING), tmp_path / "again", restart=True))
    runs(slurm, once, "start 1")
    runs(slurm, again, "start 1")
    cluster.ask("scontrol", "update", f"nodename={slurm_cluster.NODE}", "state=down", "reason=test")
    try:
        assert over(slurm, once) == JobState(ENDED, None, "node failed")
        until(lambda: slurm.state(again).state == WAITING)
    finally:
        cluster.ask("scontrol", "update", f"nodename={slurm_cluster.NODE}", "state=resume")
    start_again(cluster, slurm, again)
    assert over(slurm, again) == JobState(ENDED, 0)
    assert "start 2" in slurm.log(again)


def test_what_the_cluster_refuses(slurm, tmp_path):
    for resources in (Resources(partition="nonesuch"), Resources(memory_gb=9999)):
        with pytest.raises(BadInput, match="SLURM refused the job: ") as caught:
            slurm.submit(Job("x", ("true",), tmp_path / "job", resources=resources))
        assert "\n" not in caught.value.line and "error" in caught.value.line
    handle = slurm.submit(Job("x", ("true",), tmp_path / "job", resources=Resources(cpus=64)))
    assert until(lambda: slurm.state(handle).reason) == "asks for more than the partition has"
    slurm.cancel(handle)
    with pytest.raises(BadInput, match="%"):
        slurm.submit(Job("x", ("true",), tmp_path / "100 %j"))


def test_two_jobs_in_one_folder(slurm, tmp_path):
    handle = slurm.submit(Job("x", python(COUNTING), tmp_path))
    with pytest.raises(BadInput, match="of this folder"):
        slurm.submit(Job("x", ("true",), tmp_path))
    slurm.cancel(handle, 0)
    assert over(slurm, slurm.submit(Job("x", ("true",), tmp_path))) == JobState(ENDED, 0)
    assert slurm.state(handle).state in (ENDED, LOST)


def test_a_cluster_that_does_not_answer(slurm, cluster, tmp_path):
    handle = slurm.submit(
        Job("x", ("sh", "-c", "echo ready; while [ ! -e go ]; do sleep 0.1; done"), tmp_path / "job")
    )
    runs(slurm, handle, "ready")
    cluster.end("slurmctld")
    try:
        for ask in (lambda: slurm.state(handle), lambda: slurm.submit(Job("x", ("true",), tmp_path / "other"))):
            with pytest.raises(BadInput, match="does not answer") as caught:
                ask()
            assert "\n" not in caught.value.line
        assert not (tmp_path / "other").exists()
    finally:
        cluster.start("slurmctld")
    (tmp_path / "job" / "go").touch()
    until(lambda: (tmp_path / "job" / "exit.json").exists())
    assert slurm.state(handle) == JobState(ENDED, 0)  # the job went on meanwhile
    cluster.wait_ready()


def test_a_job_that_the_cluster_does_not_know(slurm, tmp_path):
    handle = slurm.submit(Job("x", ("true",), tmp_path))
    over(slurm, handle)
    (tmp_path / "exit.json").unlink()
    state = slurm.state({**handle, "job": "999999"})
    assert state.state == LOST and "no longer knows" in state.reason
    assert over(slurm, handle).state == LOST  # it ended well, but nobody knows how


@pytest.fixture(scope="module")
def exams(tmp_path_factory):
    """Two small exams of image files."""
    folder = tmp_path_factory.mktemp("exams")
    for seed, name in enumerate(("Smith Anna", "Smith Beth"), 1):
        made = write_dce_sample(coarse(make_dce_exam(seed, posts=2)), folder.parent / f"exam-{seed}", format="nifti")
        (made / "exam").rename(folder / name)
    return folder


def coarse(sample):
    """Return a sample with every second voxel along each axis: quick to segment."""
    geometry = replace(sample.exam.geometry, shape=sample.truth.array[::2, ::2, ::2].shape)
    volumes = [Volume(v.array[::2, ::2, ::2].copy(), geometry) for v in (*sample.exam.volumes, sample.truth)]
    return replace(sample, exam=replace(sample.exam, volumes=tuple(volumes[:-1])), truth=volumes[-1])


def batch(cluster, exams, output, *more):
    """Run the command ``batch`` and return it, ended."""
    command = [sys.executable, "-m", "BreastSegLib", "batch", "--model", "demo-dce", "--exams", str(exams)]
    command += ["--output", str(output), "--device", "cpu", "--anonymous-names", *more]
    environment = {**os.environ, **cluster.environment, "PYTHONPATH": str(LIBRARY), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=150)


def test_a_batch_on_the_cluster_gives_what_it_gives_here(cluster, exams, tmp_path):
    output, here = tmp_path / "output ü", tmp_path / "here"
    on_cluster = ("--executor", "slurm", "--jobs", "2", "--cpus", "1", "--events")
    given = batch(cluster, exams, output, *on_cluster, "--detach")
    events = [json.loads(line) for line in given.stdout.splitlines()]
    assert given.returncode == 0, given.stderr + given.stdout
    assert events[-1]["event"] == "done" and events[-1]["skipped"] == 2 and "with the cluster" in events[-1]["stopped"]
    assert (output / ".cluster").stat().st_mode & 0o077 == 0  # the names of the folders stand in it

    waited = batch(cluster, exams, output, *on_cluster)
    events = [json.loads(line) for line in waited.stdout.splitlines()]
    assert waited.returncode == 0, waited.stderr + waited.stdout
    assert {event["case"] for event in events if event["event"] == "case"} == {"case_0001", "case_0002"}
    assert events[-1]["line"] == "2 done, 0 failed (see summary.csv)"
    assert batch(cluster, exams, here).returncode == 0
    assert sorted(path.name for path in output.iterdir()) == sorted(path.name for path in here.iterdir())
    for path in output.iterdir():
        assert b"Smith" not in path.read_bytes(), path.name
    for name in ("case_0001", "case_0002"):
        masks = [sitk.GetArrayFromImage(sitk.ReadImage(str(folder / f"{name}.nii.gz"))) for folder in (output, here)]
        assert masks[0].any() and np.array_equal(*masks)
    assert (output / "measures.csv").read_bytes() == (here / "measures.csv").read_bytes()
    again = batch(cluster, exams, output)  # here: all is done already
    assert "2 cases, 2 of them finished already" in again.stdout
    assert again.returncode == 0


def test_a_batch_whose_job_fails_says_why(cluster, exams, tmp_path):
    (tmp_path / "exams").mkdir()
    (tmp_path / "exams" / "Smith Anna").symlink_to(exams / "Smith Anna")
    (tmp_path / "exams" / "Smith Dora").mkdir()
    ended = batch(cluster, tmp_path / "exams", tmp_path / "output", "--executor", "slurm", "--cpus", "1")
    assert ended.returncode == 1, ended.stderr
    assert "1 done, 1 failed" in ended.stdout
    summary = (tmp_path / "output" / "summary.csv").read_text("utf-8-sig").splitlines()
    assert [line.split(",")[:2] for line in summary[1:]] == [["case_0001", "done"], ["case_0002", "failed"]]
    refused = batch(cluster, exams, tmp_path / "other", "--executor", "slurm", "--partition", "nonesuch")
    assert refused.returncode == 2 and refused.stderr.count("\n") == 1 and "SLURM refused the job" in refused.stderr
