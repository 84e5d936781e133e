"""Reports: what they say, that they are self-contained and tell nothing of the patient, two pages, odd input."""

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.dce import DceExam, number_phases
from BreastSegLib.measures import Settings, measure_dce
from BreastSegLib.measures.quantities import quantities
from BreastSegLib.models import find_model
from BreastSegLib.reports.blocks import Bullets, FigureRow, Paragraph, Section, Table, rows_of, shortened
from BreastSegLib.reports.html import html_text, write_html
from BreastSegLib.reports.identity import identity_of
from BreastSegLib.reports.page import html_document, html_table
from BreastSegLib.reports.pdf import pdf_bytes, write_pdf
from BreastSegLib.reports.report import NOTICE, Content, check_measures
from BreastSegLib.samples.dce import make_dce_exam
from BreastSegLib.samples.writing import write_dce_sample
from BreastSegLib.volume import Geometry, Volume
from command_cases import call, refused, smaller, write_mammograms
from hypothesis import given, settings
from hypothesis import strategies as st
from report_cases import (
    CARD,
    IDENTITY,
    RECORD,
    SAGITTAL,
    Page,
    dce_content,
    mammogram_content,
    mammograms,
    pdf_everything,
    pdf_pages,
    pdf_text,
)
from scipy import ndimage
from scipy.io import loadmat

NASTY = "<script>alert('x')</script>&amp;\"<b>\x00\x1b[31m % } @import url(http://evil.example/a.css)"


@pytest.fixture(scope="module")
def exam():
    """A small sample with two masses of either breast's size."""
    return smaller(make_dce_exam(101, masses=2, posts=3, radius_mm=(6.0, 10.0)))


@pytest.fixture(scope="module")
def content(exam):
    return dce_content(exam)


def words_of(content):
    """All that the report says, whatever it is written as."""
    said = []
    for section in content.sections:
        said.append(section.heading)
        for block in section.blocks:
            if isinstance(block, Paragraph):
                said.append(block.text)
            elif isinstance(block, Bullets):
                said += block.texts
            elif isinstance(block, Table):
                said += [*block.header, *(text for row in block.rows for text in row)]
            else:
                said += [figure.caption for figure in block.figures]
    return said


def many(content, count):
    """The content with so many lesions."""
    rows = [{**content.lesions[n % len(content.lesions)], "label": n + 1} for n in range(count)]
    return replace(content, measures={**content.measures, "lesions": rows})


def test_report_says_what_it_has_to(content):
    said = " ".join(words_of(content))
    headings = [section.heading for section in content.sections]
    for heading in ("Exam", "Phases", "Lesions", "Enhancement over time", "Further measures", "Model", "Run"):
        assert heading in headings
    row = content.lesions[0]
    for quantity in quantities("dce"):
        if row.get(quantity.key) not in (None, ""):
            assert quantity.heading in said and quantity.text(row[quantity.key]) in said, quantity.key
    for text in ("DCE-MRI, 4 phases", CARD["title"], CARD["citation"], CARD["licence"], "80 synthetic exams"):
        assert text in said
    for text in (RECORD["id"], "2026-01-02 03:04 UTC", "phase-aware-0000-0002", "folds all", "70 %", "150 s"):
        assert text in said
    for warning in content.measures["warnings"]:
        assert warning["text"] in said
    captions = [f.caption for s in content.sections for b in s.blocks if isinstance(b, FigureRow) for f in b.figures]
    for word in ("Axial", "Sagittal", "Coronal", "Maximum intensity projection", "3D", "Mean enhancement"):
        assert any(word in caption for caption in captions), word


def test_page_is_well_formed_and_self_contained(content):
    text = html_text(content)
    page = Page(text)
    assert NOTICE in page.words and "0b6c2b3e" in page.words
    assert all(link.startswith("data:image/") for link in page.links) and len(page.images) >= 9
    assert not {"script", "link", "iframe", "object", "form", "a"} & set(page.tags)
    assert not re.search(r"url\(|https?:|//", re.sub(r"base64,[A-Za-z0-9+/=]+", "", text))
    assert all(image["alt"] for image in page.images)
    assert page.headings == [section.heading for section in content.sections]
    assert '"recipe"' in page.words and "details, .foot { display: none }" in text


