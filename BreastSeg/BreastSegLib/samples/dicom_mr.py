"""Synthetic DCE exams as real DICOM MR series, with the clocks as the vendors write them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.uid import MRImageStorage

from ..errors import BadInput
from . import dicom_common as dicom

LAYOUTS = ("series-per-phase", "one-series")
VENDORS = {"GE": "GE MEDICAL SYSTEMS", "SIEMENS": "SIEMENS", "PHILIPS": "Philips Medical Systems"}
DESCRIPTIONS = {"GE": "Ax VIBRANT dynamic", "SIEMENS": "t1_fl3d_tra_dyn", "PHILIPS": "dyn_eTHRIVE"}
IMAGE_TYPES = {
    "GE": ["ORIGINAL", "PRIMARY", "OTHER"],
    "SIEMENS": ["ORIGINAL", "PRIMARY", "M", "ND"],
    "PHILIPS": ["ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"],
}


@dataclass(frozen=True)
class Encoding:
    """How voxel values became pixel values: ``value = pixel * slope + intercept``."""

    slope: float
    intercept: float
    bits: int
    centre: float
    width: float


@dataclass(frozen=True)
class _Plan:
    """What is the same for all images of one exam."""

    exam: object
    layout: str
    vendor: str
    seed: int
    encoding: Encoding
    starts: tuple  # seconds since the first phase began
    interval: float  # seconds between phases


def write_dce_dicom(exam, folder, layout="series-per-phase", vendor="GE", seed=0):
    """Write a DCE exam as MR Image Storage files, one per slice and phase.

    Parameters
    ----------
    exam : DceExam
        Every phase needs its time. The phases may be oblique; slices follow the grid's z axis.
    folder : str or Path
        Made when missing. ``series-per-phase`` writes ``S0301/IM0001.dcm`` …, ``one-series`` writes
        ``IM0001.dcm`` …, phase after phase.
    layout : {'series-per-phase', 'one-series'}
    vendor : {'GE', 'SIEMENS', 'PHILIPS'}
        Decides the time tags. GE: content time, in one series also trigger time (different for every image) and
        temporal position; SIEMENS: acquisition and content time and acquisition number; PHILIPS: trigger time and
        temporal position.
    seed : int
        Decides all identifiers: the same exam, arguments and seed give the same bytes.

    Returns
    -------
    list of Path
        The files, in phase and slice order.

    Raises
    ------
    BadInput
        If layout or vendor is unknown, or a phase has no time or a voxel that is not a finite number.
    """
    if layout not in LAYOUTS:
        raise BadInput(f"The layout is {' or '.join(LAYOUTS)}", str(layout))
    if vendor not in VENDORS:
        raise BadInput(f"The vendor is {', '.join(VENDORS)}", str(vendor))
    plan = _plan(exam, layout, vendor, int(seed))
    files, folder = [], Path(folder)
    slices = exam.geometry.shape[0]
    for phase in range(len(exam.phases)):
        place = folder / f"S{_series_number(plan, phase):04d}" if layout == "series-per-phase" else folder
        place.mkdir(parents=True, exist_ok=True)
        for k in range(slices):
            number = k + 1 if layout == "series-per-phase" else phase * slices + k + 1
            path = place / f"IM{number:04d}.dcm"
            dicom.save(_image(plan, phase, k, number), path)
            files.append(path)
    return files


def _plan(exam, layout, vendor, seed):
    times = [phase.time_s for phase in exam.phases]
    if None in times:
        raise BadInput(
            "A phase without a time cannot be written as DICOM",
            exam.phases[times.index(None)].name,
            "Give the phases times",
        )
    starts = tuple(time - min(times) for time in times)
    interval = float(np.median(np.diff(sorted(starts)))) if len(starts) > 1 else 60.0
    return _Plan(exam, layout, vendor, seed, encode(exam, vendor), starts, interval)


def encode(exam, vendor):
    """Return the `Encoding` of an exam: whole numbers where the range allows, PHILIPS always scaled to 12 bits.

    Raises
    ------
    BadInput
        If a voxel is not a finite number.
    """
    low = min(float(volume.array.min()) for volume in exam.volumes)
    high = max(float(volume.array.max()) for volume in exam.volumes)
    if not np.isfinite(low + high):
        raise BadInput("The exam holds voxels that are not finite numbers", hint="Replace them before writing DICOM")
    intercept = min(0.0, float(np.floor(low)))
    span = high - intercept
    bits = 12 if vendor == "PHILIPS" or span <= 4095 else 16
    top = 2**bits - 1
    # Small ranges would lose their contrast, and large ones would not fit, as whole numbers.
    slope = span / top if span > 0 and (vendor == "PHILIPS" or span < 255 or span > top) else 1.0
    slope = float(dicom.decimal(slope))
    shown = np.concatenate([volume.array[::2, ::4, ::4].ravel() for volume in exam.volumes])
    bottom, ceiling = (float(v) for v in np.percentile(shown, (1, 99.7)))
    return Encoding(slope, intercept, bits, round((bottom + ceiling) / 2, 1), round(max(ceiling - bottom, 1.0), 1))


def _image(plan, phase, k, number):
    """Return the data set of slice `k` of phase `phase`."""
    series = plan.exam.phases[phase].name if plan.layout == "series-per-phase" else "all"
    identity = ("dce", plan.seed, plan.vendor, plan.layout)
    data = dicom.new_file(MRImageStorage, dicom.uid(*identity, "image", phase, k))
    data.SpecificCharacterSet = "ISO_IR 100"
    data.ImageType = IMAGE_TYPES[plan.vendor]
    data.Modality, data.Manufacturer = "MR", VENDORS[plan.vendor]
    dicom.add_study(data, "DCE", plan.seed, "Synthetic breast DCE-MRI")
    # One study for each way of writing: two copies of one exam may be loaded into one database.
    data.StudyInstanceUID = dicom.uid(*identity, "study")
    data.SeriesInstanceUID = dicom.uid(*identity, "series", series)
    data.FrameOfReferenceUID = dicom.uid(*identity, "frame")
    data.PositionReferenceIndicator = ""
    data.SeriesNumber = _series_number(plan, phase)
    data.SeriesDescription = DESCRIPTIONS[plan.vendor] + ("" if series == "all" else " " + series)
    data.ProtocolName = "Synthetic breast dynamic"
    data.BodyPartExamined, data.PatientPosition = "BREAST", "HFP"
    data.Laterality = ""  # both breasts: a side would be wrong
    data.InstanceNumber = number
    data.ImageComments = "Synthetic sample, not a patient"
    _add_sequence(data)
    _add_clocks(data, plan, phase, k)
    _add_plane(data, plan.exam.geometry, k)
    if plan.exam.phases[phase].role == "post":
        data.ContrastBolusAgent = "Synthetic contrast"
        data.ContrastBolusRoute = "IV"
    _add_pixels(data, plan, phase, k)
    return data


def _series_number(plan, phase):
    return 301 + phase if plan.layout == "series-per-phase" else 300


def _add_sequence(data):
    data.ScanningSequence, data.SequenceVariant, data.ScanOptions = "GR", "SP", "FS"
    data.MRAcquisitionType = "3D"
    data.RepetitionTime, data.EchoTime, data.EchoTrainLength, data.FlipAngle = "5.2", "2.4", 1, "10"
    data.MagneticFieldStrength = "1.5"


def _add_clocks(data, plan, phase, k):
    """Write the times of slice `k` of a phase as the vendor does; each leaves out what the others rely on."""
    zero = dicom.STUDY_START_S + 600.0
    start = zero + plan.starts[phase]
    separate = plan.layout == "series-per-phase"
    data.SeriesDate = data.AcquisitionDate = data.ContentDate = dicom.STUDY_DATE
    data.SeriesTime = dicom.clock(start if separate else zero)
    acquired = content = start
    data.AcquisitionNumber = 1
    positions = not separate
    if plan.vendor == "GE":
        acquired = start if separate else zero
        if not separate:
            # GE counts from the first phase and does not give all images of a phase the same value. (The standard
            # knows this tag with heart gating only; GE and Philips write it in dynamic series all the same.)
            data.TriggerTime = dicom.decimal(round(1000 * plan.starts[phase] + 2.0 * k, 3))
        block = data.private_block(0x0019, "GEMS_ACQU_01", create=True)
        block.add_new(0x5A, "FL", plan.interval * 1e6)
    elif plan.vendor == "SIEMENS":
        content = start + 0.005 * k  # images are made one after the other
        data.AcquisitionNumber = 1 if separate else phase + 1
        positions = False
    else:
        acquired = content = start if separate else zero
        data.TriggerTime = dicom.decimal(round(1000 * plan.starts[phase], 3))
        positions = True
    if positions:
        data.TemporalPositionIdentifier = phase + 1
        data.NumberOfTemporalPositions = len(plan.starts)
        data.TemporalResolution = dicom.decimal(round(1000 * plan.interval, 3))
    data.AcquisitionTime, data.ContentTime = dicom.clock(acquired), dicom.clock(content)


def _add_plane(data, geometry, k):
    matrix, spacing = geometry.matrix, geometry.spacing
    data.ImageOrientationPatient = dicom.decimals([*matrix[:, 0], *matrix[:, 1]])
    data.ImagePositionPatient = dicom.decimals(np.asarray(geometry.origin) + k * spacing[2] * matrix[:, 2])
    data.SliceLocation = dicom.decimal(
        np.cross(matrix[:, 0], matrix[:, 1]) @ (np.asarray(geometry.origin) + k * spacing[2] * matrix[:, 2])
    )
    data.PixelSpacing = dicom.decimals([spacing[1], spacing[0]])
    data.SliceThickness = data.SpacingBetweenSlices = dicom.decimal(spacing[2])


def _add_pixels(data, plan, phase, k):
    encoding = plan.encoding
    values = plan.exam.volumes[phase].array[k].astype(np.float64)
    pixels = np.clip(np.rint((values - encoding.intercept) / encoding.slope), 0, 2**encoding.bits - 1)
    dicom.set_pixels(data, pixels, encoding.bits)
    data.WindowCenter, data.WindowWidth = dicom.decimal(encoding.centre), dicom.decimal(encoding.width)
    # GE writes no rescale; it is needed only when whole numbers do not do.
    if plan.vendor != "GE" or (encoding.slope, encoding.intercept) != (1.0, 0.0):
        data.RescaleIntercept, data.RescaleSlope = dicom.decimal(encoding.intercept), dicom.decimal(encoding.slope)
        data.RescaleType = "US"
