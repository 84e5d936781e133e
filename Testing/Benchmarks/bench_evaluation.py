"""How fast predictions are measured, in how much memory.

``python3 Testing/run.py bench evaluation [--cases N] [--workers N] [--rounds N] [--small]``

evaluation   N pairs of masks of 128³ voxels (default 200; ragged lesions, two of them in every prediction, .nii.gz)
             through ``evaluate`` with all measures, lesion-wise detection and, in a second run, the clean-up; a whole
             process with its children, against one loop over the same pairs in one process: nnU-Net's
             ``compute_metrics`` and SimpleITK's Hausdorff filter, with as many threads as it takes. Of ours the whole
             process counts, start included; of the loop only the loop, without the seconds in which nnU-Net is
             imported. Expected: at least 3 × faster with two processes.
memory       peak with N/10 and with N pairs: it must not grow with their number.
exactness    both give the same Dice and Hausdorff distance for every pair.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from Benchmarks.measuring import row, time_command
from scipy import ndimage

SIZE, SMALL = 128, 40
OURS = """
import json, sys
from BreastSegTrainingLib.evaluation.run import EvaluationOptions, evaluate
from BreastSegTrainingLib.evaluation.sources import folders
if __name__ == "__main__":
    truth, prediction, output, workers, cleanup = sys.argv[1:]
    source = folders(truth, prediction)
    found = {}
    for record in evaluate(source, EvaluationOptions(cleanup=cleanup), workers=int(workers)):
        found[record["case"]] = [record["raw"]["dice"], record["raw"]["hausdorff"]]
    json.dump(found, open(output, "w"))
"""
LOOP = """
import json, sys, time
from pathlib import Path
import SimpleITK as sitk
from nnunetv2.evaluation.evaluate_predictions import compute_metrics
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO
truth, prediction, output = sys.argv[1:]
found, reader, start = {}, SimpleITKIO(), time.perf_counter()
for path in sorted(Path(truth).iterdir()):
    files = str(path), str(Path(prediction) / path.name)
    dice = compute_metrics(*files, reader, [1])["metrics"][1]["Dice"]
    distance = sitk.HausdorffDistanceImageFilter()
    distance.Execute(*(sitk.ReadImage(file) for file in files))
    found[path.name[: -len(".nii.gz")]] = [float(dice), distance.GetHausdorffDistance()]
json.dump({"found": found, "seconds": time.perf_counter() - start}, open(output, "w"))
"""


def main(arguments):
    """Run all parts."""
    parser = argparse.ArgumentParser(prog="bench evaluation", description=__doc__.split("\n\n")[0])
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="ten tiny pairs, to try the benchmark out")
    options = parser.parse_args(arguments)
    count, size = (10, SMALL) if options.small else (options.cases, SIZE)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        print(f"Making {count} pairs of {size}³ voxels …", flush=True)
        make_pairs(folder / "many", count, size)
        few = max(count // 10, 2 * options.workers)
        make_pairs(folder / "few", few, size)
        compare(folder, count, few, options.workers, options.rounds)


def make_pairs(folder, count, size):
    """Write pairs of masks: an ellipsoid with a ragged edge, and a prediction that is shifted, with a false lesion."""
    for name in ("truth", "prediction"):
        (folder / name).mkdir(parents=True)
    z, y, x = np.ogrid[:size, :size, :size]
    for index in range(count):
        rng = np.random.default_rng(index)
        noise = ndimage.gaussian_filter(rng.normal(size=(size,) * 3), 1.5)
        noise *= 2 / noise.std()
        centre, radius = rng.uniform(0.3 * size, 0.7 * size, 3), rng.uniform(0.04, 0.14) * size
        stretch, shift = rng.uniform(0.7, 1.3, 3), rng.uniform(-2, 2, 3)
        false = rng.uniform(0.1 * size, 0.9 * size, 3)

        def ball(at, by, ragged, r):
            squares = (((axis - a) / s) ** 2 for axis, a, s in zip((z, y, x), at, by))
            return np.sqrt(sum(squares)) + ragged < r

        truth = ball(centre, stretch, noise, radius)
        prediction = ball(centre + shift, stretch, np.roll(noise, 3, 1), radius)
        prediction |= ball(false, (1, 1, 1), 0, 3)
        for name, mask in (("truth", truth), ("prediction", prediction)):
            image = sitk.GetImageFromArray(mask.astype(np.uint8))
            image.SetSpacing((0.8, 0.8, 1.4))
            sitk.WriteImage(image, str(folder / name / f"case_{index:04d}.nii.gz"), True)


def compare(folder, count, few, workers, rounds):
    """Time both ways in turn, and print seconds, ratios of the same round, peaks and the largest differences."""
    ours, loop = script(folder, "ours.py", OURS), script(folder, "loop.py", LOOP)
    seconds = {"loop": [], "ours": [], "cleaned": []}
    peaks = []
    many = [str(folder / "many" / name) for name in ("truth", "prediction")]
    for _ in range(rounds):
        time_command([*loop, *many, str(folder / "loop.json")])
        theirs = json.loads((folder / "loop.json").read_text())
        seconds["loop"].append(theirs["seconds"])
        run = [*ours, *many, str(folder / "ours.json"), str(workers)]
        time, peak = time_command([*run, "none"])
        seconds["ours"].append(time)
        peaks.append(peak)
        seconds["cleaned"].append(time_command([*run, "largest"])[0])
    small = [str(folder / "few" / name) for name in ("truth", "prediction")]
    _, small_peak = time_command([*ours, *small, str(folder / "few.json"), str(workers), "none"])
    row(f"loop over {count} pairs: nnU-Net's measures, SimpleITK's Hausdorff", seconds["loop"], "s")
    row(f"evaluate, {workers} processes, all measures", seconds["ours"], "s")
    row("evaluate, raw and cleaned", seconds["cleaned"], "s")
    ratios = [a / b for a, b in zip(seconds["loop"], seconds["ours"])]
    row("loop / evaluate", ratios, "", "at least 3")
    row("loop / evaluate, raw and cleaned", [a / b for a, b in zip(seconds["loop"], seconds["cleaned"])])
    row("peak memory", [peak / 1e6 for peak in peaks], "MB")
    row(f"peak memory / that of {few} pairs", [peak / small_peak for peak in peaks], "", "about 1")
    found, expected = json.loads((folder / "ours.json").read_text()), theirs["found"]
    apart = np.abs([np.subtract(found[case], expected[case]) for case in expected]).max(axis=0)
    row("largest difference of Dice", [apart[0]], "", "below 1e-6", 9)
    row("largest difference of Hausdorff", [apart[1]], "mm", "below 1e-5 (the filter is float32)", 9)


def script(folder, name, text):
    """Write a program and return the command that runs it."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return [sys.executable, str(path)]


if __name__ == "__main__":
    main(sys.argv[1:])