def test_pdf_has_two_pages_the_words_and_its_fonts(content, tmp_path):
    data = pdf_bytes(content)
    assert data.startswith(b"%PDF-") and pdf_pages(data) == 2
    everything = pdf_everything(data)
    assert b"FontFile2" in everything and not re.search(rb"/BaseFont\s*/Helvetica", everything)
    text = pdf_text(data, tmp_path)
    if text is None:
        pytest.skip("pdftotext is not installed")
    for word in (NOTICE, "Page 1 of 2", "Page 2 of 2", "cm³", "cm²", "voxels", RECORD["id"]):
        assert word in text, word


def test_page_prints_on_two_pages(content, tmp_path):
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no browser that prints is installed")
    write_html(tmp_path / "r.html", many(content, 5))
    options = (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-pdf-header-footer",
        f"--user-data-dir={tmp_path}/b",
    )
    command = [browser, *options, f"--print-to-pdf={tmp_path}/r.pdf", (tmp_path / "r.html").as_uri()]
    subprocess.run(command, capture_output=True, timeout=120, check=True)
    assert pdf_pages((tmp_path / "r.pdf").read_bytes()) == 2


@pytest.mark.parametrize("count", (1, 3, 5))
def test_one_to_five_lesions_fit_on_two_pages(content, count):
    assert pdf_pages(pdf_bytes(many(content, count))) == 2


def test_five_lesions_and_all_that_can_be_said_fit_on_two_pages(content):
    crowded = many(content, 5)
    long = "Something that has to be known before the numbers are read, said in more than one line of the page: {}."
    measures = {**crowded.measures, "warnings": [{"text": long.format(n)} for n in range(30)]}
    exam = replace(crowded.exam, notes=tuple(long.format(-n) for n in range(1, 30)))
    full = replace(crowded, exam=exam, measures=measures, identity=IDENTITY)
    assert pdf_pages(pdf_bytes(full)) == 2
    assert "19 more: see the measures (JSON)." in words_of(full) or "18 more: see the measures (JSON)." in words_of(
        full
    )


def test_long_lists_go_on(content, tmp_path):
    long = many(content, 60)
    data = pdf_bytes(long)
    assert 3 <= pdf_pages(data) <= 8
    page = Page(html_text(long))
    assert page.tags.count("tr") > 180
    text = pdf_text(data, tmp_path)
    assert text is None or re.search(r"\b60\b", text)


def test_no_lesion_is_said(exam):
    empty = Volume(np.zeros_like(exam.truth.array), exam.truth.geometry)
    none = dce_content(exam, empty)
    assert "No lesion was found." in words_of(none) and "none found" in words_of(none)
    assert pdf_pages(pdf_bytes(none)) <= 2 and "No lesion was found." in Page(html_text(none)).words


def test_unknown_spacing_gives_no_lengths(exam):
    measures = measure_dce(replace(exam.exam, spacing_known=False), exam.truth, Settings())
    said = words_of(Content(replace(exam.exam, spacing_known=False), [exam.truth], measures))
    assert any("unknown: no lengths" in text for text in said)
    assert not any("(mm)" in text or "(cm³)" in text for text in said)
    assert any("No run record" in text for text in said)


def test_without_pre_contrast_phase_there_is_no_curve(exam):
    posts = replace(exam.exam, phases=exam.exam.phases[1:], volumes=exam.exam.volumes[1:])
    said = words_of(Content(posts, [exam.truth], measure_dce(posts, exam.truth, Settings())))
    assert "Enhancement over time" not in said
    assert any("not subtracted" in text for text in said)


def test_without_times_they_are_unknown(exam):
    phases = tuple(replace(phase, time_s=None) for phase in exam.exam.phases)
    untimed = replace(exam.exam, phases=phases)
    said = words_of(Content(untimed, [exam.truth], measure_dce(untimed, exam.truth, Settings())))
    assert said.count("unknown") == len(phases) and any("stand in their order" in text for text in said)


@pytest.mark.parametrize("count", (1, 2, 3, 4))
def test_mammograms_have_their_views(count):
    exam, masks = mammograms(count)
    made = mammogram_content(exam, masks)
    page = Page(html_text(made))
    assert f"Mammograms, {count} view" in page.words and len(page.images) == 2 * count
    assert pdf_pages(pdf_bytes(made)) <= 2
    assert "Further measures" in page.headings and "Enhancement over time" not in page.headings
    assert all(view.title in page.words for view in exam.views)


def test_mammograms_without_pixel_size_or_masks():
    exam, masks = mammograms(2, spacing=None)
    said = " ".join(words_of(mammogram_content(exam, [masks[0], None])))
    assert "unknown" in said and "not segmented" in said and "Area (mm²)" not in said and "Pixels" in said


