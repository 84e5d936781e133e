"""A mask as DICOM segmentation: one coded segment for each lesion, on the exam's own grid."""

from dataclasses import dataclass

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation, MRImageStorage, generate_uid
from pydicom.valuerep import DSfloat

from ... import __version__
from ...errors import BadInput
from ...files import check_output
from ..terminology import segment_name, terms
from .objects import add_patient, quietly, save, type_2
from .tables import concept, slicer_concept, table

MOST_SEGMENTS = 65535
LONGEST_LABEL = 64
EMPTY = "The mask is empty: a DICOM segmentation needs a segment, so there is nothing to write"


@dataclass(frozen=True)
class Algorithm:
    """What found a lesion.

    Parameters
    ----------
    name : str
        Of the model.
    version : str
        Of the model, or a part of its checksum.
    source : str
        Who made it; may be empty.
    """

    name: str
    version: str = "unknown"
    source: str = ""


@dataclass(frozen=True)
class Segment:
    """One lesion of a mask.

    Parameters
    ----------
    number : int
        From 1; the lesion's label in the mask.
    label : str
        What people read; made of term and side when empty.
    term : str
        ``mass`` or ``neoplasm`` (`terminology.terms`).
    side : {'', 'right', 'left'}
    algorithm : Algorithm or None
        None for what was drawn by hand.
    edited : bool
        Whether somebody has changed what the algorithm found.
    tracking_uid : str
        Identity of the lesion over several objects; a new one is made when empty.
    category, type : tuple of str
        Codes (scheme, value, meaning) in the place of those of the term; empty where the term says what it is.
    """

    number: int
    label: str = ""
    term: str = "mass"
    side: str = ""
    algorithm: Algorithm | None = None
    edited: bool = False
    tracking_uid: str = ""
    category: tuple = ()
    type: tuple = ()

    @property
    def kind(self):
        """str: how DICOM calls the way in which it was made."""
        if self.algorithm is None:
            return "MANUAL"
        return "SEMIAUTOMATIC" if self.edited else "AUTOMATIC"


def lesion_segments(measures, term="mass", algorithm=None, edited=False, view=None):
    """Return a `Segment` for each lesion of a measures record.

    Parameters
    ----------
    measures : dict
        See `pipeline.measuring`: ``lesions`` with ``label``, ``side`` and ``name``.
    term : str
    algorithm : Algorithm, optional
    edited : bool
    view : int, optional
        Index of the mammogram whose lesions are meant.

    Returns
    -------
    list of Segment
    """
    rows = [row for row in measures["lesions"] if view is None or row.get("view_index") == view]
    return [
        Segment(
            int(row["label"]),
            row.get("name") or f"Lesion {row['label']}: {segment_name(term, row.get('side') or '')}",
            term,
            row.get("side") or "",
            algorithm,
            edited,
        )
        for row in rows
    ]


def write_seg(path, sources, labels, segments, overwrite=False, description="Breast lesions"):
    """Write a mask as DICOM segmentation, whole or not at all.

    The same input gives the same file apart from new unique identifiers and the time of writing.

    Parameters
    ----------
    path : str or Path
    sources : Sources
        See `sources.sources_of`.
    labels : Volume
        Integers on the exam's own grid, 0 outside, n in the lesion of segment n; of a mammogram (1, rows, columns).
    segments : sequence of Segment
        Numbers 1, 2, 3 … without gaps, one for each label.
    overwrite : bool
    description : str
        Of the series.

    Returns
    -------
    highdicom.seg.Segmentation
        What was written.

    Raises
    ------
    BadInput
        If the mask is empty, does not lie on the grid, or its labels are not those of the segments; or the file
        exists.
    """
    check_output(path, overwrite)
    data = make_seg(sources, labels, segments, description)
    save(data, path, overwrite)
    return data


def make_seg(sources, labels, segments, description="Breast lesions"):
    """Return a mask as DICOM segmentation; see `write_seg`."""
    array = _checked(sources, labels, segments)
    images = _stand_ins(sources)
    places = _places(sources)
    info = table()["equipment"]
    with quietly():
        data = hd.seg.Segmentation(
            images,
            array,
            hd.seg.SegmentationTypeValues.BINARY,
            [_described(segment) for segment in segments],
            hd.UID(),
            table()["series"]["seg"],
            hd.UID(),
            1,
            info["manufacturer"],
            info["model"],
            __version__,
            info["serial"],
            content_label="BREAST_LESIONS",
            content_description=description[:LONGEST_LABEL],
            series_description=description[:LONGEST_LABEL],
            omit_empty_frames=True,
            **places,
        )
        _refer(data, images, sources)
        add_patient(data, sources.headers[0])
        if sources.flat:
            # Which way a mammogram lies in the patient says nothing but this.
            data.PatientOrientation = sources.headers[0].get("PatientOrientation") or ""
    return data


def _checked(sources, labels, segments):
    """Return the labels in as few bits as they need, after checking them."""
    array = labels.array
    if not np.issubdtype(array.dtype, np.integer) and array.dtype != bool:
        raise BadInput("A DICOM segmentation holds labels, not probabilities", hint="Use .nrrd for a map")
    if array.shape != sources.shape:
        mine, wanted = (" × ".join(map(str, shape[::-1])) for shape in (array.shape, sources.shape))
        raise BadInput(f"The mask does not lie on the DICOM images: it has {mine} voxels, not {wanted}")
    if not sources.flat and not labels.geometry.same_grid(sources.geometry):
        off = labels.geometry.difference(sources.geometry)
        raise BadInput(f"The mask does not lie on the DICOM images: corners are up to {off:.3g} mm apart")
    found = [int(value) for value in np.unique(array) if value]
    if not found:
        raise BadInput(EMPTY)
    if found[0] < 0 or found[-1] > MOST_SEGMENTS:
        raise BadInput(f"The mask holds values from {found[0]} to {found[-1]}", hint="Labels are 1, 2, 3 …")
    numbers = [segment.number for segment in segments]
    if numbers != list(range(1, len(numbers) + 1)) or found != numbers:
        raise BadInput(f"The mask's labels ({_list(found)}) are not those of the segments ({_list(numbers)})")
    return array.astype(np.uint8 if found[-1] < 256 else np.uint16)


