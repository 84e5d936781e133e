"""How fast a table becomes a dataset, in how much memory, and how fast a large table opens.

``python3 Testing/run.py bench export [--cases N] [--workers N] [--small]``

export     N three-phase sample exams (default 100; 60 × 144 × 240 voxels, NIfTI files) through the recipe
           ``phase-aware-0000-0002``, as a whole process with its children, against three separate loops over the same
           cases in one process: reading the phases and the mask, resampling them to 1 mm, writing them compressed, all
           by SimpleITK with as many threads as it takes. Expected: at most 1.2 × of the sum on two cores.
again      the same command when nothing has changed.
memory     peak of the export with N/10 and with N cases: it must not grow with their number.
table      10,000 cases: reading, checking the rows, sorting by three columns and filtering, without a window.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import SimpleITK as sitk
from Benchmarks.measuring import row, time_command
from BreastSegLib.samples.dce import make_dce_exam
from BreastSegTrainingLib.cases import Case, CaseTable

SHAPE, SPACING = (60, 144, 240), (0.8, 0.8, 1.4)
SMALL_SHAPE, SMALL_SPACING = (24, 60, 100), (2.0, 2.0, 3.0)
RECIPE, DIFFERENT = "phase-aware-0000-0002", 10


def main(arguments):
    """Run all parts."""
    parser = argparse.ArgumentParser(prog="bench export", description=__doc__.split("\n\n")[0])
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--small", action="store_true", help="ten tiny cases, to try the benchmark out")
    options = parser.parse_args(arguments)
    count = 10 if options.small else options.cases
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        print(f"Making {DIFFERENT} sample exams, {count} cases …", flush=True)
        files = make_files(folder, options.small)
        bench_export(folder, files, count, options.workers)
        bench_table(folder)


def make_files(folder, small):
    """Write sample exams and return their (phases, mask)."""
    shape, spacing = (SMALL_SHAPE, SMALL_SPACING) if small else (SHAPE, SPACING)
    rows = []
    for seed in range(DIFFERENT):
        sample = make_dce_exam(seed, shape=shape, spacing=spacing, posts=2)
        phases = [folder / f"{seed}_{phase.name}.nii.gz" for phase in sample.exam.phases]
        for path, volume in zip(phases, sample.exam.volumes):
            sitk.WriteImage(volume.to_sitk(), str(path), useCompression=True)
        sitk.WriteImage(sample.truth.to_sitk(), str(folder / f"{seed}.nii.gz"), useCompression=True)
        rows.append((phases, folder / f"{seed}.nii.gz"))
    return rows


def table_of(folder, files, count):
    """Write a table of `count` cases of different patients and return its path; every exam is used several times."""
    cases = []
    for number in range(count):
        phases, mask = files[number % len(files)]
        # One image stands for many patients here, so that each exam has a patient of its own.
        values = {"case": f"c{number}", "patient": f"p{number % len(files)}", "phases": ";".join(map(str, phases))}
        cases.append(Case({**values, "mask": str(mask), "centre": "AB"[number % 2], "status": "ok"}))
    path = folder / f"table{count}.csv"
    CaseTable(cases, folder).write(path, overwrite=True)
    return path


def export_command(folder, table, name, workers):
    """Return the command that exports a table, without the check."""
    code = (
        "import sys; from pathlib import Path; from BreastSegTrainingLib.cases import CaseTable\n"
        "from BreastSegTrainingLib.dataset import ExportOptions, SplitOptions, export\n"
        "if __name__ == '__main__':\n"
        "    folder, table, name, workers = sys.argv[1:]\n"
        f"    options = ExportOptions('{RECIPE}', Path(folder) / 'raw', name, Path(folder) / f'{{name}}.csv',\n"
        "                            split=SplitOptions(0.2, 3), workers=int(workers))\n"
        "    result = export(CaseTable.read(table), options)\n"
        "    assert not result.failed, result.failed\n"
    )
    script = folder / "export_table.py"
    script.write_text(code, encoding="utf-8")
    return [sys.executable, str(script), str(folder), str(table), name, str(workers)]


def bench_export(folder, files, count, workers):
    """Compare the export with the three loops, and its memory for few and many cases."""
    few = table_of(folder, files, max(count // 10, 2 * workers))
    many = table_of(folder, files, count)
    _, small_peak = time_command(export_command(folder, few, "102_Few", workers))
    seconds, peak = time_command(export_command(folder, many, "101_Many", workers))
    again, _ = time_command(export_command(folder, many, "101_Many", workers))
    loops = separate_loops(folder, files, count)
    for name, value in loops.items():
        row(f"loop: {name}", [value], "s")
    row(f"export of {count} cases, {workers} processes", [seconds], "s")
    row("export / sum of the loops", [seconds / sum(loops.values())], "", "at most 1.2")
    row("export again, nothing changed", [again], "s")
    row("peak memory", [peak / 1e6], "MB")
    row(f"peak memory / that of {len(CaseTable.read(few))} cases", [peak / small_peak], "", "about 1")


def separate_loops(folder, files, count):
    """Return the seconds of reading, resampling and writing all cases, each in a loop of its own."""
    cases, seconds = (
        [files[number % len(files)] for number in range(count)],
        dict.fromkeys(("read", "resample", "write"), 0.0),
    )
    scratch = folder / "scratch.nii.gz"
    for phases, mask in cases:
        start = time.perf_counter()
        images = [sitk.ReadImage(str(path), sitk.sitkFloat32) for path in phases]
        label = sitk.ReadImage(str(mask))
        seconds["read"] += time.perf_counter() - start
        start = time.perf_counter()
        size = [round(n * s) for n, s in zip(label.GetSize(), label.GetSpacing())]
        grid = (size, sitk.Transform(), sitk.sitkLinear, label.GetOrigin(), (1.0, 1.0, 1.0), label.GetDirection())
        images = [sitk.Resample(image, *grid) for image in images]
        label = sitk.Resample(label, *grid[:2], sitk.sitkNearestNeighbor, *grid[3:])
        seconds["resample"] += time.perf_counter() - start
        start = time.perf_counter()
        for image in [*images, label]:
            sitk.WriteImage(image, str(scratch), useCompression=True)
        seconds["write"] += time.perf_counter() - start
    return seconds


def bench_table(folder):
    """Time what a window does with a large table, without the window."""
    cases = [
        Case(
            {
                "case": f"case_{number:05d}",
                "patient": f"patient {number // 2}",
                "exam": f"exams/{number}",
                "mask": f"masks/{number}.nrrd",
                "centre": ("DUKE", "NACT", "ISPY1", "ISPY2")[number % 4],
                "age": str(30 + number % 50),
                "status": ("ok", "fix", "refused")[number % 3],
            }
        )
        for number in range(10_000)
    ]
    path = folder / "large.csv"
    CaseTable(cases, folder).write(path)
    start = time.perf_counter()
    table = CaseTable.read(path)
    row("10,000 cases: read", [time.perf_counter() - start], "s", "below 1")
    start = time.perf_counter()
    assert table.problems() == []
    row("10,000 cases: rows checked", [time.perf_counter() - start], "s", "below 1")
    start = time.perf_counter()
    for column in ("age", "centre", "status"):
        sorted(table.cases, key=lambda case, column=column: case.get(column))
    row("10,000 cases: sorted three times", [time.perf_counter() - start], "s", "below 1")


if __name__ == "__main__":
    main(sys.argv[1:])
