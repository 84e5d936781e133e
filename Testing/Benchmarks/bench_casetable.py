"""How fast a table of 10,000 cases opens, sorts and filters in the training panel (stand-in application).

``python3 Testing/run.py bench casetable [--cases N] [--rounds N]``

Each figure is from the user's action to the end of the turn of the event loop that shows its result, drawing included.
Expected: below a second each.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parents[2]


def write_table(folder, count):
    """Write a table whose cases have most columns filled in and return its path."""
    from BreastSegTrainingLib.cases import Case, CaseTable

    cases = [
        Case(
            {
                "case": f"case_{k:05d}",
                "patient": f"patient {k // 2}",
                "exam": f"exams/{k}",
                "mask": f"masks/{k}.nrrd",
                "centre": ("DUKE", "NACT", "ISPY1", "ISPY2")[k % 4],
                "age": str(30 + k * 7 % 50),
                "density": "abcd"[k % 4],
                "status": ("ok", "fix", "refused")[k % 3],
                "findings": "several-labels: the mask has several labels" if k % 3 else "",
                "volume_mm3": f"{(k * 37) % 9000}",
                "snr": f"{10 + k % 30}",
                "motion_mm": f"{(k % 40) / 20:.2f}",
            }
        )
        for k in range(count)
    ]
    path = folder / "cases.csv"
    CaseTable(cases, folder).write(path)
    return path


def timed(action):
    """Return the seconds of an action and of the events that it causes."""
    import slicer

    start = time.perf_counter()
    action()
    slicer.app.processEvents()
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    from Benchmarks.measuring import row
    from Host import application

    host = application.start([ROOT / "BreastSeg", ROOT / "BreastSegTraining"], testing=True)
    host.moduleManager.selectModule("BreastSegTraining")
    import slicer

    panel = slicer.util.getModuleWidget("BreastSegTraining").panel
    figures = {"open": [], "sort by case": [], "sort by centre": [], "filter": [], "filter taken away": []}
    with tempfile.TemporaryDirectory(prefix="breastseg-bench-") as folder:
        path = write_table(Path(folder), options.cases)
        grid = panel.cases.grid
        for _ in range(options.rounds):
            figures["open"].append(timed(lambda: panel.open(path)))
            for name in ("case", "centre"):
                header = grid.columns.index(name)
                seconds = timed(lambda header=header: panel.ui.caseTable.horizontalHeader().sectionClicked(header))
                figures[f"sort by {name}"].append(seconds)
            for name, text in (("filter", "99 duke"), ("filter taken away", "")):
                panel.ui.filterEdit.text = text
                figures[name].append(timed(panel.cases.showRows))
        panel.cases.missing.stop()
    for name, seconds in figures.items():
        row(f"{options.cases} cases: {name}", seconds, "s", "below 1")
    application.stop()


if __name__ == "__main__":
    main()
