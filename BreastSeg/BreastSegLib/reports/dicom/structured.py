"""Measurements as DICOM structured report (TID 1500): one group for each lesion, about its segment."""

import math
from dataclasses import dataclass

import highdicom as hd
from highdicom import sr
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from ... import __version__
from ...errors import BadInput
from ...files import check_output
from ...measures.quantities import quantities
from ..terminology import terms
from .objects import add_patient, opened_seg, quietly, save, type_2
from .tables import concept, slicer_concept, table

NOTHING = "There is no lesion to tell of: a DICOM measurement report needs one, so there is nothing to write"


@dataclass(frozen=True)
class _Image:
    """One segmentation and the images that it was drawn on."""

    sources: object
    seg: Dataset


def write_sr(path, sources, seg, measures, overwrite=False, description="Breast lesion measurements"):
    """Write measurements as DICOM structured report, whole or not at all.

    Each lesion is a measurement group about the segment of its number: finding and site with side, the numbers with
    their units, curve type, quadrant and clock position as codes, the algorithm that found it. Names, tracking
    identifiers and algorithms are those of the segments. What is not known is left out.

    Parameters
    ----------
    path : str or Path
    sources : Sources or sequence of Sources
        Of the exam; of mammograms one for each view that has lesions, in any order.
    seg : str, Path, Dataset or a sequence of them
        The segmentation that `segmentation.write_seg` made of the lesions; of mammograms as for `sources`.
    measures : dict
        See `pipeline.measuring`.
    overwrite : bool
    description : str
        Of the series.

    Returns
    -------
    highdicom.sr.ComprehensiveSR

    Raises
    ------
    BadInput
        If there is no lesion, a lesion has no segment, a segmentation is of another study, or the file exists.
    """
    check_output(path, overwrite)
    data = make_sr(sources, seg, measures, description)
    save(data, path, overwrite)
    return data


def make_sr(sources, seg, measures, description="Breast lesion measurements"):
    """Return measurements as DICOM structured report; see `write_sr`."""
    if not measures["lesions"]:
        raise BadInput(NOTHING)
    images = _images(sources, seg)
    kind, info = measures["kind"], table()["equipment"]
    groups = [_group(row, images.get(int(row.get("view_index") or 0)), kind) for row in measures["lesions"]]
    images = list(images.values())
    with quietly():
        content = sr.MeasurementReport(
            sr.ObservationContext(_device()),
            concept(table()["procedure"][kind]),
            groups,
            concept(table()["title"][kind]),  # its language is English when none is given
        )
        data = sr.ComprehensiveSR(
            _evidence(images),
            content[0],
            hd.UID(),
            table()["series"]["sr"],
            hd.UID(),
            1,
            info["manufacturer"],
            is_complete=True,
            series_description=description,
            manufacturer_model_name=info["model"],
            software_versions=__version__,
            device_serial_number=info["serial"],
        )
        add_patient(data, images[0].sources.headers[0])
        data.CodingSchemeIdentificationSequence = [_own_scheme()]
    return data


def _images(sources, seg):
    """Return an `_Image` for each view with a mask by its index in the exam; a DCE exam has the index 0."""
    if not isinstance(sources, (list, tuple)):
        sources, seg = [sources], [seg]
    return {one.view: _Image(one, opened_seg(mask, one)) for one, mask in zip(sources, seg, strict=True)}


def _group(row, image, kind):
    """Return the measurement group of a lesion."""
    number = int(row["label"])
    segment = None
    if image is not None:
        segment = next((item for item in image.seg.SegmentSequence if item.SegmentNumber == number), None)
    if segment is None:
        raise BadInput(f"Lesion {number} has no segment of this number in the segmentation")
    side = terms()["sides"].get(row.get("side") or "")
    common = {
        "tracking_identifier": sr.TrackingIdentifier(segment.TrackingUID, segment.TrackingID),
        "finding_category": sr.CodedConcept.from_dataset(segment.SegmentedPropertyCategoryCodeSequence[0]),
        "finding_type": sr.CodedConcept.from_dataset(segment.SegmentedPropertyTypeCodeSequence[0]),
        "finding_sites": [
            sr.FindingSite(slicer_concept(terms()["region"]), slicer_concept(side) if side else None),
        ],
        "algorithm_id": _algorithm(segment),
        "measurements": _measurements(row, kind),
        "qualitative_evaluations": _evaluations(row),
    }
    if image.sources.flat:
        return sr.PlanarROIMeasurementsAndQualitativeEvaluations(referenced_segment=_planar(image, number), **common)
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        referenced_segment=_volumetric(image, number), **common
    )


