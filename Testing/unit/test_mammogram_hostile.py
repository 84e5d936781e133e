"""What the command says about mammograms whose tags contradict one another, and about damaged pictures."""

import mammogram_cases as cases
import pytest
from BreastSegLib.__main__ import main
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.mammograms import describe_views
from BreastSegLib.exam.source import read


def listed(folder, capsys):
    """Return what the command prints about a folder or file."""
    assert main(["phases", str(folder)]) == 0
    return capsys.readouterr().out


def test_command_shows_what_speaks_against_a_view(tmp_path, capsys):
    cases.write(tmp_path / "a", ImageLaterality="L", ViewPosition="CC", SeriesDescription="R MLO")
    out = listed(tmp_path, capsys)
    assert "against: side: Image Laterality says L, Series Description says R" in out


def test_command_shows_the_notes_and_modifiers_of_a_view(tmp_path, capsys):
    kind = ["DERIVED", "PRIMARY", "TOMOSYNTHESIS", "GENERATED_2D"]
    cases.write(tmp_path / "a", ImageLaterality="L", ViewPosition="CC", ImageType=kind)
    cases.write(tmp_path / "b", number=2, ImageLaterality="R", ViewPosition="CCID")
    out = listed(tmp_path, capsys)
    assert "Note: LCC: A 2D image computed from tomosynthesis" in out
    assert "implant displaced" in out


def test_one_mammogram_is_listed_by_its_file(tmp_path, capsys):
    path = cases.write(tmp_path / "x.dcm", ImageLaterality="L", ViewPosition="CC")
    assert "LCC" in listed(path, capsys)


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n1234", b"II*\x00junk"])
def test_damaged_picture_is_not_called_a_fault_of_the_disk(tmp_path, content):
    path = tmp_path / "L_CC.png"
    path.write_bytes(content)
    with pytest.raises(BadInput) as error:
        describe_views([str(path)])
    assert "damaged" in error.value.line and "disk" not in error.value.line


def test_damaged_files_beside_mammograms_are_counted(tmp_path, capsys):
    for number, side in enumerate("RL", 1):
        cases.write(tmp_path / side, number=number, ImageLaterality=side, ViewPosition="CC")
    (tmp_path / "R").write_bytes((tmp_path / "R").read_bytes()[:200])
    assert "Note: 1 DICOM file is damaged and skipped." in listed(tmp_path, capsys)
    assert "1 DICOM file is damaged and skipped." in read({"folder": tmp_path}).notes