# --- nothing that identifies, nothing that runs ---


def test_texts_of_others_stay_texts(content, tmp_path):
    card = {key: NASTY if isinstance(value, str) else value for key, value in CARD.items()}
    record = {
        **RECORD,
        "id": NASTY,
        "model": {"name": NASTY, "folds": [NASTY]},
        "started": NASTY,
        "seconds": {"a": "b"},
    }
    rows = [{**row, "name": NASTY} for row in content.lesions]
    measures = {**content.measures, "lesions": rows, "warnings": [{"text": NASTY}, "no dict", {}]}
    identity = dict.fromkeys(IDENTITY, NASTY)
    nasty = replace(
        content, card={**card, "training": {NASTY: NASTY}}, record=record, measures=measures, identity=identity
    )
    text = html_text(nasty)
    page = Page(text)
    assert not {"script", "b"} & set(page.tags) and "\x00" not in text and "\x1b" not in text
    assert "<script>alert('x')</script>" in page.words
    style = text[text.index("<style>") : text.index("</style>")]
    assert "evil" not in style or "(" not in style[style.index("evil") - 20 : style.index("evil")]
    assert style.count("{") == style.count("}")
    assert pdf_pages(pdf_bytes(nasty)) >= 1
    read = pdf_text(pdf_bytes(nasty), tmp_path)
    assert read is None or "<script>" in read


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.text(max_size=8), st.recursive(st.none() | st.floats() | st.text(), st.lists, max_leaves=4)))
def test_any_record_and_card_give_a_report(record):
    from BreastSegLib.reports import facts

    for key in ("model", "recipe", "seconds", "id", "started", "training", "members", "title", "tta"):
        odd = {**record, key: next(iter(record.values()), 3)}
        if isinstance(odd.get("members"), (list, tuple)) or "members" not in odd:
            facts.model_table(odd)
        facts.run_table(odd)


def test_every_letter_of_a_name_has_a_glyph(content, tmp_path):
    named = replace(content, identity={**IDENTITY, "name": "Łukasiewicz, Zażółć Ő"})
    assert "Łukasiewicz, Zażółć Ő" in Page(html_text(named)).words
    text = pdf_text(pdf_bytes(named), tmp_path)
    assert text is None or "ukasiewicz" in text and "\x00" not in text and "\ufffd" not in text


def test_content_is_checked(content, exam):
    with pytest.raises(BadInput, match="no measures"):
        replace(content, measures={"kind": "dce"})
    with pytest.raises(BadInput, match="not of this kind"):
        replace(content, measures={**content.measures, "kind": "mammograms"})
    with pytest.raises(BadInput, match="one mask"):
        replace(content, masks=())
    with pytest.raises(BadInput, match="differ in size"):
        other = Volume(exam.truth.array[:-1], replace(exam.truth.geometry, shape=exam.truth.array[:-1].shape))
        replace(content, masks=(other,))
    with pytest.raises(BadInput, match="damaged"):
        check_measures({**content.measures, "lesions": [{"label": 1}]})
    with pytest.raises(BadInput, match="no PNG or JPEG"):
        html_text(replace(content, pictures=(("x", b"text"),)))


def test_given_pictures_are_shown(content):
    png = next(b for s in content.sections for b in s.blocks if isinstance(b, FigureRow)).figures[0].data
    page = Page(html_text(replace(content, pictures=(("My view <1>", png),))))
    assert any(image["alt"] == "My view <1>" for image in page.images)


def test_files_are_whole_and_never_overwritten(content, tmp_path):
    for write, name in ((write_html, "a.html"), (write_pdf, "a.pdf")):
        path = tmp_path / "new" / name
        write(path, content)
        before = path.read_bytes()
        with pytest.raises(BadInput, match="exists"):
            write(path, content)
        assert path.read_bytes() == before
        write(path, content, True)
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["a.html", "a.pdf"]


def test_identity_of_headers():
    header = pydicom.Dataset()
    header.PatientName, header.PatientID, header.PatientBirthDate = "Muster^Erika^^Dr", "7", "19640812"
    header.StudyDate, header.AccessionNumber = "20260101", ""
    found = identity_of([header, header])
    assert found == {
        "name": "Muster, Erika, Dr",
        "id": "7",
        "birth_date": "1964-08-12",
        "study_date": "2026-01-01",
    }
    other = pydicom.Dataset()
    other.PatientName, other.PatientID = "Muster^Erika^^Dr", "8"
    with pytest.raises(BadInput, match="several patients"):
        identity_of([header, other])
    assert identity_of([pydicom.Dataset()]) == {} and identity_of([]) == {}


