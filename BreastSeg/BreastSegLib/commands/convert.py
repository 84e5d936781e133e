"""``convert``: a mask of an exam in another format, with its segments' names and codes."""

import sys

import numpy as np

from ..errors import BadInput
from ..exam.mask_files import read_reference_mask, source_files
from ..exam.mask_names import segments_in
from ..exam.source import describe, read
from ..files import read_json
from ..measures.side import breast_side
from ..reports.masks import DICOM, check_mask_output, mask_format, write_mask
from ..reports.terminology import segment_color, term_of, terminology_entry_of, terms
from ..volume import Volume
from .exam_arguments import add_exam, exam_source
from .region_arguments import view_of


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "convert",
        help="write a mask in another format: DICOM SEG, NIfTI, NRRD, Slicer segmentation",
        description="Write a mask of an exam in another format. Its voxels stay what they are and lie on the exam's "
        "own grid; names and codes of segments are kept where both formats have them. A DICOM segmentation (.dcm) "
        "refers to the exam's DICOM images.",
    )
    add_exam(parser)
    parser.add_argument(
        "--mask",
        required=True,
        metavar="FILE",
        help="labels on the exam: .dcm (DICOM SEG), .nii.gz, .nrrd, .seg.nrrd, .mha, .npy; of mammograms also .png",
    )
    parser.add_argument(
        "--output", required=True, metavar="FILE", help=".dcm (DICOM SEG), .nii.gz, .nrrd, .seg.nrrd or .mha"
    )
    parser.add_argument(
        "--view", metavar="VIEW", help="view of a mammogram, such as LCC; not needed where there is one"
    )
    parser.add_argument(
        "--term",
        choices=sorted(terms()["terms"]),
        default="mass",
        help="what labels without a code are, for .dcm and .seg.nrrd (default: mass)",
    )
    parser.add_argument(
        "--record",
        metavar="RUN.json",
        help="for .dcm: the run record of the model that found the lesions; without it they count as drawn by hand",
    )
    parser.add_argument("--edited", action="store_true", help="for .dcm: somebody has changed what the model found")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    parser.set_defaults(function=run)


def run(options):
    """Convert and write."""
    output = check_mask_output(options.output, options.overwrite)
    exam, geometry, index = opened_exam(options)
    flat = index is not None
    mask = read_reference_mask(options.mask, geometry, flat, source_files(exam, index or 0))
    segments = segments_in(options.mask)
    values = [int(value) for value in np.unique(mask.array) if value]
    if mask_format(output) == DICOM:
        lines = write_dicom(options, output, exam, index, mask, segments, values)
    else:
        names = {value: shown(segments.get(value), value, options.term) for value in values}
        write_mask(output, mask, options.overwrite, names)
        lines = [] if values else ["The mask is empty."]
    size = " × ".join(map(str, mask.geometry.shape[::-1]))
    lines.append(f"{len(values)} label{'' if len(values) == 1 else 's'} on the exam's own grid: {size}")
    lines.append(f"Written: {output}. For research use only.")
    sys.stdout.write("\n".join(lines) + "\n")


def opened_exam(options):
    """Return an exam or its scan, the grid of the mask, and the index of the view (None for a DCE exam)."""
    source = exam_source(options)
    scan = describe(source)
    if not hasattr(scan, "views"):
        if options.view:
            raise BadInput("A DCE-MRI exam has no views", f"--view {options.view}", "Leave --view out")
        if scan.geometry is None:
            scan = read(source)
        return scan, scan.geometry, None
    exam = read(source)
    index = view_of(exam, options.view, "--mask")
    return exam, exam.images[index].geometry, index


def shown(segment, value, term):
    """Return name, terminology entry and colour of a label, as Slicer's segmentations have them."""
    if segment is None or not segment.type:
        name = segment.label if segment is not None and segment.label else f"Label {value}"
        row = terms()["terms"][term]
        return name, terminology_entry_of(row["category"], row["type"]), segment_color(term)
    known = term_of(segment.type)
    entry = terminology_entry_of(segment.category, segment.type, segment.region, segment.side)
    return segment.label or f"Label {value}", entry, segment_color(known or term)


def write_dicom(options, output, exam, index, mask, segments, values):
    """Write a DICOM segmentation and return what to tell about it."""
    from ..reports.dicom.segmentation import Segment
    from ..reports.dicom.sources import sources_of

    sources = sources_of(exam, index)
    algorithm, lines, made = model_of(options), [], []
    for number, value in enumerate(values, 1):
        found = segments.get(value)
        made.append(
            Segment(
                number,
                found.label if found is not None and found.label else f"Label {value}",
                options.term,
                side_of(found) or sources.side or breast_of(mask, value, sources),
                algorithm or algorithm_of(found),
                options.edited or (found is not None and found.kind == "SEMIAUTOMATIC"),
                found.tracking_uid if found is not None else "",
                found.category if found is not None and found.type else (),
                found.type if found is not None else (),
            )
        )
        if number != value:
            lines.append(f"Label {value} became segment {number}: DICOM counts segments without gaps.")
    if any(segment.algorithm is None for segment in made):
        lines.append("The segments count as drawn by hand; give --record RUN.json for what a model found.")
    labels = np.searchsorted(np.array([0, *values]), mask.array).astype(mask.array.dtype)
    write_mask(output, Volume(labels, mask.geometry), options.overwrite, dicom=(sources, made))
    return lines


def side_of(segment):
    """Return ``right``, ``left`` or ``""`` of a segment that was read."""
    code = tuple(segment.side[:2]) if segment is not None else ()
    return next((side for side, row in terms()["sides"].items() if tuple(row[:2]) == code), "")


def breast_of(mask, value, sources):
    """Return ``right`` or ``left`` where a whole label lies in one breast of a DCE exam, else ``""``."""
    if sources.flat:
        return ""
    points = np.argwhere(mask.array == value)[:, ::-1] @ mask.geometry.ijk_to_lps[:3, :3].T + mask.geometry.origin
    ends = points[[points[:, 0].argmin(), points[:, 0].argmax()]]
    sides = {breast_side(end, mask.geometry) for end in ends}
    return sides.pop() if len(sides) == 1 else ""


def model_of(options):
    """Return the `Algorithm` of the run record that the command line names, or None."""
    from ..reports.dicom.segmentation import Algorithm

    if options.record is None:
        if options.edited:
            raise BadInput("--edited says that a model's result was changed", hint="Name its run record with --record")
        return None
    record = read_json(options.record)
    try:
        return Algorithm(str(record["model"]["name"]), str(record["model"]["hash"])[:12])
    except (KeyError, TypeError) as error:
        raise BadInput(
            "This is not the record of a run", options.record, "Give the NAME.run.json beside a mask"
        ) from error


def algorithm_of(segment):
    """Return the `Algorithm` of a segment that was read, or None where it was drawn by hand."""
    from ..reports.dicom.segmentation import Algorithm

    if segment is None or segment.kind not in ("AUTOMATIC", "SEMIAUTOMATIC"):
        return None
    return Algorithm(segment.algorithm or "unknown", segment.version or "unknown")
