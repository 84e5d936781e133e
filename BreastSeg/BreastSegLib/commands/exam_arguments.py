"""The arguments that name an exam, shared by the verbs."""


def add_exam(parser):
    """Add the arguments that name an exam: a DICOM folder or phase files."""
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--exam", metavar="DIR", help="folder with the DICOM files of one exam")
    group.add_argument(
        "--phases", nargs="+", metavar="FILE", help="image files of the phases in order: pre, post 1, post 2 …"
    )
    return group


def exam_source(options):
    """Return the exam's source as `pipeline` understands it."""
    return {"folder": options.exam} if options.exam else {"files": options.phases}
