"""Selection rules as people type them: ``centre in DUKE, NACT and motion < 1.5 mm and CNR > 3``."""

import difflib
import re

from BreastSegLib.errors import BadInput

from ..cases.columns import all_columns, known_name, read_number
from .rule import LISTS, PRESENCE, THRESHOLDS, UNITS, Rule, is_number, is_text, label, unit_of
from .words import RESERVED, TOKEN

SIGNS = {"<": "below", "<=": "at_most", "≤": "at_most", ">": "above", ">=": "at_least", "≥": "at_least"}
SIGNS |= {"=": "is", "==": "is", "!=": "is_not", "<>": "is_not", "≠": "is_not"}
POSSIBLE = "<, <=, >, >=, =, !=, in, not in, is empty, is known"
_NUMBER_UNIT = re.compile(r"([+-]?[\d.]+(?:[eE][+-]?\d+)?)(.*)")


def parse(text, extra=()):
    """Return the rules and the limit that a text says.

    Parameters
    ----------
    text : str
        Rules with ``and`` between them; ``at most N`` or ``at most N seed S`` as the last one limits the number.
    extra : iterable of str
        Columns of the table that are not generally known.

    Returns
    -------
    rules : tuple of Rule
    at_most : int or None
    seed : int

    Raises
    ------
    BadInput
        If the text is no rule: which word, and what is possible there.
    """
    return _Parser(_tokens(text), {_fold(name): name for name in extra}).whole()


def _tokens(text):
    tokens, place = [], 0
    text = str(text).strip()
    while place < len(text):
        found = TOKEN.match(text, place)
        if not found:
            raise BadInput("A quote is not closed", text[place : place + 40], 'Values stand in " and "')
        inside, sign, comma, word = found.groups()
        if inside is not None:
            tokens.append(("quoted", inside.replace('""', '"')))
        else:
            tokens.append(("sign", sign) if sign else ("comma", comma) if comma else ("word", word))
        place = found.end()
        if text[place:].isspace():
            break
    if not tokens:
        raise BadInput("The rule is empty", hint="Write such as: motion < 1.5 mm and CNR > 3")
    return tokens


