"""Mammograms from DICOM files and pictures, grouped to an exam."""

from .exam import MammographyExam, MammographyScan, arrange
from .reading import describe_views, read_views
from .store import holds_views, load_views, save_views
from .tones import tone_of
from .view import View, Window

__all__ = [
    "MammographyExam",
    "MammographyScan",
    "View",
    "Window",
    "arrange",
    "describe_views",
    "holds_views",
    "load_views",
    "read_views",
    "save_views",
    "tone_of",
]
