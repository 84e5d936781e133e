"""Small datasets written in exactly the layouts of the public ones, with masks that the test knows."""

import csv
import json
import plistlib
import shutil
import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from BreastSegLib.exam.source import read as read_exam
from BreastSegLib.samples import dicom_common as dicom
from BreastSegTrainingLib.cases.masks import read_lesion_mask, require
from PIL import Image

MAMMOGRAPHY = "1.2.840.10008.5.1.4.1.1.1.2"
SECONDARY = "1.2.840.10008.5.1.4.1.1.7"


def film(shape=(150, 110), side="L", seed=0):
    """Return a mammogram-like image, uint16: a bright half disc at the chest wall on a dark background."""
    rows, columns = shape
    y, x = np.mgrid[:rows, :columns]
    x = x if side == "L" else columns - 1 - x
    inside = ((y - rows / 2) / (0.42 * rows)) ** 2 + (x / (0.7 * columns)) ** 2 < 1
    noise = np.random.default_rng(seed).integers(0, 60, shape)
    return (inside * 1800 + noise + 20).astype(np.uint16)


def disc(shape, centre, radius):
    """Return a bool mask of a disc; centre is (y, x)."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


def write_dicom(path, pixels, patient="anon", side="L", view="CC", bits=16, sop=MAMMOGRAPHY, description="", **tags):
    """Write an image as a DICOM file; 8 or 16 bits allocated."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    data = dicom.new_file(sop, dicom.uid(str(path)))
    data.Modality, data.PatientID, data.PatientName = "MG", patient, "anon"
    data.StudyInstanceUID, data.SeriesInstanceUID = dicom.uid("study", path.parent), dicom.uid("series", path.parent)
    data.ImageLaterality, data.ViewPosition, data.SeriesDescription = side, view, description
    for name, value in tags.items():
        setattr(data, name, value)
    if bits == 16:
        dicom.set_pixels(data, pixels, 14)
    else:
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.Rows, data.Columns = pixels.shape
        data.BitsAllocated = data.BitsStored = 8
        data.HighBit, data.PixelRepresentation = 7, 0
        raw = pixels.astype(np.uint8).tobytes()
        data.PixelData = raw + b"\0" * (len(raw) % 2)
    dicom.save(data, path)
    return path


def roi(name, points, **more):
    """Return an outline as OsiriX writes it; points are (x, y)."""
    return {
        "Name": name,
        "NumberOfPoints": len(points),
        "Point_px": [f"({x:.6f}, {y:.6f})" for x, y in points],
        "Point_mm": [f"({x * 0.07:.6f}, {y * 0.07:.6f}, 0.000000)" for x, y in points],
        "Area": 0.0,
        "Center": "(0, 0, 0)",
        "IndexInImage": 0,
        "Type": 15,
        **more,
    }


def write_outlines(path, rois):
    """Write the property list of one image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = {"ImageIndex": 0, "NumberOfROIs": len(rois), "ROIs": rois}
    path.write_bytes(plistlib.dumps({"Images": [image]}))
    return path


def circle(centre, radius, count=40):
    """Return the points (x, y) of a circle's outline; centre is (y, x)."""
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return [(centre[1] + radius * np.cos(a), centre[0] + radius * np.sin(a)) for a in angles]


def write_sitk(image, path):
    """Write an image file; by way of a plain name, because SimpleITK cannot open others on Windows."""
    ending = path.name[path.name.index(".") :]
    with tempfile.TemporaryDirectory() as folder:
        sitk.WriteImage(image, str(Path(folder) / f"a{ending}"), useCompression=ending != ".mhd")
        for made in Path(folder).iterdir():
            shutil.move(made, path.with_name(path.name if made.name == f"a{ending}" else made.name))


def write_volume(path, array, spacing=(1.0, 1.0, 2.0)):
    """Write an array (z, y, x) or (t, z, y, x) as an image file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(array, isVector=False)
    image.SetSpacing((*spacing, *(1.0,) * (array.ndim - 3)))
    write_sitk(image, path)
    return path


def phase(shape=(6, 24, 20), gain=1.0, seed=0):
    """Return one phase, float32."""
    y = np.linspace(-1, 1, shape[1])[None, :, None]
    x = np.linspace(-1, 1, shape[2])[None, None, :]
    body = np.broadcast_to((x**2 + y**2 < 0.8) * 300.0, shape)
    return (gain * body + np.random.default_rng(seed).normal(40, 5, shape)).astype(np.float32)


def box(shape=(6, 24, 20), low=(1, 5, 6), high=(4, 12, 13)):
    """Return a mask with a box, uint8."""
    mask = np.zeros(shape, np.uint8)
    mask[tuple(slice(a, b) for a, b in zip(low, high))] = 1
    return mask


def write_pictures(folder, array, ending=".png", name="p-{:03d}"):
    """Write an array (z, y, x) as one picture a slice, numbered from 36 as BreastDM does."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, plane in enumerate(array, 36):
        Image.fromarray(plane).save(folder / (name.format(number) + ending))


def write_csv(path, header, rows, separator=",", encoding="utf-8"):
    """Write a table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding=encoding, newline="") as stream:
        writer = csv.writer(stream, delimiter=separator)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def write_xlsx(path, header, rows, sheet="dataset_info", before=()):
    """Write a spreadsheet; `before` are names of sheets with something else that come first."""
    import openpyxl

    book = openpyxl.Workbook()
    book.active.title = sheet if not before else before[0]
    if before:
        book.active.append(["about"])
        book.create_sheet(sheet)
    for row in (header, *rows):
        book[sheet].append(list(row))
    book.save(path)
    return path


def write_xls(path, header, rows):
    """Write a spreadsheet of the old kind."""
    import xlwt

    book = xlwt.Workbook()
    sheet = book.add_sheet("Sheet1")
    for i, row in enumerate((header, *rows)):
        for j, value in enumerate(row):
            if value is not None:
                sheet.write(i, j, value)
    book.save(str(path))
    return path


def write_json(path, record):
    """Write a JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record), encoding="utf-8")
    return path


def lesion_of(table, name):
    """Read a case of a table end to end; return its exam and its mask (z, y, x), bool."""
    case = table.cases[table.index_of(name)]
    exam = read_exam(table.source(case))
    flat = hasattr(exam, "views")
    geometry = exam.images[0].geometry if flat else exam.geometry
    fixes = [fix.strip() for fix in case.get("fixes").split(";")]
    lesion = read_lesion_mask(table.mask_paths(case), geometry, flat, case.parts("label"), fixes)
    return exam, require(lesion, name).array.astype(bool)


def not_read(imported):
    """Return {where: why} of what an importer could not read."""
    return {row.where: row.why for row in imported.not_read}
