"""Where long work runs: on this computer or on a cluster, by one interface, and found again later by its handle."""

from .job import ENDED, LOST, RUNNING, WAITING, Job, JobState, Resources, resources_of
from .making import NAMES, make

__all__ = ["ENDED", "LOST", "NAMES", "RUNNING", "WAITING", "Job", "JobState", "Resources", "make", "resources_of"]
