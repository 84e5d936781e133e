"""``watch``: exams that an archive sends are segmented as soon as they are complete, and the results sent back."""

import json
import sys
import time
from pathlib import Path

from ..errors import BadInput, BreastSegError, Cancelled
from ..inference.messages import check_device
from ..pacs.archive import archive_of
from ..pacs.watch import Watch, WatchSettings, ask_retry, status_of
from ..pacs.work import KINDS, ModelWork
from .events import add_events, error_event, write_event
from .pacs_arguments import CREDENTIALS, add_own_title, add_tls, peer_of, tls_of
from .stopping import hear_stop_line, stopped_by_signals

WANTED = (("listen", "--listen"), ("model", "--model"))


def add_arguments(verbs):
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "watch",
        help="segment exams as they arrive from an archive, and send the results back",
        description="Listen for exams that an archive sends (C-STORE). An exam of which nothing came for a while is "
        "segmented, and its results are sent back. What arrives, waits or fails is kept in the folder, so that the "
        f"same command goes on after any end. Ctrl+C ends it. {CREDENTIALS}",
    )
    parser.add_argument("--folder", required=True, metavar="DIR", help="for all that is kept; made if missing")
    parser.add_argument("--listen", type=int, metavar="PORT", help="port to listen on")
    parser.add_argument("--address", default="", help="listen on this network interface only, such as 127.0.0.1")
    add_own_title(parser)
    parser.add_argument(
        "--allow", nargs="+", default=[], metavar="TITLE", help="only these callers may send; everybody when not given"
    )
    parser.add_argument("--listen-tls", action="store_true", help="listen with TLS, with --tls-certificate")
    parser.add_argument("--model", help="a model's or ensemble's name (see 'models list') or folder")
    parser.add_argument("--device", default="auto", metavar="auto|cuda|cuda:N|cpu")
    parser.add_argument("--send-to", metavar="PEER", help="archive that gets the results; they are only kept if none")
    parser.add_argument(
        "--send", nargs="+", choices=KINDS, default=list(KINDS), help="which results (default: all of them)"
    )
    parser.add_argument(
        "--complete-after", type=_seconds, default=30.0, metavar="S", help="seconds without images (default 30)"
    )
    parser.add_argument(
        "--whole-study",
        action="store_true",
        help="wait until as many images came as the archive of --send-to has of the study",
    )
    parser.add_argument(
        "--patience", type=_seconds, default=3600.0, metavar="S", help="how long at most (default 3600)"
    )
    parser.add_argument(
        "--keep-free", type=_seconds, default=1000.0, metavar="MB", help="refuse images below it (default 1000)"
    )
    parser.add_argument(
        "--forget-after", type=_seconds, default=0.0, metavar="DAYS", help="remove exams done so long ago (0: never)"
    )
    parser.add_argument("--status", action="store_true", help="tell what the watch of --folder has done, and end")
    parser.add_argument("--json", action="store_true", help="with --status: as JSON")
    parser.add_argument("--retry", action="store_true", help="take up what failed; alone: tell a running watch to")
    add_tls(parser)
    add_events(parser)
    parser.set_defaults(function=run)


def run(options):
    """Watch until somebody ends it; or tell how it goes."""
    if options.status:
        _say_status(status_of(options.folder), options.json)
        return
    if options.retry and options.listen is None:
        ask_retry(options.folder)
        sys.stdout.write("What failed is taken up by the watch that runs, or when it is started.\n")
        return
    for name, option in WANTED:
        if getattr(options, name) is None:
            raise BadInput(f"{option} is missing", hint="See watch --help")
    if options.whole_study and not options.send_to:
        raise BadInput("--whole-study asks the archive of --send-to", hint="Give --send-to")
    try:
        counts = _watch(options)
    except BreastSegError as error:
        if options.events:
            write_event(error_event(error))
        raise
    if options.events:
        write_event({"event": "result", **counts})


def _watch(options):
    archive = archive_of(peer_of(options, options.send_to)) if options.send_to else None
    if options.retry and (Path(options.folder) / "exams").is_dir():
        ask_retry(options.folder)
    stopped = []  # before there is a watch
    watch = None

    def stop():
        stopped.append(True)
        if watch is not None:
            watch.stop()

    with (
        stopped_by_signals(stop),
        ModelWork(options.model, check_device(options.device), options.send, lambda: bool(stopped)) as work,
    ):
        if options.events:
            hear_stop_line()
        try:
            work.check()
        except Cancelled:
            return {"exams": 0}
        watch = Watch(_settings(options), work.run, archive, write_event if options.events else _say)
        if stopped:
            watch.stop()
        watch.run()
    return {"exams": len(status_of(options.folder)["exams"])}


def _settings(options):
    return WatchSettings(
        Path(options.folder),
        options.listen,
        options.ae,
        options.address,
        tuple(options.allow),
        tls_of(options) if options.listen_tls else None,
        options.complete_after,
        options.whole_study,
        options.patience,
        options.keep_free,
        options.forget_after,
    )


def _say(event):
    """Tell people what happened, one line each."""
    kind = event["event"]
    if kind == "listening":
        text = f"Listening on port {event['port']} as {event['ae']}; Ctrl+C ends it"
    elif kind == "exam":
        reason = f": {event['reason']}" if event["reason"] else ""
        text = f"Exam {event['exam']}, {event['images']} images: {event['state']}{reason}"
    elif kind == "sending":
        text = f"Results {event['job']}: {event['result']}"
    elif kind == "note":
        text = event["message"]
    else:
        return
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


def _say_status(status, as_json):
    if as_json:
        sys.stdout.write(json.dumps(status, indent=2) + "\n")
        return
    for key, row in sorted(status["exams"].items(), key=lambda item: item[1].get("since", "")):
        reason = f"  {row['reason']}" if row.get("reason") else ""
        sys.stdout.write(f"{key}  {row['state']:9}  {row.get('images', 0):5} images  {row.get('since', '')}{reason}\n")
    outbox = status["outbox"]
    refused = f", {outbox['refused']} with files that the archive refused" if outbox["refused"] else ""
    sys.stdout.write(f"{len(status['exams'])} exams; {outbox['waiting']} results wait to be sent{refused}.\n")


def _seconds(text):
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError
    return value
