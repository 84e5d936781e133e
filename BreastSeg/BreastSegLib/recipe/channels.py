"""The language that says which phase a channel is: ``pre``, ``post2``, ``post@150s``, ``last``, ``post2 - pre``."""

import re
from dataclasses import dataclass

import numpy as np

from ..errors import BadInput
from ..volume import Volume

TIME_TOLERANCE_S = 60.0
TERM = re.compile(r"pre|last|post(?P<number>[1-9][0-9]?)|post@(?P<time>[0-9]+(?:\.[0-9]+)?)s")


@dataclass(frozen=True)
class Source:
    """One parsed channel source: the first term minus the second, if there is one.

    Parameters
    ----------
    text : str
        As written in the recipe.
    terms : tuple of str
        One or two terms.
    """

    text: str
    terms: tuple


def parse_source(text):
    """Return the `Source` that `text` says.

    Raises
    ------
    BadInput
        If it is not in the language; the message shows the language.
    """
    terms = tuple(term.strip() for term in text.split(" - "))
    if len(terms) > 2 or not all(TERM.fullmatch(term) for term in terms):
        raise BadInput(
            f"The channel source {text!r} is not understood",
            hint="Write pre, post1, post2, post@150s, last, or a difference such as post2 - pre",
        )
    return Source(text, terms)


def resolve(term, exam):
    """Return the index of the phase of `exam` that `term` means.

    ``post@150s`` is the post-contrast phase nearest to 150 s after the first one, at most `TIME_TOLERANCE_S` away.

    Raises
    ------
    BadInput
        If the exam has no such phase; the message lists what it has.
    """
    names = [phase.name for phase in exam.phases]
    match = TERM.fullmatch(term)
    if match["time"]:
        return _nearest(float(match["time"]), term, exam)
    if term == "last":
        if exam.phases[-1].role != "post":
            raise BadInput("The exam has no post-contrast phase", "it has " + ", ".join(names))
        return len(names) - 1
    if term not in names:
        raise BadInput(
            f"The model wants the phase {term}, which the exam does not have",
            f"it has {', '.join(names)}",
            "Load the missing phase or choose another model",
        )
    return names.index(term)


def channel_volumes(sources, exam):
    """Return (volume, names of the phases used) of each channel.

    Files that the user gave as a model's channels are taken as they are, in their order.

    Raises
    ------
    BadInput
        If a phase is missing, or the number of given channels is another than the recipe's.
    """
    if exam.phases[0].role != "channel":
        return [channel_volume(source, exam) for source in sources]
    if len(exam.phases) != len(sources):
        given, wanted = len(exam.phases), len(sources)
        raise BadInput(
            f"{given} channel{'s are' if given != 1 else ' is'} given, but the model has {wanted}",
            ", ".join(source.text for source in sources),
            "Give one file for each channel, in this order",
        )
    return [(volume, [phase.name]) for phase, volume in zip(exam.phases, exam.volumes)]


def channel_volume(source, exam):
    """Return the float32 `Volume` of a channel on the exam's grid, and the names of the phases used."""
    indices = [resolve(term, exam) for term in source.terms]
    volumes = [exam.volumes[index] for index in indices]
    used = [exam.phases[index].name for index in indices]
    if len(volumes) == 1:
        return volumes[0], used
    return Volume(np.subtract(volumes[0].array, volumes[1].array, dtype=np.float32), volumes[0].geometry), used


def _nearest(seconds, term, exam):
    timed = [
        (abs(phase.time_s - seconds), index)
        for index, phase in enumerate(exam.phases)
        if phase.role == "post" and phase.time_s is not None
    ]
    if not timed:
        raise BadInput(
            f"The model wants {term}, but the times of the phases are unknown",
            hint="Enter the times in the phase table",
        )
    distance, index = min(timed)
    if distance > TIME_TOLERANCE_S:
        raise BadInput(
            f"The model wants {term}, but the nearest phase is {distance:.0f} s away", exam.phases[index].title
        )
    return index
