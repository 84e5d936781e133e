"""Exams as they lie about: anonymised, half exported, several breasts or acquisitions in one folder."""

import numpy as np
import pytest
import SimpleITK as sitk
from asking import answered, asked, holds, refused
from BreastSegLib.__main__ import main
from BreastSegLib.errors import BadInput, Undecided
from BreastSegLib.exam.source import describe
from dicom_phantoms import clock, dynamic, write

SAGITTAL = (0, 1.0, 0, 0, 0, -1.0)


def renumbered(images, number):
    """Return images moved into a series of their own."""
    for d in images:
        d.SeriesNumber, d.SeriesInstanceUID = number, f"1.2.{number}"
    return images


@pytest.mark.parametrize("vendor", ["ge", "siemens", "philips", ""])
def test_times_blanked_to_zero_are_no_clock_even_where_the_dates_are_kept(tmp_path, vendor):
    zero = {"ContentTime": "000000.00", "AcquisitionTime": "000000", "SeriesTime": "000000", "TriggerTime": 0}
    images, arrays = dynamic(vendor, one_series=False, **zero)
    exam = answered(write(tmp_path, images))
    holds(exam, arrays)
    assert all(phase.time_s is None and "series number" in phase.evidence for phase in exam.phases)
    assert any("ordered by series number" in note for note in exam.notes)


def test_both_breasts_in_one_series_are_refused_without_a_question_that_leads_nowhere(tmp_path):
    left, _ = dynamic("ge", orientation=SAGITTAL)
    right, _ = dynamic("ge", orientation=SAGITTAL, origin=(100.0, -20.0, 30.0))
    with pytest.raises(BadInput, match="40 slices missing") as error:
        describe({"folder": write(tmp_path, left + right)})
    assert not isinstance(error.value, Undecided) and "go on" not in error.value.line


def test_question_about_incomplete_phases_is_asked_where_one_is_complete(tmp_path):
    images, arrays = dynamic("siemens", one_series=False)
    folder = write(tmp_path, [d for d in images if d.SeriesNumber == 5 or d.InstanceNumber != 2])
    assert list(asked({"folder": folder}, "incomplete")) == ["leave-out"]
    holds(answered(folder, incomplete="leave-out"), arrays[:1])


def test_another_dynamic_that_was_left_out_is_named_as_one(tmp_path):
    fast, arrays = dynamic("siemens", phases=20, interval=4.0, RepetitionTime=2.5)
    slow, others = dynamic("siemens", phases=5, start=36200)
    folder = write(tmp_path, fast + renumbered(slow, 12))
    exam = answered(folder)
    holds(exam, arrays)
    notes = " ".join(exam.notes)
    assert "series 12 holds 5 time points of its own" in notes and "first phase is before contrast" not in notes
    holds(answered(folder, series="12"), others)


def test_series_acquired_after_the_dynamic_is_not_taken_for_its_lost_first_phase(tmp_path):
    images, _ = dynamic("ge")
    delayed, _ = dynamic("ge", phases=1, start=36900, RepetitionTime=6.5)
    scan = describe({"folder": write(tmp_path, images + renumbered(delayed, 9))})
    assert scan.notes == () and "repetition time" in scan.left_out[0][1]


def test_injection_before_the_first_phase_is_said_to_contradict_its_role(tmp_path):
    images, _ = dynamic("siemens", ContrastBolusStartTime=clock(36000 - 50))
    scan = describe({"folder": write(tmp_path, images)})
    assert scan.phases[0].role == "pre" and scan.phases[0].since_injection_s == 50
    assert any("after the injection" in note for note in scan.notes)
    assert any("contrast bolus start time" in doubt for doubt in scan.phases[0].contradictions)


def test_series_and_what_is_left_out_are_listed_by_number(tmp_path):
    images = []
    for number in (8, 10, 9):
        images += renumbered(dynamic("siemens", phases=1, SeriesDescription="sub")[0], number)
    scan = describe({"folder": write(tmp_path, images + dynamic("siemens")[0])})
    assert [name.split(",")[0] for name, _ in scan.left_out] == ["series 8", "series 9", "series 10"]


def test_dicom_files_are_listed_by_the_command_as_their_folder_is(tmp_path, capsys):
    folder = write(tmp_path, dynamic("ge")[0])
    assert main(["phases", str(folder)]) == 0
    table = capsys.readouterr().out
    assert main(["phases", *(str(path) for path in folder.rglob("*") if path.is_file())]) == 0
    assert capsys.readouterr().out == table and "post3" in table


