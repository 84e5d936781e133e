"""Ask what an exam asks the user, and answer; and some folders about which there is a question."""

import numpy as np
import pytest
from BreastSegLib.errors import BadInput, Undecided
from BreastSegLib.exam.decisions import NAMES
from BreastSegLib.exam.source import read, read_exam
from dicom_phantoms import SLICES, clock, dynamic, write


def asked(source, name):
    """Return the answers that are offered for the question `name` about a source, after checking its words."""
    with pytest.raises(Undecided) as error:
        read(source)
    question = error.value
    assert question.name == name and name in NAMES and question.code == "undecided"
    assert "\n" not in question.line and question.hint
    told = question.line + repr(question.choices)
    assert "Secret" not in told and "ID1" not in told
    assert question.choices and all(len(text) > 4 and text != value for value, text in question.choices)
    assert len({value for value, _ in question.choices}) == len(question.choices)
    return dict(question.choices)


def answered(folder, **decisions):
    """Return the exam that decisions make of a folder."""
    return read_exam({"folder": folder, "decisions": decisions})


def holds(exam, arrays):
    """Check that the phases of an exam hold exactly these values in this order."""
    assert len(exam.volumes) == len(arrays)
    for volume, array in zip(exam.volumes, arrays):
        np.testing.assert_array_equal(volume.array, array)


def refused(source):
    """Return the one line with which a source is refused for good."""
    with pytest.raises(BadInput) as error:
        read(source)
    assert "\n" not in error.value.line and "Secret" not in error.value.line
    return error.value.line


def two_orders(folder):
    """Write series whose content times run against their acquisition times."""
    images, arrays = dynamic("siemens", one_series=False, ContentTime=lambda p, z: clock(36000 - 70 * p))
    return write(folder, images), arrays


def two_images(folder):
    """Write two images for each place and time; a second kind with higher instance numbers."""
    images, arrays = dynamic("philips")
    for d in images:
        d.InstanceNumber = 2 * d.InstanceNumber
    others, second = dynamic("philips", seed=8)
    for d in others:
        d.InstanceNumber = 2 * d.InstanceNumber + 1
    return write(folder, images + others), arrays, second


def lost_slice(folder):
    """Write a dynamic in one series whose third phase lacks a slice."""
    images, arrays = dynamic("ge")
    del images[2 * SLICES + 1]
    return write(folder, images), arrays
