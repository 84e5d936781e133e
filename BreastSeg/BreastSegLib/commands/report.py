"""``report``: one exam and its mask make a report: a web page, a PDF, or a PDF as DICOM object."""

import sys
from pathlib import Path

from ..errors import BadInput
from ..files import check_output, read_json
from ..models import find_model
from ..pipeline import export_results, measure
from ..reports.pdffonts import reportlab_is_there
from ..reports.report import check_measures
from .exam_arguments import add_exam, exam_source
from .measure import NONE, mask_files
from .progress import ProgressLine

KINDS = {".html": "html", ".htm": "html", ".pdf": "pdf", ".dcm": "pdf_dicom"}
RECORD_HINT = "Give the run record (NAME.run.json) that 'segment' wrote beside the mask"


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "report",
        help="write the report of one exam and its mask",
        description="Write the report of one exam: pictures, lesions, enhancement, warnings, model and run. It prints "
        "on two A4 pages. Nothing in it tells who the patient is, unless --identify is given.",
    )
    add_exam(parser)
    parser.add_argument(
        "--mask",
        nargs="+",
        required=True,
        metavar="FILE",
        help="mask on the exam's own grid; of several mammograms the name given to 'segment', or one file for each in "
        f"hanging order ('{NONE}' where there is none)",
    )
    parser.add_argument(
        "--output", required=True, metavar="FILE", help=".html (one file), .pdf, or .dcm (the PDF as DICOM object)"
    )
    parser.add_argument("--record", metavar="RUN.json", help="the run record that 'segment' wrote beside the mask")
    parser.add_argument("--measures", metavar="FILE.json", help="what 'measure' wrote; measured now when not given")
    parser.add_argument("--model", metavar="MODEL", help="name or folder of the model whose card is shown")
    parser.add_argument(
        "--identify", action="store_true", help="show name, birth date and numbers of the patient (from DICOM files)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    parser.set_defaults(function=run)


def run(options):
    """Measure if need be, and write; everything that can be is checked before the exam is read."""
    output, kind = checked_output(options)
    record = read_record(options.record)
    measures = None if options.measures is None else read_measures(options.measures)
    model = str(find_model(options.model, verify=False).folder) if options.model else model_of(record)
    source = exam_source(options)
    masks = mask_files(options.mask, source)
    progress = ProgressLine()

    def report(stage, done, total):
        progress({"event": "progress", "stage": stage, "done": done, "total": total, "eta_s": None})

    try:
        if measures is None:
            measures = measure(source, masks, model=model, on_event=progress)["measures"]
        request = {"source": source, "mask": masks, "measures": measures, "record": record, "model": model}
        request |= {"outputs": {kind: str(output)}, "identify": options.identify, "overwrite": options.overwrite}
        export_results(request, report)
    finally:
        progress.close()
    counts = (len(measures["lesions"]), "lesion"), (len(measures.get("warnings") or ()), "warning")
    sys.stdout.write(", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts) + "\n")
    if options.model and record and find_model(model, verify=False).hash != record["model"].get("hash"):
        sys.stdout.write(f"Note: {options.model} is not the model that the run record names: its card is left out.\n")
    told = " It names the patient." if options.identify else ""
    if kind == "pdf_dicom" and not told:
        told = " Its pages do not name the patient, its DICOM header does."
    sys.stdout.write(f"Written: {output}.{told} For research use only.\n")


def checked_output(options):
    """Return the output's path and kind after checking all that can be checked before anything is read."""
    path = Path(options.output)
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise BadInput("The format of a report is not known by its ending", path, "Use .html, .pdf or .dcm")
    if kind != "html":
        reportlab_is_there()
    return check_output(path, options.overwrite), kind


def read_record(path):
    """Return the run record of a file; an empty one when none is given."""
    record = {} if path is None else read_json(path)
    if path is not None and (not isinstance(record, dict) or not isinstance(record.get("model"), dict)):
        raise BadInput("This is no run record", path, RECORD_HINT)
    return record


def read_measures(path):
    """Return the measures of a file."""
    try:
        return check_measures(read_json(path))
    except BadInput as error:
        raise BadInput(error.what, path, error.hint or "Give the JSON file that 'measure' wrote") from error


def model_of(record):
    """Return the folder of the very model that a run record names, if it is installed here; else an empty text."""
    named = record.get("model") or {}
    try:
        model = find_model(str(named["name"]), verify=False)
    except (KeyError, BadInput):
        return ""
    return str(model.folder) if model.hash == named.get("hash") else ""
