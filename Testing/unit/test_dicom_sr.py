"""Measurements and the report as DICOM objects: every number comes back, and nothing is claimed that is not so."""

import copy

import highdicom as hd
import numpy as np
import pydicom
import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.source import read
from BreastSegLib.measures.quantities import quantities
from BreastSegLib.reports.dicom.encapsulated import write_pdf_dicom
from BreastSegLib.reports.dicom.reading import read_sr
from BreastSegLib.reports.dicom.segmentation import Segment, lesion_segments, write_seg
from BreastSegLib.reports.dicom.sources import sources_of
from BreastSegLib.reports.dicom.structured import write_sr
from BreastSegLib.reports.dicom.tables import table
from dicom_phantoms import NAME
from dicom_seg_cases import MODEL, drawn, exam_of, mammogram_of
from hypothesis import given, settings
from hypothesis import strategies as st

TEXTS = {
    "curve_type": ("persistent", "plateau", "wash-out", ""),
    "quadrant": ("upper outer", "upper inner", "lower outer", "lower inner", "central", ""),
    "clock": [f"{hour}:{half}" for hour in range(1, 13) for half in ("00", "30")] + [""],
}
# What a report of one exam does not hold: hints, and what stands in the image's own header.
LEFT_OUT = {"same_as", "view"}


def row(kind, label, seed=0, **values):
    """Return a row of a measures record with a number for every quantity."""
    rng = np.random.default_rng([seed, label])
    result = {q.key: float(rng.uniform(0.001, 1e5)) if q.unit else "" for q in quantities(kind)}
    return {**result, "label": label, "name": "", "side": ("left", "right", "")[label % 3], **values}


@pytest.fixture(scope="module")
def dce(tmp_path_factory):
    """An exam's sources, a measures record of three lesions, and their segmentation."""
    folder = tmp_path_factory.mktemp("sr")
    exam = exam_of(folder / "exam")
    rows = [row("dce", n, curve_type="plateau", quadrant="central", clock="10:30") for n in (1, 2, 3)]
    measures = {"kind": "dce", "lesions": rows}
    sources = sources_of(exam)
    segments = lesion_segments(measures, "mass", MODEL)
    write_seg(folder / "seg.dcm", sources, drawn(exam.geometry, 3), segments)
    return sources, measures, folder / "seg.dcm"


@pytest.fixture(scope="module")
def views(tmp_path_factory):
    """Two mammograms of three have lesions: sources and segmentations of those, and the measures."""
    folder = tmp_path_factory.mktemp("views")
    for number, (side, position) in enumerate((("R", "CC"), ("L", "CC"), ("L", "MLO")), 1):
        tags = {"ImageLaterality": side, "ViewPosition": position, "number": number}
        mammogram_of(folder / f"{number}.dcm", mirror=side == "R", **tags)
    exam = read({"views": [str(folder / f"{number}.dcm") for number in (1, 2, 3)]})
    assert [view.key for view in exam.views] == ["RCC", "LCC", "LMLO"]
    rows = [
        row("mammograms", n, v, view_index=v, side=s) for n, v, s in ((1, 0, "right"), (1, 2, "left"), (2, 2, "left"))
    ]
    measures = {"kind": "mammograms", "lesions": rows}
    sources, paths = [], []
    for index, count in ((0, 1), (2, 2)):
        sources.append(sources_of(exam, index))
        paths.append(folder / f"seg{index}.dcm")
        labels = drawn(exam.images[index].geometry, count)
        write_seg(paths[-1], sources[-1], labels, lesion_segments(measures, "mass", MODEL, view=index))
    return sources, measures, paths


def same(found, wanted, kind):
    """Compare rows that were read with those of the measures, number by number."""
    for quantity in quantities(kind):
        if quantity.key in LEFT_OUT:
            continue
        assert found.get(quantity.key) == (wanted[quantity.key] or None) or (
            quantity.key == "side" and found["side"] == wanted["side"]
        ), quantity.key
    assert found["label"] == wanted["label"] and not found["others"]


