"""Networks for mammograms that nnU-Net does not have. A package that also works alone: only torch and, inside
functions, segmentation-models-pytorch are imported.
"""

from .build import PREFIX, build, is_ours

__all__ = ["PREFIX", "build", "is_ours"]
