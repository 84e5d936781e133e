"""``prepare``: an exam and a recipe make the channels that a network sees, and the record that undoes it."""

import re
import sys
from pathlib import Path

import numpy as np

from .. import __version__
from ..errors import BadInput
from ..exam.dce import DceExam
from ..exam.decisions import check_decisions
from ..exam.mask_files import read_reference_mask, source_files
from ..exam.reading import plain
from ..exam.source import read
from ..files import write_json
from ..pipeline.together import whole_files
from ..recipe import load_recipe, prepare_cases, prepare_mask, regions_of_mask, restore
from ..reports.masks import write_mask
from ..volume import Volume
from .exam_arguments import add_exam, check_motion, exam_source
from .progress import ProgressLine
from .region_arguments import add_regions, any_region, asked_regions, only_view, regions_in, view_of

NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?")
CHANNEL = re.compile(r"_[0-9]{4}$")
WORTH_SAYING = 0.05  # of the lesion mask lost: less comes from voxels of another size


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "prepare",
        help="prepare an exam for a network",
        description="Write the channels that a recipe makes of an exam, named as nnU-Net wants them "
        "(CASE_0000.nii.gz …), and the record with which 'restore' brings masks back.",
    )
    parser.add_argument("--recipe", required=True, help="a recipe's name (see 'recipes list') or file")
    add_exam(parser)
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the cases")
    parser.add_argument(
        "--name",
        default="case",
        metavar="CASE",
        help="name of the case (default: case); of several views or regions: _LCC, _LCC_region_1 … is added",
    )
    parser.add_argument("--mask", metavar="FILE", help="lesion mask on the exam's own grid; written as CASE.nii.gz")
    add_regions(parser, "prepare only this view of a mammography exam, such as LCC")
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    parser.set_defaults(function=run)


def run(options):
    """Prepare and write; all files appear, or none."""
    folder, recipe = Path(options.output), load_recipe(options.recipe)
    check_name(options.name)
    check_folder(folder)
    check_record(folder / f"{options.name}.record.json", options.overwrite)
    asked_regions(options)  # a wrong number is told before anything is read
    progress = ProgressLine()

    def report(stage, done, total):
        progress({"event": "progress", "stage": stage, "done": done, "total": total, "eta_s": None})

    try:
        exam = read(exam_source(options), report)
        check_motion(options, exam)
        exam = only_view(exam, options.view)
        mask, regions = labels_and_regions(options, recipe, exam)
        cases = prepare_cases(recipe, exam, regions, report, breast=True)
        rows = [(case_name(options.name, case, len(cases)), case) for case in cases]
        files = [file for name, case in rows for file in case_files(name, case, exam, mask, options)]
        check_left_over(folder, [name for name, _ in rows], [name for name, _ in files])
        write_files(folder, files, options.overwrite, report)
    finally:
        progress.close()
    for name, case in rows:
        sys.stdout.write(f"{name}: {describe_case(case, exam)}\n")
    notes = [*exam.notes, *(note for case in cases for note in case.notes), *mask_notes(recipe, rows, mask)]
    for note in dict.fromkeys(notes):
        sys.stdout.write(f"Note: {note}\n")
    sys.stdout.write(f"Written: {folder} ({len(files)} files). For research use only.\n")


def labels_and_regions(options, recipe, exam):
    """Return the reference mask on the exam's own grid (or None) and the regions to prepare.

    Of a recipe that needs regions each lesion of the mask is one, unless regions are given (M4).
    """
    mask, regions = None, regions_in(options, exam)
    if options.mask is None:
        return mask, regions
    if isinstance(exam, DceExam):
        return read_reference_mask(options.mask, exam.geometry, False, source_files(exam)), regions
    index = view_of(exam, options.view, "--mask")
    mask = read_reference_mask(options.mask, exam.images[index].geometry, True, source_files(exam, index))
    if recipe.needs_region and not any_region(options):
        regions = regions_of_mask(mask.array, exam.views[index].name)
    return mask, regions


