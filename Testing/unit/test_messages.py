"""Messages between client and worker."""

import json

import pytest
from BreastSegLib.errors import BadInput, BreastSegError, Cancelled, DeviceUnavailable, WorkerDied
from BreastSegLib.inference.messages import (
    REQUESTS,
    check_device,
    check_request,
    decode,
    encode,
    error_event,
    to_exception,
)
from hypothesis import given, settings
from hypothesis import strategies as st

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_one_line_each_and_back(message):
    line = encode(message)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert b"\r" not in line
    line.decode("ascii")  # consoles are not all UTF-8
    assert decode(line) == message


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_lacks(value):
    with pytest.raises(ValueError, match="JSON"):
        encode({"volume": value})


@pytest.mark.parametrize(
    "line", [b"", b"Loading weights ...", b"{", b"[1]", b"3", b'"text"', b"null", b"\xff\xfe{}", b'{"event": "res']
)
def test_lines_that_are_no_message(line):
    with pytest.raises(ValueError, match="Expecting|Unterminated|not an object|decode"):
        decode(line)


VALID = {
    "source": {"folder": "/exam"},
    "recipe": "mama-mia-first-post",
    "output": "/private/result",
    "model": "/models/one",
    "device": "cpu",
    "folds": None,
    "tta": False,
    "cleanup": True,
    "mask": "/private/mask.npy",
    "measures": {"lesions": []},
    "outputs": {"csv": "/results/lesions.csv"},
}
OPTIONAL = {
    "chance": ["/private/chance.npy", None],
    "removed": [],
    "names": {"1": "lesion"},
    "connected": False,
    "regions": [{"box": [0, 0, 9, 9]}],
    "probabilities": True,
    "disagreement": False,
    "entropy": None,
    "shortcuts": False,
}


def complete(kind):
    return {"id": 1, "request": kind, **{name: VALID[name] for name in REQUESTS[kind]}}


@pytest.mark.parametrize("kind", sorted(REQUESTS))
def test_complete_requests(kind):
    assert check_request(complete(kind)) == kind
    assert check_request({**complete(kind), **OPTIONAL}) == kind


@pytest.mark.parametrize(
    ("kind", "field"), [(kind, field) for kind, fields in REQUESTS.items() for field in ("id", *fields)]
)
def test_a_lacking_field_is_named(kind, field):
    message = complete(kind)
    del message[field]
    with pytest.raises(BadInput, match=f"{kind} lacks {field}"):
        check_request(message)


@pytest.mark.parametrize("kind", [None, "unreadable", "", ["load"]])
def test_unknown_requests(kind):
    with pytest.raises(BadInput, match="Unknown request.*predict"):
        check_request({"id": 1, "request": kind})


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:0", "cuda:11"])
def test_devices(device):
    assert check_device(device) == device
    assert check_request({**complete("load"), "device": device}) == "load"


@pytest.mark.parametrize(
    "device", ["tpu", "", "cuda:", "cuda:-1", "cuda:1 ", "cuda:1\n", "cuda:١", "CPU", None, 0, ["cpu"]]
)
def test_unknown_devices(device):
    with pytest.raises(BadInput, match="Unknown device.*auto, cuda, cpu, cuda:N"):
        check_device(device)
    with pytest.raises(BadInput, match="Unknown device"):
        check_request({**complete("predict"), "device": device})


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("source", "/exam", "source .* an object"),
        ("model", None, "model .* a folder"),
        ("output", 7, "output .* a folder"),
        ("folds", "01", "folds .* a list"),
        ("folds", [0, 1.5], "Folds are numbers or 'all' .1.5"),
        ("folds", [True], "Folds are numbers or 'all' .True"),
        ("regions", {"box": []}, "regions .* a list"),
        ("regions", ["box"], "A region must be an object"),
        ("tta", "yes", "tta .* true or false"),
        ("mask", 3, "mask .* a file or a list of files"),
        ("names", ["lesion"], "names .* an object"),
        ("removed", {}, "removed .* a list"),
        ("connected", 1, "connected .* true or false"),
        ("measures", "all", "measures .* an object"),
        ("cleanup", 1, "cleanup .* true or false"),
        ("probabilities", "no", "probabilities .* true or false"),
        ("disagreement", 0, "disagreement .* true or false"),
        ("entropy", [], "entropy .* true or false"),
        ("shortcuts", "exact", "shortcuts .* true or false"),
    ],
)
@pytest.mark.parametrize("kind", ["predict", "ahead"])
def test_a_field_of_the_wrong_type_is_named(kind, field, value, words):
    with pytest.raises(BadInput, match=words) as caught:
        check_request({**complete(kind), field: value})
    assert "\n" not in caught.value.line


def test_a_long_value_is_not_repeated_in_full():
    with pytest.raises(BadInput) as caught:
        check_request({**complete("predict"), "source": "x" * 100_000})
    assert len(caught.value.line) < 200


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from([*VALID, *OPTIONAL, "request", "id"]), VALUES, max_size=6))
def test_any_request_is_accepted_or_refused_in_one_line(changes):
    try:
        assert check_request({**complete("predict"), **changes}) in REQUESTS
    except BadInput as error:
        assert "\n" not in error.line


@pytest.mark.parametrize("event", [{}, {"code": "unheard of"}, {"code": "bad-input"}, {"code": "undecided"}])
def test_an_error_event_that_lacks_fields_is_an_error_all_the_same(event):
    assert to_exception(event).line


def test_brackets_within_brackets_are_no_message():
    with pytest.raises(ValueError, match="deep"):
        decode(b"[" * 200_000)


@pytest.mark.parametrize("kind", [BreastSegError, BadInput, Cancelled, DeviceUnavailable, WorkerDied])
def test_an_error_arrives_as_it_was(kind):
    event = decode(encode(error_event(7, kind("The folder is empty", "/a b", "Choose another"), "log line")))
    assert event["id"] == 7
    error = to_exception(event)
    assert type(error) is kind
    assert error.line == "The folder is empty (/a b). Choose another."
    assert error.log == "log line"
    assert error.code == kind.code


def test_other_errors_are_internal():
    event = json.loads(encode(error_event(7, ValueError("\n  first line\nsecond"), "traceback")))
    assert event["code"] == "internal"
    assert event["message"] == "ValueError:   first line"
    error = to_exception(event)
    assert isinstance(error, BreastSegError)
    assert error.code == "internal"
    assert "\n" not in error.line
    assert error_event(1, KeyError())["message"] == "KeyError: no message"
    assert len(error_event(1, ValueError("x" * 10000))["message"]) < 400
