"""Where the files do not tell, the user is asked; every answer that is offered gives the exam that it names."""

import dicom_phantoms as phantom
import numpy as np
import pytest
import SimpleITK as sitk
from asking import answered, asked, holds, lost_slice, refused, two_images, two_orders
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.source import describe, read, read_exam
from dicom_phantoms import clock, dynamic, voxels, write

SIDEWAYS = (0, 1.0, 0, 0, 0, -1.0)


# --- names and values


def test_unknown_names_are_refused_in_one_line(tmp_path):
    write(tmp_path, dynamic("ge")[0])
    line = refused({"folder": tmp_path, "decisions": {"colour": "red"}})
    assert "'colour'" in line and "clock" in line


@pytest.mark.parametrize("name", ["clock", "pre", "incomplete", "series", "study", "kind", "order", "images"])
def test_values_that_are_no_answer_are_refused_where_they_matter(tmp_path, name):
    folders = {
        "order": two_orders,
        "images": two_images,
        "study": two_studies,
        "kind": mixed,
        "incomplete": lost_slice,
    }
    folder = folders.get(name, lambda path: write(path, dynamic("ge")[0]))(tmp_path)
    folder = folder[0] if isinstance(folder, tuple) else folder
    line = refused({"folder": folder, "decisions": {name: "nonsense"}})
    assert "Possible: " in line and "nonsense" in line


def test_answers_are_the_same_in_any_writing(tmp_path):
    images, arrays = dynamic("ge")
    write(tmp_path, images)
    holds(answered(tmp_path, pre=1), arrays)
    holds(answered(tmp_path, pre=" 1 "), arrays)


# --- study


def two_studies(folder):
    """Write two studies of one patient."""
    one, first = dynamic("ge", 2)
    two, second = dynamic("ge", 3, seed=3, StudyInstanceUID="1.2.3", StudyDate="20250607")
    return write(folder, one + two), first, second


def test_study(tmp_path):
    folder, first, second = two_studies(tmp_path)
    choices = asked({"folder": folder}, "study")
    assert list(choices) == ["1", "2"] and "2024-01-05" in choices["1"] and "12 images" in choices["2"]
    holds(answered(folder, study="1"), first)
    exam = answered(folder, study="2")
    holds(exam, second)
    assert any("Study 2 of 2" in note and "chosen by the user" in note for note in exam.notes)


def test_study_of_several_patients_never_mixes_them(tmp_path):
    one, first = dynamic("ge", 3)
    # The same study and series identifiers, as careless anonymisers leave them.
    two, second = dynamic("ge", 3, seed=4, PatientID="ID1-b", PatientName="Secret^Other")
    write(tmp_path, one + two)
    choices = asked({"folder": tmp_path}, "study")
    assert all(text.startswith("patient ") for text in choices.values())
    found = [answered(tmp_path, study=value) for value in choices]
    assert {float(exam.volumes[0].array.sum()) for exam in found} == {float(first[0].sum()), float(second[0].sum())}
    for exam in found:
        holds(exam, first if exam.volumes[0].array.sum() == first[0].sum() else second)


def test_patients_with_empty_identifiers_but_other_names_are_not_mixed(tmp_path):
    one, _ = dynamic("ge", 2, PatientID=None)
    two, _ = dynamic("ge", 2, PatientID=None, PatientName="Secret^Two")
    asked({"folder": write(tmp_path, one + two)}, "study")


# --- kind


