"""Mammograms: side, view, spacing and study from the tags, and what is refused."""

import gzip
import json
import shutil

import mammogram_cases as cases
import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.__main__ import main
from BreastSegLib.errors import BadInput, Cancelled, Undecided
from BreastSegLib.exam.mammograms import View, Window, arrange, codes, describe_views, read_views
from BreastSegLib.exam.mammograms.words import in_file_name, side_and_view
from BreastSegLib.samples.writing import write_mammography_sample
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.sr import _snomed_dict as snomed
from pydicom.sr.codedict import codes as dictionary


def view_of(tmp_path, name="IM1", **tags):
    return describe_views([cases.write(tmp_path / name, **tags)]).views[0]


def frame_anatomy(side):
    group, anatomy = Dataset(), Dataset()
    anatomy.FrameLaterality = side
    group.FrameAnatomySequence = Sequence([anatomy])
    return Sequence([group])


@pytest.mark.parametrize(
    "tags, side, view, evidence",
    [
        ({"ImageLaterality": "R", "ViewPosition": "MLO"}, "R", "MLO", "side: Image Laterality; view: View Position"),
        ({"Laterality": "L", "ViewPosition": "CC"}, "L", "CC", "side: Laterality; view: View Position"),
        ({"SharedFunctionalGroupsSequence": frame_anatomy("R")}, "R", "", "side: Frame Laterality; view: unknown"),
        (
            {
                "AnatomicRegionSequence": cases.code_sequence(
                    "76752008", modifiers=["7771000"], name="AnatomicRegionModifierSequence"
                )
            },
            "L",
            "",
            "side: Anatomic Region Sequence; view: unknown",
        ),
        (
            {"AnatomicRegionSequence": cases.code_sequence("T-04020", "SRT")},
            "R",
            "",
            "side: Anatomic Region Sequence; view: unknown",
        ),
        (
            {"ViewCodeSequence": cases.code_sequence("399368009")},
            "",
            "MLO",
            "side: unknown; view: View Code Sequence",
        ),
        (
            {"ViewCodeSequence": cases.code_sequence("R-10242", "SNM3")},
            "",
            "CC",
            "side: unknown; view: View Code Sequence",
        ),
        (
            {"ViewCodeSequence": cases.code_sequence("Y-X1770", "SNM3")},
            "",
            "XCCL",
            "side: unknown; view: View Code Sequence",
        ),
        ({"SeriesDescription": "R CC"}, "R", "CC", "side and view: Series Description"),
        ({"ProtocolName": "LEFT MLO"}, "L", "MLO", "side and view: Protocol Name"),
        ({"ViewPosition": "RMLO"}, "R", "MLO", "side and view: View Position"),
        # CBIS-DDSM writes the view where the orientation belongs.
        (
            {"PatientOrientation": "CC", "Laterality": "R"},
            "R",
            "CC",
            "side: Laterality; view: Patient Orientation, which holds a view instead",
        ),
        ({}, "", "", "side: unknown; view: unknown"),
    ],
)
def test_the_most_trusted_tag_decides_and_is_named(tmp_path, tags, side, view, evidence):
    found = view_of(tmp_path, **tags)
    assert (found.laterality, found.position, found.evidence) == (side, view, evidence)
    assert found.name == (side + view if side and view else "view 1")
    assert found.contradictions == ()


def test_the_table_of_codes_agrees_with_pydicoms_dictionaries():
    table, legacy = codes.table(), snomed.mapping["SCT"]
    views = {
        "CC": "CranioCaudal",
        "MLO": "MedioLateralObliqueProjection",
        "ML": "MedioLateralProjection",
        "LM": "LateroMedial",
        "LMO": "LateroMedialOblique",
        "FB": "CaudoCranial",
        "XCCL": "CranioCaudalExaggeratedLaterally",
        "XCCM": "CranioCaudalExaggeratedMedially",
        "SIO": "SuperolateralToInferomedialOblique",
        "ISO": "InferomedialToSuperolateralOblique",
    }
    for name, keyword in views.items():
        code = getattr(dictionary.cid4014, keyword).value
        assert table["views"][name]["codes"][:2] == [code, legacy[code]], name
    modifiers = {name.lower() for name in dictionary.cid4015.dir()}
    for name, pair in table["modifiers"].items():
        assert "".join(part for part in name if part.isalpha()) in modifiers and legacy[pair[0]] == pair[1], name
        keyword = next(k for k in dictionary.cid4015.dir() if k.lower() == "".join(c for c in name if c.isalpha()))
        assert getattr(dictionary.cid4015, keyword).value == pair[0]
    for row in table["sides"].values():
        for modern, old in zip(row["codes"][::2], row["codes"][1::2]):
            assert legacy[modern] == old


