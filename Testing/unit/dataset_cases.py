"""Small labelled cases for the tests of datasets."""

from BreastSegLib.exam.store import save_exam
from BreastSegLib.files import write_image
from BreastSegLib.samples.dce import make_dce_exam
from BreastSegTrainingLib.cases import Case, CaseTable
from BreastSegTrainingLib.dataset import ExportOptions, SplitOptions

SHAPE, SPACING = (24, 60, 100), (2.0, 2.0, 3.0)
RECIPE = "phase-aware-0000-0002"
SECRET = "MEIER^ANNA"


def make_cases(folder, count=6):
    """Write sample exams, two of each patient, and return their table; names and ids tell who the patients are."""
    cases = []
    for seed in range(count):
        sample = make_dce_exam(seed, shape=SHAPE, spacing=SPACING, posts=2)
        exam = folder / f"{SECRET}_{seed}"
        save_exam(sample.exam, exam)
        write_image(sample.truth.to_sitk(), folder / f"{SECRET}_{seed}.nrrd")
        values = {"case": f"MEIER_{seed}", "patient": f"{SECRET}_{seed // 2}", "exam": exam.name, "status": "ok"}
        values |= {"mask": f"{SECRET}_{seed}.nrrd", "centre": ("North", "South")[seed // 2 % 2]}
        cases.append(Case(values))
    return CaseTable(cases, folder)


def options(folder, **changes):
    """Return the options of an export into `folder`; `changes` replace some."""
    values = {"recipe": RECIPE, "output": folder / "raw", "dataset": "101_Sample", "key": folder / "key.csv"}
    values |= {"split": SplitOptions(0.0, 3), "workers": 1, **changes}
    return ExportOptions(**values)


def listing(folder):
    """Return {relative path: (content, time of change)} of every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
