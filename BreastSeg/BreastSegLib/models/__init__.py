"""Model folders (nnU-Net v2's own layout) with a model card, and where they are found."""

from .library import Model, find_model, list_models, open_model, survey

__all__ = ["Model", "find_model", "list_models", "open_model", "survey"]
