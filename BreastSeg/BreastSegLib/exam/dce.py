"""A DCE exam: phases in order, on one grid."""

from dataclasses import dataclass, field, replace

from ..errors import BadInput
from ..volume import Volume

ROLES = ("pre", "post", "channel")


@dataclass(frozen=True)
class Phase:
    """One time point of a DCE exam.

    Parameters
    ----------
    role : {'pre', 'post', 'channel'}
        Before or after the contrast agent; ``channel`` for a file that is a model's channel and no phase.
    number : int
        0 for the pre-contrast phase, 1 for the first post-contrast phase, and so on in time order; of channels from 0.
    time_s : float or None
        Seconds since the first post-contrast phase (negative before it); None when the files do not tell.
    evidence : str
        What decided role and time: the name of the DICOM tag, "file order", "chosen by the user" …
    files : tuple of str
        The files that the phase's pixels come from, in slice order (one file for an image file).
    resolution_s : float or None
        Seconds that the acquisition of the phase took.
    since_injection_s : float or None
        Seconds since the injection of the contrast agent, where the files tell when it began.
    contradictions : tuple of str
        Tags that say otherwise than those that decided.
    frames : tuple of (int, int)
        Where enhanced files hold the slices: for each slice the index of its file in `files` and of its frame, from 0.
        Empty where every file is one slice.

    Raises
    ------
    BadInput
        If role and number contradict each other.
    """

    role: str
    number: int
    time_s: float | None = None
    evidence: str = ""
    files: tuple = field(default=(), repr=False)
    resolution_s: float | None = None
    since_injection_s: float | None = None
    contradictions: tuple = ()
    frames: tuple = field(default=(), repr=False)

    def __post_init__(self):
        if self.role not in ROLES:
            raise BadInput(f"A phase is {' or '.join(ROLES)}, not {self.role!r}")
        if self.role != "channel" and (self.role == "pre") != (self.number == 0):
            raise BadInput("Phase 0 is the pre-contrast phase and no other", f"role {self.role}, number {self.number}")

    @property
    def name(self):
        """str: the short name used in recipes and on the screen: ``pre``, ``post1``, ``post2`` …"""
        return "pre" if self.role == "pre" else f"{self.role}{self.number}"

    @property
    def title(self):
        """str: the name with the time, for people, such as ``Post 1 (+0 s)``."""
        name = "Pre" if self.role == "pre" else f"{self.role.capitalize()} {self.number}"
        return name if self.time_s is None else f"{name} ({self.time_s:+.0f} s)"

    def to_json(self):
        """dict: the phase without its file names (they can identify a patient)."""
        return {
            "role": self.role,
            "number": self.number,
            "time_s": self.time_s,
            "evidence": self.evidence,
            "resolution_s": self.resolution_s,
            "since_injection_s": self.since_injection_s,
            "contradictions": list(self.contradictions),
        }

    @classmethod
    def from_json(cls, record):
        """Return the phase that `to_json` described."""
        return cls(
            record["role"],
            int(record["number"]),
            record.get("time_s"),
            record.get("evidence", ""),
            resolution_s=record.get("resolution_s"),
            since_injection_s=record.get("since_injection_s"),
            contradictions=tuple(record.get("contradictions", ())),
        )


@dataclass(frozen=True)
class DceExam:
    """Phases with their pixels, all on the grid of the reference phase (the first post-contrast phase).

    Parameters
    ----------
    phases : tuple of Phase
        In time order.
    volumes : tuple of Volume
        One for each phase, float32, all on one grid.
    notes : tuple of str
        Sentences worth reading: contradictory tags, phases that had to be resampled, times unknown …
    spacing_known : bool
        False when the files do not tell the voxel size: it is 1 mm then, and lengths mean nothing.
    motion : tuple of Motion
        What motion correction did to each phase; empty without it.
    enhancement : Enhancement or None
        Mean enhancement of the breast over the phases, where it was measured.

    Raises
    ------
    BadInput
        If there is no phase, the numbers differ, two phases have one name, or the grids differ.
    """

    phases: tuple
    volumes: tuple
    notes: tuple = ()
    spacing_known: bool = True
    motion: tuple = ()
    enhancement: object = None

    def __post_init__(self):
        if not self.phases:
            raise BadInput("The exam has no phases")
        if len(self.phases) != len(self.volumes):
            raise BadInput(
                "The exam has another number of volumes than phases", f"{len(self.volumes)}, {len(self.phases)}"
            )
        names = [phase.name for phase in self.phases]
        if len(set(names)) != len(names):
            raise BadInput("Two phases have the same role and number", ", ".join(names))
        for phase, volume in zip(self.phases, self.volumes):
            if not volume.geometry.same_grid(self.geometry):
                raise BadInput("The phases lie on different grids", phase.name)

    @property
    def geometry(self):
        """Geometry: the grid that all phases share: the exam's own grid."""
        return self.volumes[0].geometry

    @property
    def reference(self):
        """int: index of the reference phase: the first post-contrast phase, else the first phase."""
        return next((i for i, phase in enumerate(self.phases) if phase.role == "post"), 0)

    def volume(self, name):
        """Return the `Volume` of the phase called `name` (``pre``, ``post1`` …).

        Raises
        ------
        BadInput
            If the exam has no such phase; the message lists those that it has.
        """
        for phase, volume in zip(self.phases, self.volumes):
            if phase.name == name:
                return volume
        raise BadInput(f"The exam has no phase {name}", "it has " + ", ".join(p.name for p in self.phases))


def number_phases(roles_and_times):
    """Return phases numbered in the given order.

    Parameters
    ----------
    roles_and_times : iterable of (str, float or None, str, tuple)
        Role, time in seconds on any clock (None unknown), evidence, files - in time order.

    Returns
    -------
    tuple of Phase
        Times counted from the first post-contrast phase. A second pre-contrast phase is refused.
    """
    rows = list(roles_and_times)
    zero = next((None if time is None else float(time) for role, time, *_ in rows if role == "post"), None)
    if sum(role == "pre" for role, *_ in rows) > 1:
        raise BadInput("The exam has more than one pre-contrast phase", hint="Say which phases to use, in order")
    phases, post = [], 0
    for role, time, evidence, files in rows:
        post += role == "post"
        seconds = None if time is None or zero is None else round(float(time) - zero, 3)
        phases.append(Phase(role, post if role == "post" else 0, seconds, evidence, tuple(files)))
    return tuple(phases)


def with_volumes(exam, volumes):
    """Return `exam` with other voxels."""
    return replace(exam, volumes=tuple(Volume(v.array, v.geometry) for v in volumes))
