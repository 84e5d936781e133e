"""Translated texts, looked up once: Slicer's `tr` walks the call stack, which is too slow for a progress line."""

from functools import cache

from slicer.i18n import tr

_ = cache(tr)
