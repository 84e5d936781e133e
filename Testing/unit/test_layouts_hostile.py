"""Importers and what people may have done to a dataset: tables and sidecar files with anything in them."""

import json

import pytest
from BreastSegLib.errors import BadInput
from BreastSegTrainingLib.cases.layouts import LAYOUTS, read_layout
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layouts_cases import box, circle, film, phase, roi, write_dicom, write_json, write_outlines, write_volume

SETTINGS = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def import_all(layout, root):
    """Import; an import that fails does so in one line, one that does not gives a table without problems."""
    try:
        imported = read_layout(layout, root)
    except BadInput as error:
        assert "\n" not in error.line
        return None
    assert all("\n" not in row.line for row in imported.not_read)
    assert all("\n" not in note for note in imported.notes)
    assert imported.table.problems() == [] and imported.table.missing_files() == []
    return imported


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    """One case in each layout that has tables; returns {layout: (root, table, its columns)}."""
    root = tmp_path_factory.mktemp("datasets")
    inbreast = root / "inbreast"
    write_dicom(inbreast / "AllDICOMs" / "20586908_6c613a14b80a8591_MG_R_CC_ANON.dcm", film())
    write_outlines(inbreast / "AllXML" / "20586908.xml", [roi("Mass", circle((70, 50), 9))])
    mama = root / "mama"
    for number in range(2):
        write_volume(mama / "images" / "DUKE_001" / f"duke_001_{number:04d}.nii.gz", phase())
    write_volume(mama / "segmentations" / "expert" / "duke_001.nii.gz", box())
    folder = root / "folder"
    write_volume(folder / "images" / "a.nii.gz", phase())
    write_volume(folder / "masks" / "a.nii.gz", box())
    bids = root / "bids"
    for number in (1, 2):
        write_volume(bids / "sub-01" / "perf" / f"sub-01_run-{number}_dce.nii.gz", phase())
    write_volume(bids / "derivatives" / "sub-01" / "sub-01_mask.nii.gz", box())
    return {
        "inbreast": (inbreast, "INbreast.csv", ["File Name", "Bi-Rads", "ACR", "Laterality", "Age"], "20586908"),
        "mama-mia": (
            mama,
            "clinical_and_imaging_info.csv",
            ["patient_id", "age", "menopause", "acquisition_times", "field_strength"],
            "DUKE_001",
        ),
        "folder": (folder, "table.csv", ["case", "name", "where", "choose", "patient"], "a"),
        "bids": (bids, "participants.tsv", ["participant_id", "age", "menopause", "exam", "case"], "sub-01"),
    }


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), max_size=10)
USUAL = st.sampled_from(["", "51", "nan", "3", "L", "[0, 90]", "1e999", "-1", "9" * 400, "=1+1", "a;b", "\n"])


@SETTINGS
@given(st.sampled_from(["inbreast", "mama-mia", "folder", "bids"]), st.data())
def test_tables_with_anything_in_their_cells(datasets, layout, data):
    root, name, header, case = datasets[layout]
    rows = data.draw(st.lists(st.lists(CELLS | USUAL, min_size=4, max_size=6), max_size=3))
    separator = "\t" if name.endswith("tsv") else data.draw(st.sampled_from([",", ";"]))
    quoted = [[case if number == 0 else row[0], *row[1:]] for number, row in enumerate(rows)]
    lines = [separator.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in (header, *quoted)]
    (root / name).write_text("\n".join(lines), encoding="utf-8", newline="")
    try:
        imported = import_all(layout, root)
    finally:
        (root / name).unlink()
    assert imported is not None and len(imported.table) == 1


@SETTINGS
@given(st.sampled_from(["inbreast", "mama-mia", "folder", "bids"]), st.binary(max_size=80))
def test_tables_of_any_bytes(datasets, layout, content):
    root, name, _, _ = datasets[layout]
    (root / name).write_bytes(content)
    try:
        import_all(layout, root)
    finally:
        (root / name).unlink()


@SETTINGS
@given(JSON, st.data())
def test_sidecar_files_with_any_values(datasets, record, data):
    keys = ["FrameTimesStart", "AcquisitionTime", "Manufacturer", "MagneticFieldStrength", "InstitutionName"]
    keys += ["imaging_data", "acquisition_times", "menopause", "age", "field_strength", "dataset", "breast_density"]
    record = data.draw(st.dictionaries(st.sampled_from(keys), JSON, max_size=5) | st.just(record))
    bids, mama = datasets["bids"][0], datasets["mama-mia"][0]
    text = json.dumps(record)
    sidecars = [bids / "sub-01" / "perf" / f"sub-01_run-{number}_dce.json" for number in (1, 2)]
    sidecars.append(mama / "patient_info_files" / "duke_001.json")
    for path in sidecars:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert len(import_all("bids", bids).table) == 1
    assert len(import_all("mama-mia", mama).table) == 1
    for path in sidecars:
        path.unlink()


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_empty_folders_and_files_are_one_line(layout, tmp_path):
    assert import_all(layout, tmp_path) is None
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="does not exist"):
        read_layout(layout, tmp_path / "file")


def test_unknown_layouts_and_options_are_named(tmp_path):
    with pytest.raises(BadInput, match="no layout 'x'"):
        read_layout("x", tmp_path)
    with pytest.raises(BadInput, match="has no option label-of"):
        read_layout("folder", tmp_path, label_of="SUB2")
    with pytest.raises(BadInput, match="normals 'x' is none of leave-out, keep"):
        read_layout("inbreast", tmp_path, normals="x")


def test_broken_sidecars_are_reported(datasets):
    bids = datasets["bids"][0]
    path = bids / "sub-01" / "perf" / "sub-01_run-1_dce.json"
    path.write_bytes(b"\xff\xfe{")
    try:
        with pytest.raises(BadInput, match="No case could be read: sub-01: The file is not valid JSON"):
            read_layout("bids", bids)
        write_json(path, ["no", "record"])
        assert len(read_layout("bids", bids).table) == 1
    finally:
        path.unlink()
