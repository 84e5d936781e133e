"""The flow of one run: exam → recipe → network → the exam's own grid → clean-up → result.

`make_ready`, `segment_exam`, `prepare_exam`, `measure_exam`, `export_results` and `load_model` run in the worker;
`segment` and `measure` are what scripts and the command line call.
"""

from .call import absolute_source, measure, segment
from .exporting import export_results
from .measuring import measure_exam
from .preparing import prepare_exam
from .run import load_model, make_ready, segment_exam

__all__ = [
    "absolute_source",
    "export_results",
    "load_model",
    "make_ready",
    "measure",
    "measure_exam",
    "prepare_exam",
    "segment",
    "segment_exam",
]
