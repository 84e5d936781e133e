"""Small labelled cases for the tests of checks."""

from functools import cache

import numpy as np
from BreastSegLib.exam.store import save_exam
from BreastSegLib.files import write_image
from BreastSegLib.samples.dce import make_dce_exam
from BreastSegLib.volume import Volume
from BreastSegTrainingLib.cases import Case, CaseTable
from BreastSegTrainingLib.checks import Facts, judge

SHAPE, SPACING = (24, 60, 100), (2.0, 2.0, 3.0)
TIMES = {"pre": -60.0, "post1": 0.0, "post2": 90.0, "post3": 180.0, "post4": 270.0, "post5": 360.0}


@cache
def sample(seed=0, side="left"):
    """Return a small DCE sample."""
    return make_dce_exam(seed, shape=SHAPE, spacing=SPACING, posts=2, side=side)


def write_case(folder, name, seed=0, side="left", mask=None, exam=None, **values):
    """Write an exam and its mask, and return the row.

    Parameters
    ----------
    mask : numpy.ndarray, optional
        Instead of the truth.
    exam : DceExam, optional
        Instead of the sample's.
    """
    made = sample(seed, side)
    exam = exam or made.exam
    save_exam(exam, folder / name)
    truth = made.truth.array if mask is None else mask
    write_image(Volume(np.asarray(truth, np.uint8), made.exam.geometry).to_sitk(), folder / f"{name}.nrrd")
    return Case({"case": name, "patient": f"P_{name}", "exam": name, "mask": f"{name}.nrrd", **values})


def write_table(folder, *cases):
    """Write a table and return its path."""
    path = folder / "my cases.csv"
    CaseTable(cases, folder).write(path)
    return path


def read_rows(path):
    """Return {name: Case} of a table."""
    return {case.name: case for case in CaseTable.read(path)}


def row(name="a", **values):
    """Return a row without files."""
    return Case({"case": name, "patient": f"P_{name}", "exam": f"e_{name}", "mask": "m.nrrd", **values})


def phases(*names, times=True):
    """Return the phases of facts."""
    return [
        {
            "role": name.rstrip("0123456789"),
            "number": int(name[4:] or 0) if name.startswith("post") else 0,
            "time_s": TIMES[name] if times else None,
        }
        for name in names
    ]


def facts(name="a", **changes):
    """Return facts of a dynamic without fault; `name` makes its pixels and its person its own."""
    values = {
        "kind": "dce",
        "shape": [20, 100, 100],
        "spacing": [0.8, 0.8, 2.0],
        "phases": phases("pre", "post1", "post2"),
        "pixels": [f"{name}0", f"{name}1", f"{name}2"],
        "mask_hash": name,
        "voxels": 500,
        "volume_mm3": 640.0,
        "components": 1,
        "side": "left",
        "outside": 0.0,
        "identity": f"who-{name}",
    }
    return Facts(**{**values, **changes})


def mammogram(name="a", **changes):
    """Return facts of a mammogram without fault."""
    values = {"kind": "mammogram", "shape": [1, 400, 300], "spacing": [0.07, 0.07], "phases": [], "view": "CC"}
    values |= {"pixels": [name], "laterality": "left", "volume_mm3": None, "area_mm2": 24.5}
    return facts(name, **{**values, **changes})


def judged(rows, known, recipe=None):
    """Return {name: findings} of rows and their facts, both in order."""
    table = CaseTable(rows)
    return judge(table, {case.name: one for case, one in zip(rows, known)}, recipe)


def codes(found):
    """Return [(code, level, fixed)] of findings."""
    return [(one.code, one.level, one.fixed) for one in found]
