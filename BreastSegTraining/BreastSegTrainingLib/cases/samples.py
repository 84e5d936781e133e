"""Synthetic labelled cases: exams with masks and what a clinic would tell of them, for trying out and for tests."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from BreastSegLib.errors import BadInput
from BreastSegLib.samples.dce import make_dce_exam
from BreastSegLib.samples.mammogram_mass import SHAPES
from BreastSegLib.samples.writing import write_dce_sample, write_mammogram_sample

from .case import Case

KINDS = ("dce", "mammogram")
# Grids and masses of each size; small trains within minutes on a processor, standard is near a real exam.
SIZES = {
    "dce": {
        "tiny": {"shape": (16, 40, 60), "spacing": (2.0, 2.0, 3.0), "posts": 2, "radius_mm": (5.0, 6.0)},
        "small": {"shape": (24, 60, 100), "spacing": (2.0, 2.0, 3.0), "posts": 2, "radius_mm": (5.0, 10.0)},
        "standard": {"shape": (40, 96, 160), "spacing": (1.2, 1.2, 2.0), "posts": 4},
    },
    "mammogram": {
        "tiny": {"size": (256, 192)},
        "small": {"size": (416, 320)},
        "standard": {"size": (1664, 1280)},
    },
}
CENTRES = {"dce": ("DUKE", "ISPY1", "ISPY2", "NACT"), "mammogram": ("North", "South")}
EXAMS_OF_A_PATIENT = {"dce": 1, "mammogram": 2}  # two views of one breast
DIAMETER_MM = 12.0, 25.0  # alike in both views
TWICE = 6  # every so many DCE exams one is the second of a patient
TRIES = 20  # a mass does not fit into every breast
MOST_CASES = 10_000


@dataclass(frozen=True)
class SampleJob:
    """One case to make.

    Parameters
    ----------
    kind : {'dce', 'mammogram'}
    size : {'tiny', 'small', 'standard'}
    number : int
        Of the case, from 1.
    patient : int
        Number of the woman, from 1.
    seed : int
        Of all cases.
    mass : bool
        A mammogram without one is a negative case.
    format : {'nifti', 'dicom'}
        Of a DCE exam; mammograms are DICOM.
    folder : Path
        Where the case's folder is made.
    """

    kind: str
    size: str
    number: int
    patient: int
    seed: int
    mass: bool
    format: str
    folder: Path

    @property
    def name(self):
        """str: of the case."""
        return f"sample_{self.number:03d}"


def sample_jobs(kind, count, folder, seed=1, size="small", without_mass=0, format="nifti"):
    """Return the `SampleJob` of each case.

    Parameters
    ----------
    kind, size, format : str
        As in `SampleJob`.
    count, without_mass : int
        Cases, and how many of the mammograms show no mass.
    folder : Path
    seed : int

    Raises
    ------
    BadInput
        If a number is out of range.
    """
    if not 1 <= count <= MOST_CASES:
        raise BadInput("The number of sample cases is not 1 to 10000", str(count))
    if not 0 <= without_mass <= count or (without_mass and kind != "mammogram"):
        raise BadInput("Cases without a mass are some of the mammograms", f"{without_mass} of {count} ({kind})")
    if not 0 <= seed < 2**31:
        raise BadInput("The seed is not a whole number from 0 to 2147483647", str(seed))
    jobs = []
    for number in range(1, count + 1):
        each = EXAMS_OF_A_PATIENT[kind]
        patient = (number - 1) // each + 1 if each > 1 else number - (number - 1) // TWICE
        jobs.append(SampleJob(kind, size, number, patient, seed, number <= count - without_mass, format, folder))
    return jobs


def make_sample(job):
    """Write the exam and the mask of a case and return its `Case`; paths start from the job's folder."""
    rng = np.random.default_rng([0xCA5E, job.seed, job.patient])
    person = _person(rng, job)
    side = str(rng.choice(("left", "right")))
    made = _mammogram(rng, job, side, person["density"]) if job.kind == "mammogram" else _dce(job, side)
    values = {"case": job.name, "patient": f"S{job.patient:03d}", "side": side, **made, **person}
    return Case({column: str(value) for column, value in values.items()})


def _person(rng, job):
    """Return what is known of the woman: the same for all her cases."""
    age = int(rng.integers(32, 82))
    malignant = bool(rng.random() < 0.7) and job.mass
    centres = CENTRES[job.kind]
    return {
        "centre": centres[(job.patient - 1) % len(centres)],
        "scanner": "synthetic",
        "age": age,
        "menopause": "pre" if age < 48 else "post" if age > 54 else str(rng.choice(("pre", "post", "unknown"))),
        "density": str(rng.choice(tuple("abcd"), p=(0.15, 0.4, 0.35, 0.1))),
        "birads": str(rng.choice(("4", "5"))) if malignant else "2" if job.mass else "1",
        "pathology": "malignant" if malignant else "benign" if job.mass else "",
    }


def _dce(job, side):
    options = SIZES["dce"][job.size]
    sample = _first_that_fits(job.number, lambda seed: make_dce_exam(seed, side=side, **options), job.seed)
    write_dce_sample(sample, job.folder / job.name, job.format)
    times = [phase.time_s for phase in sample.exam.phases]
    return {
        "exam": f"{job.name}/exam",
        "mask": f"{job.name}/truth.nii.gz",
        "times": ";".join(f"{time:g}" for time in times) if job.format == "nifti" else "",
        "phase_count": len(times),
        "field_strength": 1.5 if job.patient % 2 else 3,
    }


def _mammogram(rng, job, side, density):
    view = ("CC", "MLO")[(job.number - 1) % 2]
    mass = {"mass": job.mass, "shape": str(rng.choice(SHAPES)), "diameter_mm": float(rng.uniform(*DIAMETER_MM))}
    options = {"density": density, **mass, **SIZES["mammogram"][job.size]}

    def make(seed):
        return write_mammogram_sample(job.folder / job.name, seed, side[0].upper(), view, **options)

    _first_that_fits(job.patient, make, job.seed)
    return {
        "image": f"{job.name}/exam/IM0001.dcm",
        "mask": f"{job.name}/truth.nii.gz",
        "view": view,
        "fixes": "" if job.mass else "negative",
    }


def _first_that_fits(number, make, seed):
    """Make something of the first seed whose breast has room for the mass."""
    for attempt in range(TRIES):
        try:
            return make(1_000_003 * seed % 2**31 + number + 100_000 * attempt)
        except BadInput as error:
            last = error
    raise last
