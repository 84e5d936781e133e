"""The language that says what a channel is made of, from the phases of a DCE exam.

========================  =================================================================================
``pre``                   the pre-contrast phase
``post1``, ``post2`` …    a post-contrast phase by its number
``last``                  the last post-contrast phase
``post@150s``             the post-contrast phase nearest to 150 s after the first one
``post2 - pre``           a difference of two of these
``pe(post1)``             percent enhancement, 100 · (post1 − pre) / pre
``ser(post1, last)``      signal enhancement ratio, (early − pre) / (late − pre) (M6); ``ser`` is short for this one
========================  =================================================================================
"""

import math
import re
from dataclasses import dataclass

import numpy as np

from ..errors import BadInput
from ..volume import Volume
from .figures import blocks, percentiles

TIME_TOLERANCE_S = 60.0
SIGNAL_SHARE, RISE_SHARE = 0.10, 0.05  # of the 95th percentile of the pre-contrast signal; see `_ratio`
TERM = re.compile(r"pre|last|post(?P<number>[1-9][0-9]?)|post@(?P<time>[0-9]+(?:\.[0-9]+)?)s")
CALL = re.compile(r"(?P<name>pe|ser)\((?P<terms>[^()]*)\)")
LANGUAGE = (
    "Write pre, post1, post2, post@150s or last, a difference such as post2 - pre, pe(post1) for percent enhancement, "
    "or ser or ser(post1, last) for the signal enhancement ratio"
)
SPELLING = {"phase": "{}", "difference": "{} - {}", "pe": "pe({})", "ser": "ser({}, {})"}
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Source:
    """One parsed channel source.

    Parameters
    ----------
    text : str
        In the language's own spelling, so that two ways to write the same are one.
    kind : {'phase', 'difference', 'pe', 'ser'}
    terms : tuple of str
        The phases that it needs: (phase,), (first, second), (phase, ``pre``) or (early, late, ``pre``).
    """

    text: str
    kind: str
    terms: tuple

    @property
    def plain(self):
        """bool: whether it is one phase as it is."""
        return self.kind == "phase"


def parse_source(text):
    """Return the `Source` that `text` says.

    Raises
    ------
    BadInput
        If it is not in the language (the message shows the language), or takes one phase twice.
    """
    kind, terms = _split(text.strip())
    if not all(TERM.fullmatch(term) for term in terms):
        raise BadInput(f"The channel source {text!r} is not understood", hint=LANGUAGE)
    if len(set(terms)) < len(terms):
        raise _used_twice(text, next(term for term in terms if terms.count(term) > 1))
    return Source(SPELLING[kind].format(*terms), kind, terms)


def _split(text):
    """Return the kind and the terms of a source; terms that are none are found later."""
    if text == "ser":
        return "ser", ("post1", "last", "pre")
    call = CALL.fullmatch(text)
    if call:
        given = tuple(term.strip() for term in call["terms"].split(","))
        fits = len(given) == (1 if call["name"] == "pe" else 2)
        return call["name"], (*given, "pre") if fits else ("",)
    terms = tuple(term.strip() for term in text.split(" - "))
    if len(terms) > 2:
        return "difference", ("",)
    return ("phase" if len(terms) == 1 else "difference"), terms


def resolve(term, exam, tolerance_s=TIME_TOLERANCE_S):
    """Return the index of the phase that `term` means.

    Parameters
    ----------
    term : str
        ``pre``, ``post1``, ``last``, ``post@150s`` …
    exam : DceExam
        Or anything else with ``phases``.
    tolerance_s : float
        How far from its time ``post@150s`` may lie. Of two phases equally near the earlier one is taken; the
        pre-contrast phase never is.

    Raises
    ------
    BadInput
        If the exam has no such phase; the message lists what it has.
    """
    return _find(term, exam.phases, tolerance_s)


