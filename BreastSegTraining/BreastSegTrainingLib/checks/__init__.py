"""Checks of labelled cases, each with a fix or a refusal: what the files tell, judged for one case and among all."""

from .cache import stale
from .catalogue import Check, Fix, all_checks
from .facts import Facts, gather
from .judge import Finding, judge, status_of
from .run import check

__all__ = ["Check", "Facts", "Finding", "Fix", "all_checks", "check", "gather", "judge", "stale", "status_of"]
