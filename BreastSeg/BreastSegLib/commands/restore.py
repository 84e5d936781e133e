"""``restore``: a mask on a prepared grid comes back to the exam's own grid."""

import sys

import numpy as np

from ..errors import BadInput
from ..exam.mask_files import read_prepared_mask
from ..files import read_json
from ..recipe import restore
from ..recipe.restore import FORMAT
from ..reports.masks import check_mask_output, mask_format, write_mask
from ..volume import Geometry

NOT_A_RECORD = "Give the CASE.record.json that 'prepare' wrote"


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "restore",
        help="bring a mask back to the exam's own grid",
        description="Bring a mask or a probability map of a prepared case back to the grid of its exam: origin, "
        "spacing, direction and size are the exam's. What the preparation left out is 0.",
    )
    parser.add_argument("--record", required=True, metavar="RECORD.json", help="record that 'prepare' wrote")
    parser.add_argument(
        "--mask",
        required=True,
        metavar="FILE",
        help="labels or probabilities on the prepared grid: .nii.gz, .nrrd, .mha, .npy; of mammograms also .png, .tif",
    )
    parser.add_argument(
        "--output", required=True, metavar="FILE", help=".nii.gz, .nrrd or .mha; .seg.nrrd for labels only"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    parser.set_defaults(function=run)


def run(options):
    """Restore and write."""
    output = check_mask_output(options.output, options.overwrite)
    record = read_json(options.record)
    geometry = prepared_grid(record, options.record)
    array = read_prepared_mask(options.mask, geometry, record.get("kind") == "mammograms")
    labels = np.issubdtype(array.dtype, np.integer)
    if not labels and mask_format(output) == ".seg.nrrd":
        raise BadInput("A .seg.nrrd file holds labels, not probabilities", output, "Use .nrrd or .nii.gz")
    try:
        restored = restore(record, array)
    except BadInput as error:
        raise BadInput(error.what, options.record, error.hint or NOT_A_RECORD) from error
    write_mask(output, restored, options.overwrite)
    size = " × ".join(map(str, restored.geometry.shape[::-1]))
    sys.stdout.write(f"{'Labels' if labels else 'Probabilities'} on the exam's own grid: {size}\n")
    sys.stdout.write(f"Written: {output}. For research use only.\n")


def prepared_grid(record, path):
    """Return the grid of the channels that a record belongs to."""
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise BadInput("This is not the record of a prepared case", path, NOT_A_RECORD)
    try:
        return Geometry.from_json(record["prepared_geometry"])
    except (KeyError, TypeError, ValueError, BadInput) as error:
        raise BadInput("The record of the preparation is damaged: its grid is missing or wrong", path) from error
