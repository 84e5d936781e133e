"""Bias field: slow change of intensity over the breast that is not tissue."""

import numpy as np

from .measured import NotMeasured

ORDER = 3  # of the polynomial in (z, y, x)
CLASSES = 3
ROUNDS = 20
MOST = 12_000  # voxels that are fitted
LEAST = 500


def bias_strength(view):
    """Return the coefficient of variation of the bias field over the breast (no unit, 0.1 is 10 %).

    The logarithm of the intensity before contrast is the mean of one of three tissues plus a polynomial of third order
    in z, y and x; tissues and polynomial are found in turn (as Wells et al., IEEE TMI 15, 1996, with a polynomial for
    the field), on a copy of about 2 mm.

    Parameters
    ----------
    view : DceView

    Raises
    ------
    NotMeasured
        If no breast is seen or too little of it.
    """
    index = view.exam.reference if view.before is None else view.before
    image = view.small[index].array
    places = np.argwhere(view.small_breast & (image > 0))
    if len(places) < LEAST:
        raise NotMeasured("too little of the breast is in the image to tell the field")
    values = image[tuple(places.T)]
    # The skin's edge, half air, is no tissue.
    clear = values > 0.4 * np.median(values)
    places, values = places[clear], np.log(values[clear])
    step = max(1, len(places) // MOST)
    terms = _terms(places[::step], image.shape)
    field = terms @ _fit(terms, values[::step].astype(float))
    gain = np.exp(field - field.mean())
    return float(gain.std() / gain.mean())


def _terms(places, shape):
    """Return the polynomial's terms (voxels, terms) without the constant, each of mean 0."""
    size = np.maximum(np.ptp(places, axis=0), 1)
    z, y, x = (2 * (places - places.min(axis=0)) / size - 1).T
    # An image of few slices does not tell how the field bends along them.
    most = [ORDER if n >= 12 else 1 for n in shape]
    terms = [
        z**a * y**b * x**c
        for a in range(most[0] + 1)
        for b in range(most[1] + 1)
        for c in range(most[2] + 1)
        if 0 < a + b + c <= ORDER
    ]
    terms = np.array(terms).T
    return terms - terms.mean(axis=0)


def _fit(terms, values):
    """Return the polynomial's coefficients."""
    centres = np.percentile(values, np.linspace(15, 95, CLASSES))
    spread = np.full(CLASSES, values.std() / CLASSES + 1e-6)
    share = np.full(CLASSES, 1 / CLASSES)
    coefficients = np.zeros(terms.shape[1])
    square = terms.T @ terms
    ridge = 1e-3 * np.trace(square) / len(square) * np.eye(len(square))
    for _ in range(ROUNDS):
        left = values - terms @ coefficients
        belong = share * np.exp(-0.5 * ((left[:, None] - centres) / spread) ** 2) / spread + 1e-12
        belong /= belong.sum(axis=1, keepdims=True)
        total = belong.sum(axis=0) + 1e-9
        centres = (belong * left[:, None]).sum(axis=0) / total
        spread = np.sqrt((belong * (left[:, None] - centres) ** 2).sum(axis=0) / total) + 0.02
        share = total / total.sum()
        weight = (belong / spread**2).sum(axis=1)
        target = values - (belong * centres / spread**2).sum(axis=1) / weight
        weighted = terms * weight[:, None]
        scale = weight.mean()
        coefficients = np.linalg.solve(terms.T @ weighted / scale + ridge, weighted.T @ target / scale)
    return coefficients
