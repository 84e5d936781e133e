"""Phases given as image files, in order: pre, post1, post2 …"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import BadInput
from ...volume import Geometry, Volume
from ..dce import Phase, number_phases
from ..decisions import BY_USER
from ..dicom.pixels import plain_path
from ..examscan import ExamScan
from ..grid import check_size, check_voxels, size_note
from .nifti import check_whole

ENDINGS = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
SHORTEST_STEP_S = 2.0
LONGEST_NRRD_HEADER = 65536  # bytes


@dataclass(frozen=True)
class ImageFile:
    """An image file by its header.

    Parameters
    ----------
    path : Path
    geometry : Geometry
        Of one volume.
    volumes : int
        1 for a 3D file, the number of time points for a 4D file.
    times : tuple of float or None
        Seconds of each time point, where the header tells.
    vector : bool
        Whether the time points are the components of each voxel, as in Slicer's sequence files.
    """

    path: Path
    geometry: Geometry
    volumes: int = 1
    times: tuple | None = None
    vector: bool = False


def open_files(paths):
    """Read the headers of phase files.

    Parameters
    ----------
    paths : sequence of str or Path
        3D files, one for each phase in order; or a single 4D file with the phases in order.

    Returns
    -------
    files : list of ImageFile
    notes : list of str

    Raises
    ------
    BadInput
        If a file is missing, unreadable, given twice, of an unknown kind, or not three-dimensional.
    """
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    if not paths:
        raise BadInput("No phase file is given", hint="Give the phases as files in order: pre first")
    paths = [Path(p) for p in paths]
    for path in paths:
        _check_path(path)
    real = [path.resolve() for path in paths]
    double = next((path for i, path in enumerate(real) if path in real[:i]), None)
    if double is not None:
        raise BadInput("One file is given for two phases", double, "Give each phase once, in order")
    files = [_open(path, alone=len(paths) == 1) for path in paths]
    return files, _order_notes(paths)


def describe_files(files, notes=(), first="pre", evidence="", before=None):
    """Return the `ExamScan` of phase files in order.

    Parameters
    ----------
    files : sequence of ImageFile
        From `open_files`.
    notes : sequence of str
    first : {'pre', 'post', 'channel'}
        Role of the first volume: phases are pre first, unless none of them is before contrast; ``channel`` when the
        files are a model's channels.
    evidence : str
        What told the order; the order in which the files were given when empty.
    before : int, optional
        How many volumes lie before contrast, as the user decided; the last of them is used as pre.
    """
    paths = [str(file.path) for file in files for _ in range(file.volumes)]
    if not evidence:
        evidence = "order of the volumes in the 4D file" if files[0].volumes > 1 else "order of the files"
    times = files[0].times or [None] * len(paths)
    if first == "channel":
        phases = tuple(Phase("channel", k, None, evidence, (path,)) for k, path in enumerate(paths))
    else:
        told = "; time: header of the file" if files[0].times else ""
        roles = [first, *["post"] * (len(paths) - 1)]
        if before is not None:
            told += f"; role: {BY_USER}"
            roles = ["pre"] * before + ["post"] * (len(paths) - before)
        rows = [(role, time, evidence + told, [path]) for role, time, path in zip(roles, times, paths)]
        phases = number_phases(rows[max(0, (before or 0) - 1) :])
    reference = files[min(1, len(files) - 1)].geometry
    note = size_note(reference)
    out = [(f"volume {k + 1}", "an earlier phase before contrast") for k in range(len(paths) - len(phases))]
    return ExamScan(phases, tuple(out), (*notes, *([note] if note else [])), reference)


def read_phases(files, scan, report):
    """Return the volumes of phase files, each on its own grid.

    Parameters
    ----------
    files : sequence of ImageFile
    scan : ExamScan
        From `describe_files`.
    report : callable
        Called as ``report(stage, done, total)``; may raise `Cancelled`.
    """
    volumes, out = [], len(scan.left_out)
    for done, file in enumerate(files):

        def again(done=done):
            report("Reading", done, len(files))

        again()
        volumes += read_volumes(file, again)
        for number, volume in enumerate(volumes[-file.volumes :], len(volumes) - file.volumes - out):
            if number >= 0:
                check_voxels(volume.array, scan.phases[number].name, again)
    report("Reading", len(files), len(files))
    return volumes[out:]


def read_volumes(file, report=None):
    """Return the float32 volumes of an `ImageFile`, one or, for a 4D file, one for each time point.

    Parameters
    ----------
    file : ImageFile
    report : callable, optional
        Called without arguments between pieces of work; may raise `Cancelled`.

    Raises
    ------
    BadInput
        If the voxels cannot be read.
    """
    import SimpleITK as sitk

    check_whole(file.path, report)
    try:
        with plain_path(file.path) as readable:
            # A 4D file is kept in its own type and converted volume by volume: less memory at the peak.
            kind = sitk.sitkFloat32 if file.volumes == 1 and not file.vector else sitk.sitkUnknown
            image = sitk.ReadImage(str(readable), kind)
    except RuntimeError as error:
        raise BadInput("The image file is damaged or incomplete", file.path, "Export it again") from error
    view = sitk.GetArrayViewFromImage(image)
    if file.vector:
        view = view.reshape(*file.geometry.shape, file.volumes)
        return [Volume(view[..., k].astype(np.float32), file.geometry) for k in range(file.volumes)]
    view = view.reshape(file.volumes, *file.geometry.shape)
    return [Volume(view[k].astype(np.float32), file.geometry) for k in range(file.volumes)]


def _check_path(path):
    if path.is_dir():
        raise BadInput(
            "This is a folder, not an image file",
            path,
            "Give the phases as files, or the folder alone as a DICOM exam",
        )
    if not path.exists():
        raise BadInput("The file does not exist", path, "Check the path")
    if not path.name.lower().endswith(ENDINGS):
        raise BadInput("This kind of image file is not known", path, "Use " + ", ".join(ENDINGS))


def _open(path, alone):
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    try:
        with plain_path(path) as readable:
            reader.SetFileName(str(readable))
            reader.ReadImageInformation()
    except RuntimeError as error:
        raise BadInput(_why(error), path, "Export it again as .nii.gz or .nrrd") from error
    size, dimension, components = reader.GetSize(), reader.GetDimension(), reader.GetNumberOfComponents()
    vector = components > 1 and alone and dimension == 3 and _is_sequence(path, reader)
    if components > 1 and not vector:
        what = f"The image has {components} values in each voxel, not one"
        raise BadInput(what, path, "Give each phase as a 3D file")
    if dimension == 4 and size[3] > 1 and not alone:
        raise BadInput(f"The file holds {size[3]} volumes", path, "Give a 4D file alone, or each phase as a 3D file")
    if dimension not in (3, 4):
        raise BadInput(
            f"The image is not three-dimensional but has {dimension} dimensions", path, "Give each phase as a 3D file"
        )
    direction = np.array(reader.GetDirection()).reshape(dimension, dimension)[:3, :3]
    try:
        geometry = Geometry(size[2::-1], reader.GetSpacing()[:3], reader.GetOrigin()[:3], tuple(direction.ravel()))
    except BadInput as error:
        raise BadInput(error.what, f"{path}, {error.where}", error.hint) from error
    check_size(geometry, path)
    count = components if vector else size[3] if dimension == 4 else 1
    return ImageFile(path, geometry, count, _times(reader, count), vector)


def _is_sequence(path, reader):
    """bool: whether the components of a NRRD file are time points: a list axis, not colours or vectors."""
    if any(key.lower().endswith("index values") for key in reader.GetMetaDataKeys()):
        return True
    # SimpleITK does not tell the kind of the axis that it takes for components.
    with open(path, "rb") as stream:
        header = stream.read(LONGEST_NRRD_HEADER)
    kinds = re.search(rb"^kinds:(.*)$", header, re.MULTILINE) if header.startswith(b"NRRD") else None
    return kinds is not None and b"list" in kinds[1].split()


def _times(reader, count):
    """Return the seconds of the volumes of a file as its header tells, or None.

    Slicer's sequence files list them; NIfTI has a time step, which counts only when it is as long as a phase: many
    programs leave it at 1.
    """
    if count < 2:
        return None
    data = {key.lower(): reader.GetMetaData(key) for key in reader.GetMetaDataKeys()}
    listed = next((value for key, value in data.items() if key.endswith("index values")), "")
    unit = next((value for key, value in data.items() if key.endswith("index unit")), "s").strip().lower()
    scale = {"s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3}.get(unit)
    try:
        times = tuple(float(value) * scale for value in listed.split()) if scale else ()
    except ValueError:
        times = ()
    if len(times) == count and all(b > a for a, b in zip(times, times[1:])):
        return times
    step = _number(data.get("pixdim[4]")) * {8: 1.0, 16: 1e-3, 24: 1e-6}.get(_units(data), 0.0)
    return tuple(k * step for k in range(count)) if step >= SHORTEST_STEP_S else None


def _units(data):
    """Return the NIfTI code of the time unit: 8 seconds, 16 milliseconds, 24 microseconds."""
    return int(_number(data.get("xyzt_units"))) & 0x38


def _number(text):
    try:
        value = float(text or 0)
    except ValueError:
        return 0.0
    return value if np.isfinite(value) else 0.0


def _why(error):
    if "orthonormal" in str(error):
        return "The image axes in the header are not orthogonal"
    return "The image file cannot be read: damaged, incomplete or not an image"


def _order_notes(paths):
    """Return a sentence when numbers at the end of the file names run against the given order."""
    numbers = [re.search(r"(\d+)$", re.sub(r"(\.nii)?\.\w+$", "", path.name)) for path in paths]
    if len(paths) < 2 or None in numbers:
        return []
    counts = [int(match[1]) for match in numbers]
    if counts == sorted(counts):
        return []
    return [
        f"The numbers at the end of the file names do not rise ({', '.join(map(str, counts))}): "
        "the files are taken in the given order."
    ]
