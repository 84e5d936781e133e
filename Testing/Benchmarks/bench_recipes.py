"""How fast recipes prepare exams, against the straightforward way, and in how much memory.

``python3 Testing/run.py bench recipes [--rounds N] [--small]``

mammogram  3328 × 4084 pixels through ``inbreast-ffdm``, against the same steps with 100 erosions and 100 dilations by
           scipy, and numpy; the threshold between breast and background is given to the latter. Also against scipy's
           own iteration (``iterations=100``), which visits only the pixels that can still change.
dynamic    three phases of 320 × 320 × 160 voxels through ``phase-aware-0000-0002``, against nothing but one SimpleITK
           resampling of each phase with the recipe's interpolation.
memory     of a fresh process: its peak while preparing, over what it had before the exam was there, in units of the
           float32 channels; the exam itself (memory-mapped, as in the worker) is part of it.
growth     both at three sizes, nanoseconds for each voxel of the exam.

Each round runs all in turn; the ratios are those of the same round.
"""

import argparse
import subprocess
import sys
import tempfile
import time

import numpy as np

DYNAMIC, SPACING = (160, 320, 320), (0.9, 0.9, 1.1)
MAMMOGRAM, PIXEL = (4084, 3328), 0.07
CHILD = """
import sys, psutil
import SimpleITK, scipy.ndimage, scipy.sparse
from BreastSegLib.recipe import load_recipe, prepare_cases
from BreastSegLib.exam.store import load_exam
from BreastSegLib.exam.mammograms.store import load_views
recipe = load_recipe(sys.argv[1])
before = psutil.Process().memory_info().rss
exam = (load_exam if recipe.fits("dce") else load_views)(sys.argv[2])
case = prepare_cases(recipe, exam)[0]
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) * 1024
images = exam.volumes if recipe.fits("dce") else exam.images
print((peak - before) / case.channels.nbytes, (peak - before) / sum(4 * image.array.size for image in images))
"""


def dynamic_exam(scale=1.0):
    """Return three phases of noise, the edges `scale` times the full size."""
    from BreastSegLib.exam.dce import DceExam, Phase
    from BreastSegLib.volume import Geometry, Volume

    geometry = Geometry(tuple(round(n * scale) for n in DYNAMIC), SPACING, (-140, -140, -80))
    rng = np.random.default_rng(0)
    phases = (Phase("pre", 0, None), Phase("post", 1, 0.0), Phase("post", 2, 90.0))
    return DceExam(phases, tuple(Volume(_noise(rng, geometry.shape), geometry) for _ in phases))


def _noise(rng, shape):
    values = rng.standard_exponential(shape, dtype=np.float32)
    values *= 200
    return values


def mammogram_exam(scale=1.0):
    """Return a synthetic right mammogram, the edges `scale` times the full size."""
    from BreastSegLib.exam.mammograms import MammographyExam, View, Window
    from BreastSegLib.samples.mammogram import make_mammogram
    from BreastSegLib.volume import Geometry, Volume

    size = tuple(round(n * scale) for n in MAMMOGRAM)
    made = make_mammogram(3, "R", "MLO", size=size, spacing_mm=PIXEL / scale, padding="none")
    window = Window("default", "LINEAR", 2048.0, 4096.0)
    view = View("R", "MLO", "tag", spacing=(PIXEL / scale,) * 2, polarity="MONOCHROME2", windows=(window,))
    geometry = Geometry((1, *size), (PIXEL / scale, PIXEL / scale, 1.0))
    return MammographyExam([view], [Volume(made.display.astype(np.float32)[None], geometry)])


