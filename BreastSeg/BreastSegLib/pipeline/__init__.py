"""The flow of one run: exam → recipe → network → the exam's own grid → clean-up → result.

`make_ready`, `segment_exam`, `prepare_exam` and `load_model` run in the worker; `segment` is what scripts and the
command line call.
"""

from .call import absolute_source, segment
from .preparing import prepare_exam
from .run import load_model, make_ready, segment_exam

__all__ = ["absolute_source", "load_model", "make_ready", "prepare_exam", "segment", "segment_exam"]
