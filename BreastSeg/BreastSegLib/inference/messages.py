"""The messages between the client and the worker: one JSON object a line."""

import json

from ..errors import BadInput, BreastSegError, Cancelled, DeviceUnavailable, Undecided, WorkerDied

# request -> fields it must have
REQUESTS = {
    "read": ("source", "output"),
    "prepare": ("source", "recipe", "output"),
    "load": ("model", "device", "folds"),
    "predict": ("source", "model", "device", "folds", "tta", "cleanup", "output"),
    "cancel": (),
    "shutdown": (),
}
EVENTS = ("ready", "progress", "result", "error")
DEVICES = ("auto", "cuda", "cpu")
# Of a run; reading an exam from its own files has two more.
STAGES = ("Reading", "Preparing", "Loading model", "Segmenting", "Restoring", "Cleaning up", "Writing")
EXAM_STAGES = ("Measuring enhancement", "Correcting motion")
ERRORS = {kind.code: kind for kind in (BreastSegError, BadInput, Undecided, Cancelled, DeviceUnavailable, WorkerDied)}


def encode(message):
    """Return one message as a line of bytes. Numbers that JSON lacks (NaN, infinity) are refused."""
    return (json.dumps(message, ensure_ascii=True, allow_nan=False) + "\n").encode("ascii")


def decode(line):
    """Return the message of one line.

    Raises
    ------
    ValueError
        If it is not a JSON object.
    """
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError("not an object")
    return message


def check_request(message):
    """Return the request's kind after checking its fields.

    Raises
    ------
    BadInput
        If the kind is unknown, or a field or the id is missing.
    """
    kind = message.get("request")
    if not isinstance(kind, str) or kind not in REQUESTS:
        raise BadInput(f"Unknown request {kind!r}", hint="Requests: " + ", ".join(REQUESTS))
    missing = [name for name in ("id", *REQUESTS[kind]) if name not in message]
    if missing:
        raise BadInput(f"The request {kind} lacks {', '.join(missing)}")
    if message.get("device", "auto") not in DEVICES:
        raise BadInput(f"Unknown device {message['device']!r}", hint="Devices: " + ", ".join(DEVICES))
    return kind


def error_event(request_id, error, log=""):
    """Return the error event for an exception."""
    known = isinstance(error, BreastSegError)
    question = {"name": error.name, "choices": error.choices} if isinstance(error, Undecided) else None
    return {
        **({"question": question} if question else {}),
        "event": "error",
        "id": request_id,
        "code": error.code if known else "internal",
        "message": (f"{error.what} ({error.where})" if error.where else error.what)
        if known
        else f"{type(error).__name__}: {_first_line(error)}",
        "hint": error.hint if known else "The log says more",
        "log": log,
    }


def to_exception(event):
    """Return the exception that an error event describes."""
    error = ERRORS.get(event["code"], BreastSegError)(event["message"], hint=event.get("hint", ""))
    if isinstance(error, Undecided):
        question = event.get("question") or {}
        error.name, error.choices = question.get("name", ""), tuple(map(tuple, question.get("choices", ())))
    error.code, error.log = event["code"], event.get("log", "")
    return error


def _first_line(error):
    return next((line for line in str(error).splitlines() if line.strip()), "no message")[:300]
