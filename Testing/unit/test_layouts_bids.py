"""BIDS-like datasets."""

import numpy as np
import pytest
from BreastSegLib.errors import BadInput
from BreastSegTrainingLib.cases.layouts import read_layout
from layouts_cases import box, lesion_of, not_read, phase, write_csv, write_json, write_volume

MASK = box()


def write_phases(folder, stem, names, suffix="dce", clocks=()):
    for number, name in enumerate(names):
        path = write_volume(folder / f"{stem}_{name}_{suffix}.nii.gz", phase(gain=1 + number))
        record = {"Manufacturer": "SIEMENS", "ManufacturersModelName": "Aera", "MagneticFieldStrength": 1.5}
        if clocks:
            record["AcquisitionTime"] = clocks[number]
        write_json(path.with_name(path.name.replace(".nii.gz", ".json")), record)


@pytest.fixture
def dataset(tmp_path):
    root = tmp_path / "dataset"
    write_json(root / "dataset_description.json", {"Name": "x", "BIDSVersion": "1.9.0"})
    clocks = ("10:00:00.5", "10:01:30.5", "10:03:00.5")
    write_phases(root / "sub-01" / "ses-1" / "perf", "sub-01_ses-1", ("run-1", "run-2", "run-10"), clocks=clocks)
    write_phases(root / "sub-01" / "ses-2" / "anat", "sub-01_ses-2", ("acq-post2", "acq-pre", "acq-post1"), "T1w")
    four = np.stack([phase(gain=1 + number) for number in range(3)])
    path = write_volume(root / "sub-02" / "dce" / "sub-02_dce.nii.gz", four)
    write_json(path.with_name("sub-02_dce.json"), {"FrameTimesStart": [0, 60, 130], "InstitutionName": "Süd"})
    write_volume(root / "sub-02" / "anat" / "sub-02_T1w.nii.gz", phase())
    masks = root / "derivatives" / "manual"
    write_volume(masks / "sub-01" / "ses-1" / "perf" / "sub-01_ses-1_label-lesion_mask.nii.gz", MASK)
    write_volume(masks / "sub-01" / "ses-1" / "perf" / "sub-01_ses-1_label-breast_mask.nii.gz", box(low=(0, 0, 0)))
    write_volume(masks / "sub-01" / "ses-2" / "sub-01_ses-2_dseg.nii.gz", MASK)
    write_volume(masks / "sub-02" / "anat" / "sub-02_desc-manual_mask.nii.gz", MASK)
    header = ["participant_id", "age", "sex", "menopause", "scanner"]
    write_csv(
        root / "participants.tsv", header, [["sub-01", "51", "F", "post", "n/a"], ["02", "n/a", "F", "", "GE"]], "\t"
    )
    return root


def test_sessions_are_cases(dataset):
    imported = read_layout("bids", dataset)
    assert [case.name for case in imported.table] == ["sub-01_ses-1", "sub-01_ses-2", "sub-02"]
    first, second, third = imported.table.cases
    assert first.values == {
        "case": "sub-01_ses-1",
        "patient": "sub-01",
        "session": "ses-1",
        "phases": ";".join(f"sub-01/ses-1/perf/sub-01_ses-1_run-{number}_dce.nii.gz" for number in (1, 2, 10)),
        "times": "0;90;180",
        "mask": "derivatives/manual/sub-01/ses-1/perf/sub-01_ses-1_label-lesion_mask.nii.gz",
        "phase_count": "3",
        "scanner": "SIEMENS Aera",
        "field_strength": "1.5",
        "age": "51",
        "menopause": "post",
        "sex": "F",
    }
    assert [part.split("_")[2] for part in second.parts("phases")] == ["acq-pre", "acq-post1", "acq-post2"]
    assert (third.get("times"), third.get("centre"), third.get("scanner"), third.get("age")) == (
        "0;60;130",
        "Süd",
        "GE",
        "",
    )
    assert imported.table.patients == 2 and not imported.not_read and not imported.table.problems()


@pytest.mark.parametrize("name", ["sub-01_ses-1", "sub-01_ses-2", "sub-02"])
def test_exam_and_mask_are_read(dataset, name):
    exam, mask = lesion_of(read_layout("bids", dataset).table, name)
    np.testing.assert_array_equal(mask, MASK != 0)
    assert [one.name for one in exam.phases] == ["pre", "post1", "post2"]
    means = [volume.array.mean() for volume in exam.volumes]
    assert means[0] < means[1] and (name == "sub-01_ses-2" or means[1] < means[2])


def test_phases_lie_in_the_order_that_their_names_say(dataset):
    exam, _ = lesion_of(read_layout("bids", dataset).table, "sub-01_ses-2")
    gains = [2, 3, 1]  # pre was written second, post1 third, post2 first
    for volume, gain in zip(exam.volumes, gains):
        np.testing.assert_allclose(volume.array, phase(gain=gain), rtol=1e-5)


def test_several_pipelines_have_to_be_chosen(dataset):
    other = dataset / "derivatives" / "nnunet" / "sub-02" / "sub-02_label-tumor_mask.nii.gz"
    write_volume(other, box(low=(2, 2, 2)))
    imported = read_layout("bids", dataset)
    assert not_read(imported)["sub-02"].startswith("there are several masks: ")
    chosen = read_layout("bids", dataset, pipeline="nnunet")
    assert [case.name for case in chosen.table] == ["sub-02"]
    assert chosen.table.cases[0].get("mask").startswith("derivatives/nnunet/")
    breast = read_layout("bids", dataset, pipeline="manual", mask_label="breast")
    assert [case.name for case in breast.table] == ["sub-01_ses-1"]
    with pytest.raises(BadInput, match="no folder derivatives/else"):
        read_layout("bids", dataset, pipeline="else")


def test_whatever_is_wrong_is_reported_and_the_rest_is_read(dataset):
    write_phases(dataset / "sub-03" / "anat", "sub-03", ("acq-early", "acq-late"), "T1w")
    (dataset / "sub-04" / "anat").mkdir(parents=True)
    write_volume(dataset / "sub-05" / "anat" / "sub-05_T1w.nii.gz", phase())
    rows = [["sub-01", "51"], ["sub-01", "52"], ["sub-99", "53"], ["sub-02", "a lot"]]
    write_csv(dataset / "participants.tsv", ["participant_id", "age"], rows, "\t")
    imported = read_layout("bids", dataset)
    assert [case.name for case in imported.table] == ["sub-01_ses-1", "sub-01_ses-2", "sub-02"]
    assert not_read(imported) == {
        "participants.tsv, line 3": "a second row for sub-01",
        "participants.tsv, line 4": "there is no folder sub-99",
        "sub-03": "acq-… does not tell the order of its images: number them, or call them pre, post1 …",
        "sub-04": "it has no image called …_dce, …_perf, …_t1w",
        "sub-05": "there is no mask below derivatives",
    }
    assert any("age 'a lot' is not a number" in note for note in imported.notes)


def test_bad_folders_are_refused(dataset, tmp_path):
    with pytest.raises(BadInput, match="no folder sub-"):
        read_layout("bids", tmp_path)
    (dataset / "derivatives").rename(dataset / "masks")
    with pytest.raises(BadInput, match="no folder derivatives"):
        read_layout("bids", dataset)
