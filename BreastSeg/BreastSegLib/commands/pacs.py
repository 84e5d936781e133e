"""``pacs``: ask an archive whether it answers, find exams in it, get them, and send results to it."""

import json
import os
import sys
from pathlib import Path

from ..errors import BadInput, Cancelled
from ..pacs.archive import FIND_LIMIT, archive_of, outgoing
from ..pacs.query import PATIENT_VARIABLES, Query, patient_from_environment
from .events import add_events, carry_out
from .outcome import EXIT_CANCELLED, EXIT_FAILED
from .pacs_arguments import CREDENTIALS, add_peer, peer_of
from .stopping import hear_stop_line, interrupted, stopped_by_signals

COLUMNS = ("date", "time", "modalities", "series", "instances", "patient_id", "patient_name", "description")
TITLES = ("Date", "Time", "Kind", "Series", "Images", "Patient", "Name", "Description")
WIDEST = 40


def add_arguments(verbs):
    """Add the verb and its actions to the parser."""
    parser = verbs.add_parser(
        "pacs",
        help="find, get and send images in an archive (PACS)",
        description=f"Talk to an archive, by DICOM or by DICOMweb. {CREDENTIALS}",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, function, adds, text in (
        ("echo", run_echo, None, "ask an archive whether it answers"),
        ("find", run_find, _add_find, "find studies; what is not given is not asked"),
        ("get", run_get, _add_get, "get a study, or some of its series; what is there already is not asked for"),
        ("send", run_send, _add_send, "send DICOM files and wait until each is acknowledged"),
    ):
        action = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}. {CREDENTIALS}")
        add_peer(action)
        if adds is not None:
            adds(action)
        add_events(action)
        action.set_defaults(function=function)


def run_echo(options):
    """Ask whether the archive answers."""

    def work(report):
        report("Asking the archive", 0, 0)
        archive = _archive(options)
        archive.echo()
        return {"peer": archive.peer.address}

    return _carry_out(options, work, lambda fields: _say(f"{fields['peer']} answers."))


def run_find(options):
    """List studies."""

    def work(report):
        report("Asking the archive", 0, 0)
        query = _query(options)
        archive = _archive(options)
        rows = archive.find(query, options.limit + 1)
        if options.series:
            for row in rows[: options.limit]:
                row["series_rows"] = archive.series(row["study_uid"])
        return {"studies": rows[: options.limit], "more": len(rows) > options.limit}

    def show(fields):
        if options.json:
            _say(json.dumps(fields["studies"], indent=2, ensure_ascii=False))
        else:
            _say(table_of(fields["studies"], fields["more"]))

    return _carry_out(options, work, show)


def run_get(options):
    """Get a study."""

    def work(report):
        archive = _archive(options, options.move_port)
        return archive.retrieve(options.study, options.series, options.output, report)

    def show(fields):
        for row in fields["series"]:
            _say(f"{row['folder']}: {row['images']} images, {row['modality']} {row['description']}".rstrip())
        _say(f"{fields['received']} of {fields['images']} images received now.")

    return _carry_out(options, work, show)


def run_send(options):
    """Send files."""
    refused = []

    def work(report):
        files, left_out = dicom_files(options.files)
        fields = _archive(options).send(files, report)
        refused.extend(fields["refused"])
        return {**fields, "left_out": left_out}

    def show(fields):
        rest = f"; {fields['left_out']} other files left out" if fields["left_out"] else ""
        _say(f"{fields['sent']} files sent and acknowledged{rest}.")
        for row in fields["refused"]:
            sys.stderr.write(f"Refused: {row['file']}: {row['reason']}.\n")

    return _carry_out(options, work, show) or (EXIT_FAILED if refused else None)


def _query(options):
    patient = {name: getattr(options, name) for name in PATIENT_VARIABLES}
    if options.patient_from_environment:
        twice = [name for name, value in patient.items() if value]
        if twice:
            option = f"--{twice[0].replace('_', '-')}"
            raise BadInput("The patient is named twice", option, "Leave it out, or --patient-from-environment")
        patient |= patient_from_environment()
    return Query(
        **patient,
        date_from=options.date_from,
        date_to=options.date_to,
        modality=options.modality,
        study_uid=options.study,
    )


