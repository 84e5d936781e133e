"""One slice with its outline, as thumbnails have it."""

import io

import numpy as np
import pytest
from BreastSegLib.reports.pictures import OUTLINE, key_image
from BreastSegLib.volume import Geometry, Volume
from PIL import Image


def volumes(direction, lesion):
    """A dark exam and a mask of one block at array index `lesion` (z, y, x)."""
    geometry = Geometry((20, 30, 40), (1.0, 1.0, 2.0), (0, 0, 0), direction)
    mask = np.zeros(geometry.shape, np.uint8)
    z, y, x = lesion
    mask[z - 2 : z + 3, y - 2 : y + 3, x - 2 : x + 3] = 1
    return Volume(np.full(geometry.shape, 10.0, np.float32), geometry), Volume(mask, geometry)


def outline_centre(png):
    """Centre of the outline in the picture, as fractions of height and width."""
    picture = np.asarray(Image.open(io.BytesIO(png)))
    rows, columns = np.nonzero((picture == OUTLINE).all(axis=2))
    return rows.mean() / picture.shape[0], columns.mean() / picture.shape[1], picture.shape


@pytest.mark.parametrize("direction, column", [((1, 0, 0, 0, 1, 0, 0, 0, 1), 30), ((-1, 0, 0, 0, 1, 0, 0, 0, 1), 9)])
def test_patient_left_is_on_the_right_of_the_picture(direction, column):
    """The same lesion in the patient's left half, stored from right to left and from left to right."""
    volume, mask = volumes(direction, (10, 8, column))
    centre = (volume.geometry.ijk_to_lps @ [column, 8, 10, 1])[:3]
    row, place, shape = outline_centre(key_image(volume, mask, 0, (20, 10), centre, width=400))
    assert place == pytest.approx(30.5 / 40, abs=0.02) and row == pytest.approx(8.5 / 30, abs=0.02)
    assert shape == (300, 400, 3)


def test_head_is_up_and_proportions_are_true():
    volume, mask = volumes((1, 0, 0, 0, 1, 0, 0, 0, 1), (16, 15, 20))
    row, _, shape = outline_centre(key_image(volume, mask, 1, (20, 10), (20, 15, 32), width=400))
    assert row == pytest.approx(1 - 16.5 / 20, abs=0.03)
    assert shape[:2] == (400, 400)  # 40 mm high, 40 mm wide
