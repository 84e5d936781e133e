"""The arguments that name a view and the regions in it, shared by the verbs."""

from dataclasses import replace

from ..errors import BadInput
from ..exam.dce import DceExam
from ..exam.mask_files import read_reference_mask, source_files
from ..recipe import regions_of_mask


def add_regions(parser, view_help):
    """Add the arguments that name regions around lesions.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    view_help : str
        What the verb does with ``--view``.
    """
    parser.add_argument("--view", metavar="VIEW", help=view_help)
    parser.add_argument(
        "--region-box",
        nargs=4,
        action="append",
        default=[],
        metavar=("X0", "Y0", "X1", "Y1"),
        help="box around a lesion in pixels of the mammogram, its end not included; may be repeated",
    )
    parser.add_argument(
        "--region-point",
        nargs=2,
        action="append",
        default=[],
        metavar=("X", "Y"),
        help="middle of a lesion in pixels of the mammogram; may be repeated",
    )
    parser.add_argument(
        "--region-size", metavar="MM", help="edge of the region around a point (default: as the recipe says)"
    )
    parser.add_argument(
        "--region-mask", metavar="FILE", help="mask of the lesions: each connected one is a region of its own"
    )


def asked_regions(options):
    """Return the boxes and points of the command line as `recipe.read_region` takes them.

    Raises
    ------
    BadInput
        If a value is no number, or a size is given without a point.
    """
    if options.region_size is not None and not options.region_point:
        raise BadInput("--region-size is for --region-point", options.region_size, "Leave it out or give a point")
    view = {"view": options.view} if options.view else {}
    regions = [{"box": _numbers(box, "--region-box"), **view} for box in options.region_box]
    for point in options.region_point:
        region = {"point": _numbers(point, "--region-point"), **view}
        if options.region_size is not None:
            (region["size_mm"],) = _numbers([options.region_size], "--region-size")
        regions.append(region)
    return regions


def any_region(options):
    """bool: whether the command line names a region."""
    return bool(options.region_box or options.region_point or options.region_mask)


def regions_in(options, exam):
    """Return all regions that the command line names in an exam: boxes, points, and those of the mask.

    Raises
    ------
    BadInput
        As `asked_regions`; if the mask does not fit the view, or it does not say which view of several it is of.
    """
    if isinstance(exam, DceExam) and any_region(options):
        raise BadInput("Regions are for mammograms", hint="Leave them out for a DCE-MRI exam")
    regions = asked_regions(options)
    if options.region_mask:
        index = view_of(exam, options.view, "--region-mask")
        mask = read_reference_mask(options.region_mask, exam.images[index].geometry, True, source_files(exam, index))
        found = regions_of_mask(mask.array, exam.views[index].name)
        regions += [{"box": list(region.box), "view": region.view} for region in found]
    return regions


def view_of(exam, name, what):
    """Return the index of the view with this name, or of the only one where no name is given.

    Parameters
    ----------
    exam : MammographyExam
    name : str or None
    what : str
        The argument that needs a view, for the message.
    """
    names = [view.name for view in exam.views]
    if name is None and len(names) == 1:
        return 0
    if name is None:
        raise BadInput(f"The exam has several views, and {what} is of one", ", ".join(names), "Say which with --view")
    if name not in names:
        raise BadInput(f"The exam has no view {name}", hint="It has " + ", ".join(names))
    return names.index(name)


def only_view(exam, name):
    """Return the exam with one of its views only, or as it is where no name is given."""
    if name is None:
        return exam
    if isinstance(exam, DceExam):
        raise BadInput("A DCE-MRI exam has no views", f"--view {name}", "Leave --view out")
    index = view_of(exam, name, "--view")
    return replace(exam, views=(exam.views[index],), images=(exam.images[index],))


def _numbers(texts, what):
    try:
        values = [float(text) for text in texts]
    except ValueError as error:
        raise BadInput(f"{what} takes numbers", " ".join(texts)) from error
    return [int(value) if value.is_integer() else value for value in values]