def test_what_the_tags_leave_open_stays_open_and_is_said(tmp_path):
    scan = describe_views([cases.write(tmp_path / "IM1", ImageLaterality="L")])
    assert scan.views[0].name == "view 1" and scan.views[0].title == "Left, view unknown"
    assert any("view 1 has no known side or view" in note for note in scan.notes)


def test_contradictions_between_tags_are_said(tmp_path):
    found = view_of(
        tmp_path,
        name="L_MLO.dcm",
        ImageLaterality="R",
        Laterality="L",
        ViewPosition="CC",
        ViewCodeSequence=cases.code_sequence("399368009"),
    )
    assert found.name == "RCC"
    assert set(found.contradictions) == {
        "side: Image Laterality says R, Laterality says L",
        "side: Image Laterality says R, the file name says L",
        "view: View Position says CC, View Code Sequence says MLO",
        "view: View Position says CC, the file name says MLO",
    }


def test_patient_orientation_against_the_side_is_said(tmp_path):
    tags = {"ImageLaterality": "R", "ViewPosition": "MLO"}
    assert view_of(tmp_path, PatientOrientation=["P", "FL"], **tags).contradictions == ()
    against = view_of(tmp_path, PatientOrientation=["A", "FR"], **tags).contradictions
    assert against == ("side: the view says R, Patient Orientation fits L",)


def test_the_chest_wall_in_the_image_against_the_tags_is_said(tmp_path):
    # A left breast lies at the left edge of the sample.
    usual = cases.write(tmp_path / "a", ImageLaterality="L", ViewPosition="CC", PatientOrientation=["A", "R"])
    assert read_views([usual]).views[0].contradictions == ()
    for tags, sentence in (
        ({"PatientOrientation": ["P", "L"]}, "puts the chest wall at the right edge, the image shows it at the left"),
        ({"PatientOrientation": None}, "R is said, the chest wall is at the left edge"),
    ):
        path = cases.write(tmp_path / "b", ImageLaterality="R", ViewPosition="CC", **tags)
        assert any(sentence in text for text in read_views([path]).views[0].contradictions), tags


@pytest.mark.parametrize(
    "words, expected",
    [
        ("R CC", ("R", "CC")),
        ("LMLO", ("L", "MLO")),
        ("Left Medio-Lateral Oblique", ("L", "MLO")),
        ("RIGHT_CC", ("R", "CC")),
        ("l-xccl", ("L", "XCCL")),
        ("RCCID", ("R", "CC")),
        ("Brust links", ("", "")),
        ("MR R ROUTINE", ("", "")),
        ("R CC L CC", ("", "CC")),
        ("L MLO CC", ("L", "")),
        ("LEFT", ("L", "")),
        ("ACCESSION", ("", "")),
    ],
)
def test_words_name_side_and_view_or_nothing(words, expected):
    assert side_and_view(words) == expected


@pytest.mark.parametrize(
    "path, expected",
    [
        ("20586908_6c613a14b80a8591_MG_R_CC_ANON.dcm", ("R", "CC", "the file name")),
        ("1_2_MG_L_ML_ANON.dcm", ("L", "MLO", "the file name (INbreast writes ML for MLO)")),
        ("LCC.png", ("L", "CC", "the file name")),
        ("R_MLO.tif.gz", ("R", "MLO", "the file name")),
        ("A_1141_1.LEFT_CC.png", ("L", "CC", "the file name")),
        ("Mass-Training_P_00001_LEFT_CC/07-20-2016/1.0/1-1.dcm", ("L", "CC", "the name of the folder")),
        ("CC/1-1.dcm", ("", "", "")),
        ("IM0001", ("", "", "")),
    ],
)
def test_file_names_of_the_usual_archives(path, expected):
    assert in_file_name(path) == expected


def test_private_codes_and_odd_words_are_said(tmp_path):
    found = view_of(
        tmp_path, ViewCodeSequence=cases.code_sequence("X-1", "99PRIV"), ViewPosition="AP", ImageLaterality="Q"
    )
    assert found.key == ""
    for sentence in ("private or unknown code", "no mammographic view", "a word that is no side"):
        assert any(sentence in note for note in found.notes)


def test_modifiers_become_part_of_the_title(tmp_path):
    found = view_of(
        tmp_path,
        ImageLaterality="L",
        ViewPosition="CC",
        ViewCodeSequence=cases.code_sequence("399162004", modifiers=["399163009", "399055006"]),
    )
    assert found.title == "Left CC, magnification, spot compression"


