"""Image quality: measures of each case, their distributions, and rules that select cases by them."""

from .distributions import distributions
from .measure import measure, measure_dce, measure_mammograms
from .measured import Measured, NotMeasured, measures

__all__ = ["Measured", "NotMeasured", "distributions", "measure", "measure_dce", "measure_mammograms", "measures"]
