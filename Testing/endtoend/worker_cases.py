"""A small exam and a small model, so that a run of the real worker takes a moment."""

import os
import sys

import psutil

# Tests share the processors with each other; more threads would only wait for each other.
QUIET = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def small_exam(sample, folder):
    """Write the middle of the sample exam as arrays and return the folder."""
    from BreastSegLib.exam.dce import with_volumes
    from BreastSegLib.exam.store import save_exam
    from BreastSegLib.volume import Geometry, Volume

    part = (slice(8, 32), slice(24, 72), slice(40, 88))
    geometry = Geometry.from_json({**sample.exam.geometry.to_json(), "shape": [24, 48, 48]})
    volumes = [Volume(volume.array[part].copy(), geometry) for volume in sample.exam.volumes]
    return str(save_exam(with_volumes(sample.exam, volumes), folder))


def small_model(folder):
    """Write a model with two folds for which the small exam is one tile or two, and return its folder."""
    from tiny_model import make_tiny_model

    return str(make_tiny_model(folder, folds=("0", "1"), patch=(24, 32, 32), features=(2, 4), spacing=2.0))


def fields(client, exam, model, **changes):
    """Return the fields of a predict request."""
    common = {"source": {"store": exam}, "model": model, "device": "cpu", "folds": None, "tta": False, "cleanup": True}
    return {**common, "output": str(client.folder / "result"), **changes}


def wrapped_worker(tmp_path, prelude):
    """Return an interpreter that does `prelude` before it becomes the worker."""
    wrapper, launcher = tmp_path / "wrapper.py", tmp_path / "python"
    wrapper.write_text(
        f"{prelude}\nimport runpy, sys\nsys.argv[1:] = sys.argv[4:]\n"
        "runpy.run_module('BreastSegLib.inference.worker', run_name='__main__', alter_sys=True)\n"
    )
    launcher.write_text(f'#!/bin/sh\nexec {sys.executable} {wrapper} "$@"\n')
    launcher.chmod(0o755)
    return launcher


def worker_of(client):
    """Return the `psutil.Process` of the running worker."""
    return psutil.Process(client.pid)


def until_stage(client, stage, timeout=60.0):
    """Poll until a stage is seen; return the events."""
    import time

    events, end = [], time.monotonic() + timeout
    while not any(event.get("stage") == stage for event in events):
        assert time.monotonic() < end, events[-3:]
        assert not any(event["event"] in ("result", "error") for event in events), events[-1]
        events += client.poll()
        time.sleep(0.002)
    return events
