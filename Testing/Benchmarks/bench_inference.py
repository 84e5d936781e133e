"""Our worker against nnU-Net's command line: same model, same case, in turn.

``python3 Testing/run.py bench inference [--rounds N] [--seed N] [--tta]``

The exam is made on the recipe's own grid (1 mm), so that both masks lie on one grid. nnU-Net's command gets the
prepared channels as uncompressed files; our worker starts from the exam and prepares it itself, so it does more work.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from BreastSegLib.exam.store import save_exam
from BreastSegLib.inference.client import WorkerClient
from BreastSegLib.models import find_model
from BreastSegLib.pipeline import segment
from BreastSegLib.recipe import load_recipe, prepare
from BreastSegLib.samples.dce import make_dce_exam
from BreastSegLib.volume import Volume
from measuring import PeakMemory, summary, time_command

ENTRY = "from nnunetv2.inference.predict_from_raw_data import predict_entry_point_modelfolder as main; main()"


def write_case(folder, sample, recipe):
    """Write the prepared channels as nnU-Net wants them."""
    prepared = prepare(recipe, sample.exam)
    folder.mkdir(parents=True)
    for index, channel in enumerate(prepared.channels):
        sitk.WriteImage(Volume(channel, prepared.geometry).to_sitk(), str(folder / f"case_{index:04d}.mha"))


def nnunet_command(model, source, output, tta):
    """Return the command line of nnU-Net's own prediction from a model folder."""
    command = [
        sys.executable,
        "-c",
        ENTRY,
        "-i",
        str(source),
        "-o",
        str(output),
        "-m",
        str(model.folder),
        "-f",
        *model.folds,
        "-device",
        "cpu",
    ]
    return command + ([] if tta else ["--disable_tta"])


def run_ours(client, store, model, tta):
    """Segment once; return seconds and the result."""
    start = time.perf_counter()
    result = segment({"store": store}, model.folder, "cpu", tta=tta, client=client)
    return time.perf_counter() - start, result


def one_round(work, store, model, tta, environment):
    """Run nnU-Net, our worker cold and our worker warm once each; return seconds, peaks and both masks."""
    output = work / "theirs"
    shutil.rmtree(output, ignore_errors=True)
    theirs, their_peak = time_command(nnunet_command(model, work / "case", output, tta), environment)
    start = time.perf_counter()
    with WorkerClient() as client:
        client.start()
        peak = PeakMemory(client.pid)
        peak.start()
        _, result = run_ours(client, store, model, tta)
        cold = time.perf_counter() - start
        warm, _ = run_ours(client, store, model, tta)
        our_peak = peak.finish()
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(output / "case.mha")))
    return {
        "nnunet_s": theirs,
        "cold_s": cold,
        "warm_s": warm,
        "nnunet_peak": their_peak,
        "our_peak": our_peak,
        "theirs": mask,
        "ours": result["raw"].array,
        "timings": result["timings"],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=101)
    parser.add_argument("--tta", action="store_true", help="with mirroring, as nnU-Net does by default")
    options = parser.parse_args()
    model = find_model("demo-dce")
    recipe = load_recipe(model.card["recipe"])
    sample = make_dce_exam(options.seed, shape=(80, 116, 192), spacing=(1.0, 1.0, 1.0), posts=2)
    environment = {
        **os.environ,
        "nnUNet_compile": "f",
        "nnUNet_raw": "",
        "nnUNet_preprocessed": "",
        "nnUNet_results": "",
    }
    with tempfile.TemporaryDirectory(prefix="breastseg-bench-") as folder:
        work = Path(folder)
        write_case(work / "case", sample, recipe)
        store = save_exam(sample.exam, work / "exam")
        rounds = [one_round(work, store, model, options.tta, environment) for _ in range(options.rounds)]
    report(rounds, options)


def report(rounds, options):
    """Print medians, ranges and the ratios of each round."""
    print(
        f"exam 80 x 116 x 192 voxels, 3 phases, seed {options.seed}; mirroring {'on' if options.tta else 'off'}; "
        f"{len(rounds)} rounds; {os.cpu_count()} cores"
    )
    for name, label in (
        ("nnunet_s", "nnUNetv2_predict_from_modelfolder"),
        ("cold_s", "our worker, cold (process start included)"),
        ("warm_s", "our worker, warm"),
    ):
        print(f"{label:45s} {summary([r[name] for r in rounds])} s")
    for name in ("cold_s", "warm_s"):
        print(f"ratio nnU-Net / {name[:-2]:29s} {summary([r['nnunet_s'] / r[name] for r in rounds])}")
    for name, label in (
        ("nnunet_peak", "peak memory nnU-Net, all its processes"),
        ("our_peak", "peak memory our worker"),
    ):
        print(f"{label:45s} {summary([r[name] / 2**20 for r in rounds])} MiB")
    print(f"{'ratio of peak memory ours / nnU-Net':45s} {summary([r['our_peak'] / r['nnunet_peak'] for r in rounds])}")
    a, b = rounds[-1]["ours"] > 0, rounds[-1]["theirs"] > 0
    dice = 2 * (a & b).sum() / max(a.sum() + b.sum(), 1)
    print(f"{'Dice of the raw masks':45s} {dice:.5f} ({int(a.sum())} and {int(b.sum())} voxels)")
    print("stages of the last cold run (s):", ", ".join(f"{k} {v:.2f}" for k, v in rounds[-1]["timings"].items()))
    if not np.any(a):
        sys.exit("the model found nothing: the comparison says nothing")


if __name__ == "__main__":
    main()
