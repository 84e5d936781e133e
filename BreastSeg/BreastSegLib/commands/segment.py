"""``segment``: an exam and a model make masks on the exam's own grid and a run record."""

import sys
from pathlib import Path

from ..errors import BadInput
from ..exam.examscan import ExamScan
from ..exam.source import describe, read
from ..inference.messages import DEVICES
from ..models import find_model
from ..pipeline import segment
from ..recipe import load_recipe
from .exam_arguments import add_exam, check_motion, exam_source
from .progress import ProgressLine
from .region_arguments import add_regions, any_region, asked_regions, regions_in
from .segment_files import Outputs, write_result
from .segment_report import lines_of


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "segment",
        help="segment the lesion of one exam",
        description="Segment one exam. The mask lies on the exam's own grid; the run record, and the mask as it was "
        "before the clean-up (NAME.raw.nii.gz), are written beside it. Of several mammograms each gets a mask: "
        "NAME-LCC.nii.gz …",
    )
    parser.add_argument("--model", required=True, help="a model's name (see 'models list') or folder")
    add_exam(parser)
    parser.add_argument("--output", required=True, metavar="FILE", help="mask: .nii.gz, .nrrd, .seg.nrrd or .mha")
    add_regions(parser, "view that the regions lie in, such as LCC; not needed where there is one")
    parser.add_argument(
        "--device", choices=DEVICES, default="auto", help="auto: the GPU, and an error when there is none"
    )
    parser.add_argument(
        "--folds", nargs="+", metavar="FOLD", help="folds to average; all that the model has when not given"
    )
    parser.add_argument("--tta", action="store_true", help="average over mirrorings (up to 8 times slower)")
    parser.add_argument("--no-cleanup", action="store_true", help="keep the mask as the network gives it")
    parser.add_argument("--probabilities", metavar="FILE", help="also write the chance of a lesion for every voxel")
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    parser.set_defaults(function=run)


def run(options):
    """Segment and write; everything is checked before the run starts."""
    chances = Path(options.probabilities) if options.probabilities else None
    Outputs(Path(options.output), chances, False, options.overwrite)  # the endings, before anything is looked for
    model = find_model(options.model, verify=False)  # the worker compares the checksums
    recipe = load_recipe(model.card["recipe"])
    raw = bool(recipe.cleanup) and not options.no_cleanup
    outputs = Outputs(Path(options.output), chances, raw, options.overwrite)
    source = exam_source(options)
    regions = wanted_regions(options, source)
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
            chances is not None,
            progress,
            regions=regions,
        )
    finally:
        progress.close()
    paths = write_result(outputs, result, model)
    for line in lines_of(result):
        sys.stdout.write(line + "\n")
    sys.stdout.write(f"Written: {', '.join(map(str, paths))}. For research use only.\n")


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
