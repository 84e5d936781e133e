"""The whole way from a public dataset's folders to a dataset that nnU-Net takes, as a user types it."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.samples.dce import make_dce_exam
from BreastSegTrainingLib.cases import CaseTable

ROOT = Path(__file__).resolve().parents[2]
PHASES = ("pre", "post1", "post2")
RECIPE = "phase-aware-0000-0002"


def call(*arguments, expected=0):
    """Run one verb as a process of its own; return its result event."""
    paths = os.pathsep.join(str(ROOT / name) for name in ("BreastSeg", "BreastSegTraining"))
    command = [sys.executable, "-m", "BreastSegTrainingLib", *map(str, arguments), "--events"]
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == expected, done.stderr + done.stdout[-500:]
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return events[-1]


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """Eight sample exams in the layout of MAMA-MIA: a mask of 255, an empty one, and a noisy image."""
    root = tmp_path_factory.mktemp("release") / "MAMA-MIA"
    for seed in range(8):
        noise = 60.0 if seed == 5 else 6.0
        sample = make_dce_exam(seed, shape=(24, 60, 100), spacing=(2.0, 2.0, 3.0), posts=2, noise=noise)
        name = f"{('DUKE', 'NACT')[seed % 2]}_{seed:03d}"
        folder = root / "images" / name
        folder.mkdir(parents=True)
        for number, volume in enumerate(sample.exam.volumes):
            sitk.WriteImage(volume.to_sitk(), str(folder / f"{name.lower()}_{number:04d}.nii.gz"))
        truth = sample.truth.to_sitk() * (255 if seed == 1 else 0 if seed == 3 else 1)
        masks = root / "segmentations" / "expert"
        masks.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(truth, str(masks / f"{name.lower()}.nii.gz"))
    rows = ["patient_id,dataset,age,acquisition_times"]
    names = sorted(path.name for path in (root / "images").iterdir())
    rows += [f'{name},{name[:4]},5{k},"[0, 75, 165]"' for k, name in enumerate(names)]
    (root / "clinical_and_imaging_info.csv").write_text("\n".join(rows) + "\n")
    return root


def test_from_a_release_to_a_dataset(release, tmp_path):
    table = tmp_path / "cases.csv"
    found = call("cases", "--layout", "mama-mia", release, "--output", table)
    assert (found["cases"], found["patients"], found["not_read"]) == (8, 8, [])

    found = call("check", table, "--recipe", RECIPE)
    assert (found["ok"], found["fix"] + found["refused"]) == (6, 2)
    assert found["findings"]["label-255"] == found["findings"]["mask-empty"] == 1
    assert len(list(tmp_path.glob("cases.thumbnails/*.png"))) == 8
    found = call("check", table, "--fix", "label-255=to-1")
    assert (found["ok"], found["fix"] + found["refused"]) == (7, 1)

    found = call("quality", table)
    assert found["measured"] == 8 and found["failed"] == []
    values = {case.name: case.number("snr") for case in CaseTable.read(table)}
    assert min(values, key=values.get) == "NACT_005"  # the noisy one
    limit = sorted(values.values())[0] * 1.2
    found = call("select", table, "--rule", f"centre in DUKE, NACT and snr > {limit:.4g}")
    assert found["excluded"] == 1
    noisy = next(case for case in CaseTable.read(table) if case.name == "NACT_005")
    assert not noisy.selected and "snr" in noisy.get("reason").lower()

    wanted = ("export", table, "--recipe", RECIPE, "--output", tmp_path / "raw", "--dataset", "101_Release")
    wanted = (*wanted, "--test", "0.2", "--folds", "3", "--stratify", "centre", "--verify")
    found = call(*wanted)
    assert (found["written"], found["training"] + found["test"], found["deselected"]) == (6, 6, 1)
    assert [row["case"] for row in found["refused"]] == ["NACT_003"]
    assert call(*wanted)["unchanged"] == 6
    for path in Path(found["dataset"]).rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        data = gzip.decompress(data) if path.suffix == ".gz" else data
        assert not any(word in data or word.decode() in path.name for word in (b"DUKE_0", b"NACT_0", b"duke_0"))

    found = call("summary", table, "--key", found["key"], "--output", tmp_path / "summary.html")
    assert found["flow"][0][1] == 8 and found["flow"][-1][1] == 6
    assert "<svg" in (tmp_path / "summary.html").read_text(encoding="utf-8")


def test_a_release_that_has_moved_is_found_again(release, tmp_path):
    table = tmp_path / "cases.csv"
    call("cases", "--layout", "mama-mia", release, "--output", table)
    text = table.read_text(encoding="utf-8-sig").replace(str(release), "D:\\\\old\\\\MAMA-MIA".replace("\\\\", "\\"))
    table.write_text(text, encoding="utf-8-sig")
    assert len(CaseTable.read(table).missing_files()) > 0
    call("relocate", table, "D:\\old\\MAMA-MIA", release)
    assert CaseTable.read(table).missing_files() == []
    case = CaseTable.read(table).cases[0]
    image = sitk.ReadImage(str(CaseTable.read(table).mask_paths(case)[0]))
    assert np.count_nonzero(sitk.GetArrayFromImage(image)) > 0