def _planar(image, number):
    """Return the reference to the one frame of a mammogram's segment."""
    groups = image.seg.PerFrameFunctionalGroupsSequence
    frames = [
        k
        for k, group in enumerate(groups, 1)
        if group.SegmentIdentificationSequence[0].ReferencedSegmentNumber == number
    ]
    kind, instance, _ = image.sources.references()[0]
    source = sr.SourceImageForSegmentation(kind, instance)
    seg = image.seg
    result = sr.ReferencedSegmentationFrame(seg.SOPClassUID, seg.SOPInstanceUID, frames[0], number, source)
    # DICOM allows a frame or a segment, not both; highdicom writes both.
    del result[0].ReferencedSOPSequence[0].ReferencedSegmentNumber
    return result


def _volumetric(image, number):
    """Return the reference to a segment and to what it was drawn on."""
    references = image.sources.references()
    series = {row[2] for row in references}
    kind, instance = image.seg.SOPClassUID, image.seg.SOPInstanceUID
    if len(series) == 1:
        return sr.ReferencedSegment(
            kind, instance, number, source_series=sr.SourceSeriesForSegmentation(references[0][2])
        )
    sources = [sr.SourceImageForSegmentation(row[0], row[1]) for row in references]
    return sr.ReferencedSegment(kind, instance, number, source_images=sources)


def _algorithm(segment):
    used = segment.get("SegmentationAlgorithmIdentificationSequence")
    if not used:
        return None
    return sr.AlgorithmIdentification(str(used[0].AlgorithmName), str(used[0].AlgorithmVersion))


def _measurements(row, kind):
    """Return the numbers of a lesion that are known."""
    names, units, result = table()["measurements"][kind], table()["units"], []
    for quantity in quantities(kind):
        value = row.get(quantity.key)
        if quantity.key not in names or value is None or not math.isfinite(value):
            continue
        name, unit = concept(names[quantity.key]), concept(units[quantity.unit])
        result.append(sr.Measurement(name, float(value), unit))
    return result


def _evaluations(row):
    """Return what is told of a lesion in words, as codes."""
    result = []
    for key, table_row in table()["evaluations"].items():
        value = row.get(key)
        if value and value in table_row["values"]:
            result.append(sr.QualitativeEvaluation(concept(table_row["name"]), concept(table_row["values"][value])))
    return result


def _own_scheme():
    """Return what the scheme of this extension's own codes is called."""
    item, scheme = Dataset(), table()["own_scheme"]
    item.CodingSchemeDesignator, item.CodingSchemeName = scheme["designator"], scheme["name"]
    return item


def _device():
    """Return who observes: this extension, no person."""
    info = table()["equipment"]
    device = sr.DeviceObserverIdentifyingAttributes(
        table()["device_uid"], info["model"], info["manufacturer"], info["model"]
    )
    return sr.ObserverContext(codes.DCM.Device, device)


def _evidence(images):
    """Return headers of all instances that the report refers to."""
    result = []
    for image in images:
        study = image.sources.headers[0].StudyInstanceUID
        seg = image.seg
        rows = [*image.sources.references(), (seg.SOPClassUID, seg.SOPInstanceUID, seg.SeriesInstanceUID)]
        for kind, instance, series in rows:
            item = type_2()
            item.SOPClassUID, item.SOPInstanceUID = kind, instance
            item.StudyInstanceUID, item.SeriesInstanceUID = study, series
            result.append(item)
    return result