# --- the command ---


@pytest.fixture(scope="module")
def patient(exam, tmp_path_factory):
    """A DICOM exam of a named patient, in a folder that is named after her, and its mask."""
    folder = tmp_path_factory.mktemp("Muster Erika")
    written = write_dce_sample(exam, folder / "sample")
    for path in (written / "exam").rglob("*"):
        if path.is_file():
            data = pydicom.dcmread(path)
            data.PatientName, data.PatientID, data.PatientBirthDate = "Muster^Erika", "PID-4711", "19640812"
            data.AccessionNumber, data.StudyDate, data.StudyDescription = "ACC-99", "20260101", "MR of Erika Muster"
            data.InstitutionName, data.ReferringPhysicianName = "Clinic of Musterstadt", "Doctor^Who"
            data.save_as(path)
    return written / "exam", written / "truth.nii.gz"


SECRETS = ("Muster", "Erika", "PID-4711", "4711", "1964", "ACC-99", "Who", "20260101", "2026-01-01")


@pytest.mark.parametrize("ending", ("html", "pdf"))
def test_report_names_the_patient_only_when_asked(patient, ending, capsys, tmp_path):
    source, mask = patient
    plain, named = tmp_path / f"plain.{ending}", tmp_path / f"named.{ending}"
    arguments = ("report", "--exam", source, "--mask", mask, "--output")
    code, out, err = call(capsys, *arguments, plain)
    assert code == 0 and "2 lesions" in out and "Muster" not in out.replace(str(tmp_path), "") + err
    assert call(capsys, *arguments, named, "--identify")[0] == 0
    if ending == "html":
        hidden, shown = plain.read_text(encoding="utf-8"), named.read_text(encoding="utf-8")
        hidden = re.sub(r"base64,[A-Za-z0-9+/=]+", "", hidden)
    else:
        hidden, shown = (pdf_text(path.read_bytes(), tmp_path) for path in (plain, named))
        raw = pdf_everything(plain.read_bytes())
        assert not any(secret.encode() in raw or secret.encode("utf-16-be") in raw for secret in SECRETS[:4])
        properties = re.findall(rb"/(?:Title|Author|Subject|Creator|Keywords)\s*\((.*?)\)", named.read_bytes())
        assert len(properties) >= 4 and not any(b"Muster" in text or b"4711" in text for text in properties)
        if hidden is None:
            pytest.skip("pdftotext is not installed")
    for secret in SECRETS:
        assert secret not in hidden, secret
    for text in ("Muster, Erika", "PID-4711", "1964-08-12", "2026-01-01", "ACC-99"):
        assert text in shown, text
    for text in ("Musterstadt", "Doctor"):
        assert text not in shown


def test_report_as_dicom_object_holds_the_pdf(patient, capsys, tmp_path):
    source, mask = patient
    assert call(capsys, "report", "--exam", source, "--mask", mask, "--output", tmp_path / "r.dcm")[0] == 0
    data = pydicom.dcmread(tmp_path / "r.dcm")
    assert data.SOPClassUID == "1.2.840.10008.5.1.4.1.1.104.1" and data.PatientID == "PID-4711"
    assert pdf_pages(data.EncapsulatedDocument) == 2
    first = pydicom.dcmread(next(path for path in source.rglob("*") if path.is_file()), stop_before_pixels=True)
    assert data.StudyInstanceUID == first.StudyInstanceUID


def test_command_takes_measures_record_and_model(patient, capsys, tmp_path, content):
    import json

    source, mask = patient
    (tmp_path / "m.json").write_text(json.dumps(many(content, 7).measures), encoding="utf-8")
    made = find_model("demo-dce", verify=False).hash
    # A model that has the name of the one in the record, and is another one, lends the report no card.
    for name, model_hash, is_that in (("own", made, True), ("other", "f" * 64, False)):
        record = {**RECORD, "model": {**RECORD["model"], "hash": model_hash}}
        (tmp_path / "r.json").write_text(json.dumps(record), encoding="utf-8")
        code, out, _ = call(
            capsys,
            *("report", "--exam", source, "--mask", mask, "--output", tmp_path / f"{name}.html"),
            *("--measures", tmp_path / "m.json", "--record", tmp_path / "r.json", "--model", "demo-dce"),
        )
        assert code == 0 and "7 lesions" in out and ("its card is left out" in out) != is_that
        words = Page((tmp_path / f"{name}.html").read_text(encoding="utf-8")).words
        assert RECORD["id"] in words and (CARD["citation"] in words) == is_that


