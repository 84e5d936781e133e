"""INbreast, in exactly the layout of its release."""

import numpy as np
import pytest
from BreastSegLib.errors import BadInput
from BreastSegTrainingLib.cases.layouts import read_layout
from layouts_cases import (
    circle,
    disc,
    film,
    lesion_of,
    not_read,
    roi,
    write_csv,
    write_dicom,
    write_outlines,
    write_xls,
    write_xlsx,
)

SHAPE = (150, 110)
HEADER = ["Patient ID", "Patient age", "Laterality", "View", "Acquisition date", "File Name", "ACR", "Bi-Rads"]
# The .xls has more columns, one of them with a blank behind its name.
LONG = [
    *HEADER[:4], "Acquisition date", "File Name", "ACR", "Bi-Rads", "Mass ", "Micros", "Distortion", "Asymmetry",
    "Lesion Annotation Status", "Pectoral Muscle Annotation", "Findings Notes (in Portuguese)",
]  # fmt: skip
IMAGES = {
    "20586908": ("6c613a14b80a8591", "R", "CC"),
    "20586934": ("6c613a14b80a8591", "L", "MLO"),
    "22427751": ("036aff49b8ac84f0", "L", "CC"),
    "22427705": ("036aff49b8ac84f0", "R", "MLO"),
}
TRUTH = {"20586908": ((80, 60), 14), "22427751": ((60, 40), 9)}


def name_of(number):
    patient, side, view = IMAGES[number]
    return f"{number}_{patient}_MG_{side}_{view}_ANON.dcm"


def rows(**grades):
    return [
        ["removed", "removed", side, view, "201001", number, acr, grades.get(number, birads)]
        for (number, (_, side, view)), acr, birads in zip(IMAGES.items(), ("1", "2", "", "4"), ("2", "1", "4c", "6"))
    ]


@pytest.fixture
def release(tmp_path):
    root = tmp_path / "INbreast Release 1.0"
    for seed, (number, (_, side, view)) in enumerate(IMAGES.items()):
        write_dicom(root / "AllDICOMs" / name_of(number), film(SHAPE, side, seed), "anon", side, view)
    mass, calcification = circle(*TRUTH["20586908"]), [(62.0, 81.0)]
    write_outlines(
        root / "AllXML" / "20586908.xml",
        [roi("Mass", mass), roi("Calcification", calcification), roi("Spiculated Region", circle((80, 60), 22))],
    )
    write_outlines(root / "AllXML" / "22427751.xml", [roi("Mass", circle(*TRUTH["22427751"]))])
    write_outlines(root / "AllXML" / "20586934.xml", [roi("Cluster", circle((50, 30), 5))])
    (root / "AllDICOMs" / "readme.txt").write_text("about")
    (root / "AllROI").mkdir()
    write_csv(root / "INbreast.csv", HEADER, rows(), ";")
    return root


def test_a_row_for_each_mammogram_with_a_mass(release):
    imported = read_layout("inbreast", release)
    assert [case.name for case in imported.table] == ["20586908", "22427751"]
    first = imported.table.cases[0]
    assert first.values == {
        "case": "20586908",
        "patient": "6c613a14b80a8591",
        "session": "201001",
        "image": f"AllDICOMs/{name_of('20586908')}",
        "mask": "AllXML/20586908.xml",
        "label": "Mass",
        "centre": "INbreast",
        "side": "right",
        "view": "CC",
        "birads": "2",
        "density": "a",
        "outlines": "Calcification;Mass;Spiculated Region",
    }
    assert imported.table.cases[1].get("birads") == "4c" and imported.table.cases[1].get("density") == ""
    assert not imported.not_read and not imported.table.problems()
    assert any("2 images have no outline of the kind mass" in note for note in imported.notes)


@pytest.mark.parametrize("number", TRUTH)
def test_image_and_mask_are_read_and_the_mask_is_what_was_drawn(release, number):
    exam, mask = lesion_of(read_layout("inbreast", release).table, number)
    ideal = disc(SHAPE, *TRUTH[number])
    assert 2 * np.sum(mask[0] & ideal) / (mask.sum() + ideal.sum()) > 0.97
    stored = film(SHAPE, IMAGES[number][1], list(IMAGES).index(number))
    np.testing.assert_array_equal(exam.images[0].array[0], stored)


def test_the_folder_above_is_understood_too(release):
    imported = read_layout("inbreast", release.parent)
    assert imported.table.cases[0].get("image").startswith("INbreast Release 1.0/AllDICOMs/")
    assert imported.table.mask_paths(imported.table.cases[0])[0].is_file()


def test_findings_are_chosen(release):
    named = {
        findings: [case.name for case in read_layout("inbreast", release, findings=findings).table]
        for findings in ("mass", "mass-and-spiculated", "calcification", "all")
    }
    assert named == {
        "mass": ["20586908", "22427751"],
        "mass-and-spiculated": ["20586908", "22427751"],
        "calcification": ["20586908", "20586934"],
        "all": ["20586908", "20586934", "22427751"],
    }
    table = read_layout("inbreast", release, findings="all").table
    _, everything = lesion_of(table, "20586908")
    _, mass = lesion_of(read_layout("inbreast", release).table, "20586908")
    assert everything.sum() > mass.sum() and not (mass & ~everything).any()
    _, point = lesion_of(read_layout("inbreast", release, findings="calcification").table, "20586908")
    assert [tuple(place) for place in np.argwhere(point[0])] == [(81, 62)]


