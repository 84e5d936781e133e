"""The words of a typed rule: plain ones, and those in quotes because they would be read as something else."""

import re

RESERVED = ("and", "or", "in", "not", "is", "at", "empty", "known")
# A quoted text ("" stands for a quote in it), a sign, a comma, or a word.
TOKEN = re.compile(r'\s*(?:"((?:[^"]|"")*)"|(<=|>=|!=|<>|==|[<>=≤≥≠])|(,)|([^\s"<>=≤≥≠,!]+|!))')


def is_plain(text):
    """bool: whether a text is one word of a rule without quotes."""
    found = TOKEN.fullmatch(text)
    return bool(found) and found[4] == text and text.casefold() not in RESERVED and text[0] != "'"


def quoted(text):
    """Return a text as it stands in a rule: in quotes where it would be read as something else."""
    return text if is_plain(text) else '"' + text.replace('"', '""') + '"'