def problem_with(sources, phases, tolerance_s=TIME_TOLERANCE_S):
    """Return why an exam with these phases cannot give the channels, as one line; '' when it can.

    Parameters
    ----------
    sources : sequence of Source
        Empty for every phase as it is.
    phases : sequence of Phase
        Voxels are not needed.
    tolerance_s : float
    """
    try:
        _check(sources, phases, tolerance_s)
    except BadInput as error:
        return error.line
    return ""


def channel_volumes(sources, exam, tolerance_s=TIME_TOLERANCE_S):
    """Return a list of what `channel_volume` returns for each channel.

    Files that the user gave as a model's channels are taken as they are, in their order; so are all phases when there
    are no sources. `each_channel` holds one computed channel at a time and needs less memory.

    Raises
    ------
    BadInput
        If a phase is missing, or the number of given channels is another than the recipe's.
    """
    return list(each_channel(sources, exam, tolerance_s))


def each_channel(sources, exam, tolerance_s=TIME_TOLERANCE_S):
    """Return an iterator over what `channel_volumes` returns; all phases are looked for before the first channel."""
    _check(sources, exam.phases, tolerance_s)
    if not sources or exam.phases[0].role == "channel":
        return ((volume, [phase.name], {}) for phase, volume in zip(exam.phases, exam.volumes))
    return (channel_volume(source, exam, tolerance_s) for source in sources)


def channel_volume(source, exam, tolerance_s=TIME_TOLERANCE_S):
    """Return a channel on the exam's grid.

    Returns
    -------
    volume : Volume
        float32; of a plain source the phase's own volume.
    used : list of str
        Names of the phases, in the order of the source's terms.
    figures : dict
        Of a ratio: ``signal_p95``, ``signal_floor``, for ``ser`` also ``rise_floor`` (all in the phases' units), and
        ``guarded_voxels``, the number of voxels that are 0 because nothing can be divided there. Empty otherwise.

    Raises
    ------
    BadInput
        If a phase is missing, used twice, or a ratio cannot be taken of it.
    """
    indices = _indices(source, exam.phases, tolerance_s)
    volumes = [exam.volumes[index] for index in indices]
    used = [exam.phases[index].name for index in indices]
    if source.plain:
        return volumes[0], used, {}
    arrays = [volume.array for volume in volumes]
    if source.kind == "difference":
        array, figures = np.subtract(arrays[0], arrays[1], dtype=np.float32), {}
    else:
        array, figures = _ratio(source, arrays, used)
    return Volume(array, volumes[0].geometry), used, figures


def _ratio(source, arrays, names):
    """Return percent enhancement or the signal enhancement ratio (float32), and the figures of its guards.

    A ratio is 0 where it would be one of noise:

    - where the pre-contrast signal is below 10 % of its 95th percentile (of the positive values, so that masked air
      does not count): air, whose noise reaches a few percent of that; tissue, suppressed fat included, lies above it;
    - of the signal enhancement ratio, also where the late phase is less than 5 % of that percentile above the
      pre-contrast phase: what does not take up contrast agent has no early share of it.

    Slices are computed in double precision and cut at what float32 holds, so that nothing is ever infinite or NaN.
    """
    for array, name in zip(arrays, names):
        _refuse_not_finite(array, name)
    pre, top = arrays[-1], arrays[0]
    figures = _floors(source, pre)
    floor, rise, guarded = figures["signal_floor"], figures.get("rise_floor"), 0
    result = np.zeros(pre.shape, np.float32)
    for before, early, late, out in zip(pre, top, arrays[1], result):
        usable = before >= np.float64(floor)  # a plain float would be rounded to float32, a tiny one to 0
        ratio = np.subtract(early, before, dtype=np.float64)
        if source.kind == "pe":
            below = before
            ratio *= 100
        else:
            below = np.subtract(late, before, dtype=np.float64)
            usable &= below >= rise
        np.divide(ratio, below, out=ratio, where=usable)
        np.clip(ratio, -LARGEST, LARGEST, out=ratio)
        np.copyto(out, ratio, where=usable, casting="same_kind")
        guarded += usable.size - int(np.count_nonzero(usable))
    return result, {**figures, "guarded_voxels": guarded}


