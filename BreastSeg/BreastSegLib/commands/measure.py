"""``measure``: an exam and a mask make the numbers of each lesion. No network and no torch are needed."""

import sys
from pathlib import Path

from ..errors import BadInput
from ..exam.source import describe
from ..pipeline import measure
from ..pipeline.exporting import export_results, is_segmentation_of, segmentation_names
from ..pipeline.measuring import MAPS
from ..pipeline.outputs import named
from ..pipeline.together import check_outputs, whole_files
from ..reports.masks import write_mask
from ..reports.tables import table_format, write_measures
from .exam_arguments import add_exam, exam_source
from .measure_arguments import add_settings, settings_of
from .progress import ProgressLine
from .segment import dicom_scan
from .segment_report import measure_lines

DICOM = ".dcm"
NONE = "none"  # stands for a mammogram without a mask


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "measure",
        help="measure the lesions of a mask on an exam",
        description="Measure the lesions of a mask that lies on the exam's own grid: size, place, enhancement, and "
        "what to know before reading the numbers. Any mask will do, from a run or drawn by hand.",
    )
    add_exam(parser)
    parser.add_argument(
        "--mask",
        required=True,
        nargs="+",
        metavar="FILE",
        help="mask on the exam's own grid; of several mammograms the name given to 'segment', or one file for each in "
        f"hanging order ('{NONE}' where there is none)",
    )
    parser.add_argument(
        "--output",
        required=True,
        metavar="FILE",
        help="measures: .json (everything), .csv (one row for each lesion) or .dcm (DICOM structured report)",
    )
    parser.add_argument(
        "--probabilities", nargs="+", metavar="FILE", help="chances of a lesion, likewise: for the confidence"
    )
    parser.add_argument("--model", help="name or folder of a model: is the exam like those that it was trained on?")
    parser.add_argument(
        "--by-label", action="store_true", help="take each label of the mask for one lesion, not each piece of it"
    )
    parser.add_argument(
        "--maps", metavar="DIR", help="also write maps of enhancement, its ratio and the types of curves: pe.nii.gz …"
    )
    add_settings(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    parser.set_defaults(function=run)


def run(options):
    """Measure and write; everything is checked before the work starts."""
    output = Path(options.output)
    dicom = output.suffix.lower() == DICOM
    if not dicom:
        _check_ending(output)
    maps = {name: Path(options.maps) / f"{name}.nii.gz" for name in MAPS} if options.maps else {}
    check_outputs([output, *maps.values()], options.overwrite)
    settings, source = settings_of(options), exam_source(options)
    if dicom:
        dicom_scan(source)
    masks = mask_files(options.mask, source)
    chances = mask_files(options.probabilities, source) if options.probabilities else None
    progress = ProgressLine()
    try:
        result = measure(
            source,
            masks,
            chances,
            options.model or "",
            connected=not options.by_label,
            settings=settings,
            maps=tuple(maps),
            on_event=progress,
        )
        maps = {name: path for name, path in maps.items() if name in result}
        written = _write(options, output, maps, result, (source, masks))
    finally:
        progress.close()
    for line in measure_lines(result["measures"]):
        sys.stdout.write(line + "\n")
    for note in result["notes"]:
        sys.stdout.write(f"Note: {note}\n")
    sys.stdout.write(f"Written: {', '.join(map(str, written))}. For research use only.\n")


def _write(options, output, maps, result, exam):
    """Write measures and maps, all or none, and return what was written.

    A structured report is about a DICOM segmentation: where the masks are none of these very lesions, it is written
    beside it.
    """
    source, masks = exam
    dicom = output.suffix.lower() == DICOM
    also = []
    if dicom and not _are_segmentations(masks, result["measures"]):
        also = _segmentations(output, result["measures"])
    paths = [output, *also, *maps.values()]
    with whole_files(paths, options.overwrite) as temporary:
        for name, path in maps.items():
            write_mask(temporary[path], result[name])
        if not dicom:
            write_measures(temporary[output], result["measures"])
        else:
            request = {"source": source, "mask": masks, "measures": result["measures"], "model": options.model or ""}
            outputs = {"sr": str(temporary[output])} | ({"seg": _beside(temporary[output])} if also else {})
            request |= {"outputs": outputs, "connected": not options.by_label}
            export_results(request, lambda *_: None)
    return paths


def _beside(output):
    """Return the name of the segmentation beside a structured report: ``a.dcm`` → ``a-seg.dcm``."""
    return str(output.with_name(f"{output.stem}-seg{output.suffix}"))


def _segmentations(output, measures):
    """Return the names of the segmentations beside a report: one, or one for each mammogram with lesions."""
    views = list(dict.fromkeys(row["view"] for row in measures["lesions"] if "view" in row))
    return list(map(Path, segmentation_names(_beside(output), views)))


def _are_segmentations(masks, measures):
    """Return whether a report can be about the masks as they are."""
    if not isinstance(masks, list):
        return is_segmentation_of(masks, measures)
    views = {row["view_index"] for row in measures["lesions"]}
    return all(is_segmentation_of(masks[view], measures, view) for view in views)


def _check_ending(output):
    try:
        table_format(output)
    except BadInput as error:
        raise BadInput(error.what, error.where, "Use .json, .csv or .dcm") from error


def mask_files(given, source):
    """Return the file of a DCE exam, or a list with one for each mammogram, None where there is none."""
    if len(given) > 1:
        return [None if path == NONE else path for path in given]
    scan = describe(source)
    views = getattr(scan, "views", ())
    if len(views) < 2:
        return given[0]
    own = [named(given[0], view.name) for view in views]
    there = [str(path) if path.is_file() else None for path in own]
    if not any(there):
        names = ", ".join(path.name for path in own)
        raise BadInput(
            f"The exam has {len(views)} mammograms, and there is no mask of any: {names}",
            given[0],
            "Give the name that 'segment' was given, or one file for each mammogram",
        )
    return there
