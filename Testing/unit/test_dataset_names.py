"""Pseudonyms and the key that tells whose they are."""

import pytest
from BreastSegLib.errors import BadInput
from BreastSegTrainingLib.cases import Case
from BreastSegTrainingLib.dataset.layout import case_of, check_dataset_name
from BreastSegTrainingLib.dataset.names import KeyRow, give_names, read_key, write_key
from hypothesis import given
from hypothesis import strategies as st


def cases_of(*rows):
    return [Case({"case": case, "patient": patient}) for case, patient in rows]


def test_names_of_patients_count_patients_and_their_cases():
    rows = give_names(cases_of(("a", "MEIER"), ("b", "SCHMIDT"), ("c", "MEIER")), [])
    assert [row.name for row in rows] == ["P001_1", "P002_1", "P001_2"]


def test_names_with_a_prefix_count_cases():
    rows = give_names(cases_of(("a", "MEIER"), ("b", "SCHMIDT")), [], "BC")
    assert [row.name for row in rows] == ["BC_001", "BC_002"]
    with pytest.raises(BadInput, match="letters and digits"):
        give_names([], [], "MEIER ANNA")


def test_names_stay_when_the_table_changes():
    key = give_names(cases_of(("a", "A"), ("b", "B"), ("c", "C")), [])
    again = give_names(cases_of(("d", "D"), ("c", "C"), ("e", "A"), ("a", "A")), key)
    assert [row.name for row in again] == ["P004_1", "P003_1", "P001_2", "P001_1"]  # P002 is not given again


def test_a_corrected_patient_changes_the_name():
    key = give_names(cases_of(("a", "A"), ("b", "A2")), [])
    assert [row.name for row in give_names(cases_of(("a", "A"), ("b", "A")), key)] == ["P001_1", "P001_2"]


@given(st.lists(st.tuples(st.text("abc", min_size=1, max_size=2), st.sampled_from("PQR")), unique_by=lambda r: r[0]))
def test_names_are_unique_and_tell_nothing(rows):
    given_rows = give_names(cases_of(*rows), [])
    names = [row.name for row in given_rows]
    assert len(set(names)) == len(names)
    numbers = {row.patient: row.name.split("_")[0] for row in given_rows}
    assert len(set(numbers.values())) == len(numbers)
    assert all(row.name.split("_")[0] == numbers[row.patient] for row in given_rows)


def test_the_key_comes_back(tmp_path):
    rows = [
        KeyRow("P001_1", "a", "Müller, Ä;", "train", 3, "f" * 64),
        KeyRow("P002_1", "b", 'B "x"', "test", None, ""),
    ]
    write_key(tmp_path / "key.csv", rows)
    assert read_key(tmp_path / "key.csv") == rows
    assert read_key(tmp_path / "none.csv") == []


@pytest.mark.parametrize(
    "text, what",
    [
        ("case,patient\na,b\n", "not the key of a dataset"),
        ("name,case,patient\n,a,A\n", "line 2"),
        ("name,case,patient,fold\nP001_1,a,A,x\n", "line 2"),
        ("name,case,patient\nP001_1,a,A\nP001_1,b,B\n", "the name P001_1 twice"),
        ("name,case,patient\nP001_1,a,A\nP002_1,a,B\n", "the case a twice"),
        ("name,case,patient\nBC_001,a,A\nbc_001,b,B\n", "the name BC_001 twice"),
        ("name,case,patient,part\nP001_1,a,A,validation\n", "line 2"),
        ("name,case,patient,part,fold\nP001_1,a,A,train,²\n", "line 2"),
        ("name,case,patient\n../x_1,a,A\n", "line 2"),
        ("name,case,patient\nP001_1,a,MEIER, ANNA\n", "line 2"),
    ],
)
def test_a_damaged_key_is_refused(tmp_path, text, what):
    (tmp_path / "key.csv").write_text(text)
    with pytest.raises(BadInput) as error:
        read_key(tmp_path / "key.csv")
    assert what in error.value.line


def test_a_key_that_a_spreadsheet_program_has_saved(tmp_path):
    text = "name;case;patient;part;fold;fingerprint\r\nP001_1;a;Müller;train;3;f\r\nP002_1\r\n;;;;;\r\n"
    for encoding in ("utf-8-sig", "cp1252", "utf-16"):
        (tmp_path / "key.csv").write_bytes(text.encode(encoding))
        assert read_key(tmp_path / "key.csv") == [
            KeyRow("P001_1", "a", "Müller", "train", 3, "f"),
            KeyRow("P002_1", "", ""),  # not used any more, and not given again
        ]


@pytest.mark.parametrize("style", ["P001", "p7", "", "BC_", "ä"])
def test_prefixes_that_would_be_mistaken(style):
    with pytest.raises(BadInput, match="cannot begin with"):
        give_names([], [], style)


def test_letter_case_makes_no_other_name():
    """``bc_001`` and ``BC_001`` are one file on Windows and macOS."""
    key = [KeyRow("BC_001", "", ""), KeyRow("BC_002", "b", "B")]
    rows = give_names(cases_of(("a", "A"), ("b", "B")), key, "bc")
    assert [row.name for row in rows] == ["bc_003", "BC_002"]


def test_a_patient_number_of_the_key_is_never_another_patients():
    key = [KeyRow("P003_1", "a", "A"), KeyRow("P001_1", "b", "A"), KeyRow("P002_1", "", "")]
    rows = give_names(cases_of(("b", "A"), ("c", "C"), ("d", "D")), key)
    assert [row.name for row in rows] == ["P001_1", "P004_1", "P005_1"]


@pytest.mark.parametrize("name, number", [("101_Breast", 101), ("Dataset007_A-b_c", 7)])
def test_dataset_names(name, number):
    assert check_dataset_name(name) == number


@pytest.mark.parametrize("name", ["Breast", "1_Breast", "000_Breast", "101_", "101_../x", "101_Brüst"])
def test_bad_dataset_names(name):
    with pytest.raises(BadInput, match="101_BreastDCE"):
        check_dataset_name(name)


def test_regions_belong_to_their_case():
    assert [case_of(name) for name in ("P001_1", "P001_1_r2", "BC_001_r10", "BC_rx")] == [
        "P001_1",
        "P001_1",
        "BC_001",
        "BC_rx",
    ]