# --- spacing


@pytest.mark.parametrize(
    "tags, spacing, evidence",
    [
        ({"ImagerPixelSpacing": [0.5, 0.4]}, (0.4, 0.5), "Imager Pixel Spacing, in the plane of the detector"),
        (
            {"ImagerPixelSpacing": [0.6, 0.6], "EstimatedRadiographicMagnificationFactor": "1.2"},
            (0.5, 0.5),
            "Imager Pixel Spacing divided by the magnification factor 1.2",
        ),
        (
            {"PixelSpacing": [0.5, 0.5], "PixelSpacingCalibrationType": "GEOMETRY", "ImagerPixelSpacing": [0.6, 0.6]},
            (0.5, 0.5),
            "Pixel Spacing, calibrated (geometry)",
        ),
        ({"PixelSpacing": [0.5, 0.4]}, (0.4, 0.5), "Pixel Spacing (calibration not stated)"),
        (
            {"PixelSpacing": [0.6, 0.6], "ImagerPixelSpacing": [0.6, 0.6]},
            (0.6, 0.6),
            "Imager Pixel Spacing, in the plane of the detector",
        ),
        ({"NominalScannedPixelSpacing": [0.5, 0.5]}, (0.5, 0.5), "Nominal Scanned Pixel Spacing, of the film"),
        ({"PixelSpacing": [8, 8]}, None, "unknown"),
        ({"PixelSpacing": [0, 0]}, None, "unknown"),
        ({}, None, "unknown"),
    ],
)
def test_spacing_comes_from_the_right_tag_or_is_unknown(tmp_path, tags, spacing, evidence):
    path = cases.write(tmp_path / "IM1", **tags)
    view = describe_views([path]).views[0]
    assert view.spacing_evidence == evidence
    assert view.spacing == (None if spacing is None else pytest.approx(spacing))
    exam = read_views([path])
    assert exam.images[0].geometry.spacing == pytest.approx((*(spacing or (1.0, 1.0)), 1.0))
    if tags and spacing is None:
        assert any("not believable" in note for note in view.notes)


def test_contradictory_spacings_are_said(tmp_path):
    view = view_of(tmp_path, PixelSpacing=[0.5, 0.5], ImagerPixelSpacing=[0.6, 0.6])
    assert view.spacing == (0.5, 0.5)
    assert view.contradictions == ("Pixel Spacing says 0.5 × 0.5 mm, Imager Pixel Spacing 0.6 × 0.6 mm",)


def test_the_user_can_give_the_spacing(tmp_path):
    path = cases.write(tmp_path / "IM1")
    view = read_views([path], {"spacing": "0.5"}).views[0]
    assert (view.spacing, view.spacing_evidence) == ((0.5, 0.5), "given by the user")
    with pytest.raises(BadInput, match="between 0.005 and 2 mm"):
        read_views([path], {"spacing": "wide"})


# --- refused


@pytest.mark.parametrize(
    "tags, reason",
    [
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.13.1.3", "NumberOfFrames": 40}, "tomosynthesis"),
        ({"ImageType": ["DERIVED", "PRIMARY", "TOMO", "NONE"]}, "tomosynthesis"),
        ({"SeriesDescription": "R CC Tomosynthesis Reconstruction"}, "tomosynthesis"),
        ({"NumberOfFrames": 12}, "12 frames"),
        ({"ContrastBolusAgent": "Iohexol"}, "contrast-enhanced"),
        ({"ImageType": ["DERIVED", "PRIMARY", "", "RECOMBINED"]}, "contrast-enhanced"),
        ({"SeriesDescription": "CESM L CC low energy"}, "contrast-enhanced"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "colour"),
        ({"Modality": "MR"}, "Modality"),
        ({"Modality": "CR", "BodyPartExamined": "CHEST"}, "Body Part Examined"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "", "LOW_ENERGY"]}, "contrast-enhanced"),
        ({"Rows": None, "Columns": None, "PixelData": None}, "no image"),
        ({"SeriesDescription": "ROI mask images"}, "mask or a cropped image"),
    ],
)
def test_other_images_are_refused_with_the_reason_and_left_out_beside_good_ones(tmp_path, tags, reason):
    bad, good = cases.write(tmp_path / "bad", **tags), cases.write(tmp_path / "good", number=2)
    with pytest.raises(BadInput, match=reason):
        describe_views([bad])
    scan = describe_views([bad, good])
    assert len(scan.views) == 1 and len(scan.left_out) == 1 and reason in scan.left_out[0][1]


