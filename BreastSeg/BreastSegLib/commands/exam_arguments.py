"""The arguments that name an exam, shared by the verbs."""

from ..errors import BadInput, Undecided
from ..exam.dce import DceExam
from ..exam.decisions import NAMES, check_decisions

MOTION = ("off", "rigid", "bspline")


def add_exam(parser):
    """Add the arguments that name an exam: a folder, phase files, a model's channels, or mammograms."""
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument(
        "--exam",
        metavar="DIR",
        help="folder of one exam, DCE-MRI or mammograms: DICOM files, or image files called CASE_0000, CASE_0001 …",
    )
    group.add_argument(
        "--phases", nargs="+", metavar="FILE", help="image files of the phases in order: pre, post 1, post 2 …"
    )
    group.add_argument("--channels", nargs="+", metavar="FILE", help="image files of the model's channels, in order")
    group.add_argument(
        "--image", nargs="+", metavar="FILE", help="mammograms: DICOM files, or PNG, TIFF or PGM pictures"
    )
    parser.add_argument(
        "--motion",
        choices=MOTION,
        default="off",
        help="move the phases onto the first post-contrast phase: off (default), rigid or bspline",
    )
    add_choices(parser)
    return group


def add_choices(parser):
    """Add the argument with which the user decides what the files do not tell."""
    names = "; ".join(f"{name}: {meaning}" for name, meaning in NAMES.items())
    parser.add_argument(
        "--choose",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"decide what the files do not tell; may be repeated. {names.replace('%', '%%')}",
    )


def exam_source(options):
    """Return the exam's source as `pipeline` understands it."""
    if options.exam:
        source = {"folder": options.exam}
    elif options.channels:
        source = {"channels": options.channels}
    elif options.image:
        source = {"views": options.image}
    else:
        source = {"files": options.phases}
    if options.motion != "off":
        if options.image:
            raise BadInput("Motion correction is for DCE-MRI", f"--motion {options.motion}", "Leave it out")
        source["motion"] = options.motion
    return with_decisions(source, options)


def check_motion(options, exam):
    """Refuse motion correction of mammograms, which would do nothing."""
    if options.motion != "off" and not isinstance(exam, DceExam):
        raise BadInput("The exam is mammograms, and motion correction is for DCE-MRI", hint="Leave --motion out")


def with_decisions(source, options):
    """Return a source with what the user decided.

    Raises
    ------
    BadInput
        If a decision is not written NAME=VALUE, or its name is unknown.
    """
    wrong = next((text for text in options.choose if "=" not in text), None)
    if wrong is not None:
        raise BadInput("A choice is written NAME=VALUE", wrong, "Names: " + ", ".join(NAMES))
    decisions = check_decisions(dict(text.split("=", 1) for text in options.choose))
    return {**source, "decisions": decisions} if decisions else source


def how_to_answer(error):
    """Return the part of a command line that answers a question, or "" for another error."""
    if not isinstance(error, Undecided) or not error.choices:
        return ""
    # Of many the last one, too: it is often "all".
    shown = error.choices if len(error.choices) <= 8 else [*error.choices[:7], error.choices[-1]]
    return " or ".join(f"--choose {error.name}={value}" for value, _ in shown)
