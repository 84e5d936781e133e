"""Presets: each published method as one file that can be trained: recipe, dataset, trainer, plan and evaluation."""

from .preset import Preset, load_preset, names, parse_preset
from .schema import preset_schema

__all__ = ["Preset", "load_preset", "names", "parse_preset", "preset_schema"]
