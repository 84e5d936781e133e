"""Mammograms → channels: one case for each view, or for each region of it."""

from dataclasses import replace

import numpy as np

from ..errors import BadInput
from ..exam.dce import DceExam
from ..exam.mammograms import MammographyExam
from .mammography.picture import Picture
from .mammography.steps import run_step
from .prepare import STAGE, Prepared, prepare, record_head
from .regions import Region, read_region


def prepare_cases(recipe, exam, regions=(), report=None, breast=False):
    """Return the `Prepared` cases of any exam.

    Parameters
    ----------
    recipe : Recipe
    exam : DceExam or MammographyExam
    regions : sequence of Region or dict
        For recipes that cut out regions (`regions.read_region`); each becomes one case.
    report : callable, optional
        ``report(stage, done, total)``; may raise `Cancelled`.
    breast : bool
        Look for the breast of a DCE exam even if no step needs it.

    Returns
    -------
    list of Prepared
        One for a DCE exam; of mammograms one for each view, or for each region.

    Raises
    ------
    BadInput
        As `prepare`; if a recipe with regions gets none, or another recipe gets some.
    """
    report = report or (lambda *_: None)
    if isinstance(exam, DceExam):
        if regions:
            raise BadInput("Regions are for mammograms", hint="Leave them out for a DCE-MRI exam")
        return [prepare(recipe, exam, report, breast)]
    _check_kind(recipe, exam)
    wanted = _by_view(recipe, exam, regions)
    cases = []
    for index in sorted(wanted):
        cases += _cases_of(recipe, exam, index, wanted[index], lambda done, total: report(STAGE, done, total))
    return cases


def prepare_view(recipe, exam, index, region=None, report=None):
    """Return the `Prepared` case of one view of a mammography exam.

    Parameters
    ----------
    recipe : Recipe
        For mammography, or for any exam.
    exam : MammographyExam
    index : int
        Which view.
    region : Region or dict, optional
        The region around a lesion, for recipes that cut one out.
    report : callable, optional
    """
    _check_kind(recipe, exam)
    name = exam.views[index].name
    regions = []
    if region is not None:
        region = read_region(region, _spacing_of(exam), _point_size(recipe)) if isinstance(region, dict) else region
        regions = [replace(region, view=name)]
    wanted = _by_view(recipe, exam, regions, only=index)
    silent = report or (lambda *_: None)
    return _cases_of(recipe, exam, index, wanted[index], lambda done, total: silent(STAGE, done, total))[0]


def _check_kind(recipe, exam):
    if not isinstance(exam, MammographyExam) or not recipe.fits("mammograms"):
        raise BadInput(
            f"The recipe {recipe.name} is for DCE-MRI, and the exam is mammograms",
            hint="Choose another recipe or exam",
        )


def _by_view(recipe, exam, regions, only=None):
    """Return {index of the view: its regions}; every view, without regions, for a recipe that cuts none out."""
    if not recipe.needs_region:
        if regions:
            raise BadInput(
                f"The recipe {recipe.name} takes whole mammograms, and regions are given",
                hint="Leave the regions out or choose a recipe such as mass-region-224",
            )
        return {index: [] for index in (range(len(exam.views)) if only is None else [only])}
    if not regions:
        raise BadInput(
            f"The recipe {recipe.name} cuts out a region around each lesion, and none is given",
            hint="Draw a box around the lesion, place a point, or give its mask",
        )
    names, found = [view.name for view in exam.views], {}
    for one in regions:
        view = _view_of(one, names)
        region = one if isinstance(one, Region) else read_region(one, _spacing_of(exam), _point_size(recipe))
        region = replace(region, view=view)
        found.setdefault(names.index(region.view), []).append(region)
    return found


def _view_of(region, names):
    """Return the view that a region names, or the only one; told before the region's size, which depends on it."""
    view = region.get("view") if isinstance(region, dict) else getattr(region, "view", "")
    if not view and (len(names) == 1 or not isinstance(region, (dict, Region))):
        return names[0]
    if view not in names:
        raise BadInput(f"A region is given for the view {view or '(none)'}", hint="The exam has " + ", ".join(names))
    return view


def _spacing_of(exam):
    """Return the function that tells the pixel size of a view by its name."""
    sizes = {view.name: view.spacing for view in exam.views}
    return lambda name: next(iter(sizes.values())) if not name and len(sizes) == 1 else sizes.get(name)


def _point_size(recipe):
    return next((step["point_size_mm"] for step in recipe.steps if step["step"] == "region"), 40.0)


def _cases_of(recipe, exam, index, regions, report):
    """Return the cases of one view: what comes before the region is done once."""
    view, volume = exam.views[index], exam.images[index]
    image = np.asarray(volume.array[0], np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        if not np.isfinite(image.sum(dtype=np.float64)):
            raise BadInput(
                "The mammogram holds values that are not numbers (NaN or infinite)", view.name, "Repair the file"
            )
    if recipe.steps and image.min() == image.max():
        raise BadInput("The image is constant: every pixel has the same value", view.name, "Choose another")
    steps = list(recipe.steps)
    cut = next((place for place, step in enumerate(steps) if step["step"] == "region"), len(steps))
    total, done = cut + (len(steps) - cut) * max(len(regions), 1), 0
    picture = Picture(image, view, volume.geometry, whole=image)
    for step in steps[:cut]:
        report(done, total)
        picture, done = run_step(picture, step), done + 1
    cases = []
    for number, region in enumerate(regions or [None], 1):
        case = replace(picture, region=region)
        for step in steps[cut:]:
            report(done, total)
            case, done = run_step(case, step), done + 1
        name = view.name if case.region is None else f"{view.name} region {number}"
        cases.append(_finished(recipe, case, name, volume.geometry))
    report(total, total)
    return cases


def _finished(recipe, picture, name, exam_geometry):
    view = picture.view
    head = record_head(recipe, "mammograms", exam_geometry, picture.geometry, list(picture.undo), picture.notes)
    record = {
        **head,
        "case": name,
        "view": {
            "name": view.name,
            "laterality": view.laterality,
            "position": view.position,
            "evidence": view.evidence,
            "spacing_known": view.spacing is not None,
        },
        "region": None if picture.region is None else picture.region.to_json(),
        "steps": list(picture.steps),
    }
    channels = np.ascontiguousarray(picture.image, dtype=np.float32)[None, None]
    if not np.isfinite(channels.sum(dtype=np.float64)):
        raise BadInput("The values of the image are too large for the recipe", view.name, "Export the image again")
    breast = picture.breast[None] if picture.breast is not None and picture.found else None
    return Prepared(name, channels, ("mammogram",), picture.geometry, record, breast, picture.notes)