def test_command_refuses_in_one_line(patient, capsys, tmp_path, monkeypatch):
    source, mask = patient
    start = ("report", "--exam", source, "--mask", mask)
    assert "ending" in refused(capsys, tmp_path, *start, "--output", tmp_path / "r.docx")
    (tmp_path / "there.html").write_text("mine")
    assert "exists" in refused(capsys, tmp_path, *start, "--output", tmp_path / "there.html")
    (tmp_path / "bad.json").write_text("[1]")
    for option in ("--measures", "--record"):
        line = refused(capsys, tmp_path, *start, "--output", tmp_path / "r.html", option, tmp_path / "bad.json")
        assert "bad.json" in line
    other = tmp_path / "other.nii.gz"
    sitk.WriteImage(sitk.Image(5, 5, 5, sitk.sitkUInt8), str(other))
    line = refused(capsys, tmp_path, "report", "--exam", source, "--mask", other, "--output", tmp_path / "r.html")
    assert "grid" in line
    for name in [name for name in sys.modules if name.split(".")[0] == "reportlab"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "reportlab", None)
    line = refused(capsys, tmp_path, *start, "--output", tmp_path / "r.pdf")
    assert "reportlab" in line and "pip install" in line


def test_identity_needs_dicom_files(exam, capsys, tmp_path):
    written = write_dce_sample(exam, tmp_path / "sample", format="nifti")
    arguments = ("report", "--exam", written / "exam", "--mask", written / "truth.nii.gz", "--output")
    assert "DICOM" in refused(capsys, tmp_path, *arguments, tmp_path / "r.html", "--identify")
    assert call(capsys, *arguments, tmp_path / "r.html")[0] == 0


def test_mammograms_from_files_one_without_mask(capsys, tmp_path):
    folder = write_mammograms(tmp_path)
    arguments = ("report", "--exam", folder / "exam", "--output", tmp_path / "r.html", "--mask")
    assert call(capsys, *arguments, "none", folder / "LCC.png")[0] == 0
    words = Page((tmp_path / "r.html").read_text(encoding="utf-8")).words
    assert "Right CC (not segmented)" in words and "Left CC (1 lesion)" in words
    line = refused(capsys, tmp_path, *arguments, "none", folder / "LCC.png", folder / "RCC.png", "--overwrite")
    assert "one mask" in line


def test_real_sagittal_slice_has_a_report(real_data):
    """One slice of a real exam, 25 time points, rim-enhancing tumour; pixel size and direction are assumptions."""
    data = np.asarray(loadmat(real_data / "breast-dce-invivo" / "invivo.mat")["DCEdata"], np.float32)
    geometry = Geometry((1, 192, 192), (0.9, 0.9, 3.0), (0, 0, 0), SAGITTAL)
    rows = [("pre", -16.43, "order", ())] + [("post", 16.43 * n, "order", ()) for n in range(21)]
    exam = DceExam(number_phases(rows), tuple(Volume(plane[None], geometry) for plane in data[3:]))
    rise = ndimage.gaussian_filter(data[9] - data[:4].mean(axis=0), 1.5)
    mask = Volume(
        (ndimage.binary_opening(rise > np.percentile(rise, 98.5), iterations=2))[None].astype(np.uint8), geometry
    )
    made = dce_content(SimpleNamespace(exam=exam, truth=mask))
    captions = [f.caption for s in made.sections for b in s.blocks if isinstance(b, FigureRow) for f in b.figures]
    assert sum(caption.startswith("Sagittal") for caption in captions) == 1
    assert not any("Axial" in caption or "3D" in caption for caption in captions)
    assert pdf_pages(pdf_bytes(made)) == 2


# --- parts ---


def test_short_texts_stay_and_long_ones_say_that_they_are_cut():
    assert (
        shortened("a\tb\n c") == "a b c" and shortened("x" * 700).endswith(" …") and len(shortened("x" * 700)) <= 600
    )


def test_halves_stand_side_by_side():
    a, b, c, d = (Section(name, (), name != "c") for name in "abcd")
    assert rows_of([a, b, c, d]) == [[a, b], [c], [d]]


def test_plain_pages_escape_their_texts():
    page = Page(html_document("t <1>", [html_table(("a<",), [("b&",)])]))
    assert "t <1>" in page.words and "a<" in page.words and "b&" in page.words
