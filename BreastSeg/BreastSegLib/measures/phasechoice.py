"""Which phases are taken as before contrast, early, late and initial, and why."""

import math
from dataclasses import dataclass

FAR_S = 60.0  # a phase that is farther from its wished time than this is worth a note


@dataclass(frozen=True)
class Choice:
    """The phases that kinetics are measured from; all are indices into the exam's phases.

    Parameters
    ----------
    pre : int or None
        Before contrast; None where the exam has none: nothing can be measured then.
    posts : tuple of int
        After contrast, in time order.
    early : int or None
        For percent enhancement; None without post-contrast phases.
    late : int or None
        For the signal enhancement ratio and the course of curves; None with one post-contrast phase only.
    initial : tuple of int
        Those in which the initial peak of a curve is looked for, all before `late`.
    times : tuple of float or None
        Seconds after the first post-contrast phase for each phase of the exam, None where unknown; all None where the
        times of the post-contrast phases are not all known or not in order.
    windows : tuple of tuple of int
        For each phase those that are averaged with it for the type of a curve, itself included.
    evidence : str
        A sentence: how early and late phase were chosen. "" without.
    notes : tuple of str
        Sentences worth reading: what is missing, or far from what was wished.
    """

    pre: int | None
    posts: tuple
    early: int | None
    late: int | None
    initial: tuple
    times: tuple
    windows: tuple = ()
    evidence: str = ""
    notes: tuple = ()

    @property
    def timed(self):
        """bool: whether the times of the post-contrast phases are known."""
        return bool(self.posts) and self.times[self.posts[0]] is not None

    def to_json(self, phases):
        """dict: names and times of the chosen phases of `phases`, what they were chosen by, and the evidence."""

        def name(index):
            return None if index is None else phases[index].name

        def time(index):
            return None if index is None else self.times[index]

        return {
            "pre": name(self.pre),
            "early": name(self.early),
            "late": name(self.late),
            "early_s": time(self.early),
            "late_s": time(self.late),
            "initial": [name(index) for index in self.initial],
            "by": "time" if self.timed else "order",
            "evidence": self.evidence,
        }


def choose_phases(phases, settings):
    """Return which of `phases` are before contrast, early, late and initial.

    With known times the early phase is the one nearest to `settings.early_s` of all but the last post-contrast
    phase, the late phase the one nearest to `settings.late_s` of those after the early one (of two equally near
    the earlier one). Without times the order decides: early is the second post-contrast phase where there are four
    and more, else the first, as most protocols have it 1 to 3 minutes after the injection; late is the last. That is
    said in the notes.

    Parameters
    ----------
    phases : sequence of Phase
        In time order.
    settings : Settings

    Returns
    -------
    Choice
    """
    pre = next((i for i, phase in enumerate(phases) if phase.role == "pre"), None)
    posts = tuple(i for i, phase in enumerate(phases) if phase.role == "post")
    missing = _missing(phases, pre, posts)
    if missing:
        return Choice(pre, posts, None, None, (), (None,) * len(phases), notes=(missing,))
    times = _times(phases, posts)
    timed = times[posts[0]] is not None
    if len(posts) == 1:
        early, late = posts[0], None
    elif timed:
        early = _nearest(posts[:-1], times, settings.early_s)
        late = _nearest([i for i in posts if i > early], times, settings.late_s)
    else:
        early, late = posts[1 if len(posts) >= 4 else 0], posts[-1]
    initial = [i for i in posts if (times[i] <= settings.initial_s if timed else i <= early)]
    initial = tuple(i for i in initial if late is None or i < late)
    evidence, notes = _said(phases, early, late, times, settings)
    if timed and times[pre] is None:
        notes.append("The time of the pre-contrast phase is not known, so there is no maximum slope.")
    windows = tuple(_window(i, posts, times, settings.window_s / 2) for i in range(len(phases)))
    return Choice(pre, posts, early, late, initial, times, windows, evidence, tuple(notes))


def _missing(phases, pre, posts):
    """Return what keeps kinetics from being measured, or ""."""
    if phases and all(phase.role == "channel" for phase in phases):
        return "The files are channels of a model, not phases, so there are no kinetics."
    if pre is None:
        return "The exam has no pre-contrast phase, so enhancement and kinetics cannot be measured."
    if not posts:
        return "The exam has no post-contrast phase, so enhancement and kinetics cannot be measured."
    return ""


def _times(phases, posts):
    """Return seconds after the first post-contrast phase, all None unless those of all post phases are in order."""
    known = [phases[i].time_s for i in posts]
    if any(t is None or not math.isfinite(t) for t in known) or any(b <= a for a, b in zip(known, known[1:])):
        return (None,) * len(phases)
    seconds = [None if p.time_s is None or not math.isfinite(p.time_s) else p.time_s - known[0] for p in phases]
    # A pre-contrast phase that claims to come after contrast has no time that one can use.
    return tuple(None if p.role != "post" and t is not None and t >= 0 else t for p, t in zip(phases, seconds))


def _nearest(indices, times, wished):
    return min(indices, key=lambda i: (abs(times[i] - wished), i))


def _window(index, posts, times, half):
    """Return the post-contrast phases nearer to phase `index` than `half` seconds, itself included."""
    if index not in posts or times[index] is None:
        return (index,)
    return tuple(i for i in posts if i == index or abs(times[i] - times[index]) < half)


def _said(phases, early, late, times, settings):
    """Return the sentence about how the phases were chosen, and notes worth reading."""
    notes = []
    if late is None:
        notes.append(
            "The exam has one post-contrast phase only: enhancement is measured, but no signal enhancement ratio, "
            "curve types or functional tumour volume."
        )
    wished = [("early", early, settings.early_s), ("late", late, settings.late_s)]
    chosen = [(word, i, seconds) for word, i, seconds in wished if i is not None]
    if times[early] is None:
        parts = [f"{phases[i].name} as the {word} phase" for word, i, _ in chosen]
        sentence = f"The times of the phases are not known, so {' and '.join(parts)} were taken by their order."
        if late is None:
            sentence = sentence.replace(" were ", " was ")
        return sentence, [sentence, *notes]
    parts = []
    for word, i, seconds in chosen:
        parts.append(f"{phases[i].name} ({times[i]:+.0f} s) for {seconds:g} s ({word})")
        if abs(times[i] - seconds) > FAR_S:
            notes.append(
                f"The {word} phase is {phases[i].name} at {times[i]:+.0f} s, {abs(times[i] - seconds):.0f} s from the "
                f"wished {seconds:g} s after the first post-contrast phase."
            )
    return f"Phases nearest in time: {', '.join(parts)}.", notes