def _described(segment):
    """Return a segment's description."""
    row, all_terms = terms()["terms"][segment.term], terms()
    label = segment.label or segment_name(segment.term, segment.side)
    used = None
    if segment.algorithm is not None:
        family, one = concept(table()["algorithm_family"]), segment.algorithm
        version = (one.version or "unknown")[:LONGEST_LABEL]
        source = one.source[:LONGEST_LABEL] or None
        used = hd.AlgorithmIdentificationSequence(one.name[:LONGEST_LABEL], family, version, source)
    result = hd.seg.SegmentDescription(
        segment.number,
        label[:LONGEST_LABEL],
        slicer_concept(segment.category or row["category"]),
        slicer_concept(segment.type or row["type"]),
        segment.kind,
        used,
        segment.tracking_uid or hd.UID(),
        label,
        [slicer_concept(all_terms["region"])],
        display_color=hd.color.CIELabColor.from_rgb(*(round(255 * part) for part in row["color"])),
    )
    if segment.side:
        modifier = slicer_concept(all_terms["sides"][segment.side])
        result.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [modifier]
    return result


def _places(sources):
    """Return where the frames lie, as highdicom takes it."""
    if sources.flat:
        # A mammogram's pixel size is that of its source: readers want it with a thickness, which it does not have.
        return {}
    geometry = sources.geometry
    system, (x, y, z) = hd.CoordinateSystemNames.PATIENT, geometry.spacing
    return {
        "pixel_measures": hd.PixelMeasuresSequence((y, x), z, z),
        "plane_orientation": hd.PlaneOrientationSequence(system, _orientation(geometry)),
        "plane_positions": [hd.PlanePositionSequence(system, place) for place in slice_positions(geometry)],
    }


def slice_positions(geometry):
    """Return the LPS centre of the first voxel of each slice, mm, shape (z, 3)."""
    steps = np.arange(geometry.shape[0])[:, None] * geometry.spacing[2] * geometry.matrix[:, 2]
    return np.asarray(geometry.origin) + steps


def _orientation(geometry):
    return [*geometry.matrix[:, 0], *geometry.matrix[:, 1]]


def _stand_ins(sources):
    """Return an image header for each slice as highdicom expects it: single frames of one series, evenly spaced.

    The frames of an enhanced file have one identifier, tags of an anonymised image may be missing, and a slice may
    lie a little beside the even grid. `_refer` puts the true references in their place.
    """
    kind = DigitalMammographyXRayImageStorageForPresentation if sources.flat else MRImageStorage
    first, result, room = sources.headers[0], [], generate_uid(None)
    positions = [None] if sources.flat else slice_positions(sources.geometry)
    for k, position in enumerate(positions):
        image = type_2()
        image.SOPClassUID, image.SOPInstanceUID = kind, f"{room}.{k + 1}"
        image.StudyInstanceUID, image.SeriesInstanceUID = first.StudyInstanceUID, first.SeriesInstanceUID
        image.Rows, image.Columns = sources.shape[1:]
        image.Modality = "MG" if sources.flat else "MR"
        for name in ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"):
            if first.get(name):
                setattr(image, name, first.get(name))
        if position is not None:
            image.FrameOfReferenceUID = first.FrameOfReferenceUID
            image.PositionReferenceIndicator = first.get("PositionReferenceIndicator") or ""
            image.ImagePositionPatient = [DSfloat(v, auto_format=True) for v in position]
            image.ImageOrientationPatient = [DSfloat(v, auto_format=True) for v in _orientation(sources.geometry)]
            x, y, z = (DSfloat(v, auto_format=True) for v in sources.geometry.spacing)
            image.PixelSpacing, image.SliceThickness, image.SpacingBetweenSlices = [y, x], z, z
        result.append(image)
    return result


def _refer(data, images, sources):
    """Put the references to the true images in the place of those to their stand-ins."""
    rows = {}
    for k, (image, header) in enumerate(zip(images, sources.headers)):
        frame = sources.frames[k] if sources.frames else None
        rows[image.SOPInstanceUID] = (header.SOPClassUID, header.SOPInstanceUID, frame)
    for group in data.PerFrameFunctionalGroupsSequence:
        for derivation in group.get("DerivationImageSequence", ()):
            for item in derivation.SourceImageSequence:
                if item.ReferencedSOPInstanceUID not in rows:
                    continue  # frames of several segments at one place share the item
                kind, instance, frame = rows[item.ReferencedSOPInstanceUID]
                item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = kind, instance
                if frame is not None:
                    item.ReferencedFrameNumber = frame
    data.SourceImageSequence = [_reference(row) for row in sources.references()]
    series = {}
    for row in sources.references():
        series.setdefault(row[2], []).append(_reference(row))
    data.ReferencedSeriesSequence = [_series(uid, items) for uid, items in series.items()]


def _reference(row):
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = row[:2]
    return item


def _series(uid, items):
    result = Dataset()
    result.SeriesInstanceUID, result.ReferencedInstanceSequence = uid, items
    return result


def _list(numbers):
    shown = ", ".join(map(str, numbers[:8]))
    return shown + (" …" if len(numbers) > 8 else "") if numbers else "none"
