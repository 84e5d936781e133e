"""Messages between client and worker."""

import json

import pytest
from BreastSegLib.errors import BadInput, BreastSegError, Cancelled, DeviceUnavailable, WorkerDied
from BreastSegLib.inference.messages import REQUESTS, check_request, decode, encode, error_event, to_exception
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


def complete(kind):
    return {"id": 1, "request": kind, **dict.fromkeys(REQUESTS[kind])}


@pytest.mark.parametrize("kind", sorted(REQUESTS))
def test_complete_requests(kind):
    message = complete(kind)
    if "device" in message:
        message["device"] = "cpu"
    assert check_request(message) == kind


@pytest.mark.parametrize(
    ("kind", "field"), [(kind, field) for kind, fields in REQUESTS.items() for field in ("id", *fields)]
)
def test_a_lacking_field_is_named(kind, field):
    message = {**complete(kind), "device": "cpu"}
    del message[field]
    with pytest.raises(BadInput, match=f"{kind} lacks {field}"):
        check_request(message)


@pytest.mark.parametrize("kind", [None, "unreadable", "", ["load"]])
def test_unknown_requests(kind):
    with pytest.raises(BadInput, match="Unknown request.*predict"):
        check_request({"id": 1, "request": kind})


def test_unknown_device():
    with pytest.raises(BadInput, match="'tpu'.*auto, cuda, cpu"):
        check_request({**complete("load"), "device": "tpu"})


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
