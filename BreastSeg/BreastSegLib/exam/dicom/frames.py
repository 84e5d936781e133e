"""Enhanced multi-frame MR: each frame as a header of its own, so that phases are found as among single files."""

from dataclasses import replace

from .elements import IMPLICIT, Elements, open_unpacked, read_elements
from .headers import ENHANCED, KEYWORDS, has_agent, layout_of
from .times import moment, moment_of_stamp


def is_multiframe(header):
    """bool: whether a header stands for an enhanced MR file, whose frames have headers of their own."""
    return header.sop_class in ENHANCED


def frame_headers(path, header):
    """Return one `Header` for each frame of an enhanced MR file; none when the file is damaged.

    Parameters
    ----------
    path : str
    header : Header
        Of the file.

    Notes
    -----
    Place, orientation, voxel size, frame type, clocks, echo and rescaling stand in the functional groups: in those of
    the frame, else in the shared ones (DICOM PS3.3, C.7.6.16).
    """
    import pydicom

    try:
        with open_unpacked(path) as stream:
            dataset = pydicom.dcmread(stream, stop_before_pixels=True, force=True)
            elements = _pixel_elements(path, dataset)
        shared = _first(dataset, "SharedFunctionalGroupsSequence")
        groups = dataset.PerFrameFunctionalGroupsSequence
        if len(groups) != header.frames and "NumberOfFrames" in dataset:
            return []
        return [_frame(header, dataset, shared, group, k, elements) for k, group in enumerate(groups)]
    except Exception:  # noqa: BLE001 - damaged bytes make the parser raise almost any exception
        return []


def _pixel_elements(path, dataset):
    """Return the elements that say where the pixels lie."""
    found = read_elements(path, KEYWORDS)
    syntax = str(getattr(dataset, "file_meta", {}).get("TransferSyntaxUID", IMPLICIT))
    return found if found is not None else Elements({}, syntax)


def _frame(header, dataset, shared, group, index, elements):
    def find(sequence, name):
        """Return an element of the frame's functional group `sequence`, else of the shared one, else None."""
        for source in (group, shared):
            item = _first(source, sequence)
            if item is not None and item.get(name) is not None:
                return item.get(name)
        return None

    spacing = _floats(find("PixelMeasuresSequence", "PixelSpacing"), 2)
    gap = find("PixelMeasuresSequence", "SpacingBetweenSlices") or find("PixelMeasuresSequence", "SliceThickness")
    slope = find("PixelValueTransformationSequence", "RescaleSlope")
    intercept = find("PixelValueTransformationSequence", "RescaleIntercept")
    kinds = find("MRImageFrameTypeSequence", "FrameType")
    component = find("MRImageFrameTypeSequence", "ComplexImageComponent")
    echo = find("MREchoSequence", "EffectiveEchoTime")
    repetition = find("MRTimingAndRelatedParametersSequence", "RepetitionTime")
    flip = find("MRTimingAndRelatedParametersSequence", "FlipAngle")
    used = find("ContrastBolusUsageSequence", "ContrastBolusAgentAdministered")
    return replace(
        header,
        sop=header.sop and f"{header.sop}#{index}",
        instance=header.instance,
        frame=index,
        image_type=_kinds(header.image_type, kinds, component),
        spacing=None if spacing is None or min(spacing) <= 0 else spacing[::-1],
        position=_floats(find("PlanePositionSequence", "ImagePositionPatient"), 3),
        orientation=_floats(find("PlaneOrientationSequence", "ImageOrientationPatient"), 6),
        gap=abs(float(gap)) if gap else header.gap,
        moments=_moments(header, dataset, find),
        trigger=_seconds(find("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"), 1e-3),
        offset=_seconds(find("TemporalPositionSequence", "TemporalPositionTimeOffset"), 1.0),
        temporal=_whole(find("FrameContentSequence", "TemporalPositionIndex")),
        resolution=header.resolution or _seconds(find("FrameContentSequence", "FrameAcquisitionDuration"), 1e-3),
        echo=header.echo if echo is None else float(echo),
        repetition=header.repetition if repetition is None else float(repetition),
        flip=header.flip if flip is None else float(flip),
        b_value=_seconds(find("MRDiffusionSequence", "DiffusionBValue"), 1.0),
        agent=str(used).upper() == "YES" if used is not None else header.agent or _agent(dataset),
        layout=layout_of(elements, _number(slope, 1.0), _number(intercept, 0.0), index),
        slope=_number(slope, 1.0),
        intercept=_number(intercept, 0.0),
    )


def _moments(header, dataset, find):
    """Return the clocks of a frame.

    The file's own times are kept: Siemens XA writes one file for each phase. In a file with all phases they are the
    same for all frames and tell nothing apart.
    """
    stamps = {
        "acquisition": find("FrameContentSequence", "FrameAcquisitionDateTime"),
        "reference": find("FrameContentSequence", "FrameReferenceDateTime"),
    }
    own = {name: moment_of_stamp(str(stamp)) for name, stamp in stamps.items() if stamp}
    own["bolus"] = _bolus(dataset)
    return {**header.moments, **{name: value for name, value in own.items() if value is not None}}


def _kinds(file_type, frame_type, component):
    kinds = tuple(str(part).upper() for part in (frame_type or file_type))
    if component and str(component).upper() != "MAGNITUDE":
        kinds += (str(component).upper(),)
    return kinds


def _bolus(dataset):
    """Return the moment at which the injection began, or None."""
    profile = _first(_first(dataset, "ContrastBolusAgentSequence"), "ContrastAdministrationProfileSequence")
    return None if profile is None else moment("", str(profile.get("ContrastBolusStartTime", "") or ""))


def _agent(dataset):
    item = _first(dataset, "ContrastBolusAgentSequence")
    return item is not None and has_agent(str(item.get("CodeMeaning", "") or ""))


def _first(dataset, name):
    sequence = dataset.get(name) if dataset is not None else None
    return sequence[0] if sequence else None


def _floats(value, length):
    if value is None or len(value) != length:
        return None
    return tuple(float(part) for part in value)


def _number(value, default):
    return default if value is None else float(value)


def _seconds(value, factor):
    return None if value is None else float(value) * factor


def _whole(value):
    return None if value is None else int(value)