@pytest.mark.parametrize(
    "tags, note",
    [
        ({"SeriesDescription": "L CC C-View", "ImageType": ["DERIVED", "PRIMARY", "TOMO_2D"]}, "computed from tomo"),
        ({"SeriesDescription": "Specimen"}, "specimen"),
        ({"SeriesDescription": "L CC stereo"}, "stereotactic"),
        ({"ConversionType": "DF"}, "Digitised film"),
        ({"Modality": None}, "names no Modality"),
        ({"BreastImplantPresent": "YES"}, "implant"),
        ({"PresentationLUTShape": "INVERSE"}, "the latter is followed"),
    ],
)
def test_unusual_images_are_read_with_a_note(tmp_path, tags, note):
    assert any(note in text for text in view_of(tmp_path, **tags).notes)


# --- the exam


def test_the_sample_exam_of_four_views_is_read_as_it_was_made(tmp_path):
    folder = write_mammography_sample(tmp_path / "new", 5, "R", size=(416, 320), polarity="MONOCHROME1")
    exam = read_views(sorted((folder / "exam").iterdir()))
    assert [view.name for view in exam.views] == ["RCC", "LCC", "RMLO", "LMLO"]
    assert all(view.contradictions == () for view in exam.views) and exam.notes == ()
    record = json.loads((folder / "sample.json").read_text(encoding="utf-8"))
    for view, image, made in zip(exam.views, exam.images, record["views"], strict=True):
        assert view.key == made["laterality"] + made["view"] and len(made["lesions"]) == (view.laterality == "R")
        truth = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / made["truth"][0])))
        assert truth.shape == image.array.shape and truth.any() == (view.laterality == "R")
        assert view.spacing == pytest.approx((made["spacing_mm"],) * 2)
    masses = [made["lesions"][0] for made in record["views"] if made["lesions"]]
    assert masses[0]["shape"] == masses[1]["shape"] and masses[0]["diameter_mm"] == masses[1]["diameter_mm"]


def test_the_command_writes_one_view_or_all(tmp_path, capsys):
    assert main(["sample", "mammogram", "--view", "all", "--output", str(tmp_path / "all")]) == 0
    assert "four views" in capsys.readouterr().out
    files = sorted(path.name for path in (tmp_path / "all" / "exam").iterdir())
    assert files == [f"IM000{n}.dcm" for n in (1, 2, 3, 4)]
    assert [view.name for view in describe_views(sorted((tmp_path / "all" / "exam").iterdir())).views] == [
        *("RCC", "LCC", "RMLO", "LMLO")
    ]


def four(tmp_path):
    return [
        cases.write(tmp_path / f"IM{n}", number=n, ImageLaterality=side, ViewPosition=view)
        for n, (side, view) in enumerate([("L", "MLO"), ("L", "CC"), ("R", "MLO"), ("R", "CC")], 1)
    ]


def test_views_are_hung_in_the_usual_order(tmp_path):
    scan = describe_views(four(tmp_path))
    assert [view.name for view in scan.views] == ["RCC", "LCC", "RMLO", "LMLO"]
    assert [view.title for view in scan.views] == ["Right CC", "Left CC", "Right MLO", "Left MLO"]
    assert scan.notes == ()
    exam = read_views(four(tmp_path)[:2])
    assert [view.name for view in exam.views] == ["LCC", "LMLO"]
    assert "Of the four standard views RCC, RMLO are missing." in exam.notes


def test_doubles_are_numbered_and_said():
    views, notes = arrange(
        [
            View("L", "CC", intent="processing"),
            View("L", "CC", intent="presentation"),
            View(),
            View("L", "CC", modifiers=["magnification"]),
        ]
    )
    assert [(v.name, v.intent, v.modifiers) for v in views] == [
        ("LCC", "presentation", ()),
        ("LCC 2", "processing", ()),
        ("LCC 3", "", ("magnification",)),
        ("view 4", "", ()),
    ]
    assert "LCC is there 3 times: LCC, LCC 2, LCC 3." in notes


