"""Replay of the behaviours recorded in the real application (``pythonqt-facts.json``)."""

import json
import re
from pathlib import Path

FACTS_FILE = Path(__file__).resolve().parents[3] / "shared" / "slicer-5.12" / "pythonqt-facts.json"
EXCEPTIONS_FILE = Path(__file__).resolve().parent / "data" / "facts-exceptions.json"
CUT = 300


def load():
    """The recorded facts: a dict with ``given`` and ``facts``."""
    return json.loads(FACTS_FILE.read_text(encoding="utf-8"))


def exceptions():
    """Declared exceptions.

    Returns
    -------
    dict
        ``machine``: code to reason, compared by type only. ``texts``: recorded text to (text here, reason).
        ``notProvided``: code to reason; the host must refuse the class.
    """
    return json.loads(EXCEPTIONS_FILE.read_text(encoding="utf-8"))


def needsSlicer(fact):
    """Whether a fact needs the application object, the scene or qMRML widgets (``processEvents`` apart)."""
    code = fact["code"].replace("slicer.app.processEvents", "")
    return bool(re.search(r"\bslicer\b", code)) or fact["type"].startswith("qSlicer")


def replay(facts, given, namespace):
    """Execute facts in order on shared ``given`` objects.

    Parameters
    ----------
    facts : list of dict
    given : dict
        Name to the expression that makes the shared object.
    namespace : dict
        Modules that the facts use: qt, ctk, PythonQt, slicer.

    Returns
    -------
    list of dict
        Per fact ``outcome``, ``type`` and ``repr`` as recorded for the real application.
    """
    shared = dict(namespace)
    for name, expression in given.items():
        shared[name] = eval(expression, shared)
    return [_run(fact, shared) for fact in facts]


def _run(fact, shared):
    scope = dict(shared)
    try:
        if fact["kind"] == "eval":
            value = eval(fact["code"], scope)
        else:
            exec(fact["code"], scope)
            value = scope.get("result")
    except Exception as problem:  # the recorded outcome may be any exception
        return {"outcome": "raises", "type": type(problem).__name__, "repr": str(problem)}
    return {"outcome": "value", "type": type(value).__name__, "repr": repr(value)}


def difference(fact, got, declared=None):
    """None when the outcome is as recorded, else a sentence that says how it differs.

    Parameters
    ----------
    fact, got : dict
        The recorded outcome and the one here.
    declared : dict, optional
        As from ``exceptions``.
    """
    declared = declared or {"machine": {}, "texts": {}}
    if got["outcome"] != fact["outcome"] or got["type"] != fact["type"]:
        return (
            f"recorded {fact['outcome']} {fact['type']} {fact['repr']!r}, "
            f"got {got['outcome']} {got['type']} {got['repr']!r}"
        )
    if fact["code"] in declared["machine"]:
        return None
    expected, actual = _plain(fact["repr"]), _plain(got["repr"])
    for recorded, (here, _) in declared["texts"].items():
        expected = expected.replace(recorded, here)
    if len(fact["repr"]) >= CUT:
        actual = actual[: len(expected)]  # the record cuts long texts
    return None if expected == actual else f"recorded {expected!r}, got {actual!r}"


def _plain(text):
    """Text without addresses."""
    return re.sub(r"0x[0-9a-f]+…?|0x…", "0x…", text)
