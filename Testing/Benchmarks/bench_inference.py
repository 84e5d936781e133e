"""Our worker against nnU-Net's command lines: same model, same exams, in turn, ratios of the same round.

``python3 Testing/run.py bench inference [--part small|large|batch|shortcuts] [--rounds N] [--mirroring off|on|both]``

small      the demo model on a synthetic exam of 80 x 116 x 192 voxels with three phases.
large      a network as nnU-Net plans it by itself (six stages, tile 96 x 160 x 160) on 320 x 320 x 160 voxels with
           three phases. Only its features are reduced (``--features``), so that two cores finish in minutes.
batch      ten small exams: one nnU-Net command for all against one ``batch`` command of ours, processes both.
shortcuts  our worker with and without its shortcuts (tiles outside the breast are left out; mirrorings only where some
           fold sees something), on sample exams: the same lesions, Dice, tiles.

Exams lie on the recipe's own grid (1 mm), so that all masks lie on one grid. nnU-Net's commands get prepared channels
as uncompressed files; our worker starts from the exam and prepares it itself, so it does more work.
"""

import argparse
import csv
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import prediction_commands
import SimpleITK as sitk
from BreastSegLib.exam.store import save_exam
from BreastSegLib.inference.client import WorkerClient
from BreastSegLib.models import find_model
from BreastSegLib.pipeline import segment
from BreastSegLib.recipe import load_recipe, prepare
from BreastSegLib.samples.dce import make_dce_exam
from measuring import PeakMemory, dice, row, time_command

PARTS = ("small", "large", "batch", "shortcuts")
SMALL, LARGE = (80, 116, 192), (160, 320, 320)
TRY_SMALL, TRY_LARGE = (48, 72, 120), (64, 96, 128)
SPACING = (1.0, 1.0, 1.0)
EXPECTED = {
    "small": {"cold": ">= 1.5", "warm": ">= 5"},
    "large": {"cold": ">= 2", "warm": ">= 2"},
}
MEMORY_EXPECTED = "<= 0.6"


@dataclass(frozen=True)
class Case:
    """One exam for both sides: prepared channels in a folder, and the exam itself in our store."""

    work: Path
    channels: Path
    store: Path
    model: object


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, action="append", help="only this; may be given several times")
    parser.add_argument("--rounds", type=int, default=3, help="of small (with mirroring a third); large has one")
    parser.add_argument(
        "--mirroring", choices=("off", "on", "both"), help="default: small and shortcuts both, else off"
    )
    parser.add_argument("--features", type=float, default=0.5, help="large: share of nnU-Net's default features")
    parser.add_argument("--exams", type=int, default=10, help="of batch and shortcuts")
    parser.add_argument("--dry-run", action="store_true", help="tiny sizes: to try the benchmark out")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores; medians with the least and the largest of the rounds")
    for part in options.part or PARTS:
        with tempfile.TemporaryDirectory(prefix="breastseg-bench-") as folder:
            {"small": small, "large": large, "batch": batch, "shortcuts": shortcuts}[part](Path(folder), options)


def mirrorings(options, default):
    """Return the settings of mirroring to measure, each True or False."""
    return {"off": (False,), "on": (True,), "both": (False, True)}[options.mirroring or default]


# --- one exam --------------------------------------------------------------------------------------------------------