@pytest.mark.parametrize("kind", ["dce", "mammograms"])
def test_every_quantity_has_a_code_and_a_unit(kind):
    names, units = table()["measurements"][kind], table()["units"]
    for quantity in quantities(kind):
        if quantity.unit:
            assert quantity.key in names and quantity.unit in units, quantity.key
        elif quantity.key not in {"side", *LEFT_OUT}:
            assert quantity.key in table()["evaluations"], quantity.key
    assert set(names) <= {quantity.key for quantity in quantities(kind)}
    codes = [(code[1], code[0]) for code in names.values()]
    assert len(set(codes)) == len(codes)
    assert all(len(value) <= 16 and len(meaning) <= 64 for value, _, meaning in (*names.values(), *units.values()))


def test_own_codes_say_that_they_are_own():
    known = {"SCT", "DCM", "IBSI", "UCUM", table()["own_scheme"]["designator"]}
    found = [*table()["measurements"]["dce"].values(), *table()["units"].values()]
    assert {code[1] for code in found} <= known
    for entry in table()["evaluations"].values():
        assert len({code[0] for code in entry["values"].values()}) == len(entry["values"])


def test_standard_codes_mean_what_the_standard_says():
    """Against pydicom's own copy of the standard's tables."""
    from pydicom.sr._concepts_dict import concepts

    listed = {}
    for scheme in ("SCT", "DCM", "IBSI"):
        for entry in concepts[scheme].values():
            for value, (meaning, _) in entry.items():
                listed.setdefault((scheme, value), set()).add(meaning.lower())
    mine = [code for part in table()["measurements"].values() for code in part.values()]
    mine += [code for entry in table()["evaluations"].values() for code in (entry["name"], *entry["values"].values())]
    mine += [*table()["title"].values(), table()["algorithm_family"]]
    for value, scheme, meaning in mine:
        if scheme != "99BSEG":
            assert any(name.startswith(meaning.lower()) for name in listed[scheme, value]), (value, meaning)


def test_numbers_and_words_come_back(dce, tmp_path):
    sources, measures, seg = dce
    write_sr(tmp_path / "sr.dcm", sources, seg, measures)
    found = read_sr(tmp_path / "sr.dcm")
    assert len(found) == 3
    uids = [part.TrackingUID for part in pydicom.dcmread(seg).SegmentSequence]
    for one, wanted, uid in zip(found, measures["lesions"], uids):
        same(one, wanted, "dce")
        assert one["tracking_uid"] == uid and one["finding"][1] == "4147007"
        assert one["seg"] == pydicom.dcmread(seg).SOPInstanceUID
        assert one["name"].startswith(f"Lesion {wanted['label']}: Mass")


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_any_numbers_come_back_to_the_last_bit(dce, data):
    sources, measures, seg = dce
    number = st.one_of(st.none(), st.floats(-1e9, 1e9, allow_nan=False))
    rows = []
    for label in (1, 2):
        values = {q.key: data.draw(number) for q in quantities("dce") if q.unit}
        values |= {key: data.draw(st.sampled_from(texts)) for key, texts in TEXTS.items()}
        rows.append(row("dce", label, **values))
    path = seg.parent / "any.dcm"
    write_sr(path, sources, seg, {"kind": "dce", "lesions": rows}, overwrite=True)
    for one, wanted in zip(read_sr(path), rows):
        for key in (*TEXTS, *(q.key for q in quantities("dce") if q.unit)):
            assert one.get(key) == (None if wanted[key] == "" else wanted[key]), key


def test_an_independent_reader_sees_the_same(dce, tmp_path):
    sources, measures, seg = dce
    write_sr(tmp_path / "sr.dcm", sources, seg, measures)
    groups = hd.sr.srread(tmp_path / "sr.dcm").content.get_volumetric_roi_measurement_groups()
    assert len(groups) == 3
    for group, wanted in zip(groups, measures["lesions"]):
        found = {item.name.value: (item.value, item.unit.value) for item in group.get_measurements()}
        assert found["118565006"] == (wanted["volume_mm3"], "mm3")
        assert found["103339001"] == (wanted["inplane_mm"], "mm")
        assert found["FTV"] == (wanted["ftv_mm3"], "mm3")
        assert found["126375"] == (wanted["slope_max_pct_per_s"], "%/s")
        site = group.finding_sites[0]
        assert site.value.value == "76752008"
        side = None if site.laterality is None else site.laterality.value
        assert side == {"left": "7771000", "right": "24028007", "": None}[wanted["side"]]
        values = {item.value.meaning for item in group.get_qualitative_evaluations()}
        assert "Plateau delayed phase: Type 2 curve" in values and "10:30 o'clock position" in values
        segment = group.referenced_segment
        assert segment.referenced_sop_instance_uid == pydicom.dcmread(seg).SOPInstanceUID
        assert segment.referenced_segment_numbers == [wanted["label"]]
        assert segment.source_series_for_segmentation.value == sources.headers[0].SeriesInstanceUID


