"""What lesions measure: shape, place, enhancement, and what a reader has to know before the numbers.

Nothing here reads a file of an exam or imports more than NumPy, SciPy and SimpleITK; exams are given as objects.
"""

from . import maps
from .agreement import agreement
from .fingerprint import Training, differences, inputs_of, lesion_voxels, training_of
from .kinetics import measure_kinetics
from .lesions import lesion_labels, measure_shapes
from .matching import match_views
from .quantities import Quantity, empty_row, quantities
from .settings import Settings
from .side import breast_side
from .views import measure_view
from .warnings import failed, warning, warnings_of
from .whole import Known, components_only, measure_dce, measure_mammograms

__all__ = [
    "Known",
    "Quantity",
    "Settings",
    "Training",
    "agreement",
    "breast_side",
    "components_only",
    "differences",
    "empty_row",
    "failed",
    "inputs_of",
    "lesion_labels",
    "lesion_voxels",
    "maps",
    "match_views",
    "measure_dce",
    "measure_kinetics",
    "measure_mammograms",
    "measure_shapes",
    "measure_view",
    "quantities",
    "training_of",
    "warning",
    "warnings_of",
]