def straightforward(image, threshold, passes=100):
    """Prepare a right mammogram with scipy and numpy, step by step as published; return the image."""
    from scipy import ndimage

    core = image > threshold
    for _ in range(passes):
        core = ndimage.binary_erosion(core, iterations=100 // passes, border_value=1)
    labels, count = ndimage.label(core)
    largest = labels == 1 + np.argmax(ndimage.sum_labels(core, labels, range(1, count + 1)))
    breast = largest
    for _ in range(passes):
        breast = ndimage.binary_dilation(breast, iterations=100 // passes)
    rows, columns = np.flatnonzero(breast.any(1)), np.flatnonzero(breast.any(0))
    box = tuple(slice(max(r[0] - 50, 0), r[-1] + 51) for r in (rows, columns))
    image, breast = image[box][:, ::-1], breast[box][:, ::-1]
    low, high = np.percentile(image[breast], (2, 99))
    image = np.where(breast, np.clip((image - low) / (high - low), 0, 1), 0)
    return (image - image[breast].mean()) / (image[breast].std() + 1e-6)


def resample_each(images, geometry):
    """Resample each phase with SimpleITK alone."""
    import SimpleITK as sitk

    size, grid = geometry.shape[::-1], (geometry.origin, geometry.spacing, geometry.direction)
    for image in images:
        sitk.Resample(image, size, sitk.Transform(), sitk.sitkLinear, *grid, 0.0)


def seconds(action, *arguments):
    """Return how long an action takes."""
    start = time.perf_counter()
    action(*arguments)
    return time.perf_counter() - start


def compare(options):
    """Print the rounds against the other ways."""
    from Benchmarks.measuring import summary
    from BreastSegLib.recipe import load_recipe, prepare, prepare_cases

    scale = 0.25 if options.small else 1.0
    ffdm, phases = load_recipe("inbreast-ffdm"), load_recipe("phase-aware-0000-0002")
    mammogram, dynamic = mammogram_exam(scale), dynamic_exam(scale)
    case, grid = prepare_cases(ffdm, mammogram)[0], prepare(phases, dynamic).geometry
    threshold = next(step["threshold"] for step in case.record["steps"] if step["step"] == "breast-mask")
    pixels, images = mammogram.images[0].array[0], [volume.to_sitk() for volume in dynamic.volumes]
    theirs, ours = straightforward(pixels, threshold, 1), case.channels[0, 0]
    both = tuple(slice(min(n)) for n in zip(theirs.shape, ours.shape))
    same = np.mean(np.abs(theirs[both] - ours[both]) < 1e-2)
    print(f"mammogram: {theirs.shape} and {ours.shape} pixels, {100 * same:.2f} % of them the same both ways")
    rows = {
        "mammogram, 100 erosions and dilations": (straightforward, pixels, threshold),
        "mammogram, scipy's iterations=100": (straightforward, pixels, threshold, 1),
        "mammogram, inbreast-ffdm": (prepare_cases, ffdm, mammogram),
        "dynamic, SimpleITK resampling only": (resample_each, images, grid),
        "dynamic, phase-aware-0000-0002": (prepare, phases, dynamic),
    }
    times = {name: [] for name in rows}
    for _ in range(options.rounds):
        for name, (action, *arguments) in rows.items():
            times[name].append(seconds(action, *arguments))
    for name, values in times.items():
        print(f"{name:38s} {summary(values)} s")
    slow, iterated, fast, least, whole = times.values()
    for name, above, below, expected in (
        ("100 erosions and dilations / ours", slow, fast, ">= 20"),
        ("scipy's iterations=100 / ours", iterated, fast, "no figure"),
        ("phase-aware / SimpleITK resampling", whole, least, "<= 1.2"),
    ):
        print(f"{name:38s} {summary([a / b for a, b in zip(above, below)])}  expected: {expected}")
    return mammogram, dynamic


def memory(mammogram, dynamic, rounds):
    """Print the peak memory of fresh processes."""
    from Benchmarks.measuring import summary
    from BreastSegLib.exam.mammograms.store import save_views
    from BreastSegLib.exam.store import save_exam

    rows = (("phase-aware-0000-0002", save_exam, dynamic), ("inbreast-ffdm", save_views, mammogram))
    for name, save, exam in rows:
        with tempfile.TemporaryDirectory(prefix="breastseg-bench-") as folder:
            save(exam, folder)
            command = [sys.executable, "-c", CHILD, name, folder]
            found = [
                [float(v) for v in subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()]
                for _ in range(rounds)
            ]
        channels, pixels = zip(*found)
        print(f"{'peak memory / float32 channels, ' + name:58s} {summary(channels)}  expected: <= 3")
        print(f"{'peak memory / exam as float32, ' + name:58s} {summary(pixels)}")


def growth(options):
    """Print the time for each voxel at three sizes."""
    from BreastSegLib.recipe import load_recipe, prepare_cases

    for name, make in (("inbreast-ffdm", mammogram_exam), ("phase-aware-0000-0002", dynamic_exam)):
        recipe = load_recipe(name)
        for scale in (0.125, 0.25) if options.small else (0.5, 0.75, 1.0):
            exam = make(scale)
            images = exam.images if name == "inbreast-ffdm" else exam.volumes
            count = sum(image.array.size for image in images)
            best = min(seconds(prepare_cases, recipe, exam) for _ in range(max(2, options.rounds)))
            print(f"{name:24s} {count / 1e6:6.1f} million voxels  {best:6.2f} s  {1e9 * best / count:6.1f} ns a voxel")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--small", action="store_true", help="a quarter of the edges: to try the benchmark out")
    options = parser.parse_args()
    exams = compare(options)
    if sys.platform == "linux":
        memory(*exams, options.rounds)
    del exams
    growth(options)


if __name__ == "__main__":
    main()
