"""Translated texts, looked up once and without Slicer's `tr`, which walks the whole call stack for each new text."""

import sys
from functools import cache

from slicer.i18n import getContext, translate


def _(text):
    """Return a text in the language of the application; the file that asks is its context, as for `tr`."""
    return _translated(text, sys._getframe(1).f_code.co_filename)


@cache
def _translated(text, file):
    return translate(getContext(file), text)