def dicom_files(paths):
    """Return the DICOM files that are named or lie in named folders, and how many other files lie there.

    Raises
    ------
    BadInput
        If a path does not exist, or a file that is named is no DICOM file.
    """
    files, left_out = [], 0
    for path in map(Path, paths):
        if not path.exists():
            raise BadInput("The file or folder does not exist", path)
        if path.is_file():
            files.append(outgoing(path).path)
            continue
        for folder, folders, names in os.walk(path):
            folders.sort()
            for name in sorted(names):
                try:
                    files.append(outgoing(Path(folder) / name).path)
                except BadInput:
                    left_out += 1
    return files, left_out


def table_of(rows, more=False):
    """Return studies as lines for people."""
    if not rows:
        return "No study was found."
    cells = [TITLES, *([_cell(row[column]) for column in COLUMNS] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(TITLES))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() for line in cells]
    told = []
    for line, row in zip(lines[1:], rows):
        told += [line, f"    {row['study_uid']}"]
        told += [
            f"    {'' if each['number'] is None else each['number']} {each['modality']} {each['description']}: "
            f"{'?' if each['instances'] is None else each['instances']} images, {each['series_uid']}"
            for each in row.get("series_rows", ())
        ]
    rest = ["There are more; ask more narrowly, or with --limit."] if more else []
    return "\n".join([lines[0], *told, *rest])


def _cell(value):
    text = "" if value is None else " ".join(str(value).split())
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def _add_find(parser):
    parser.add_argument("--patient-id", default="", metavar="ID", help="* stands for any characters, ? for one")
    parser.add_argument("--patient-name", default="", metavar="NAME", help="such as DOE*, as FAMILY^GIVEN")
    parser.add_argument("--accession", default="", metavar="NUMBER")
    parser.add_argument(
        "--patient-from-environment",
        action="store_true",
        help=f"take these from {', '.join(PATIENT_VARIABLES.values())}: arguments are seen in the list of processes",
    )
    parser.add_argument("--date-from", default="", metavar="DAY", help="first day, as 2024-01-31")
    parser.add_argument("--date-to", default="", metavar="DAY", help="last day")
    parser.add_argument("--modality", default="", metavar="KIND", help="such as MR or MG")
    parser.add_argument("--study", default="", metavar="UID", help="Study Instance UID")
    parser.add_argument("--series", action="store_true", help="also list the series of each study")
    parser.add_argument(
        "--limit", type=_count, default=FIND_LIMIT, metavar="N", help=f"at most so many (default {FIND_LIMIT})"
    )
    parser.add_argument("--json", action="store_true", help="print the studies as JSON")


def _add_get(parser):
    parser.add_argument("--study", required=True, metavar="UID", help="Study Instance UID (see pacs find)")
    parser.add_argument("--series", nargs="+", default=[], metavar="UID", help="only these series")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder; each series gets one in it")
    parser.add_argument(
        "--move-port",
        type=int,
        default=0,
        metavar="PORT",
        help="retrieve with C-MOVE instead of C-GET: the archive sends to our title at this port",
    )


def _add_send(parser):
    parser.add_argument("files", nargs="+", metavar="FILE_OR_DIR", help="DICOM files, and folders with some")


def _count(text):
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def _archive(options, move_port=0):
    return archive_of(peer_of(options, options.peer, move_port))


def _carry_out(options, work, show):
    """Carry a command out so that signals, and of a program the line ``stop``, end it cleanly.

    Returns the exit code.
    """

    def stoppable(report):
        with stopped_by_signals(interrupted):
            if options.events:
                hear_stop_line()
            return work(report)

    try:
        carry_out(options, stoppable, show)
    except (KeyboardInterrupt, Cancelled):
        sys.stderr.write("Cancelled; what had been transferred is kept.\n")
        return EXIT_CANCELLED
    return None


def _say(text):
    sys.stdout.write(text + "\n")
