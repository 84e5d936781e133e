"""Small labelled cases for the tests of datasets."""

import hashlib
import json
from pathlib import Path

import numpy as np
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.store import save_exam
from BreastSegLib.files import write_image
from BreastSegLib.recipe import load_recipe
from BreastSegLib.samples.dce import make_dce_exam
from BreastSegLib.volume import Geometry, Volume
from BreastSegTrainingLib.cases import Case, CaseTable
from BreastSegTrainingLib.dataset import ExportOptions, SplitOptions, casefiles
from BreastSegTrainingLib.dataset.layout import FORMAT, Layout
from BreastSegTrainingLib.dataset.names import read_key

SHAPE, SPACING = (16, 40, 60), (2.0, 2.0, 3.0)
RECIPE = "phase-aware-0000-0002"
SECRET = "MEIER^ANNA"


def make_cases(folder, count=6):
    """Write sample exams, two of each patient, and return their table; names and ids tell who the patients are."""
    cases = []
    for seed in range(count):
        sample = make_dce_exam(seed, shape=SHAPE, spacing=SPACING, posts=2, radius_mm=(5.0, 6.0))
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


def tiny_case(job):
    """Stand for `export_case`: the mask file says how many regions there are; written as real cases are."""
    text = Path(job.masks[0]).read_text()
    if not text.isdigit():
        raise BadInput("The mask is damaged")
    layout, recipe, files, samples = Layout(Path(job.folder)), load_recipe(job.recipe), {}, []
    digest = hashlib.sha256(Path(job.source["views"][0]).read_bytes()).hexdigest()
    for number in range(1, int(text) + 1):
        sample = job.name if text == "1" else f"{job.name}_r{number}"
        volume = Volume(np.full((1, 2, 3), number, np.uint8), Geometry((1, 2, 3), (1.0, 1.0, 1.0)))
        files |= {layout.image(job.part, sample, k): volume for k in range(len(recipe.channel_names))}
        files[layout.label(job.part, sample)] = volume
        own = {"name": sample, "pixels": f"{digest}{number}", "channels": list(recipe.channel_names)}
        samples.append({**own, "mask": text, "case": job.wanted})
    record = {"format": FORMAT, "name": job.name, "part": job.part, "samples": samples}
    return {"record": casefiles._write(layout, job, files, record), "notes": []}


def tiny_table(folder, rows):
    """Return a table of (case, patient) rows with files for `tiny_case`."""
    cases = []
    for case, patient in rows:
        for name, text in ((f"{case}.png", case), (f"{case}.mask.png", "1")):
            if not (folder / name).exists():
                (folder / name).write_text(text)
        values = {"case": case, "patient": patient, "image": f"{case}.png", "mask": f"{case}.mask.png"}
        cases.append(Case({**values, "status": "ok"}))
    return CaseTable(cases, folder)


def check_dataset(dataset, key):
    """Check a finished dataset by its files alone, as nnU-Net would, and against the key."""
    description = json.loads((dataset / "dataset.json").read_text())
    rows = {row.name: row for row in read_key(key)}
    found, channels = {}, len(description["channel_names"])
    for part, images, labels in (("train", "imagesTr", "labelsTr"), ("test", "imagesTs", "labelsTs")):
        names = [path.name for path in (dataset / images).glob("*")] if (dataset / images).exists() else []
        samples = {name[: -len("_0000.nii.gz")] for name in names}
        assert set(names) == {f"{sample}_{k:04d}.nii.gz" for sample in samples for k in range(channels)}
        masks = {path.name for path in (dataset / labels).glob("*")} if (dataset / labels).exists() else set()
        assert masks == {f"{sample}.nii.gz" for sample in samples}
        found |= dict.fromkeys(samples, part)
    training = {sample for sample, part in found.items() if part == "train"}
    assert description["numTraining"] == len(training)
    owner = {sample: rows[sample.split("_r")[0]] for sample in found}
    assert all(owner[sample].part == part and owner[sample].case for sample, part in found.items())
    assert {path.stem for path in (dataset / "records").iterdir()} == {row.name for row in owner.values()}
    for fold in json.loads((dataset / "splits_final.json").read_text()):
        assert set(fold["train"]) | set(fold["val"]) == training and not set(fold["train"]) & set(fold["val"])
        sides = [{owner[sample].patient for sample in fold[side]} for side in ("train", "val")]
        assert not sides[0] & sides[1]
    sides = [{owner[s].patient for s, p in found.items() if p == part} for part in ("train", "test")]
    assert not sides[0] & sides[1]
    numbers = {}
    for row in owner.values():
        numbers.setdefault(row.patient, set()).add(row.name.split("_")[0])
    if all(name.startswith("P") for name in rows if rows[name].fingerprint):
        assert sum(map(len, numbers.values())) == len(numbers) == len(set().union(*numbers.values()))
    assert not list(dataset.rglob(".part-*"))
    found = {row.case: row for row in owner.values()}
    assert set(found) == {row.case for row in rows.values() if row.fingerprint}
    return found
