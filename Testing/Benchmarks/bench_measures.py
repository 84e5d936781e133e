"""How long it takes to measure the lesions of an exam, and in how much memory.

``python3 Testing/run.py bench measures [--rounds N] [--small]``

A synthetic exam of 360 × 360 × 180 voxels with six phases lies as arrays on the disk, as it does for the worker, and
five lesions lie in its mask. A fresh process does what the worker does for the request ``measure``: it opens the exam,
finds the breasts, looks how far the phases are moved against each other, measures shape and enhancement of each lesion
and of normal tissue, and writes the warnings. Started with `--maps` it also writes the three maps of enhancement.

seconds    of the request, the imports before it are not counted;
processor  seconds that its threads computed: what is left on a machine that has other things to do;
memory     of the process: its peak over what it had before, in units of the float32 phases (pages of the files that it
           has looked at are part of it);
stages     what of the time each part takes.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

SHAPE, SPACING, PHASES, LESIONS = (180, 360, 360), (1.0, 1.0, 1.0), 6, 5
CHILD = """
import json, sys, time, psutil
import SimpleITK, scipy.ndimage, scipy.spatial, scipy.fft
from BreastSegLib.pipeline import measure_exam, measuring
from BreastSegLib import measures
from BreastSegLib.measures import whole

folder, maps = sys.argv[1], sys.argv[2:]
stages = {}

def timed(place, name, label):
    work = getattr(place, name)
    def run(*arguments, **named):
        start = time.perf_counter()
        made = work(*arguments, **named)
        stages[label] = stages.get(label, 0.0) + time.perf_counter() - start
        return made
    setattr(place, name, run)

timed(measuring, "read", "open the exam")
timed(measuring, "breast_mask", "find the breasts")
timed(measuring, "phase_motion", "motion of the phases")
timed(whole, "measure_shapes", "shapes")
timed(whole, "measure_kinetics", "kinetics")
timed(measuring, "_write_maps", "maps")
before = psutil.Process().memory_info().rss
start, busy = time.perf_counter(), time.process_time()
request = {"source": {"store": folder}, "mask": folder + "/mask.npy", "output": folder + "/out", "maps": maps}
answer = measure_exam(request, lambda *_: None)
seconds, busy = time.perf_counter() - start, time.process_time() - busy
peak = before
try:
    peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) * 1024
except OSError:
    pass
rows = answer["measures"]["lesions"]
print(json.dumps({"seconds": seconds, "busy": busy, "bytes": peak - before, "stages": stages, "lesions": len(rows),
                  "measured": all(row["ftv_mm3"] is not None and row["skin_mm"] is not None for row in rows)}))
"""


def write_exam(folder, shape):
    """Write exam and mask; return the bytes of the phases.

    The exam is made at half the size and each voxel doubled, with noise of its own.
    """
    from BreastSegLib.exam.dce import DceExam
    from BreastSegLib.exam.store import save_exam
    from BreastSegLib.samples.dce import make_dce_exam
    from BreastSegLib.volume import Geometry, Volume

    half = tuple(n // 2 for n in shape)
    scale = SHAPE[0] / shape[0]
    sample = make_dce_exam(3, shape=half, spacing=(2.0 * scale,) * 3, posts=PHASES - 1, masses=4)
    geometry = Geometry(shape, (scale,) * 3, sample.exam.geometry.origin)
    rng = np.random.default_rng(0)
    volumes = [Volume(_doubled(v.array) + _noise(rng, shape), geometry) for v in sample.exam.volumes]
    save_exam(DceExam(sample.exam.phases, tuple(volumes)), folder)
    mask = _doubled(sample.truth.array).astype(np.uint8)
    place = np.argwhere(mask)[0]
    mask[tuple(slice(p, p + 6) for p in (place + (0, 24, 24)))] = 1  # a fifth one beside the first
    np.save(folder / "mask.npy", mask)
    return sum(volume.array.nbytes for volume in volumes)


def _doubled(array):
    return array.repeat(2, 0).repeat(2, 1).repeat(2, 2)


def _noise(rng, shape):
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(5)


def run(folder, maps):
    """Measure in a fresh process; return what it tells."""
    command = [sys.executable, "-c", CHILD, str(folder), *maps]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--maps", action="store_true", help="also write the three maps")
    parser.add_argument("--small", action="store_true", help="half of the edges: to try the benchmark out")
    options = parser.parse_args()
    from Benchmarks.measuring import row

    shape = tuple(n // 2 for n in SHAPE) if options.small else SHAPE
    with tempfile.TemporaryDirectory(prefix="breastseg-bench-") as folder:
        phases = write_exam(Path(folder), shape)
        rounds = [run(folder, ["pe", "ser", "types"] if options.maps else []) for _ in range(options.rounds)]
    first = rounds[0]
    print(f"{' × '.join(map(str, shape[::-1]))} voxels, {PHASES} phases, {first['lesions']} lesions")
    if not first["measured"] or first["lesions"] < LESIONS:
        print("Not everything was measured: the figures mean nothing.")
        return 1
    row("seconds", [one["seconds"] for one in rounds], "s", "<= 3")
    row("processor seconds", [one["busy"] for one in rounds], "s")
    if sys.platform == "linux":
        row("memory over the phases", [one["bytes"] / phases for one in rounds], "", "<= 1.5")
    for name in first["stages"]:
        row(f"  {name}", [one["stages"][name] for one in rounds], "s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
