"""``batch``: many exams and one model make masks, run records and a summary; resumable at any moment."""

import os
import signal
import sys
import threading
from pathlib import Path

from ..errors import BadInput, BreastSegError
from ..files import whole_file
from ..models import find_model
from ..pipeline.batch import FORMATS, Batch, BatchOptions
from ..pipeline.batch_table import cases_of_folder, read_table
from ..pipeline.result import MAPS
from ..recipe import load_recipe
from .batch_cluster import add_cluster_options, cluster_batch, on_cluster
from .batch_report import Events, Words
from .exam_arguments import MOTION
from .segment import add_run_options

EXIT_DONE, EXIT_SOME_FAILED, EXIT_BAD_INPUT, EXIT_STOPPED = 0, 1, 2, 130


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "batch",
        help="segment many exams",
        description="Segment many exams with one model. Of each the mask, the run record and what else is asked for "
        "are written, called by the case; summary.csv tells how each went, and measures.csv has one row for each "
        "lesion. The same command again does only what is missing or failed. One failed case does not stop the rest.",
    )
    parser.add_argument("--model", required=True, help="a model's or ensemble's name (see 'models list') or folder")
    exams = parser.add_mutually_exclusive_group(required=True)
    exams.add_argument(
        "--cases", metavar="TABLE.csv", help="table with the columns case and exam, phases, image or channels"
    )
    exams.add_argument("--exams", metavar="DIR", help="folder that holds one folder for each exam")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder for the results; made if missing")
    parser.add_argument(
        "--anonymous-names",
        action="store_true",
        help="with --exams: call the cases case_0001 … instead of using the names of the folders",
    )
    parser.add_argument(
        "--key", metavar="FILE.csv", help="with --anonymous-names: write which folder is which case; not into --output"
    )
    parser.add_argument(
        "--motion",
        choices=MOTION,
        default="off",
        help="DCE-MRI: move the phases onto the first post-contrast phase: off (default), rigid or bspline",
    )
    add_run_options(parser)
    parser.add_argument("--format", choices=FORMATS, default="nii.gz", help="of the masks (default nii.gz)")
    parser.add_argument(
        "--maps", nargs="+", choices=MAPS, default=[], metavar="MAP", help="also write maps: " + ", ".join(MAPS)
    )
    parser.add_argument("--overwrite", action="store_true", help="do all cases again and replace their files")
    parser.add_argument(
        "--stop-after", type=_count, metavar="N", help="end after N cases; the same command later goes on"
    )
    parser.add_argument(
        "--events", action="store_true", help="write JSON lines instead of text; the line stop on the input ends it"
    )
    add_cluster_options(parser)
    parser.set_defaults(function=run)


def run(options):
    """Run the batch and return the exit code."""
    say = Events() if options.events else Words()
    try:
        return _run(options, say)
    except BreastSegError as error:
        if not options.events:
            raise
        if not say.ended:
            say({"event": "error", "code": error.code, "message": error.line})
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        sys.stderr.write("Stopped; the finished cases are kept.\n")
        return EXIT_STOPPED
    finally:
        say.close()


def _run(options, say):
    if not options.exams and (options.anonymous_names or options.key):
        raise BadInput("--anonymous-names and --key are for --exams", hint="The table names the cases itself")
    if options.key and not options.anonymous_names:
        raise BadInput("--key is for --anonymous-names", options.key)
    _check_key(options)
    cluster = on_cluster(options)
    model = find_model(options.model, verify=False)  # the worker compares the checksums
    recipe = load_recipe(model.recipe_source)
    if options.motion != "off" and not recipe.fits("dce"):
        raise BadInput("Motion correction is for DCE-MRI", f"--motion {options.motion}", "Leave it out")
    if options.exams and recipe.needs_region:
        hint = "Give a table with the columns case, exam and regions with --cases"
        raise BadInput("The model looks at a region around each lesion, and a folder of exams tells none", "", hint)
    notes, cases = [], None
    if options.cases:
        cases, notes = read_table(options.cases)
        _check_kinds(cases, recipe, options.cases)
    elif not options.anonymous_names:
        cases, notes = cases_of_folder(options.exams)

    def named(folder):
        found, said = cases_of_folder(options.exams, folder.names_of)
        notes.extend(said)
        if options.key:
            _write_key(Path(options.key), found)
        return found

    settings = _batch_options(options)
    if cluster:
        batch = cluster_batch(options, cases or named, model, settings)
    else:
        batch = Batch(cases or named, model, options.output, settings, options.overwrite, options.stop_after)
    with batch, _Stopping(batch, options.events):
        for note in notes:
            say({"event": "note", "message": note})
        counts = batch.run(say)
    if batch.stopped:
        return EXIT_STOPPED
    return EXIT_SOME_FAILED if counts["failed"] else EXIT_DONE