def _floors(source, pre):
    if not any((block > 0).any() for block in blocks(pre)):
        raise BadInput(
            f"The channel {source.text} cannot be computed, because the pre-contrast phase has no signal",
            hint="Check the phases of the exam",
        )
    (p95,) = percentiles(lambda: (block[block > 0] for block in blocks(pre)), (95,))
    figures = {"signal_p95": float(p95), "signal_floor": SIGNAL_SHARE * float(p95)}
    return {**figures, "rise_floor": RISE_SHARE * float(p95)} if source.kind == "ser" else figures


def _refuse_not_finite(array, name):
    if not all(np.isfinite(block).all() for block in blocks(array)):
        raise BadInput(f"The phase {name} holds values that are not finite numbers", hint="Check its files")


def _check(sources, phases, tolerance_s):
    """Raise `BadInput` unless the phases give all channels."""
    if not phases:
        raise BadInput("The exam has no phases")
    if sources and phases[0].role == "channel":
        if len(phases) != len(sources):
            given, wanted = len(phases), len(sources)
            raise BadInput(
                f"{given} channel{'s are' if given != 1 else ' is'} given, but the model has {wanted}",
                ", ".join(source.text for source in sources),
                "Give one file for each channel, in this order",
            )
        return
    for source in sources:
        _indices(source, phases, tolerance_s)


def _indices(source, phases, tolerance_s):
    """Return the index of the phase of each term of a source."""
    wanted_by = "" if source.plain else source.text
    indices = [_find(term, phases, tolerance_s, wanted_by) for term in source.terms]
    twice = [index for index in indices if indices.count(index) > 1]
    if twice:
        raise _used_twice(source.text, phases[twice[0]].name, phases)
    if source.kind == "ser" and indices[0] > indices[1]:
        early, late = (phases[index].name for index in indices[:2])
        raise BadInput(
            f"The channel {source.text} takes {early} as the early phase, which comes after {late}, the late one",
            hint="Put the early phase first",
        )
    return indices


def _used_twice(text, name, phases=()):
    return BadInput(
        f"The channel {text} takes the phase {name} twice, so that it would be the same everywhere",
        _it_has(phases) if phases else "",
        "It needs different phases",
    )


def _find(term, phases, tolerance_s, wanted_by=""):
    match, reason = TERM.fullmatch(term), f", which {wanted_by} needs" if wanted_by else ""
    if match["time"]:
        return _nearest(float(match["time"]), wanted_by or term, phases, tolerance_s)
    names = [phase.name for phase in phases]
    if term == "last":
        if phases[-1].role != "post":
            raise BadInput(
                f"The exam has no post-contrast phase{reason}", _it_has(phases), "Load the phases after contrast"
            )
        return len(names) - 1
    if term not in names:
        raise BadInput(
            f"The exam has no phase {term}{reason}",
            _it_has(phases),
            "Load the missing phase, or choose another model or recipe",
        )
    return names.index(term)


def _it_has(phases):
    return "it has " + ", ".join(phase.name for phase in phases)


def _nearest(seconds, wanted, phases, tolerance_s):
    posts = [(index, phase) for index, phase in enumerate(phases) if phase.role == "post"]
    if not posts:
        raise BadInput(
            f"The exam has no post-contrast phase, which {wanted} needs",
            _it_has(phases),
            "Load the phases after contrast",
        )
    timed = [(abs(phase.time_s - seconds), index) for index, phase in posts if phase.time_s is not None]
    if not timed:
        raise BadInput(
            f"The times of the phases are unknown, but {wanted} needs them",
            hint="Enter the times in the phase table",
        )
    distance, index = min(timed)
    if distance > tolerance_s:
        unknown = "" if len(timed) == len(posts) else ". Enter the times of the other phases in the phase table"
        raise BadInput(
            f"For {wanted} the nearest phase is {math.ceil(distance * 10) / 10:g} s away",
            phases[index].title,
            f"At most {tolerance_s:g} s are allowed{unknown}",
        )
    return index
