"""``sample dce|mammogram``: synthetic exams with known truth."""

import sys

from ..samples.dce import CURVES


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "sample",
        help="write a synthetic exam with known truth",
        description="Write a synthetic exam with known truth.",
    )
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="dce|mammogram")
    dce = kinds.add_parser("dce", help="a DCE-MRI exam")
    dce.add_argument(
        "--format",
        choices=("dicom", "dicom-one-series", "nifti"),
        default="dicom",
        help="dicom: one series for each phase (default); dicom-one-series: all phases in one series; "
        "nifti: one file for each phase",
    )
    dce.add_argument("--masses", type=int, default=1, help="number of masses, 0 to 4")
    dce.add_argument("--curve", choices=CURVES, help="curve type of the masses; drawn when not given")
    dce.add_argument("--side", choices=("right", "left"), help="breast of the masses; drawn when not given")
    dce.set_defaults(function=run_dce)
    mammogram = kinds.add_parser("mammogram", help="a mammogram")
    mammogram.add_argument(
        "--side", choices=("right", "left"), default="left", help="breast; with --view all the one with the mass"
    )
    mammogram.add_argument(
        "--view", choices=("CC", "MLO", "all"), default="MLO", help="all: the four views of an exam"
    )
    mammogram.add_argument("--polarity", choices=("MONOCHROME1", "MONOCHROME2"), default="MONOCHROME2")
    mammogram.add_argument("--density", choices=tuple("abcd"), default="b", help="ACR density")
    mammogram.set_defaults(function=run_mammogram)
    for kind in (dce, mammogram):
        kind.add_argument("--output", required=True, metavar="DIR", help="a new or empty folder")
        kind.add_argument("--seed", type=int, default=1, help="the same seed gives the same exam (default 1)")


def run_dce(options):
    """Write a DCE exam."""
    from ..samples.dce import make_dce_exam
    from ..samples.writing import write_dce_sample

    sample = make_dce_exam(options.seed, masses=options.masses, curve=options.curve, side=options.side)
    folder = write_dce_sample(sample, options.output, format=options.format)
    sys.stdout.write(f"Written: {folder} (synthetic, seed {options.seed})\n")


def run_mammogram(options):
    """Write a mammogram, or the four of an exam."""
    from ..samples.writing import write_mammogram_sample, write_mammography_sample

    if options.view == "all":
        folder = write_mammography_sample(
            options.output,
            options.seed,
            side=options.side[0].upper(),
            polarity=options.polarity,
            density=options.density,
        )
        sys.stdout.write(f"Written: {folder} (synthetic, four views, seed {options.seed})\n")
        return
    folder = write_mammogram_sample(
        options.output,
        options.seed,
        laterality=options.side[0].upper(),
        view=options.view,
        polarity=options.polarity,
        density=options.density,
    )
    sys.stdout.write(f"Written: {folder} (synthetic, seed {options.seed})\n")