def mask_notes(recipe, rows, mask):
    """Return sentences about a reference mask that is empty, or that the preparation does not keep."""
    if mask is None:
        return []
    inside = mask.array != 0
    total = np.count_nonzero(inside)
    if not total:
        return ["The mask is empty: the case counts as one without a lesion."]
    if recipe.needs_region:  # each case shows a part of the mask only
        return []
    notes = []
    for name, case in rows:
        kept = restore(case.record, prepare_mask(case.record, mask).array).array != 0
        lost = np.count_nonzero(inside & ~kept) / total
        if lost >= WORTH_SAYING:
            notes.append(f"{name}: {lost:.0%} of the mask lies outside what the recipe keeps.")
    return notes


def check_name(name):
    """Refuse a case name that is no plain file name, or that reads as a channel of another case."""
    if not NAME.fullmatch(name):
        raise BadInput(
            "The name of the case is no plain name", name, "Use letters A to Z, digits, hyphens and underscores"
        )
    if CHANNEL.search(name):
        raise BadInput("The name of the case ends like that of a channel", name, "Choose a name without _0000")


def check_folder(folder):
    """Refuse an output that is a file, or lies below one."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise BadInput("The output is a file", there, "Give the name of a folder")


def check_record(path, overwrite):
    """Refuse, before anything is read, a case that is there already."""
    if path.exists() and not overwrite:
        raise BadInput("The case exists", path, "Give another --name or --overwrite")


def case_name(name, case, count):
    """Return the file name of a case: with view and region where there are several."""
    return name if count == 1 else f"{name}_{case.name.replace(' ', '_')}"


def case_files(name, case, exam, mask, options):
    """Return (file name, content) of all files of a case; the content is a `Volume` or a JSON object."""
    files = [
        (f"{name}_{index:04d}.nii.gz", Volume(channel, case.geometry)) for index, channel in enumerate(case.channels)
    ]
    if mask is not None:
        files.append((f"{name}.nii.gz", prepare_mask(case.record, mask)))
    if case.breast is not None:
        files.append((f"{name}.breast.nii.gz", Volume(case.breast, case.geometry)))
    record = {"extension": __version__, **case.record, "channel_names": list(case.channel_names)}
    record["decisions"] = check_decisions(exam_source(options).get("decisions"))
    if isinstance(exam, DceExam):
        record["exam_phases"] = [phase.to_json() for phase in exam.phases]
        record["motion"] = [plain(figure.to_json()) for figure in exam.motion]
    return [*files, (f"{name}.record.json", record)]


def check_left_over(folder, names, files):
    """Refuse to leave files of an earlier preparation beside those of a case: they would be read as part of it."""
    pattern = re.compile("(?:" + "|".join(map(re.escape, names)) + r")(?:_[0-9]{4}|\.breast)?\.nii\.gz")
    there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    left = next((name for name in there if pattern.fullmatch(name) and name not in files), None)
    if left is not None:
        raise BadInput(
            "The folder holds a file of this case that would not be replaced",
            folder / left,
            "Remove it, or give another --name",
        )


def write_files(folder, files, overwrite, report):
    """Write all files of all cases, or none."""
    with whole_files([folder / name for name, _ in files], overwrite) as temporary:
        for done, (name, content) in enumerate(files):
            report("Writing", done, len(files))
            write = write_mask if isinstance(content, Volume) else write_json
            write(temporary[folder / name], content)
    report("Writing", len(files), len(files))


def describe_case(case, exam):
    """Return shape, spacing and channels of a case, for people."""
    flat = not isinstance(exam, DceExam)
    axes = 2 if flat else 3
    unit = "pixel" if flat else "voxel"
    size = " × ".join(str(n) for n in case.geometry.shape[::-1][:axes])
    spacing = " × ".join(f"{value:.4g}" for value in case.geometry.spacing[:axes]) + " mm"
    known = case.record["view"]["spacing_known"] if flat else exam.spacing_known
    names = case.channel_names
    channels = f"{len(names)} channel{'s' if len(names) > 1 else ''} ({', '.join(names)})"
    return f"{size} {unit}s, {spacing if known else f'{unit} size unknown'}, {channels}"
