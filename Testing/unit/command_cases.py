"""Commands called as a user calls them, and small exams as files for them."""

from dataclasses import replace

import numpy as np
import SimpleITK as sitk
from BreastSegLib.commands import run
from BreastSegLib.samples.mammogram import make_mammogram
from BreastSegLib.samples.writing import write_dce_sample
from BreastSegLib.volume import Volume
from mammogram_cases import write

VIEWS = (("R", "CC"), ("L", "CC"))


def call(capsys, *arguments):
    """Run one command in this process; return exit code, standard output and standard error."""
    code = run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def refused(capsys, folder, *arguments):
    """Run a command that has to be refused: one line, and nothing new in the folder. Return the line."""
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    code, out, err = call(capsys, *arguments)
    lines = [line for line in err.splitlines() if not line.endswith(" …")]
    assert code == 2 and not out and len(lines) == 1 and lines[0].startswith("Error: "), err
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    return lines[0]


def read(path):
    """Return the image of a file, as an independent reader sees it."""
    return sitk.ReadImage(str(path))


def array(path):
    return sitk.GetArrayFromImage(read(path))


def same_place(image, geometry, tolerance=1e-4):
    """bool: whether an image lies where a geometry says (NIfTI keeps single precision)."""
    return (
        image.GetSize() == geometry.shape[::-1]
        and np.allclose(image.GetSpacing(), geometry.spacing, atol=tolerance)
        and np.allclose(image.GetOrigin(), geometry.origin, atol=tolerance * 10)
        and np.allclose(image.GetDirection(), geometry.direction, atol=tolerance)
    )


def dice(a, b):
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def smaller(sample):
    """Return a DCE sample with every second voxel along each axis, each as large as before: half the size, quick."""
    geometry = replace(sample.exam.geometry, shape=sample.truth.array[::2, ::2, ::2].shape)
    volumes = [Volume(v.array[::2, ::2, ::2].copy(), geometry) for v in (*sample.exam.volumes, sample.truth)]
    return replace(sample, exam=replace(sample.exam, volumes=tuple(volumes[:-1])), truth=volumes[-1])


def write_dce(sample, folder):
    """Write a DCE sample as image files: ``exam/`` and ``truth.nii.gz``."""
    return write_dce_sample(sample, folder / "sample", format="nifti")


def write_mammograms(folder):
    """Write two small mammograms with a mass each: ``exam/0.dcm``, ``1.dcm``, and the masks RCC.png and LCC.png."""
    (folder / "exam").mkdir()
    for number, (side, position) in enumerate(VIEWS):
        sample = make_mammogram(3 + number, side, position, size=(416, 320))
        write(
            folder / "exam" / f"{number}.dcm",
            sample.image,
            number=number + 1,
            ImageLaterality=side,
            ViewPosition=position,
            ImagerPixelSpacing=[0.5, 0.5],
            WindowCenter=2048,
            WindowWidth=4096,
        )
        sitk.WriteImage(sitk.GetImageFromArray(np.uint8(255) * sample.truth), str(folder / f"{side}{position}.png"))
    return folder