def _batch_options(options):
    return BatchOptions(
        device=options.device,
        folds=tuple(options.folds) if options.folds else None,
        tta=options.tta,
        shortcuts=not options.exact,
        cleanup=not options.no_cleanup,
        format=options.format,
        maps=tuple(dict.fromkeys(options.maps)),
        motion=options.motion,
    )


def _count(text):
    """Return a number of cases, or raise argparse's own error."""
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def _check_kinds(cases, recipe, table):
    """Refuse, before anything runs, rows that the model cannot be for."""
    mammograms = recipe.fits("mammograms")
    dce = recipe.fits("dce")
    wrong = []
    for case in cases:
        if "views" in case.source and not mammograms:
            wrong.append(f"line {case.line}: image is for models of mammograms")
        elif "files" in case.source and not dce:
            wrong.append(f"line {case.line}: phases are for models of DCE-MRI")
        elif recipe.needs_region and not case.regions:
            wrong.append(f"line {case.line}: the model looks at a region around each lesion, and regions is empty")
        elif case.regions and not mammograms:
            wrong.append(f"line {case.line}: regions are for models of mammograms")
    if wrong:
        rest = f"; and {len(wrong) - 20} more" if len(wrong) > 20 else ""
        raise BadInput("Some rows do not fit the model: " + "; ".join(wrong[:20]) + rest, table, "Correct these rows")


def _check_key(options):
    if options.key and Path(options.output).resolve() in Path(options.key).resolve().parents:
        raise BadInput(
            "The key would lie beside the results that it is kept apart from", options.key, "Choose another folder"
        )


def _write_key(path, cases):
    """Write which folder is which case: a table of cases itself."""
    lines = ["case,exam", *(f'{case.name},"{case.source["folder"].replace(chr(34), chr(34) * 2)}"' for case in cases)]
    old = path.read_text(encoding="utf-8-sig").splitlines() if path.is_file() else []
    if not set(old) <= set(lines):
        raise BadInput("The key file exists and tells something else", path, "Give another name")
    with whole_file(path, overwrite=True) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")


class _Stopping:
    """Ends the batch cleanly when the user interrupts it; a second interruption ends it at once."""

    def __init__(self, batch, listen):
        self._batch, self._listen, self._before = batch, listen, {}

    def __enter__(self):
        names = ("SIGINT", "SIGTERM", "SIGBREAK", "SIGHUP")
        for number in (getattr(signal, name) for name in names if hasattr(signal, name)):
            if threading.current_thread() is threading.main_thread():
                self._before[number] = signal.signal(number, self._on_signal)
        if self._listen:
            threading.Thread(target=self._hear, daemon=True).start()
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler or signal.SIG_DFL)

    def _on_signal(self, number, _frame):
        signal.signal(number, self._before[number] or signal.SIG_DFL)
        self._batch.please_stop = True

    def _hear(self):
        """Wait for the line ``stop``. Not through `sys.stdin`, whose lock would be held when Python ends."""
        heard = b""
        try:
            while data := os.read(0, 4096):
                heard = (heard + data)[-4096:]
                if b"stop" in heard.split(b"\n")[:-1]:
                    self._batch.please_stop = True
                    return
        except OSError:  # no input at all
            return
