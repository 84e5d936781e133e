"""``mask``: a case's reference mask as the dataset will have it, on the exam's own grid."""

import sys
from pathlib import Path

import numpy as np
from BreastSegLib.commands.events import add_events, carry_out
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.mammograms import holds_views, load_views
from BreastSegLib.exam.store import load_description
from BreastSegLib.files import check_output, whole_file
from BreastSegLib.reports.masks import check_mask_output, write_mask

from ..cases.masks import read_lesion_mask
from ..checks import all_checks


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser("mask", help="write a reference mask as the dataset will have it, on the exam's grid")
    parser.add_argument("masks", nargs="+", metavar="FILE", help="mask files; the lesion is where any marks it")
    parser.add_argument("--store", required=True, metavar="DIR", help="the exam, as this extension keeps exams")
    parser.add_argument("--label", nargs="*", default=[], metavar="LABEL", help="which labels are the lesion")
    parser.add_argument("--fix", nargs="*", default=[], metavar="FIX", help="fixes that the case has chosen")
    parser.add_argument("--output", required=True, metavar="FILE", help=".npy, .nii.gz, .nrrd or .seg.nrrd")
    parser.add_argument("--overwrite", action="store_true", help="replace the output")
    add_events(parser)
    parser.set_defaults(function=run)


def run(options):
    """Carry out the verb."""
    carry_out(options, lambda report: _work(options, report), _show)


def _work(options, report):
    output = Path(options.output)
    (check_output if _is_array(output) else check_mask_output)(output, options.overwrite)
    if output.resolve() in {Path(path).resolve() for path in options.masks}:
        raise BadInput("The output is the reference mask itself", output, "Give another name")
    _check_fixes(options.fix)
    report("Reading the mask", 0, 0)
    geometry, flat = _grid(Path(options.store))
    lesion = read_lesion_mask([Path(path) for path in options.masks], geometry, flat, options.label, options.fix)
    complaints = [
        {"code": each.code, "text": each.text, "fix": each.fix, "fixed": each.fixed} for each in lesion.complaints
    ]
    fields = {"mask": "", "complaints": complaints, "labels": lesion.labels, "voxels": 0}
    if lesion.volume is None:
        return fields
    if _is_array(output):
        # To a stream: given a path, NumPy writes M.NPY to another file.
        with whole_file(output, options.overwrite) as temporary, open(temporary, "wb") as stream:
            np.save(stream, lesion.volume.array)
    else:
        write_mask(output, lesion.volume, options.overwrite)
    return {**fields, "mask": str(output), "voxels": int(np.count_nonzero(lesion.volume.array))}


def _check_fixes(names):
    known = {fix for check in all_checks().values() for fix in check.for_export}
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        raise BadInput(f"There is no fix {unknown!r}", hint=f"Fixes: {', '.join(sorted(known))}")


def _is_array(path):
    return path.name.lower().endswith(".npy")


def _grid(store):
    """Return the grid of a stored exam, and whether it is a mammogram."""
    if holds_views(store):
        views = load_views(store).images
        if len(views) != 1:
            raise BadInput("A labelled mammogram is one view, and the exam has several", store)
        return views[0].geometry, True
    return load_description(store)[1], False


def _show(fields):
    for complaint in fields["complaints"]:
        sys.stdout.write(f"{complaint['text']}{' (fixed)' if complaint['fixed'] else ''}\n")
    sys.stdout.write(f"{fields['voxels']} voxels: {fields['mask'] or 'no mask was written'}\n")
