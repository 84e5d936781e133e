"""The messages between the client and the worker: one JSON object a line."""

import json
import re

from ..errors import BadInput, BreastSegError, Cancelled, DeviceUnavailable, Undecided, WorkerDied

# request -> fields it must have
REQUESTS = {
    "read": ("source", "output"),
    "prepare": ("source", "recipe", "output"),
    "load": ("model", "device", "folds"),
    "predict": ("source", "model", "device", "folds", "tta", "cleanup", "output"),
    "ahead": ("source", "model", "device", "folds", "tta", "cleanup"),
    "measure": ("source", "mask", "output"),
    "export": ("source", "mask", "measures", "outputs"),
    "devices": (),
    "cancel": (),
    "shutdown": (),
}
EVENTS = ("ready", "progress", "result", "error", "ended")
DEVICES = ("auto", "cuda", "cpu")  # and cuda:N
_SWITCHES = ("tta", "cleanup", "breast", "probabilities", "disagreement", "entropy", "shortcuts", "connected")
_SWITCHES += ("identify", "overwrite")
_OBJECTS = ("names", "settings", "former", "record", "outputs", "dicom")
# field -> the types that it may have, and what people call them
_TYPES = {
    "source": ((dict,), "an object"),
    "model": ((str,), "a folder"),
    "recipe": ((str,), "a name or a file"),
    "output": ((str,), "a folder"),
    "folds": ((list, type(None)), "a list"),
    "regions": ((list, type(None)), "a list"),
    **{name: ((bool, type(None)), "true or false") for name in _SWITCHES},
    # Of mammograms there is a list with one for each view.
    **{name: ((str, list, type(None)), "a file or a list of files") for name in ("mask", "chance", "raw", "other")},
    **{name: ((dict, type(None)), "an object") for name in _OBJECTS},
    **{name: ((list, type(None)), "a list") for name in ("removed", "maps", "pictures")},
    "measures": ((dict, bool, type(None)), "an object, true or false"),
}
# Of a run; reading an exam from its own files has two more.
STAGES = ("Reading", "Preparing", "Loading model", "Segmenting", "Restoring", "Cleaning up", "Writing", "Measuring")
EXAM_STAGES = ("Measuring enhancement", "Correcting motion")
_NUMBERED_DEVICE = re.compile(r"cuda:[0-9]{1,3}")
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
    try:
        message = json.loads(line.decode("utf-8") if isinstance(line, bytes) else line)
    except RecursionError as error:  # brackets within brackets, thousands deep
        raise ValueError("nested too deeply") from error
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
    _check_types(message)
    check_device(message.get("device", "auto"))
    return kind


def check_device(device):
    """Return the name of a device after checking it: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises
    ------
    BadInput
        If it is none of these. Whether the device is there is not asked.
    """
    if not isinstance(device, str) or (device not in DEVICES and not _NUMBERED_DEVICE.fullmatch(device)):
        raise BadInput(f"Unknown device {device!r}", hint=f"Devices: {', '.join(DEVICES)}, cuda:N (the N-th GPU)")
    return device


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
    code, message = event.get("code", "internal"), event.get("message", "The worker said no more")
    error = ERRORS.get(code, BreastSegError)(message, hint=event.get("hint", ""))
    if isinstance(error, Undecided):
        question = event.get("question") or {}
        error.name, error.choices = question.get("name", ""), tuple(map(tuple, question.get("choices", ())))
    error.code, error.log = code, event.get("log", "")
    return error


def _check_types(message):
    for name, (types, words) in _TYPES.items():
        if name in message and not isinstance(message[name], types):
            raise BadInput(f"The field {name} of a request must be {words}", repr(message[name])[:80])
    for fold in message.get("folds") or ():
        if isinstance(fold, bool) or not isinstance(fold, (int, str)):
            raise BadInput("Folds are numbers or 'all'", repr(fold)[:80])
    for region in message.get("regions") or ():
        if not isinstance(region, dict):
            raise BadInput("A region must be an object", repr(region)[:80])


def _first_line(error):
    return next((line for line in str(error).splitlines() if line.strip()), "no message")[:300]
