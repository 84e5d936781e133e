"""How fast an exam is found among other files and loaded, against pydicom and against the disk.

``python3 Testing/run.py bench exams [--rounds N] [--matrix N] [--small]``

A synthetic exam of 6 phases x 160 slices, one file each, lies among 2,000 other files: slices of another series, CT
images, texts. Compared in the same round, files in the system's cache:

scan      our headers of all files, phases in order, against pydicom reading each file fully, one by one;
load      scan and pixels as float32, against pydicom the same way, and against the least that must be done: the bytes
          of the exam's files (what `cat` reads) and their conversion to float32.

Memory is that of a fresh process that loads the exam, over the float32 phases.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
PHASES, SLICES, OTHERS = 6, 160, 2000
CHILD = """
import sys, psutil
from BreastSegLib.exam.source import read_exam
import SimpleITK, pydicom, scipy.ndimage
before = psutil.Process().memory_info().rss
exam = read_exam({"folder": sys.argv[1]})
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) * 1024
print((peak - before) / sum(volume.array.nbytes for volume in exam.volumes))
"""


def write_exam(folder, matrix, slices):
    """Write the exam and the other files; return the exam's own files."""
    from BreastSegLib.samples.dce import make_dce_exam
    from BreastSegLib.samples.dicom_mr import write_dce_dicom

    shape = (slices, matrix, matrix)
    spacing = (320 / matrix, 320 / matrix, 160 / slices)
    sample = make_dce_exam(101, shape=shape, spacing=spacing, posts=PHASES - 1)
    files = write_dce_dicom(sample.exam, folder / "exam")
    write_others(folder / "others", files)
    return [str(path) for path in files]


def write_others(folder, files):
    """Write 2,000 files that are no phase: half are DICOM images, half are texts."""
    import pydicom

    folder.mkdir()
    dataset = pydicom.dcmread(files[0])
    dataset.PixelData = dataset.PixelData[: 64 * 64 * 2]
    dataset.Rows = dataset.Columns = 64
    for number in range(OTHERS):
        if number % 2:
            (folder / f"note{number}.txt").write_text("Not an image.\n" * 500)
            continue
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"2.25.{10**30 + number}"
        dataset.SeriesInstanceUID, dataset.SeriesNumber = f"2.25.{10**20 + number % 8}", 900 + number % 8
        dataset.Modality = "CT" if number % 4 else "MR"
        dataset.ImageType = ["DERIVED", "SECONDARY", "MPR"]
        dataset.save_as(folder / f"other{number}.dcm", enforce_file_format=True)


def everything(folder):
    """Return all files below a folder."""
    return [os.path.join(where, name) for where, _, names in os.walk(folder) for name in names]


def with_pydicom(paths, pixels):
    """Read each file with pydicom, one by one; with its pixels or only its elements."""
    import pydicom

    for path in paths:
        with contextlib.suppress(pydicom.errors.InvalidDicomError):
            dataset = pydicom.dcmread(path)
            if pixels:
                _ = dataset.pixel_array


def bytes_and_decoding(files, matrix):
    """Read the bytes of the exam's files and convert the pixels to float32: the least that loading has to do."""
    count = matrix * matrix
    result = np.empty((len(files), count), np.float32)
    for row, path in zip(result, files):
        with open(path, "rb") as stream:
            data = stream.read()
        row[:] = np.frombuffer(data, "<u2", count, len(data) - 2 * count)
    return result


def seconds(action, *arguments):
    """Return how long an action takes: the better of two, as the first may wait for memory that the host hands out."""
    times = []
    for _ in range(2):
        start = time.perf_counter()
        action(*arguments)
        times.append(time.perf_counter() - start)
    return min(times)


def memory(folder):
    """Return the peak of a fresh process that loads the exam, in units of the float32 phases."""
    command = [sys.executable, "-c", CHILD, str(folder)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure(folder, files, matrix, rounds):
    """Run the rounds and print the figures."""
    from Benchmarks.measuring import summary
    from BreastSegLib.exam.dynamic.scan import scan
    from BreastSegLib.exam.source import read_exam

    paths = everything(folder)
    names = ("pydicom, elements", "pydicom, fully", "our scan", "our scan and load", "bytes and decoding")
    times = {name: [] for name in names}
    bytes_and_decoding(files, matrix)
    for _ in range(rounds):
        for name, action, arguments in (
            (names[0], with_pydicom, (paths, False)),
            (names[2], scan, (folder,)),
            (names[1], with_pydicom, (paths, True)),
            (names[3], lambda source: read_exam({"folder": source}), (folder,)),
            (names[4], bytes_and_decoding, (files, matrix)),
        ):
            times[name].append(seconds(action, *arguments))
    for name in names:
        print(f"{name:20s} {summary(times[name])} s")
    loads = [whole - found for whole, found in zip(times[names[3]], times[names[2]])]
    for text, above, below in (
        ("pydicom fully / our scan", times[names[1]], times[names[2]]),
        ("pydicom elements / our scan", times[names[0]], times[names[2]]),
        ("pydicom fully / our scan and load", times[names[1]], times[names[3]]),
        ("our load without scan / bytes and decoding", loads, times[names[4]]),
        ("our scan and load / bytes and decoding", times[names[3]], times[names[4]]),
    ):
        print(f"{text:45s} {summary([a / b for a, b in zip(above, below)])}")
    if sys.platform == "linux":
        print(f"peak memory / float32 phases                  {summary([memory(folder) for _ in range(rounds)])}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--matrix", type=int, default=384, help="rows and columns of a slice")
    parser.add_argument("--small", action="store_true", help="96 x 96 x 16: to try the benchmark out")
    options = parser.parse_args()
    matrix, slices = (96, 16) if options.small else (options.matrix, SLICES)
    with tempfile.TemporaryDirectory(prefix="breastseg-bench-") as folder:
        files = write_exam(Path(folder), matrix, slices)
        measure(Path(folder), files, matrix, options.rounds)


if __name__ == "__main__":
    main()
