"""From files into an archive: each acknowledged, none sent again without asking."""

from ..errors import BadInput
from .archive import Answer, outgoing
from .problems import ArchiveError

STAGE = "Sending"


def deliver(archive, items, states, note):
    """Send what is not acknowledged yet: one attempt.

    An instance that may have arrived before is asked for first.

    Parameters
    ----------
    archive : Archive
    items : sequence of Outgoing
    states : dict of str to Answer
        How far each instance (UID) is; changed as it gets on.
    note : callable
        ``note(item, Answer, reason)``, called at every change, before it can matter.

    Raises
    ------
    Interrupted
        If the connection was lost.
    ArchiveError
    """

    def answer(item, now, reason):
        states[item.uid] = now
        note(item, now, reason)

    for item in items:
        if states[item.uid] is Answer.SENDING and _arrived(archive, item):
            answer(item, Answer.STORED, "")
    rest = [item for item in items if states[item.uid] in (Answer.WAITING, Answer.SENDING)]
    if rest:
        archive.store(rest, answer)


def _arrived(archive, item):
    """Return whether the archive holds an instance; one that cannot be asked would store it under the same name."""
    try:
        return archive.has(item.study, item.series, item.uid)
    except ArchiveError as error:
        if error.code != ArchiveError.code:
            raise
        return False


def send_files(archive, files, report=None):
    """Send DICOM files and wait until all are acknowledged.

    Parameters
    ----------
    archive : Archive
    files : sequence of str or Path
    report : callable, optional
        ``report(stage, done, total)``; may raise `Cancelled`.

    Returns
    -------
    dict
        ``sent`` (how many), ``refused``: list of dict with ``file`` and ``reason``.

    Raises
    ------
    BadInput
        If a file is no DICOM file, or there is none; nothing is sent then.
    ArchiveError
        If the archive cannot be talked to any more.
    """
    report = report or (lambda stage, done, total: None)
    items = list({item.uid: item for item in map(outgoing, files)}.values())
    if not items:
        raise BadInput("There is nothing to send", hint="Give DICOM files or a folder with some")
    states, refused = dict.fromkeys((item.uid for item in items), Answer.WAITING), []

    def note(item, now, reason):
        if now is Answer.REFUSED:
            refused.append({"file": str(item.path), "reason": reason})
        report(STAGE, _count(states, Answer.STORED, Answer.REFUSED), len(items))

    report(STAGE, 0, len(items))
    archive.retry.until_done(
        lambda: deliver(archive, items, states, note),
        lambda: _count(states, Answer.WAITING, Answer.SENDING),
        report,
    )
    return {"sent": _count(states, Answer.STORED), "refused": refused}


def _count(states, *wanted):
    return sum(state in wanted for state in states.values())
