"""Samples as folders: the exam, its truth beside it, and a description of both; whole or not at all."""

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..errors import BadInput
from ..files import write_error, write_image, write_json
from ..volume import Geometry, Volume
from .dicom_mg import write_mammogram_dicom
from .dicom_mr import write_dce_dicom
from .mammogram import make_mammogram
from .mammogram_mass import SHAPES

FORMATS = ("dicom", "dicom-one-series", "nifti")
NOTE = "Synthetic sample: for trying out, tutorials and tests only. Not a patient."


@contextmanager
def whole_folder(folder):
    """Give a temporary folder to fill; it takes the name `folder` only when the block ends well.

    Parameters
    ----------
    folder : str or Path
        The folder to make. It must not exist, or be empty; missing parents are made.

    Raises
    ------
    BadInput
        If the folder holds something or is a file, or the disk is full or not writable.
    """
    folder = Path(os.path.abspath(folder))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(
            "The output folder exists and is not empty" if folder.is_dir() else "The output is a file",
            folder,
            "Give the name of a new folder",
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        workplace = Path(tempfile.mkdtemp(prefix=".part-", dir=folder.parent))
    except OSError as error:
        raise write_error(error, folder) from error
    try:
        filling = workplace / "sample"  # made by mkdir, so that it gets the usual permissions
        filling.mkdir()
        yield filling
        if folder.exists():
            folder.rmdir()
        os.replace(filling, folder)
    except OSError as error:
        raise write_error(error, folder) from error
    except RuntimeError as error:
        # SimpleITK reports a failed write (a full disk included) as RuntimeError.
        raise BadInput("The sample could not be written", folder, "Check the free space and the folder") from error
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


def write_dce_sample(sample, folder, format="dicom", vendor="GE"):
    """Write a synthetic DCE exam and its truth.

    ``exam/`` holds nothing but the exam, ``truth.nii.gz`` the lesion mask on its grid, ``sample.json`` what was made.

    Parameters
    ----------
    sample : SampleExam
    folder : str or Path
        New or empty.
    format : {'dicom', 'dicom-one-series', 'nifti'}
        One series per phase, all phases in one series, or one image file per phase (``00_pre.nii.gz``,
        ``01_post1.nii.gz`` …).
    vendor : {'GE', 'SIEMENS', 'PHILIPS'}
        Whose time tags the DICOM files carry.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    BadInput
        If format or vendor is unknown, the folder is in use, or it cannot be written.
    """
    if format not in FORMATS:
        raise BadInput(f"The format is one of {', '.join(FORMATS)}", str(format))
    with whole_folder(folder) as filling:
        exam = filling / "exam"
        if format == "nifti":
            exam.mkdir()
            for index, (phase, volume) in enumerate(zip(sample.exam.phases, sample.exam.volumes)):
                _write_image(volume, exam / f"{index:02d}_{phase.name}.nii.gz")
        else:
            layout = "series-per-phase" if format == "dicom" else "one-series"
            write_dce_dicom(sample.exam, exam, layout, vendor, sample.seed)
        _write_image(sample.truth, filling / "truth.nii.gz")
        write_json(filling / "sample.json", _dce_description(sample, format, vendor))
    return Path(folder)


def write_mammogram_sample(folder, seed, laterality="L", view="CC", **options):
    """Make a synthetic mammogram and write it with its truth.

    ``exam/IM0001.dcm`` is the mammogram; ``truth.nii.gz`` (on the grid on which SimpleITK reads the DICOM file) and
    ``truth.png`` are the lesion mask, ``sample.json`` says what was made.

    Parameters
    ----------
    folder : str or Path
        New or empty.
    seed : int
    laterality : {'L', 'R'}
    view : {'CC', 'MLO'}
    **options
        As `make_mammogram` takes them.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    BadInput
        If an option is out of range, the folder is in use, or it cannot be written.
    """
    import SimpleITK as sitk

    with whole_folder(folder) as filling:
        sample = make_mammogram(seed, laterality, view, **options)
        (filling / "exam").mkdir()
        write_mammogram_dicom(sample, filling / "exam" / "IM0001.dcm")
        spacing = (sample.spacing_mm, sample.spacing_mm, 1.0)
        _write_image(Volume(sample.truth[None], Geometry((1, *sample.truth.shape), spacing)), filling / "truth.nii.gz")
        sitk.WriteImage(sitk.GetImageFromArray(np.uint8(255) * sample.truth), str(filling / "truth.png"))
        write_json(filling / "sample.json", _mammogram_description(sample))
    return Path(folder)


def write_mammography_sample(folder, seed, side="L", **options):
    """Make the four views of a synthetic mammography exam and write them with their truth.

    ``exam/IM0001.dcm`` … ``IM0004.dcm`` are RCC, LCC, RMLO and LMLO, four series of one study; ``truth_RCC.nii.gz`` …
    the lesion masks, ``sample.json`` says what was made. One breast has a mass, of one shape and size in both views.

    Parameters
    ----------
    folder : str or Path
        New or empty.
    seed : int
    side : {'L', 'R'}
        The breast with the mass.
    **options
        As `make_mammogram` takes them.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    BadInput
        If an option is out of range, the folder is in use, or it cannot be written.
    """
    if side not in ("L", "R"):
        raise BadInput("The side of the mass is L or R", str(side))
    with whole_folder(folder) as filling:
        (filling / "exam").mkdir()
        shape, diameter = _one_mass(seed)
        options = {"shape": shape, "diameter_mm": diameter, **options}
        records = []
        for number, (laterality, view) in enumerate((("R", "CC"), ("L", "CC"), ("R", "MLO"), ("L", "MLO")), 1):
            sample = make_mammogram(seed, laterality, view, **{"mass": laterality == side, **options})
            name = f"IM{number:04d}.dcm"
            write_mammogram_dicom(sample, filling / "exam" / name, number)
            truth = f"truth_{laterality}{view}.nii.gz"
            spacing = (sample.spacing_mm, sample.spacing_mm, 1.0)
            _write_image(Volume(sample.truth[None], Geometry((1, *sample.truth.shape), spacing)), filling / truth)
            records.append({"file": f"exam/{name}", **_mammogram_description(sample), "truth": [truth]})
        write_json(filling / "sample.json", {"kind": "mammography", "seed": seed, "note": NOTE, "views": records})
    return Path(folder)


def _one_mass(seed):
    """Return shape and diameter (mm) of the mass that both views of one breast show."""
    rng = np.random.default_rng([0x3A33F, int(seed)])
    return str(rng.choice(SHAPES)), float(rng.uniform(6, 25))


def _write_image(volume, path):
    write_image(volume.to_sitk(), path, path.name)


def _dce_description(sample, format, vendor):
    masses = [
        {
            "side": mass.side,
            "centre_lps": list(mass.centre),
            "radii_mm": list(mass.radii),
            "curve": mass.curve,
            "rim": mass.rim,
            "volume_mm3": mass.volume_mm3,
        }
        for mass in sample.masses
    ]
    return {
        "kind": "dce",
        "seed": sample.seed,
        "note": NOTE,
        "format": format,
        "vendor": None if format == "nifti" else vendor,
        "phases": [phase.to_json() for phase in sample.exam.phases],
        "geometry": sample.exam.geometry.to_json(),
        "truth": "truth.nii.gz",
        "lesions": masses,
    }


def _mammogram_description(sample):
    masses = [
        {"shape": mass.shape, "diameter_mm": mass.diameter_mm, "centre_row_column": list(mass.centre)}
        for mass in sample.masses
    ]
    names = (
        "laterality",
        "view",
        "polarity",
        "intent",
        "bits",
        "spacing_mm",
        "padding_value",
        "density",
        "gland_share",
        "thickness_mm",
        "marks",
    )
    return {
        "kind": "mammogram",
        "seed": sample.seed,
        "note": NOTE,
        **{name: getattr(sample, name) for name in names},
        "size": list(sample.image.shape),
        "truth": ["truth.nii.gz", "truth.png"],
        "lesions": masses,
    }
