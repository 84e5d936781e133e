"""``segment``: an exam and a model make a mask file and its run record."""

import sys
from pathlib import Path

from ..errors import BadInput
from ..files import check_output, write_json
from ..inference.messages import DEVICES
from ..models import find_model
from ..pipeline import segment
from ..reports.masks import check_mask_output, mask_format, write_mask
from ..reports.terminology import segment_color, segment_name, terminology_entry
from .exam_arguments import add_exam, exam_source
from .progress import ProgressLine


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "segment",
        help="segment the lesion of one exam",
        description="Segment one exam. The mask lies on the exam's own grid; the run record is written beside it.",
    )
    parser.add_argument("--model", required=True, help="a model's name (see 'models list') or folder")
    add_exam(parser)
    parser.add_argument("--output", required=True, metavar="FILE", help="mask: .nii.gz, .nrrd, .seg.nrrd or .mha")
    parser.add_argument(
        "--device", choices=DEVICES, default="auto", help="auto: the GPU, and an error when there is none"
    )
    parser.add_argument(
        "--folds", nargs="+", metavar="FOLD", help="folds to average; all that the model has when not given"
    )
    parser.add_argument("--tta", action="store_true", help="average over mirrorings (up to 8 times slower)")
    parser.add_argument("--no-cleanup", action="store_true", help="keep every region, not only the largest")
    parser.add_argument("--probabilities", metavar="FILE", help="also write the chance of a lesion for every voxel")
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    parser.set_defaults(function=run)


def run(options):
    """Segment and write; everything is checked before the run starts."""
    output = check_mask_output(options.output, options.overwrite)
    record_path = check_output(record_name(output), options.overwrite)
    if options.probabilities:
        check_mask_output(options.probabilities, options.overwrite)
        if mask_format(options.probabilities) == ".seg.nrrd":
            raise BadInput("A .seg.nrrd file cannot hold probabilities", options.probabilities, "Use .nrrd or .nii.gz")
    model = find_model(options.model, verify=False)  # the worker compares the checksums
    progress = ProgressLine()
    try:
        result = segment(
            exam_source(options),
            model.folder,
            options.device,
            options.folds,
            options.tta,
            not options.no_cleanup,
            bool(options.probabilities),
            progress,
        )
    finally:
        progress.close()
    if options.probabilities:
        write_mask(options.probabilities, result["probabilities"], options.overwrite)
    write_mask(output, result["mask"], options.overwrite, segment_names(model, result["components"]))
    write_json(
        record_path,
        {
            **result["record"],
            "components": result["components"],
            "removed": result["removed"],
            "notes": result["notes"],
        },
        options.overwrite,
    )
    report(result, output)


def record_name(output):
    """Return the path of the run record that belongs to a mask file: ``lesion.nii.gz`` → ``lesion.run.json``."""
    ending = mask_format(output)
    return Path(str(output)[: -len(ending)] + ".run.json")


def segment_names(model, rows):
    """Return segment name, terminology and colour of each label, with the side if all components lie in one breast."""
    sides = {row["side"] for row in rows}
    side = sides.pop() if len(sides) == 1 else ""
    return {
        label["value"]: (
            segment_name(label["terminology"], side),
            terminology_entry(label["terminology"], side),
            segment_color(label["terminology"]),
        )
        for label in model.card["labels"].values()
    }


def report(result, output):
    """Print what was found, in plain words."""
    for row in result["components"]:
        side = f"{row['side']} breast, " if row["side"] else ""
        sys.stdout.write(f"Lesion {row['label']}: {side}{row['volume_mm3'] / 1000:.2f} cm³\n")
    for note in result["notes"]:
        sys.stdout.write(f"Note: {note}\n")
    seconds = ", ".join(f"{stage.lower()} {time:.1f} s" for stage, time in result["timings"].items())
    sys.stdout.write(f"Time: {seconds} ({result['record']['device_name']})\n")
    sys.stdout.write(f"Written: {output}. For research use only.\n")
