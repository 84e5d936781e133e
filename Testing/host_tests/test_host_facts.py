"""Behaviours of slicer.app, slicer.modules and slicer.util recorded in the real application, replayed in the host."""

import json
from pathlib import Path

import facts
import pytest

EXCEPTIONS = json.loads((Path(__file__).parent / "data" / "slicer-facts-exceptions.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def replayed(_session_host):
    """Every fact that needs `slicer`, with its outcome here."""
    if not facts.FACTS_FILE.exists():
        pytest.skip("the record of the real application (../shared/slicer-5.12) is not beside this checkout")
    import ctk
    import PythonQt
    import qt
    import slicer
    from Host.pythonqt import slotErrors

    slicer.mrmlScene.Clear(0)
    record = facts.load()
    chosen = [fact for fact in record["facts"] if facts.needsSlicer(fact)]
    # Recorded without --testing, on the first page.
    _session_host.options.isTestingEnabled = False
    _session_host.mainWindow.setHomeModuleCurrent()
    names = {"slicer": slicer, "qt": qt, "ctk": ctk, "PythonQt": PythonQt}
    try:
        outcomes = facts.replay(chosen, record["given"], names)
    finally:
        _session_host.options.isTestingEnabled = True
        slotErrors.clear()
    return list(zip(chosen, outcomes))


def test_there_are_facts(replayed):
    assert len(replayed) >= 50


def test_facts_hold(replayed):
    wrong = []
    for fact, outcome in replayed:
        if fact["code"] in EXCEPTIONS["notProvided"]:
            continue
        problem = facts.difference(fact, outcome, {"machine": EXCEPTIONS["machine"], "texts": {}})
        if problem:
            wrong.append(f"{fact['code']}\n    {problem}")
    assert not wrong, "\n".join(wrong)


def test_what_is_not_provided_says_no(replayed):
    for fact, outcome in replayed:
        if fact["code"] in EXCEPTIONS["notProvided"] and outcome["outcome"] == "raises":
            assert outcome["type"] in ("AttributeError", "NotProvided"), fact["code"]


def test_exceptions_are_still_needed(replayed):
    outcomes = {fact["code"]: facts.difference(fact, outcome) for fact, outcome in replayed}
    for kind in EXCEPTIONS.values():
        for code in kind:
            assert code in outcomes, f"no such fact: {code}"
    assert all(outcomes[code] for code in EXCEPTIONS["notProvided"]), "provided by now: take it off the list"