def test_normal_images_are_kept_as_negatives(release):
    imported = read_layout("inbreast", release, normals="keep")
    assert sorted(case.name for case in imported.table) == sorted(IMAGES)
    for number in ("20586934", "22427705"):
        case = imported.table.cases[imported.table.index_of(number)]
        assert case.get("mask") == "" and case.get("fixes") == "negative"
        assert not lesion_of(imported.table, number)[1].any()


@pytest.mark.parametrize("kind", ["xls", "xlsx"])
def test_the_spreadsheet_serves_where_the_csv_is_missing(release, kind):
    (release / "INbreast.csv").unlink()
    long = [
        [None, None, side, view, 201001.0, float(number), acr, birads, mass, None, None, None, None, None, "nódulo"]
        for (number, (_, side, view)), acr, birads, mass in zip(
            IMAGES.items(), (1.0, 2.0, None, 4.0), (2.0, 1.0, "4c", 6.0), ("X", None, "X", None)
        )
    ]
    write = write_xls if kind == "xls" else write_xlsx
    write(release / f"INbreast.{kind}", LONG, [*long, [None] * 15])
    imported = read_layout("inbreast", release)
    first, second = imported.table.cases
    assert (first.get("birads"), first.get("density"), first.get("session")) == ("2", "a", "201001")
    assert second.get("birads") == "4c" and first.get("marked") == "mass"
    assert not imported.not_read


def test_whatever_is_wrong_is_reported_and_the_rest_is_read(release):
    (release / "AllXML" / "22427751.xml").write_text("<plist><dict>")
    write_outlines(release / "AllXML" / "99999999.xml", [roi("Mass", [(1, 1)])])
    (release / "AllDICOMs" / "odd name.dcm").write_bytes(b"x")
    (release / "AllDICOMs" / "22427705_other_MG_R_MLO_ANON.dcm").write_bytes(b"x")
    (release / "AllDICOMs" / "notes.docx").write_bytes(b"x")
    more = [
        ["removed", "removed", "R", "CC", "200901", "53586896", "3", "5"],
        ["removed", "removed", "R", "CC", "200901", "20586908", "3", "5"],
        ["removed", "removed", "R", "CC", "200901", "", "3", "5"],
    ]
    write_csv(release / "INbreast.csv", HEADER, [*rows()[:3], *more], ";", "cp1252")
    imported = read_layout("inbreast", release)
    assert [case.name for case in imported.table] == ["20586908"]
    found = not_read(imported)
    # Of the two files of one image the first by name counts.
    doubles = [where for where, why in found.items() if why == "a second file of image 22427705"]
    assert doubles == ["AllDICOMs/22427705_other_MG_R_MLO_ANON.dcm"]
    del found[doubles[0]]
    assert found == {
        "AllDICOMs/notes.docx": "it is no .dcm file",
        "AllDICOMs/odd name.dcm": "its name is not NUMBER_PATIENT_MG_SIDE_VIEW_ANON.dcm, so the patient is unknown",
        "AllXML/99999999.xml": "its image is not in AllDICOMs",
        "INbreast.csv, line 5": "there is no DICOM file of image 53586896",
        "INbreast.csv, line 6": "a second row for image 20586908",
        "INbreast.csv, line 7": "the row has no file name",
        "22427751.xml": "The XML file is damaged or incomplete",
    }
    assert any("no row for 22427705" in note for note in imported.notes)


def test_values_that_are_none_are_left_out_with_a_note(release):
    changed = [[*row[:2], "X", *row[3:6], "9", row[7]] for row in rows()]
    write_csv(release / "INbreast.csv", HEADER, changed, ";")
    imported = read_layout("inbreast", release)
    assert imported.table.cases[0].get("density") == "" and imported.table.cases[0].get("side") == ""
    assert sum("is left out" in note for note in imported.notes) == 4
    assert not imported.table.problems()


def test_without_a_table_the_file_names_tell(release):
    (release / "INbreast.csv").unlink()
    imported = read_layout("inbreast", release)
    assert (imported.table.cases[0].get("side"), imported.table.cases[0].get("view")) == ("right", "CC")
    assert any("BI-RADS and density are empty" in note for note in imported.notes)


def test_bad_folders_are_refused(release, tmp_path):
    with pytest.raises(BadInput, match="no folder AllDICOMs"):
        read_layout("inbreast", release / "AllXML")
    with pytest.raises(BadInput, match="does not exist"):
        read_layout("inbreast", tmp_path / "none")
    (release / "INbreast.csv").write_text("a;b\n1;2\n")
    with pytest.raises(BadInput, match="no columns File Name, Bi-Rads"):
        read_layout("inbreast", release)