class _Parser:
    def __init__(self, tokens, extra):
        self.tokens, self.extra, self.place = tokens, extra, 0

    def whole(self):
        rules, limit = [], (None, 0)
        while True:
            if self.word("at") and self.place + 1 < len(self.tokens) and self.word("most", 1):
                limit = self.limit()
                if self.place < len(self.tokens):
                    raise self.wrong("'at most' stands last")
                break
            rules.append(self.rule())
            if self.place == len(self.tokens):
                break
            if self.word("or"):
                raise self.wrong("'or' stands only between the values of 'in', or before 'empty'")
            if not self.word("and"):
                raise self.wrong("'and' is expected")
            self.place += 1
        return (tuple(rules), *limit)

    def limit(self):
        self.place += 2
        number = self.whole_number("at most")
        seed = 0
        if self.word("seed"):
            self.place += 1
            seed = self.whole_number("seed")
        return number, seed

    def whole_number(self, after):
        kind, text = self.next(f"'{after}' needs a number")
        if not (text.isascii() and text.isdigit()) or len(text) > 9:
            raise BadInput(f"'{after}' needs a whole number", text)
        return int(text)

    def rule(self):
        column = self.column()
        kind = self.kind(column)
        if kind in PRESENCE:
            return Rule(column, kind)
        values = [self.value(column, kind)]
        while kind in LISTS and (self.comma() or (self.word("or") and not self.or_empty())):
            self.place += 1
            values.append(self.value(column, kind))
        if self.comma():
            raise self.wrong("A comma stands only between the values of 'in'; write decimals with a point")
        or_empty = self.or_empty()
        self.place += 2 * or_empty
        return Rule(column, kind, tuple(values) if kind in LISTS else values[0], or_empty)

    def column(self):
        start, words = self.place, []
        while self.place < len(self.tokens):
            kind, text = self.tokens[self.place]
            if kind in ("sign", "comma") or (kind == "word" and text.casefold() in RESERVED and words):
                break
            words.append(text)
            self.place += 1
        name = " ".join(words)
        found = known_name(name) if name else None
        found = found or self.extra.get(_fold(name))
        if found is None:
            self.place = start
            here = self.tokens[start][1] if start < len(self.tokens) else None
            raise BadInput(*_unknown(name, here, self.extra))
        return found

    def kind(self, column):
        kind, text = self.next(f"After {label(column)} one of {POSSIBLE} is expected")
        low = text.casefold() if kind == "word" else ""
        if kind == "sign":
            return SIGNS[text]
        if low == "in":
            return "in"
        if low == "not" and self.word("in"):
            self.place += 1
            return "not_in"
        if low == "is":
            for name in PRESENCE:
                if self.word(name):
                    self.place += 1
                    return name
            if self.word("not") and self.place + 1 < len(self.tokens) and self.word("empty", 1):
                self.place += 2
                return "known"
        self.place -= 1
        raise self.wrong(f"After {label(column)} one of {POSSIBLE} is expected")

    def value(self, column, kind):
        parts, plain = [], True
        while self.place < len(self.tokens):
            token, text = self.tokens[self.place]
            if token in ("sign", "comma") or (token == "word" and text.casefold() in ("and", "or")):
                break
            parts.append(text)
            plain &= token == "word"
            self.place += 1
        if not parts:
            raise self.wrong(f"A value for {label(column)} is missing")
        text = " ".join(parts)
        if is_number(column) or (kind in THRESHOLDS and not is_text(column)):
            return _measured(column, text)
        return text[1:-1] if plain and len(text) > 1 and text[0] == text[-1] == "'" else text

    def or_empty(self):
        return self.word("or") and self.place + 1 < len(self.tokens) and self.word("empty", 1)

    def word(self, text, ahead=0):
        place = self.place + ahead
        return (
            place < len(self.tokens)
            and self.tokens[place] == ("word", self.tokens[place][1])
            and (self.tokens[place][1].casefold() == text)
        )

    def comma(self):
        return self.place < len(self.tokens) and self.tokens[self.place][0] == "comma"

    def next(self, expected):
        if self.place == len(self.tokens):
            raise BadInput(expected, "the rule ends")
        self.place += 1
        return self.tokens[self.place - 1]

    def wrong(self, expected):
        here = f"at {self.tokens[self.place][1]!r}" if self.place < len(self.tokens) else "the rule ends"
        return BadInput(expected, here)


def _measured(column, text):
    """Return the number of a text after checking the unit behind it."""
    found = _NUMBER_UNIT.fullmatch(text)
    number = read_number(found[1]) if found else None
    if number is None:
        raise BadInput(f"{label(column)} is compared with a number", f"at {text!r}", "Write it with a decimal point")
    given, unit = found[2].strip(), unit_of(column)
    if given and given.casefold() not in UNITS.get(unit, (unit.casefold(),)):
        own = f"is in {unit}" if unit else "has no unit"
        raise BadInput(f"{label(column)} {own}, not {given}", f"at {text!r}")
    return number


def _unknown(name, word, extra):
    """Return what, where and hint of the error about a column that is not known."""
    names = {}
    for column in all_columns().values():
        names |= {_fold(other): column.name for other in (column.name, column.title, *column.aliases)}
    names |= extra
    near = difflib.get_close_matches(_fold(name), names, 3, 0.6)
    if near:
        hint = "Did you mean " + " or ".join(dict.fromkeys(label(names[one]) for one in near)) + "?"
    else:
        quality = [label(column.name) for column in all_columns().values() if column.group == "quality"]
        hint = f"Columns are such as centre, age, {', '.join(quality)}"
    where = "the rule ends" if word is None else f"at {name or word!r}"
    return "No column is called so" if name else "A column is expected", where, hint


def _fold(text):
    return re.sub(r"[\s_-]+", "", text).casefold()
