"""The phases as the user set them by hand: order, role, time, and which are left out."""

from dataclasses import replace

from ..errors import BadInput
from ..exam.dce import Phase, number_phases
from . import examnodes
from .texts import _

# What a phase keeps when it gets another role, number or time.
KEPT = ("resolution_s", "since_injection_s", "contradictions")


def correctPhases(exam, rows):
    """Return `exam` with phases as the user set them by hand; the nodes are renamed.

    Parameters
    ----------
    exam : SceneExam
        As it was loaded.
    rows : sequence of (int, str, float or None)
        Index into ``exam.phases``, role, time in seconds - in the user's order, left-out phases missing.

    Raises
    ------
    BadInput
        If no phase is left, or more than one is called pre-contrast, or it is not the first.
    """
    rows = list(rows)
    if not rows:
        raise BadInput(_("Every phase is left out"), hint=_("Use at least one phase"))
    if any(role == "pre" for index, role, time in rows[1:]):
        what = _("The pre-contrast phase is not the first of the list, or there are two")
        raise BadInput(what, hint=_("Move it to the top"))
    before = [exam.phases[index] for index, role, time in rows]
    phases = numbered((role, time) for index, role, time in rows)
    phases = tuple(_corrected(old, phase) for old, phase in zip(before, phases))
    nodes = tuple(exam.nodes[index] for index, role, time in rows)
    for node, phase in zip(nodes, phases):
        examnodes.labelNode(node, phase, exam.name if node.GetName().startswith(exam.name) else None)
    used = {index for index, role, time in rows}
    for index, node in enumerate(exam.nodes):
        if index not in used:
            examnodes.labelLeftOut(node, exam.phases[index], exam.name)
    return replace(exam, phases=phases, nodes=nodes, order=tuple(exam.order[index] for index, role, time in rows))


def numbered(rows):
    """Return phases without evidence, numbered in the given order; files given as channels stay channels.

    Parameters
    ----------
    rows : iterable of (str, float or None)
        Role and time in seconds.

    Raises
    ------
    BadInput
        If more than one is pre-contrast.
    """
    rows = tuple(rows)
    if all(role == "channel" for role, time in rows):
        return tuple(Phase(role, place) for place, (role, time) in enumerate(rows))
    return number_phases((role, time, "", ()) for role, time in rows)


def withCompanions(exam, companions):
    """Return `exam` with another Sequence and plot."""
    return replace(exam, companions=companions)


def _corrected(old, new):
    kept = {name: getattr(old, name) for name in KEPT if hasattr(old, name)}
    return replace(new, evidence=old.evidence if _same(old, new) else _("set by hand"), **kept)


def _same(old, new):
    return (old.role, old.number, old.time_s) == (new.role, new.number, new.time_s)