@pytest.mark.parametrize("tags", [{}, {"ContentTime": "", "AcquisitionTime": ""}])
def test_series_that_an_anonymiser_gave_one_time_can_be_taken_by_their_numbers(tmp_path, tags):
    images, arrays = dynamic(
        "siemens",
        one_series=False,
        **({"ContentTime": "120000", "AcquisitionTime": "120000"} | tags),
        SeriesTime="120000",
    )
    folder = write(tmp_path, images)
    assert "series number" in asked({"folder": folder}, "series")["5,6,7,8"]
    exam = answered(folder, series="5,6,7,8")
    holds(exam, arrays)
    assert all(phase.time_s is None for phase in exam.phases)
    assert any("ordered by series number" in note for note in exam.notes)


def test_series_without_numbers_and_times_are_refused_in_plain_words(tmp_path):
    images, _ = dynamic(
        "siemens",
        one_series=False,
        SeriesNumber=None,
        ContentTime="",
        AcquisitionTime="",
        SeriesTime="",
        SeriesInstanceUID=lambda p, z: f"1.2.{p + 1}",
    )
    assert "None" not in refused({"folder": write(tmp_path, images)})


@pytest.mark.parametrize("names", [("pre", "post1", "post2"), ("A_0000", "A_0001", "A_0002")])
def test_mask_beside_the_phases_is_left_out_and_said(tmp_path, names):
    for number, name in enumerate([*names, "truth"]):
        voxels = np.random.default_rng(number).integers(0, 100, (4, 8, 10)).astype(np.int16)
        sitk.WriteImage(sitk.GetImageFromArray(voxels), str(tmp_path / f"{name}.nii.gz"))
    scan = describe({"folder": tmp_path, "decisions": {"meaning": "phases"}})
    assert [phase.files[0].split("/")[-1].split(".")[0] for phase in scan.phases] == list(names)
    assert any("1 image file whose name says no phase" in note for note in scan.notes)
    assert "truth" not in str(scan.to_json())


def test_phase_stored_with_flipped_axes_is_not_said_to_be_turned(tmp_path):
    image = sitk.GetImageFromArray(np.random.default_rng(1).integers(1, 100, (4, 8, 10)).astype(np.int16))
    stored = {"pre": image, "post1": image + 3, "post2": sitk.Flip(image + 5, [True, False, True])}
    for name, one in stored.items():
        sitk.WriteImage(one, str(tmp_path / f"{name}.nii.gz"))
    exam = answered(tmp_path)
    np.testing.assert_array_equal(exam.volumes[2].array, exam.volumes[0].array + 5)
    note = next(note for note in exam.notes if "resampled" in note)
    assert "turned" not in note and "axes stored in another order or direction" in note


def test_linked_folders_are_followed_once(tmp_path):
    images, arrays = dynamic("ge")
    elsewhere = write(tmp_path / "elsewhere", images)
    exam = tmp_path / "exam"
    exam.mkdir()
    try:
        (exam / "series").symlink_to(elsewhere, target_is_directory=True)
        (elsewhere / "up").symlink_to(exam, target_is_directory=True)
    except OSError:
        pytest.skip("this system makes no links")
    found = answered(exam)
    holds(found, arrays)
    assert not any("copies" in note for note in found.notes)


def test_dynamic_repeated_after_half_an_hour_is_worth_a_note(tmp_path):
    first, _ = dynamic("siemens")
    again, _ = dynamic("siemens", start=36000 + 1800)
    scan = describe({"folder": write(tmp_path, first + renumbered(again, 15))})
    assert len(scan.phases) == 8
    assert any("26 minutes lie between post3 and post4" in note for note in scan.notes)


def test_answer_that_takes_all_of_many_series_is_among_those_that_the_command_names(tmp_path, capsys):
    same = dict.fromkeys(("ContentTime", "AcquisitionTime", "SeriesTime"), "120000")
    folder = write(tmp_path, dynamic("siemens", phases=12, one_series=False, **same)[0])
    assert main(["phases", str(folder)]) == 2
    answer = capsys.readouterr().err.split("--choose ")[-1].strip(" .\n")
    assert main(["phases", str(folder), "--choose", answer]) == 0
    assert "post11" in capsys.readouterr().out
