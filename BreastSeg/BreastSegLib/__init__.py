"""Breast lesion segmentation with nnU-Net: everything that the BreastSeg module and its command line share.

Rooms and their arrows are described in ``docs/architecture.md``. Nothing here imports Qt or MRML except ``scene`` and
``panel``; torch and nnU-Net are imported only by the worker's engine.
"""

__version__ = "0.1.0"
