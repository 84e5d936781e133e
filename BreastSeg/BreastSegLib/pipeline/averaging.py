"""What several folds and models say together, on the exam's own grid."""

import numpy as np

from ..recipe import restore


class Averaged:
    """The mean of the chances that models give, each weighing the same, and how far folds and models are apart.

    Models of one recipe are averaged on the prepared grid, models of several recipes on the exam's own grid.

    Parameters
    ----------
    spread : bool
        Whether the predictions say how far their folds are apart.
    """

    def __init__(self, spread=False):
        self._spread = spread
        self._chances, self._models = None, 0
        self._mean = self._squares = None
        self._folds = 0

    def add(self, record, predictions):
        """Add the predictions of models for one prepared case.

        Parameters
        ----------
        record : dict
            Of the preparation.
        predictions : list of inference.networks.engine.Prediction
        """
        weight = np.float32(len(predictions))
        chances = [restore(record, chance).array * weight for chance in _mean([p.chances for p in predictions])]
        self._chances = chances if not self._models else [old + new for old, new in zip(self._chances, chances)]
        self._models += len(predictions)
        if self._spread:
            self._add_spread(record, predictions)

    def _add_spread(self, record, predictions):
        folds = sum(prediction.folds for prediction in predictions)
        mean = sum(p.spread[0] * np.float32(p.folds / folds) for p in predictions)
        squares = sum((p.spread[1] + p.spread[0] ** 2) * np.float32(p.folds / folds) for p in predictions)
        variance = np.clip(squares - mean**2, 0, None)
        mean, variance = (restore(record, part).array for part in (mean, variance))
        squares = (variance + mean**2) * np.float32(folds)
        mean = mean * np.float32(folds)
        self._mean = mean if self._mean is None else self._mean + mean
        self._squares = squares if self._squares is None else self._squares + squares
        self._folds += folds

    @property
    def chances(self):
        """list of numpy.ndarray: the chance of each label but the background, (z, y, x), float32."""
        return [chance / np.float32(self._models) for chance in self._chances]

    @property
    def disagreement(self):
        """numpy.ndarray or None: standard deviation of the chance of a lesion over the folds of all models."""
        if not self._spread:
            return None
        mean = self._mean / np.float32(self._folds)
        return np.sqrt(np.clip(self._squares / np.float32(self._folds) - mean**2, 0, None))


def entropy(chance):
    """Return the entropy (bits, 0 to 1) of the chance of a lesion: 1 where it is even, 0 where it is certain.

    Parameters
    ----------
    chance : numpy.ndarray
        Float, 0 to 1.
    """
    p = np.clip(chance, 1e-7, 1 - 1e-7)
    bits = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    return np.where((chance <= 1e-7) | (chance >= 1 - 1e-7), 0, bits).astype(np.float32)


def _mean(arrays):
    """Return the mean of arrays of one shape; the first is used up."""
    total = arrays[0]
    for array in arrays[1:]:
        total = total + array
    return total / np.float32(len(arrays)) if len(arrays) > 1 else total