def test_the_report_belongs_to_the_study_and_lists_its_evidence(dce, tmp_path):
    sources, measures, seg = dce
    write_sr(tmp_path / "sr.dcm", sources, seg, measures)
    data, image = pydicom.dcmread(tmp_path / "sr.dcm"), sources.headers[0]
    assert data.StudyInstanceUID == image.StudyInstanceUID and data.PatientID == image.PatientID
    assert str(data.PatientName) == NAME
    (study,) = data.CurrentRequestedProcedureEvidenceSequence
    listed = {
        item.ReferencedSOPInstanceUID
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    wanted = {str(header.SOPInstanceUID) for header in sources.headers} | {pydicom.dcmread(seg).SOPInstanceUID}
    assert listed == wanted
    assert data.ContentSequence[0].ConceptCodeSequence[0].CodeValue.startswith("en")
    assert (data.CompletionFlag, data.VerificationFlag) == ("COMPLETE", "UNVERIFIED")


def test_mammograms_of_several_views(views, tmp_path):
    sources, measures, paths = views
    write_sr(tmp_path / "sr.dcm", sources, paths, measures)
    found = read_sr(tmp_path / "sr.dcm")
    instances = [pydicom.dcmread(path).SOPInstanceUID for path in paths]
    for one, wanted, seg in zip(found, measures["lesions"], (instances[0], instances[1], instances[1]), strict=True):
        same(one, wanted, "mammograms")
        assert one["seg"] == seg
    groups = hd.sr.srread(tmp_path / "sr.dcm").content.get_planar_roi_measurement_groups()
    assert [len(group.get_measurements()) for group in groups] == [7, 7, 7]
    for group, wanted in zip(groups, found):
        assert group.referenced_segmentation_frame[0].referenced_sop_instance_uid == wanted["seg"]
        assert group.referenced_segmentation_frame[0].referenced_frame_numbers == [wanted["label"]]
    # The order of the views does not matter.
    write_sr(tmp_path / "other.dcm", sources[::-1], paths[::-1], measures)
    assert [one["seg"] for one in read_sr(tmp_path / "other.dcm")] == [one["seg"] for one in found]


def test_what_is_unknown_is_left_out(dce, tmp_path):
    sources, _, seg = dce
    lacking = {q.key: None if q.unit else "" for q in quantities("dce")}
    rows = [{**lacking, "label": 1, "name": "", "volume_mm3": 0.0, "ftv_mm3": float("nan")}]
    write_sr(tmp_path / "sr.dcm", sources, seg, {"kind": "dce", "lesions": rows})
    (one,) = read_sr(tmp_path / "sr.dcm")
    assert one["volume_mm3"] == 0.0 and one["side"] == ""
    assert not {"ftv_mm3", "clock", "curve_type", "longest_mm"} & set(one)


def test_refusals(dce, views, tmp_path):
    sources, measures, seg = dce
    out = tmp_path / "out"
    out.mkdir()

    def refusal(sources, seg, measures):
        with pytest.raises(BadInput) as caught:
            write_sr(out / "sr.dcm", sources, seg, measures)
        assert not list(out.iterdir()) and NAME not in caught.value.line
        return caught.value.line

    assert "no lesion" in refusal(sources, seg, {"kind": "dce", "lesions": []})
    assert "no segment" in refusal(sources, seg, {"kind": "dce", "lesions": [row("dce", 7)]})
    assert "another study" in refusal(views[0][0], seg, measures)
    assert "not a segmentation" in refusal(sources, sources.headers[0], measures)
    assert "cannot be read" in refusal(sources, tmp_path / "missing.dcm", measures)
    lost = {"kind": "mammograms", "lesions": [row("mammograms", 1, view_index=1)]}
    assert "no segment" in refusal(views[0], views[2], lost)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_damaged_reports_give_one_line_or_rows(dce, data):
    sources, measures, seg = dce
    path = seg.parent / "whole.dcm"
    if not path.exists():
        write_sr(path, sources, seg, measures)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        for _ in range(data.draw(st.integers(1, 6))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    broken = seg.parent / "broken.dcm"
    broken.write_bytes(bytes(content))
    try:
        assert isinstance(read_sr(broken), list)
    except BadInput as error:
        assert "\n" not in error.line and NAME not in error.line


def test_other_files_are_no_reports(dce, tmp_path):
    (tmp_path / "text.dcm").write_text("hello")
    for path, words in ((tmp_path / "text.dcm", "damaged"), (dce[2], "not a measurement"), (tmp_path / "no", "exist")):
        with pytest.raises(BadInput, match=words):
            read_sr(path)


def test_foreign_measurements_are_kept_apart(dce, tmp_path):
    sources, measures, seg = dce
    path = tmp_path / "sr.dcm"
    write_sr(path, sources, seg, measures)
    data = pydicom.dcmread(path)
    group = data.ContentSequence[-1].ContentSequence[0]
    number = next(item for item in group.ContentSequence if item.ValueType == "NUM")
    foreign = copy.deepcopy(number)
    foreign.ConceptNameCodeSequence[0].CodeValue, foreign.ConceptNameCodeSequence[0].CodeMeaning = "1", "Mystery"
    group.ContentSequence.append(foreign)
    data.save_as(path)
    assert read_sr(path)[0]["others"] == [("Mystery", measures["lesions"][0]["volume_mm3"], "mm3")]


@pytest.mark.parametrize("identified", [True, False])
def test_the_pdf_says_whether_its_pages_name_the_patient(dce, tmp_path, identified):
    sources = dce[0]
    pdf = b"%PDF-1.4\n" + bytes(range(256)) + b"%%EOF"
    write_pdf_dicom(tmp_path / "report.dcm", pdf, sources, "Breast lesions " * 9, identified=identified)
    data = pydicom.dcmread(tmp_path / "report.dcm")
    assert data.SOPClassUID.name == "Encapsulated PDF Storage" and data.Modality == "DOC"
    assert data.BurnedInAnnotation == ("YES" if identified else "NO")
    assert data.EncapsulatedDocument[: data.EncapsulatedDocumentLength] == pdf
    assert data.MIMETypeOfEncapsulatedDocument == "application/pdf" and len(data.DocumentTitle) <= 64
    assert data.StudyInstanceUID == sources.headers[0].StudyInstanceUID and str(data.PatientName) == NAME
    assert len(data.SourceInstanceSequence) == len(sources.headers)


def test_what_nobody_says_of_a_pdf_hides_no_name(dce, tmp_path):
    write_pdf_dicom(tmp_path / "report.dcm", b"%PDF-1.4", dce[0], "Report")
    assert pydicom.dcmread(tmp_path / "report.dcm").BurnedInAnnotation == "YES"
    with pytest.raises(BadInput, match="no PDF"):
        write_pdf_dicom(tmp_path / "other.dcm", b"<html>", dce[0], "Report")
    with pytest.raises(BadInput, match="exists"):
        write_pdf_dicom(tmp_path / "report.dcm", b"%PDF-1.4", dce[0], "Report")


def test_manual_segments_name_no_algorithm(tmp_path):
    exam = exam_of(tmp_path / "exam")
    sources = sources_of(exam)
    write_seg(tmp_path / "seg.dcm", sources, drawn(exam.geometry, 1), [Segment(1)])
    write_sr(tmp_path / "sr.dcm", sources, tmp_path / "seg.dcm", {"kind": "dce", "lesions": [row("dce", 1)]})
    group = pydicom.dcmread(tmp_path / "sr.dcm").ContentSequence[-1].ContentSequence[0]
    names = {item.ConceptNameCodeSequence[0].CodeValue for item in group.ContentSequence}
    assert "111001" not in names and "112039" in names  # algorithm name, tracking identifier