def test_several_studies_are_listed_without_identity_and_asked_for(tmp_path):
    files = four(tmp_path)
    files.append(cases.write(tmp_path / "other", number=9, StudyInstanceUID="2.25.99", StudyDate="20190304"))
    files.append(
        cases.write(tmp_path / "third", number=10, StudyInstanceUID="2.25.98", StudyDate="20210506", PatientID="P2")
    )
    with pytest.raises(Undecided) as error:
        describe_views(files)
    assert error.value.name == "study"
    assert [text for _, text in error.value.choices] == [
        "study of 2019-03-04, 1 image, patient 1",
        "study of 2020-01-02, 4 images, patient 1",
        "study of 2021-05-06, 1 image, patient 2",
    ]
    assert not any(word in error.value.line for word in ("P1", "P2", "Doe", "2.25", str(tmp_path)))
    scan = describe_views(files, {"study": "2"})
    assert len(scan.views) == 4 and [reason for _, reason in scan.left_out] == ["another study"] * 2
    with pytest.raises(BadInput, match="none of the studies"):
        describe_views(files, {"study": "7"})


def test_an_archive_with_one_patient_for_each_view_is_one_exam(tmp_path):
    files = [
        cases.write(
            tmp_path / f"IM{n}", number=n, PatientID=f"Mass-Training_P_00001_{words}", StudyInstanceUID=f"2.25.{n}"
        )
        for n, words in enumerate(("LEFT_CC", "LEFT_MLO"), 1)
    ]
    assert [view.name for view in describe_views(files).views] == ["LCC", "LMLO"]


def test_nothing_of_the_patient_appears_in_what_is_shown(tmp_path):
    path = cases.write(tmp_path / "Doe_Jane.dcm", ImageComments="Doe Jane", SeriesDescription="Jane Doe L CC")
    scan, exam = describe_views([path]), read_views([path])
    shown = json.dumps(scan.to_json()) + repr(scan) + repr(exam.views) + "".join(exam.notes)
    assert "Doe" not in shown and "Jane" not in shown and "P1" not in shown and str(tmp_path) not in shown
    (tmp_path / "Doe_Jane.dcm").write_bytes(path.read_bytes()[:300])
    with pytest.raises(BadInput) as error:
        read_views([path])
    assert "Doe" not in error.value.line and "image 1 of 1" in error.value.line


def test_headers_alone_are_read_for_the_description(tmp_path):
    path = cases.write(tmp_path / "IM1", ImageLaterality="L", ViewPosition="CC", WindowCenter="2000", WindowWidth="9")
    whole = describe_views([path]).to_json()
    content = path.read_bytes()
    path.write_bytes(content[: -cases.sample().image.nbytes])  # the header with the pixels cut off
    assert describe_views([path]).to_json() == whole
    with pytest.raises(BadInput, match="no pixels|incomplete"):
        read_views([path])


def test_gzipped_copied_and_repeated_files(tmp_path):
    path = cases.write(tmp_path / "IM1", ImageLaterality="L", ViewPosition="CC")
    with open(path, "rb") as source, gzip.open(tmp_path / "IM1.gz", "wb") as target:
        shutil.copyfileobj(source, target)
    exam = read_views([path, tmp_path / "IM1.gz", path])
    assert len(exam.views) == 1
    assert {"1 file was given twice.", "1 file is a copy of another image and skipped."} <= set(exam.notes)
    np.testing.assert_array_equal(read_views([tmp_path / "IM1.gz"]).images[0].array, exam.images[0].array)


def test_cancelling_takes_effect_between_files(tmp_path):
    files, seen = four(tmp_path), []

    def report(stage, done, total):
        seen.append((stage, done, total))
        if len(seen) == 6:
            raise Cancelled()

    with pytest.raises(Cancelled):
        read_views(files, report=report)
    assert seen[:5] == [("Reading", n, 4) for n in (0, 1, 2, 3, 0)]


def test_missing_empty_and_foreign_files_are_said(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text").write_text("no image " * 30)
    for path, sentence in (
        (tmp_path / "gone", "does not exist"),
        (tmp_path / "empty", "empty"),
        (tmp_path / "text", "no image that is known"),
        (tmp_path, "is a folder"),
    ):
        with pytest.raises(BadInput, match=sentence):
            describe_views([path])
    with pytest.raises(BadInput, match="No mammogram is given"):
        describe_views([])


def test_a_view_survives_json_without_its_file():
    view = View(
        "L",
        "CC",
        "x",
        "presentation",
        (0.1, 0.1),
        windows=[Window("a", "SIGMOID", 5, 2, [k / 255 for k in range(256)], 0, 10)],
        mirror=4095.0,
        turn=180,
        file="/secret/name",
    )
    record = json.loads(json.dumps(view.to_json()))
    assert View.from_json(record) == view and "secret" not in str(record) and "secret" not in repr(view)
    for bad in ({"laterality": "X"}, {"spacing": [0, 1]}, {"windows": [{"name": "a"}]}, {"turn": 45}):
        with pytest.raises(BadInput):
            View.from_json({**record, **bad})
