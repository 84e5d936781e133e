"""Errors are one line: what, where, what to do."""

import pytest
from BreastSegLib.errors import BadInput, BreastSegError, Cancelled, DeviceUnavailable, WorkerDied


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("The folder is empty",), "The folder is empty."),
        (("The folder is empty.", "/a b"), "The folder is empty (/a b)."),
        (("The folder is empty", "", "Choose another"), "The folder is empty. Choose another."),
        (("The folder is empty", "/a", "Choose another. "), "The folder is empty (/a). Choose another."),
        (("Two\nlines\tand  gaps", "x\ny", "do\nthis"), "Two lines and gaps (x y). do this."),
    ],
)
def test_line(arguments, line):
    error = BadInput(*arguments)
    assert error.line == line == str(error)
    assert "\n" not in error.line


def test_parts_stay_readable():
    error = BadInput("what", 3, "hint")
    assert (error.what, error.where, error.hint) == ("what", "3", "hint")


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (BreastSegError, "error"),
        (BadInput, "bad-input"),
        (Cancelled, "cancelled"),
        (DeviceUnavailable, "device"),
        (WorkerDied, "worker-died"),
    ],
)
def test_codes(kind, code):
    error = kind("x")
    assert error.code == code
    assert isinstance(error, BreastSegError)


def test_cancelled_needs_no_words():
    assert Cancelled().line == "Cancelled."
