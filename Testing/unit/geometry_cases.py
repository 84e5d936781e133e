"""Grids as scanners write them, for the tests of geometry."""

import itertools

import numpy as np
from BreastSegLib.volume import Geometry
from hypothesis import strategies as st


def signed_permutations():
    """Return the 48 direction matrices (3 × 3) whose axes run along the patient's axes."""
    matrices = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            matrix = np.zeros((3, 3))
            for column, (row, sign) in enumerate(zip(order, signs)):
                matrix[row, column] = sign
            matrices.append(matrix)
    return matrices


def rotation(degrees, axis):
    """Return the matrix of a turn about patient axis 0 (x), 1 (y) or 2 (z)."""
    a, b = (i for i in range(3) if i != axis)
    angle = np.deg2rad(degrees)
    matrix = np.eye(3)
    matrix[a, a] = matrix[b, b] = np.cos(angle)
    matrix[a, b], matrix[b, a] = -np.sin(angle), np.sin(angle)
    return matrix


def centred(shape, spacing, matrix):
    """Return the grid with its middle at the scanner's origin."""
    middle = (np.asarray(shape[::-1]) - 1) / 2 * np.asarray(spacing)
    return Geometry(shape, spacing, tuple(-np.asarray(matrix) @ middle), tuple(np.asarray(matrix).ravel()))


def named_matrices():
    """Return direction matrices of the usual acquisitions, by name."""
    sagittal = np.array([[0, 0, 1], [1, 0, 0], [0, -1, 0]], float)
    coronal = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], float)
    return {
        "axial": np.eye(3),
        "head first z down": np.diag([1.0, 1.0, -1.0]),
        "x and y flipped": np.diag([-1.0, -1.0, 1.0]),
        "sagittal": sagittal,
        "coronal": coronal,
        "oblique": rotation(17, 2) @ rotation(-9, 0),
        "oblique sagittal": rotation(12, 1) @ sagittal,
    }


@st.composite
def geometries(draw, sizes=(2, 9), oblique=True):
    """Draw a grid: any order and direction of axes, turned by up to 25° when `oblique`."""
    matrix = draw(st.sampled_from(signed_permutations()))
    if oblique:
        for axis in range(3):
            matrix = rotation(round(draw(st.floats(-25, 25)), 6), axis) @ matrix
    shape = tuple(draw(st.integers(*sizes)) for _ in range(3))
    spacing = tuple(draw(st.sampled_from((0.5, 0.7, 1.0, 1.3, 2.0, 3.5))) for _ in range(3))
    origin = tuple(draw(st.floats(-300, 300)) for _ in range(3))
    return Geometry(shape, spacing, origin, tuple(matrix.ravel()))