def small(work, options):
    """Compare on the small exam."""
    shape = TRY_SMALL if options.dry_run else SMALL
    sample = make_dce_exam(101, shape=shape, spacing=SPACING, posts=2)
    case = make_case(work, sample, find_model("demo-dce"))
    for mirroring in mirrorings(options, "off" if options.dry_run else "both"):
        count = max(1, options.rounds // 3) if mirroring else options.rounds
        compare("small", case, mirroring, count, f"{_size(shape)} voxels, demo-dce")


def large(work, options):
    """Compare on the large exam with a network that nnU-Net planned for it."""
    import default_model
    from BreastSegLib.models import open_model

    shape = TRY_LARGE if options.dry_run else LARGE
    features = 0.125 if options.dry_run else options.features
    sample = make_dce_exam(101, shape=shape, spacing=SPACING, posts=2)
    folder, patch, stages = default_model.make(work, sample, features, folds=1)
    case = make_case(work, sample, open_model(folder, verify=False))
    text = f"{_size(shape)} voxels, tile {_size(patch)}, features of the stages {stages}"
    for mirroring in mirrorings(options, "off"):
        compare("large", case, mirroring, 1, text)


def make_case(work, sample, model):
    """Write an exam for both sides and return the `Case`."""
    prepared = prepare(load_recipe(model.card["recipe"]), sample.exam)
    prediction_commands.write_case(work / "channels", "case", prepared)
    return Case(work, work / "channels", save_exam(sample.exam, work / "exam"), model)


def compare(part, case, mirroring, count, text):
    """Measure some rounds and print times, ratios, memory and Dice."""
    print(f"\n{part}: {text}, mirroring {'on' if mirroring else 'off'}, {count} rounds", flush=True)
    rounds = [one_round(case, mirroring) for _ in range(count)]
    theirs = [name for name in rounds[0]["seconds"] if name.startswith("nnUNet")]
    for name in rounds[0]["seconds"]:
        row(name, [found["seconds"][name] for found in rounds], "s")
    for name in theirs:
        for ours in ("cold", "warm"):
            ratios = [found["seconds"][name] / found["seconds"][f"our worker, {ours}"] for found in rounds]
            row(f"  {name} / our worker, {ours}", ratios, expected=EXPECTED[part][ours])
    for name in (*theirs, "our worker"):
        row(f"peak memory, {name}", [found["peak"][name] / 2**20 for found in rounds], "MiB")
    for name in theirs:
        ratios = [found["peak"]["our worker"] / found["peak"][name] for found in rounds]
        row(f"  our worker / {name}", ratios, expected=MEMORY_EXPECTED)
    last = rounds[-1]
    for name in theirs:
        for kind, mask in last["ours"].items():
            counts = f"({np.count_nonzero(mask)} and {np.count_nonzero(last['theirs'][name])} voxels)"
            print(f"Dice of raw masks, ours {kind}, and {name}: {dice(mask, last['theirs'][name]):.5f} {counts}")
    print(f"stages of the warm run (s): {', '.join(f'{k} {v:.2f}' for k, v in last['timings'].items())}")
    print(f"work of the warm run: {last['work']}", flush=True)
    if not any(mask.any() for mask in last["ours"].values()):
        sys.exit("the model found nothing: the comparison says nothing")


def one_round(case, mirroring):
    """Run nnU-Net's commands, our worker cold, warm, and warm without shortcuts, once each."""
    seconds, peak, masks = {}, {}, {}
    run = prediction_commands.commands(case.work, case.model, case.channels, mirroring)
    for name, (command, output) in run.items():
        seconds[name], peak[name] = time_command(command, prediction_commands.environment(case.work))
        masks[name] = prediction_commands.read_mask(output, "case")
    start = time.perf_counter()
    with WorkerClient() as client:
        client.start()
        sampler = PeakMemory(client.pid)
        sampler.start()
        ours(client, case, mirroring)
        seconds["our worker, cold"] = time.perf_counter() - start
        seconds["our worker, warm"], result = ours(client, case, mirroring)
        peak["our worker"] = sampler.finish()
        seconds["our worker, warm, without shortcuts"], exact = ours(client, case, mirroring, shortcuts=False)
    return {
        "seconds": seconds,
        "peak": peak,
        "theirs": masks,
        "ours": {"with shortcuts": result["raw"].array, "without": exact["raw"].array},
        "timings": result["timings"],
        "work": result["record"].get("work"),
    }


def ours(client, case, mirroring, shortcuts=True):
    """Segment once; return seconds and the result."""
    start = time.perf_counter()
    result = segment(
        {"store": case.store}, case.model.folder, "cpu", tta=mirroring, client=client, shortcuts=shortcuts
    )
    return time.perf_counter() - start, result


# --- many exams ------------------------------------------------------------------------------------------------------


def batch(work, options):
    """Compare one command each for many exams."""
    model, count = find_model("demo-dce"), 2 if options.dry_run else options.exams
    recipe = load_recipe(model.card["recipe"])
    shape = TRY_SMALL if options.dry_run else SMALL
    names = [f"case_{number:02d}" for number in range(count)]
    with open(work / "cases.csv", "w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["case", "phases"])
        for number, name in enumerate(names):
            exam = make_dce_exam(101 + number, shape=shape, spacing=SPACING, posts=2).exam
            prediction_commands.write_case(work / "channels", name, prepare(recipe, exam))
            table.writerow([name, ";".join(_write_phases(work / "phases", name, exam))])
    for mirroring in mirrorings(options, "off"):
        _batch_round(work, model, names, mirroring, _size(shape))


def _batch_round(work, model, names, mirroring, size):
    print(f"\nbatch: {len(names)} exams of {size} voxels, demo-dce, mirroring {'on' if mirroring else 'off'}")
    output = work / f"ours-{mirroring}"
    command = [sys.executable, "-m", "BreastSegLib", "batch", "--model", model.name, "--device", "cpu"]
    command += ["--cases", str(work / "cases.csv"), "--output", str(output)] + (["--tta"] if mirroring else [])
    our_seconds, our_peak = time_command(command, os.environ.copy())
    row("our batch command", [our_seconds], "s")
    for name, (theirs, masks) in prediction_commands.commands(work, model, work / "channels", mirroring).items():
        seconds, peak = time_command(theirs, prediction_commands.environment(work))
        row(name, [seconds], "s")
        row(f"  {name} / our batch command", [seconds / our_seconds], expected=">= 3")
        row(f"  peak memory, our batch command / {name}", [our_peak / peak], expected=MEMORY_EXPECTED)
        found = [dice(_our_raw(output, case), prediction_commands.read_mask(masks, case)) for case in names]
        print(f"Dice of raw masks, mean {np.mean(found):.5f}, least {min(found):.5f}", flush=True)
    print(f"peak memory of our batch command {our_peak / 2**20:.0f} MiB")


def _write_phases(folder, name, exam):
    folder.mkdir(exist_ok=True)
    paths = []
    for index, volume in enumerate(exam.volumes):
        paths.append(str(folder / f"{name}_phase{index}.mha"))
        sitk.WriteImage(volume.to_sitk(), paths[-1])
    return paths


def _our_raw(folder, case):
    """Return the mask of a case before its clean-up, (z, y, x)."""
    raw = [path for path in sorted(folder.rglob(f"{case}*raw*")) if path.name.endswith(".nii.gz")]
    return sitk.GetArrayFromImage(sitk.ReadImage(str((raw or sorted(folder.rglob(f"{case}*.nii.gz")))[0])))


# --- shortcuts -------------------------------------------------------------------------------------------------------


def shortcuts(work, options):
    """Segment sample exams with and without shortcuts and compare."""
    count = 2 if options.dry_run else options.exams
    for mirroring in mirrorings(options, "both"):
        # Without shortcuts mirroring takes eight times as long: a few exams show what it does.
        some = max(1, count // 3) if mirroring and options.mirroring is None else count
        print(f"\nshortcuts: {some} sample exams, demo-dce, mirroring {'on' if mirroring else 'off'}", flush=True)
        with WorkerClient() as client:
            rows = [_with_and_without(work, client, 201 + number, mirroring) for number in range(some)]
        for name in (
            "Dice of raw masks",
            "Dice of final masks",
            "share of passes computed",
            "without / with, seconds",
        ):
            row(name, [found[name] for found in rows], expected=">= 0.999" if name.startswith("Dice") else "")
        same = sum(found["same lesions"] for found in rows)
        print(f"the same lesions (number, and each centre within 1 mm) in {same} of {len(rows)} exams", flush=True)


def _with_and_without(work, client, seed, mirroring):
    # The default size of the samples, voxels of 1.2 x 1.2 x 2 mm: resampled there and back, as real exams are.
    store = save_exam(make_dce_exam(seed, posts=2).exam, work / f"exam-{seed}-{mirroring}")
    found = {}
    for quick in (True, False):
        start = time.perf_counter()
        result = segment({"store": store}, "demo-dce", "cpu", tta=mirroring, client=client, shortcuts=quick)
        found[quick] = (time.perf_counter() - start, result)
    (seconds, quick), (exact_seconds, exact) = found[True], found[False]
    work_done = quick["record"]["work"]
    return {
        "Dice of raw masks": dice(quick["raw"].array, exact["raw"].array),
        "Dice of final masks": dice(quick["mask"].array, exact["mask"].array),
        "share of passes computed": work_done["passes_done"] / work_done["passes"],
        "without / with, seconds": exact_seconds / seconds,
        "same lesions": same_lesions(quick["components"], exact["components"]),
    }


def same_lesions(ours, theirs):
    """Return whether two lists of components are the same lesions: as many, and each centre within 1 mm of another."""
    if len(ours) != len(theirs):
        return False
    left = [np.array(component["centroid_lps"]) for component in theirs]
    for component in ours:
        distances = [float(np.linalg.norm(np.array(component["centroid_lps"]) - other)) for other in left]
        if min(distances) > 1:
            return False
        left.pop(int(np.argmin(distances)))
    return True


def _size(shape):
    return " x ".join(map(str, shape))


if __name__ == "__main__":
    main()
