"""Artefact score: ghosts, stripes, lost slices and cut-off values, in percent, added up."""

from .gaps import clipped_share, lost_slices
from .ghosts import ghost_strength
from .measured import NotMeasured
from .spikes import stripe_strength

WORTH = 1.0  # percent: smaller parts are not named


def artefact_score(view):
    """Return the artefact score of the worst phase, percent; 0 is none.

    The sum of: the strength of the strongest ghost and of stripes in percent of the signal of the breast, the
    slices that are blank, repeated or without signal in percent of all, and the voxels of the breast that are cut off
    at the largest value in percent.

    Parameters
    ----------
    view : DceView

    Raises
    ------
    NotMeasured
        If no breast is seen.
    """
    worst, notes = (-1.0, {}, ""), []
    breast, bodies = view.breast, view.bodies
    for phase, volume in zip(view.exam.phases, view.exam.volumes):
        parts = _parts(volume.array, view, breast, bodies, notes)
        total = sum(parts.values())
        if total > worst[0]:
            worst = (total, parts, phase.name)
    total, parts, name = worst
    named = [f"{what} {value:.1f} %" for what, value in parts.items() if value >= WORTH]
    if named:
        notes.insert(0, f"phase {name} has {', '.join(named)}")
    return total, "; ".join(dict.fromkeys(notes))


def _parts(array, view, breast, bodies, notes):
    air, tissue = view.levels
    slices = view.slices
    try:
        ghosts = ghost_strength(array[slices], bodies, view.spacing[1:])
    except NotMeasured as reason:
        ghosts = 0.0
        notes.append(f"ghosts could not be looked for: {reason}")
    stripes = [stripe_strength(plane, tissue - air) for plane in array]
    return {
        "ghosts": 100 * ghosts,
        "stripes": 100 * sum(stripes) / len(stripes),
        "lost slices": 100 * lost_slices(array),
        "cut-off values": 100 * clipped_share(array, breast),
    }
