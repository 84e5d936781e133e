"""``segment``: an exam and a model make masks on the exam's own grid and a run record."""

import sys
from argparse import ArgumentTypeError
from pathlib import Path

from ..errors import BadInput
from ..exam.examscan import ExamScan
from ..exam.source import describe, read
from ..inference.messages import check_device
from ..models import find_model
from ..pipeline import segment
from ..pipeline.outputs import Outputs, write_result
from ..recipe import load_recipe
from .exam_arguments import add_exam, check_motion, exam_source
from .measure_arguments import add_settings, settings_of
from .progress import ProgressLine
from .region_arguments import add_regions, any_region, asked_regions, regions_in
from .segment_report import lines_of

MAP_HELP = {
    "probabilities": "the chance of a lesion for every voxel",
    "disagreement": "how far folds and models are apart: the standard deviation of that chance (0 to 0.5)",
    "entropy": "how unsure their mean is: the entropy of that chance in bits (0 to 1)",
}


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "segment",
        help="segment the lesion of one exam",
        description="Segment one exam. The mask lies on the exam's own grid; the run record, and the mask as it was "
        "before the clean-up (NAME.raw.nii.gz), are written beside it. Of several mammograms each gets a mask: "
        "NAME-LCC.nii.gz …",
    )
    parser.add_argument("--model", required=True, help="a model's or ensemble's name (see 'models list') or folder")
    add_exam(parser)
    parser.add_argument(
        "--output", required=True, metavar="FILE", help="mask: .nii.gz, .nrrd, .seg.nrrd, .mha or .dcm"
    )
    add_regions(parser, "view that the regions lie in, such as LCC; not needed where there is one")
    add_run_options(parser)
    for kind, meaning in MAP_HELP.items():
        parser.add_argument(f"--{kind}", metavar="FILE", help=f"also write {meaning}")
    parser.add_argument(
        "--measures", metavar="FILE", help="also write what the lesions measure: .json, .csv, or .dcm (DICOM SR)"
    )
    add_settings(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    parser.set_defaults(function=run)


def add_run_options(parser):
    """Add what decides how a model is run: device, folds, mirrorings, shortcuts, clean-up."""
    parser.add_argument(
        "--device",
        type=_device,
        default="auto",
        metavar="auto|cuda|cuda:N|cpu",
        help="auto: the GPU with most free memory, and an error when there is none (default)",
    )
    parser.add_argument(
        "--folds", nargs="+", metavar="FOLD", help="folds to average; all that the model has when not given"
    )
    parser.add_argument("--tta", action="store_true", help="average over mirrorings (up to 8 times slower)")
    parser.add_argument(
        "--exact",
        action="store_true",
        help="take no shortcuts: also compute tiles outside the breast, and every mirroring where nothing is seen",
    )
    parser.add_argument("--no-cleanup", action="store_true", help="keep the mask as the network gives it")


def _device(text):
    """Return the name of a device, or raise argparse's own error."""
    try:
        return check_device(text)
    except BadInput as error:
        raise ArgumentTypeError(error.line) from error


def run(options):
    """Segment and write; everything is checked before the run starts."""
    maps = {kind: Path(getattr(options, kind)) for kind in MAP_HELP if getattr(options, kind)}
    measures = Path(options.measures) if options.measures else None
    settings = settings_of(options)
    Outputs(Path(options.output), maps, False, options.overwrite, measures)  # the endings, before anything is done
    model = find_model(options.model, verify=False)  # the worker compares the checksums
    recipe = load_recipe(model.recipe_source)
    raw = bool(recipe.cleanup) and not options.no_cleanup
    outputs = Outputs(Path(options.output), maps, raw, options.overwrite, measures)
    source = exam_source(options)
    regions = wanted_regions(options, source)
    scan = dicom_scan(source) if outputs.needs_dicom else None
    outputs.check(expected_views(options, source, recipe, regions))
    progress = ProgressLine()
    try:
        result = segment(
            source,
            model.folder,
            options.device,
            options.folds,
            options.tta,
            not options.no_cleanup,
            on_event=progress,
            regions=regions,
            shortcuts=not options.exact,
            settings=settings,
            **dict.fromkeys(maps, True),
        )
    finally:
        progress.close()
    paths = write_result(outputs, result, model, scan=scan) or [outputs.record]
    for line in lines_of(result):
        sys.stdout.write(line + "\n")
    written = [*paths, *(path for path in outputs.others if path.is_file())]
    sys.stdout.write(f"Written: {', '.join(map(str, written))}. For research use only.\n")


def dicom_scan(source):
    """Return the headers of an exam after checking that DICOM objects can refer to its files.

    Raises
    ------
    BadInput
        If it does not come from DICOM files.
    """
    from ..reports.dicom.sources import sources_of

    scan = describe(source)
    for view in range(len(scan.views)) if hasattr(scan, "views") else (None,):
        sources_of(scan, view)
    return scan


def wanted_regions(options, source):
    """Return the regions that the command line names; a mask is compared with its view first."""
    if options.view and not any_region(options):
        raise BadInput(
            "--view says which view the regions lie in, and none is given",
            options.view,
            "Give a region, or the file of that view with --image",
        )
    if options.region_mask:
        return regions_in(options, read(source))
    return asked_regions(options)


def expected_views(options, source, recipe, regions):
    """Return the names of the views that masks will be made of, from headers; one empty name where there is one."""
    if not recipe.fits("mammograms"):
        return [""]
    scan = describe(source)
    if isinstance(scan, ExamScan):
        return [""]
    check_motion(options, scan)
    names = [view.name for view in scan.views]
    if recipe.needs_region:
        named = {region.get("view", "") for region in regions}
        names = [name for name in names if name in named]
    return names if len(names) > 1 else [""]
