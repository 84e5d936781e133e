"""Exams, masks and measures for the tests of reports, and readers of what was written."""

import io
import json
import re
import shutil
import subprocess
import zlib
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from BreastSegLib.exam.dce import DceExam, number_phases
from BreastSegLib.exam.mammograms.exam import MammographyExam, arrange
from BreastSegLib.exam.mammograms.view import View
from BreastSegLib.measures import Settings, measure_dce, measure_mammograms
from BreastSegLib.reports.report import Content
from BreastSegLib.volume import Geometry, Volume
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
CARD = json.loads((ROOT / "BreastSeg/Resources/Models/demo-dce/breastseg.json").read_text(encoding="utf-8"))
RECORD = {
    "format": "breastseg-run-1",
    "id": "0b6c2b3e-0000-4000-8000-000000000001",
    "started": "2026-01-02T03:04:05+00:00",
    "extension": "0.1",
    "device_name": "CPU",
    "model": {"name": "demo-dce", "hash": "f" * 64, "folds": ["all"]},
    "recipe": {"name": "phase-aware-0000-0002", "hash": "e" * 64},
    "tta": False,
    "cleanup": True,
    "seconds": {"Reading": 1.25, "Predicting": 3.5},
}
IDENTITY = {
    "name": "Muster, Erika",
    "id": "PID-4711",
    "birth_date": "1964-08-12",
    "study_date": "2026-01-01",
    "accession": "ACC-99",
}
AXIAL = (1, 0, 0, 0, 1, 0, 0, 0, 1)
FLIPPED = (-1, 0, 0, 0, -1, 0, 0, 0, 1)
SAGITTAL = (0, 0, 1, 1, 0, 0, 0, -1, 0)  # columns run backwards, rows down, slices to the left


def body_exam(geometry, blobs, posts=3):
    """A body in air, its front at y = -60 mm (LPS), and lesions (centre, radius; mm) that take up contrast."""
    shape = geometry.shape
    k, j, i = np.indices(shape)
    points = np.stack([i, j, k, np.ones(shape)], axis=-1) @ geometry.ijk_to_lps.T
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    body = (np.abs(x) < 90) & (y > -60) & (np.abs(z) < 200)
    mask = np.zeros(shape, np.uint8)
    for centre, radius in blobs:
        mask |= (((x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2) <= radius**2).astype(np.uint8)
    rng = np.random.default_rng(3)
    pre = np.where(body, 200.0, 5.0) + rng.normal(0, 2, shape)
    images = [pre]
    for number in range(posts):
        images.append(pre + mask * 200.0 * (1 + 0.1 * number) + rng.normal(0, 2, shape))
    rows = [("pre", -60.0, "tag A", ())] + [("post", 90.0 * n, "tag A", ()) for n in range(posts)]
    volumes = tuple(Volume(image.astype(np.float32), geometry) for image in images)
    return DceExam(number_phases(rows), volumes), Volume(mask, geometry)


def centred(shape, spacing, direction=AXIAL):
    """A grid of that shape (z, y, x) and spacing (x, y, z) whose middle lies at the scanner's origin."""
    first = np.asarray(direction, float).reshape(3, 3) @ (np.asarray(spacing) * (1 - np.asarray(shape[::-1])) / 2)
    return Geometry(shape, spacing, tuple(first), direction)


def dce_content(sample, mask=None, **values):
    """The content of a sample's report, its measures computed for real."""
    mask = mask or sample.truth
    measures = measure_dce(sample.exam, mask, Settings())
    return Content(sample.exam, [mask], measures, **{"record": RECORD, "card": CARD, **values})


def mammograms(count=4, spacing=(0.2, 0.2), size=(240, 180)):
    """Up to four bright half discs with one lesion each, and their masks."""
    names = (("R", "CC"), ("L", "CC"), ("R", "MLO"), ("L", "MLO"))[:count]
    views, _ = arrange([View(side, position, spacing=spacing) for side, position in names])
    rows, columns = np.indices(size)
    images, masks = [], []
    for view in views:
        wall = columns if view.laterality == "L" else size[1] - 1 - columns
        breast = (rows - size[0] / 2) ** 2 + wall**2 < (0.45 * size[0]) ** 2
        lesion = (rows - 130) ** 2 + (wall - 40) ** 2 < 12**2
        image = np.where(breast, 400.0, 10.0) + 300.0 * lesion + np.random.default_rng(1).normal(0, 3, size)
        geometry = Geometry((1, *size), (*(spacing or (1.0, 1.0)), 1.0))
        images.append(Volume(image[None].astype(np.float32), geometry))
        masks.append(Volume(lesion[None].astype(np.uint8), geometry))
    return MammographyExam(views, images), masks


def mammogram_content(exam, masks, **values):
    """The content of a report of mammograms."""
    measures = measure_mammograms(exam, masks)
    return Content(exam, masks, measures, **{"record": RECORD, "card": CARD, **values})


def picture(figure):
    """The figure's pixels, uint8 (rows, columns, 3)."""
    return np.asarray(Image.open(io.BytesIO(figure.data)).convert("RGB"))


def yellow(pixels):
    """Rows and columns of the outline (JPEG changes colours a little)."""
    red, green, blue = (pixels[..., c].astype(int) for c in range(3))
    return np.nonzero((red > 180) & (green > 150) & (blue < 110))


class Page(HTMLParser):
    """Text, headings, tags and links of a page, and whether its tags close in order."""

    EMPTY = {"meta", "img", "col", "br"}

    def __init__(self, text):
        super().__init__()
        self.text, self.tags, self.links, self.images, self.headings, self.open = [], [], [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        values = dict(attributes)
        self.links += [values[name] for name in ("src", "href", "action", "data", "srcset") if name in values]
        self.images += [values] if tag == "img" else []
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" in self.open:
            return
        self.text.append(data)
        self.headings += [data] if "h2" in self.open else []

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


def pdf_pages(data):
    """Number of pages of a PDF, by its own objects."""
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", data))


def pdf_text(data, folder):
    """Text of a PDF by pdftotext where it is installed, else None."""
    if shutil.which("pdftotext") is None:
        return None
    path = folder / "read.pdf"
    path.write_bytes(data)
    done = subprocess.run(["pdftotext", "-layout", str(path), "-"], capture_output=True, check=True)
    return " ".join(done.stdout.decode("utf-8").split())


def pdf_everything(data):
    """All bytes of a PDF, its streams unpacked as far as they are packed in ways that are known."""
    import base64

    parts = [data]
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", data, re.DOTALL):
        try:
            packed = base64.a85decode(stream.strip().removesuffix(b"~>")) if b"~>" in stream[-8:] else stream
            parts.append(zlib.decompress(packed))
        except (ValueError, zlib.error):
            continue
    return b"\n".join(parts)