def views(folder, **tags):
    """Write the four views of a mammography exam."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(1)
    for k, (side, view) in enumerate([("L", "CC"), ("R", "CC"), ("L", "MLO"), ("R", "MLO")]):
        own = {
            "SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.2",
            "Modality": "MG",
            "ImageLaterality": side,
            "ViewPosition": view,
            "PresentationIntentType": "FOR PRESENTATION",
            "ImageType": ["ORIGINAL", "PRIMARY"],
            "ImageOrientationPatient": None,
            "ImagePositionPatient": None,
            "PixelSpacing": [0.1, 0.1],
            "SOPInstanceUID": f"1.2.3.{k}",
        }
        d = phantom.image(rng.integers(0, 4000, (300, 200)).astype(np.uint16), 0, series=50, **(own | tags))
        d.save_as(folder / f"mg{k}", enforce_file_format=True)
    return folder


def mixed(folder):
    """Write a dynamic and the four views of a mammography exam."""
    images, arrays = dynamic("ge", 3)
    write(folder, images)
    views(folder)
    return folder, arrays


def test_kind(tmp_path):
    folder, arrays = mixed(tmp_path)
    choices = asked({"folder": folder}, "kind")
    assert list(choices) == ["dce", "mammograms"] and "4 mammograms" in choices["mammograms"]
    holds(answered(folder, kind="dce"), arrays)
    found = read({"folder": folder, "decisions": {"kind": "mammograms"}}).views
    assert sorted(view.name for view in found) == ["LCC", "LMLO", "RCC", "RMLO"]
    assert "mammograms, not a DCE exam" in refused_exam({"folder": folder, "decisions": {"kind": "mammograms"}})


@pytest.mark.parametrize(
    "tags",
    [{}, {"Modality": None}, {"Modality": None, "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, {"Modality": "CR"}],
    ids=["plain", "no modality", "secondary capture", "film"],
)
def test_mammograms_alone_are_recognised_without_a_question(tmp_path, tags):
    found = read({"folder": views(tmp_path, **tags)})
    assert sorted(view.name for view in found.views) == ["LCC", "LMLO", "RCC", "RMLO"]


def test_screenshots_beside_a_dynamic_are_no_mammograms(tmp_path):
    images, arrays = dynamic("ge", 3)
    write(tmp_path, images)
    views(tmp_path, Modality="OT", SOPClassUID="1.2.840.10008.5.1.4.1.1.7", ViewPosition=None, ImageLaterality=None)
    holds(read_exam({"folder": tmp_path}), arrays)


def refused_exam(source):
    with pytest.raises(BadInput) as error:
        read_exam(source)
    return error.value.line


# --- series


def test_series_of_other_orientation(tmp_path):
    one, first = dynamic("siemens")
    two, second = dynamic("siemens", seed=2, series=8, orientation=SIDEWAYS)
    write(tmp_path, one + two)
    assert set(asked({"folder": tmp_path}, "series")) == {"5", "8"}
    holds(answered(tmp_path, series="5"), first)
    holds(answered(tmp_path, series="8"), second)
    found = describe({"folder": tmp_path, "decisions": {"series": "8"}})
    assert ("series 5", "not among the series that the user chose") in found.left_out


def test_two_reconstructions_of_one_acquisition(tmp_path):
    one, first = dynamic("siemens", 3, False)
    two, second = dynamic("siemens", 3, False, seed=6, series=lambda p, z: 20 + p)
    write(tmp_path, one + two)
    choices = asked({"folder": tmp_path}, "series")
    assert set(choices) == {"5,6,7", "20,21,22"}
    holds(answered(tmp_path, series="5,6,7"), first)
    holds(answered(tmp_path, series="20,21,22"), second)
    holds(answered(tmp_path, series=" 5, 6 ,7 "), first)
    assert "no series 99" in refused({"folder": tmp_path, "decisions": {"series": "5,99"}})


def test_two_reconstructions_that_were_computed_one_after_the_other(tmp_path):
    # The content time is when an image was computed: it must not make two phases of one acquisition.
    one, first = dynamic("siemens", 3, False)
    two, second = dynamic(
        "siemens", 3, False, seed=6, series=lambda p, z: 20 + p, ContentTime=lambda p, z: clock(36000 + 70 * p + 90)
    )
    write(tmp_path, one + two)
    everything = "5,6,7,20,21,22"
    choices = asked({"folder": tmp_path}, "series")
    assert set(choices) == {"5,6,7", "20,21,22", everything} and "content time" in choices[everything]
    holds(answered(tmp_path, series="5,6,7"), first)
    holds(answered(tmp_path, series="20,21,22"), second)
    assert len(answered(tmp_path, series=everything).phases) == 6


def test_images_that_may_be_of_one_phase_are_worth_a_note(tmp_path):
    images, arrays = dynamic("siemens", AcquisitionTime=lambda p, z: clock(36000 + 140 * (p // 2)))
    write(tmp_path, images)
    exam = answered(tmp_path)
    holds(exam, arrays)
    assert any("4 time points apart, the acquisition time only 2" in note for note in exam.notes)
    assert "acquisition time: 2 time points, not 4" in exam.phases[0].contradictions


def test_dixon_images_of_one_series(tmp_path):
    kinds = {"OP": ["ORIGINAL", "PRIMARY", "DIXON", "OPP_PHASE"], "IP": ["ORIGINAL", "PRIMARY", "DIXON", "IN_PHASE"]}
    one, first = dynamic("siemens", ImageType=kinds["IP"])
    two, second = dynamic("siemens", seed=5, ImageType=kinds["OP"])
    write(tmp_path, one + two)
    choices = asked({"folder": tmp_path}, "series")
    assert set(choices) == {"5:in phase", "5:opposed phase"}
    holds(answered(tmp_path, series="5:in phase"), first)
    holds(answered(tmp_path, series="5:opposed phase"), second)


@pytest.mark.parametrize("echoes", [(1.2, 2.4), (1.1, 1.3)])
def test_two_echoes_in_one_series(tmp_path, echoes):
    one, first = dynamic("siemens", EchoTime=echoes[0])
    two, second = dynamic("siemens", seed=5, EchoTime=echoes[1])
    write(tmp_path, one + two)
    choices = asked({"folder": tmp_path}, "series")
    exams = [answered(tmp_path, series=value) for value in choices]
    holds(exams[0], first)
    holds(exams[1], second)
    assert str(echoes[0]) in list(choices.values())[0]


def test_two_series_with_one_number(tmp_path):
    one, first = dynamic("siemens")
    two, second = dynamic("siemens", seed=5, SeriesInstanceUID="1.2.77", orientation=SIDEWAYS)
    write(tmp_path, one + two)
    exams = [answered(tmp_path, series=value) for value in asked({"folder": tmp_path}, "series")]
    assert {e.volumes[0].array.sum() for e in exams} == {first[0].sum(), second[0].sum()}


def test_two_series_without_number(tmp_path):
    one, first = dynamic("siemens", SeriesNumber=None)
    two, second = dynamic("siemens", seed=5, series=6, SeriesNumber=None, orientation=SIDEWAYS)
    write(tmp_path, one + two)
    exams = [answered(tmp_path, series=value) for value in asked({"folder": tmp_path}, "series")]
    assert {e.volumes[0].array.sum() for e in exams} == {first[0].sum(), second[0].sum()}


# --- pre


def test_pre_where_tags_contradict(tmp_path):
    images, arrays = dynamic(
        "siemens",
        one_series=False,
        ContrastBolusAgent=lambda p, z: "" if p < 1 else "Gd",
        SeriesDescription=lambda p, z: "pre" if p < 2 else "post",
    )
    write(tmp_path, images)
    choices = asked({"folder": tmp_path}, "pre")
    assert set(choices) == {"1", "2"}
    exam = answered(tmp_path, pre="1")
    holds(exam, arrays)
    assert "role: chosen by the user" in exam.phases[0].evidence
    assert any("series description: the first 2" in said for said in exam.phases[0].contradictions)
    holds(answered(tmp_path, pre="2"), arrays[1:])


def test_pre_can_be_said_where_nothing_was_asked(tmp_path):
    images, arrays = dynamic("ge")
    write(tmp_path, images)
    for count, names in ((0, ["post1", "post2", "post3", "post4"]), (1, ["pre", "post1", "post2", "post3"])):
        exam = answered(tmp_path, pre=count)
        holds(exam, arrays)
        assert [p.name for p in exam.phases] == names
        assert all("chosen by the user" in p.evidence for p in exam.phases)
    assert [p.name for p in answered(tmp_path, pre=3).phases] == ["pre", "post1"]
    assert "Possible: 0, 1" in refused({"folder": tmp_path, "decisions": {"pre": 5}})


def test_pre_of_a_single_phase_whose_tags_contradict(tmp_path):
    images, arrays = dynamic("ge", 1, ContrastBolusAgent="Gd", SeriesDescription="t1 pre")
    write(tmp_path, images)
    choices = asked({"folder": tmp_path}, "pre")
    assert set(choices) == {"0", "1"}
    assert [p.name for p in answered(tmp_path, pre=0).phases] == ["post1"]
    assert [p.name for p in answered(tmp_path, pre=1).phases] == ["pre"]


# --- image files: case, meaning, spacing


def nifti(folder, case, numbers, seed=0):
    """Write image files of one case, and return their values."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {n: voxels(n, seed).astype(np.float32) for n in numbers}
    for number, array in arrays.items():
        sitk.WriteImage(sitk.GetImageFromArray(array), str(folder / f"{case}_{number:04d}.nii.gz"))
    return [arrays[n] for n in numbers]


