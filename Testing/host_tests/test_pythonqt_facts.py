"""The recorded behaviours of PythonQt, replayed in the host: one case per fact."""

import json

import facts
import pytest

RECORDED = facts.load() if facts.FACTS_FILE.exists() else {"given": {}, "facts": []}
HERE = [fact for fact in RECORDED["facts"] if not facts.needsSlicer(fact)]
DECLARED = facts.exceptions()

pytestmark = pytest.mark.skipif(
    not HERE, reason="the record of the real application (../shared/slicer-5.12) is not here"
)


@pytest.fixture(scope="module")
def outcomes(_session_host):
    """What each fact gives here, replayed in the recorded order."""
    import ctk
    import PythonQt
    import qt
    import slicer
    from Host.pythonqt import slotErrors

    before = len(slotErrors)
    got = facts.replay(HERE, RECORDED["given"], {"qt": qt, "ctk": ctk, "slicer": slicer, "PythonQt": PythonQt})
    del slotErrors[before:]
    return got


@pytest.mark.parametrize("index", range(len(HERE)), ids=[f"{i}-{f['code'][:40]}" for i, f in enumerate(HERE)])
def test_fact(outcomes, index):
    fact, got = HERE[index], outcomes[index]
    if fact["code"] in DECLARED["notProvided"]:
        assert got["type"] == "NotProvided", "the host has this class now: take it off the list of exceptions"
        return
    problem = facts.difference(fact, got, DECLARED)
    assert problem is None, f"{fact['code']}: {problem}"


def test_exceptions_are_facts():
    """Every declared exception names a fact, so that the list cannot grow stale."""
    codes = {fact["code"] for fact in RECORDED["facts"]}
    assert set(DECLARED["machine"]) | set(DECLARED["notProvided"]) <= codes
    texts = json.dumps(RECORDED["facts"])
    assert all(text in texts for text in DECLARED["texts"])


def test_a_wrong_outcome_is_noticed():
    """The comparison itself can fail."""
    fact = next(fact for fact in HERE if fact["outcome"] == "value" and fact["type"] == "str")
    assert facts.difference(fact, dict(fact)) is None
    assert facts.difference(fact, {**fact, "repr": "'another'"})
    assert facts.difference(fact, {**fact, "type": "int"})
    assert facts.difference(fact, {**fact, "outcome": "raises"})
