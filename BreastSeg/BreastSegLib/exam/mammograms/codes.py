"""The coded and written names of sides and views, from ``Resources/mammogram_views.json``."""

from functools import cache
from pathlib import Path

from ...files import read_json

TABLE = Path(__file__).resolve().parents[3] / "Resources" / "mammogram_views.json"
LEFT_RIGHT = {"L": "Left", "R": "Right"}


@cache
def table():
    """dict: the table as it stands in the file."""
    return read_json(TABLE)


@cache
def by_code(kind):
    """Return the names of `kind` (views, sides, modifiers) by their code value."""
    rows = table()[kind]
    return {code: name for name, row in rows.items() for code in (row["codes"] if isinstance(row, dict) else row)}


@cache
def by_word(kind):
    """Return the names of `kind` (views, sides) by the words that stand for them, in upper case."""
    return {word: name for name, row in table()[kind].items() for word in row["words"]}


def title(laterality, position):
    """Return a view's name for people, such as ``Left CC``; empty parts are said to be unknown."""
    if not laterality and not position:
        return "View unknown"
    side = LEFT_RIGHT.get(laterality, "Side unknown,")
    return f"{side} {table()['views'][position]['title']}" if position else f"{side}, view unknown"
