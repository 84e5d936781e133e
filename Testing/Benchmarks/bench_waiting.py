"""What it costs that threads sleep while they wait for each other, on an idle computer and beside a busy program.

``python3 Testing/run.py bench waiting [--rounds N] [--dry-run]``

A training step of a small network on the CPU, in a fresh process for each way of waiting, in turn; then all of it
again while another process keeps one core busy. Expected of ours: at most 1.03 x the system's own way where the
computer is idle, and less than that where it is not.
"""

import argparse
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from Benchmarks.bench_training import CASES, CONFIGURATION, DATASET, environment, make_dataset, plan
from Benchmarks.measuring import row
from BreastSegLib.inference.waiting import SETTINGS

WAYS = {
    "the system's own": {},
    "asleep at once": {"OMP_WAIT_POLICY": "PASSIVE"},
    "ours": SETTINGS,
    "10,000 looks": {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "10000"},
}
STEPS, REPEATS = 40, 5
STEP = """
import json, multiprocessing, statistics, sys, time
from pathlib import Path
import torch
from BreastSegTrainingLib.process.trainerclass import find_trainer, make_ready
from BreastSegTrainingLib.trainers import copy_to
data, work, configuration, steps, repeats = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], *map(int, sys.argv[4:])
torch.set_num_threads(multiprocessing.cpu_count())
copy_to(work / "trainers")
plans = {**json.loads((data / "nnUNetPlans.json").read_text()), "continue_training": False}
description = json.loads((data / "dataset.json").read_text())
kind = find_trainer("nnUNetTrainerBreastSeg", work / "trainers")
trainer = kind(plans, configuration, 0, description, device=torch.device("cpu"))
make_ready(trainer, {})
trainer.on_train_start()
trainer.on_epoch_start()
trainer.on_train_epoch_start()
seconds = []
for repeat in range(repeats + 1):
    start = time.perf_counter()
    for _ in range(steps):
        trainer.train_step(next(trainer.dataloader_train))
    seconds.append((time.perf_counter() - start) / steps)
print("seconds", statistics.median(seconds[1:]))
"""


def main(arguments):
    """Measure all ways, idle and busy."""
    parser = argparse.ArgumentParser(prog="bench waiting", description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dry-run", action="store_true", help="two steps, to try the benchmark out")
    options = parser.parse_args(arguments)
    steps, repeats = (1, 1) if options.dry_run else (STEPS, REPEATS)
    with tempfile.TemporaryDirectory(prefix="breastseg-bench-") as folder:
        variables = make_dataset(Path(folder), CASES)
        plan(variables)
        for title, beside in (("idle", unbothered), ("beside a busy program", bothered)):
            with beside():
                show(title, measure(Path(folder), variables, options.rounds, steps, repeats))


def measure(folder, variables, rounds, steps, repeats):
    """Return milliseconds of a step by way of waiting, one for each round."""
    found = {name: [] for name in WAYS}
    data = Path(variables["nnUNet_preprocessed"], DATASET)
    for _ in range(rounds):
        for number, (name, settings) in enumerate(WAYS.items()):
            inherited = {key: value for key, value in environment(variables).items() if key not in SETTINGS}
            work = folder / f"waiting-{number}"
            work.mkdir(exist_ok=True)
            inherited["nnUNet_results"] = str(work)
            words = [sys.executable, "-c", STEP, data, work, CONFIGURATION, steps, repeats]
            answer = subprocess.run(
                [str(word) for word in words], env={**inherited, **settings}, capture_output=True, text=True
            )
            if answer.returncode:
                raise SystemExit(answer.stderr[-1500:])
            found[name].append(1000 * float(answer.stdout.split("seconds ")[-1]))
    return found


def show(title, found):
    """Print milliseconds and ratios of one situation."""
    usual = found["the system's own"]
    for name, values in found.items():
        row(f"{title}: {name}", values, "ms a step", digits=1)
        if name != "the system's own":
            row(f"{title}: {name} / the system's own", [ours / theirs for ours, theirs in zip(values, usual)])


@contextmanager
def unbothered():
    """Do nothing beside."""
    yield


@contextmanager
def bothered():
    """Keep one core busy with another process."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