def test_meaning_of_numbered_files(tmp_path):
    arrays = nifti(tmp_path, "Secret^Patient_a", [0, 1, 2])
    assert set(asked({"folder": tmp_path}, "meaning")) == {"phases", "channels"}
    exam = answered(tmp_path, meaning="phases")
    holds(exam, arrays)
    assert [p.name for p in exam.phases] == ["pre", "post1", "post2"]
    exam = answered(tmp_path, meaning="channels")
    holds(exam, arrays)
    assert [p.role for p in exam.phases] == ["channel"] * 3


def test_case_of_several(tmp_path):
    one, two = nifti(tmp_path, "anna_a", [0, 1]), nifti(tmp_path, "berta_b", [0, 1, 2], seed=3)
    choices = asked({"folder": tmp_path}, "case")
    assert list(choices) == ["1", "2"] and "anna" not in str(choices)
    assert set(asked({"folder": tmp_path, "decisions": {"case": "2"}}, "meaning")) == {"phases", "channels"}
    holds(answered(tmp_path, case="1", meaning="phases"), one)
    holds(answered(tmp_path, case="2", meaning="channels"), two)
    assert "'3'" in refused({"folder": tmp_path, "decisions": {"case": "3"}})


def test_evidence_says_who_decided_the_meaning(tmp_path):
    nifti(tmp_path, "a", [0, 1])
    found = describe({"folder": tmp_path, "decisions": {"meaning": "phases"}})
    assert "chosen by the user" in " ".join([*found.notes, *(p.evidence for p in found.phases)])


def test_spacing_of_arrays(tmp_path):
    rng = np.random.default_rng(2)
    for name in ("VIBRANT.npy", "VIBRANT+C2.npy"):
        np.save(tmp_path / name, rng.random((4, 20, 20)).astype(np.float32))
    exam = read_exam({"folder": tmp_path})
    assert not exam.spacing_known and exam.geometry.spacing == (1, 1, 1)
    exam = answered(tmp_path, spacing="0.7, 0.8,3")
    assert exam.spacing_known and exam.geometry.spacing == (0.7, 0.8, 3)
    for wrong in ("1,2", "a,b,c", "0,1,1", "1,1,900", "nan,1,1"):
        assert "not three lengths in mm" in refused({"folder": tmp_path, "decisions": {"spacing": wrong}})
