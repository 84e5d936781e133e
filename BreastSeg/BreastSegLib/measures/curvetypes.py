"""Types of enhancement curves: persistent, plateau, wash-out."""

import numpy as np

NAMES = ("", "persistent", "plateau", "wash-out")  # by the number that maps and `curve_types` use
PERSISTENT, PLATEAU, WASHOUT = 1, 2, 3


def curve_types(pre, initial, late, settings):
    """Return the type of each curve.

    A curve whose initial peak is at least `settings.enhancing_pct` above the signal before contrast has a type: its
    signal changes from the initial peak to the late phase by more than ±`settings.flat_pct` percent of the peak
    (persistent, wash-out) or not (plateau). Exactly that much is a plateau. Nothing is divided.

    Parameters
    ----------
    pre, initial, late : numpy.ndarray
        Signal before contrast, highest signal of the initial phases and signal of the late phase; of one shape.
    settings : Settings

    Returns
    -------
    numpy.ndarray
        uint8 of that shape: 0 none, 1 persistent, 2 plateau, 3 wash-out; 0 where a value is not finite or `pre` is
        not positive.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        change, limit = 100 * (late - initial), settings.flat_pct * initial
        types = np.full(np.shape(pre), PLATEAU, np.uint8)
        types[change > limit] = PERSISTENT
        types[change < -limit] = WASHOUT
        enhancing = (pre > 0) & (100 * (initial - pre) >= settings.enhancing_pct * pre)
        types[~(enhancing & np.isfinite(change) & np.isfinite(limit))] = 0
    return types


def initial_peak(read, choice):
    """Return the highest signal of the initial phases, each averaged with those near it in time.

    Parameters
    ----------
    read : callable
        ``read(index)`` gives the signal of a phase: an array, or one number.
    choice : phasechoice.Choice
    """
    peak = None
    for phase in choice.initial:
        signal = late_signal(read, choice, phase)
        peak = signal if peak is None else np.maximum(peak, signal)
    return peak


def late_signal(read, choice, phase=None):
    """Return the signal of the late (or another) phase, averaged with those near it in time; see `initial_peak`."""
    first, *others = choice.windows[choice.late if phase is None else phase]
    total = read(first)
    for other in others:
        total = total + read(other)
    return total / (1 + len(others)) if others else total


def type_shares(types):
    """Return the shares of persistent, plateau and wash-out in percent, and the number of curves that have a type.

    The shares are None where no curve has a type.
    """
    counts = np.bincount(np.ravel(types), minlength=len(NAMES))[1:]
    total = int(counts.sum())
    shares = [100.0 * int(count) / total if total else None for count in counts]
    return shares, total
