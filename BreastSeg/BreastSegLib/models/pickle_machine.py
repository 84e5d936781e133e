"""Follows what a pickle would do, with nothing but its strings: no object is made and no code is run."""

import pickletools
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING

from .zipped import readable

MOST_STEPS = 8_000_000
MOST_STACK = 2_000_000
MOST_NAMES = 2_000
MOST_TEXT = 4096
HINTS = ("configuration", "trainer_name")
UNTOLD = "(a name that is put together while loading)"
_MARK, _OTHER = object(), object()
_STRINGS = {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}


class Damaged(Exception):
    """The bytes are no whole pickle; names met before are kept by the machine."""


class Machine:
    """Walks pickles and collects the names that they would import.

    Attributes
    ----------
    names : set of str
        ``module.name``, spelt as Python 3 does; texts in brackets for what cannot be told.
    hints : dict
        Values of the keys `HINTS`.
    """

    def __init__(self):
        self.names, self.hints = set(), {}

    def walk(self, stream):
        """Follow one pickle from the place of a binary stream to its end.

        Raises
        ------
        Damaged
            If it is cut off, takes too many steps, or is no pickle.
        """
        self._stack, self._memo, self._version = [], {}, 0
        try:
            for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
                if count > MOST_STEPS or len(self._stack) > MOST_STACK or len(self._memo) > MOST_STACK:
                    raise Damaged("its pickle takes too many steps")
                self._step(opcode, argument)
                if len(self.names) > MOST_NAMES:
                    raise Damaged("its pickle names too many things")
        except (ValueError, IndexError, KeyError, OverflowError, EOFError, MemoryError, TypeError) as error:
            raise Damaged("its pickle ends too early or is garbled") from error

    def _step(self, opcode, argument):
        name = opcode.name
        if name in _STRINGS:
            self._stack.append(_text(argument))
        elif name in ("GLOBAL", "INST"):
            if name == "INST":
                self._pop_to_mark()
            self._add_pair(argument)
            self._stack.append(_OTHER)
        elif name == "STACK_GLOBAL":
            attribute, module = self._stack.pop(), self._stack.pop()
            known = isinstance(module, str) and isinstance(attribute, str)
            self._add(module, attribute) if known else self.names.add(UNTOLD)
            self._stack.append(_OTHER)
        elif name in ("EXT1", "EXT2", "EXT4"):
            self.names.add(f"(extension number {argument})")
            self._stack.append(_OTHER)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self._memo[argument] = self._stack[-1]
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = self._stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self._stack.append(self._memo[argument])
        elif name == "DUP":
            self._stack.append(self._stack[-1])
        elif name == "MARK":
            self._stack.append(_MARK)
        elif name == "PROTO":
            self._version = argument
        else:
            self._other_step(opcode)

    def _other_step(self, opcode):
        """Take from the stack and put on it what the opcode's description says."""
        before, name = list(opcode.stack_before), opcode.name
        taken = []
        if pickletools.markobject in before:
            taken = self._pop_to_mark()
            before = before[: before.index(pickletools.markobject)]
        elif name == "SETITEM":
            taken = self._stack[-2:]
        for _ in before:
            self._stack.pop()
        if name in ("SETITEM", "SETITEMS"):
            for key, value in zip(taken[::2], taken[1::2]):
                if key in HINTS and isinstance(value, str):
                    self.hints[key] = value
        self._stack.extend(_OTHER for _ in opcode.stack_after)

    def _pop_to_mark(self):
        taken = []
        while (item := self._stack.pop()) is not _MARK:
            taken.append(item)
        return taken[::-1]

    def _add_pair(self, argument):
        """Add the name of GLOBAL or INST, which `pickletools` gives as ``module name``."""
        module, _, attribute = argument.partition(" ")
        if " " in attribute or not attribute:
            self.names.add(f"({readable(argument)})")
        else:
            self._add(module, attribute)

    def _add(self, module, attribute):
        if self._version < 3:
            if (module, attribute) in NAME_MAPPING:
                module, attribute = NAME_MAPPING[module, attribute]
            else:
                module = IMPORT_MAPPING.get(module, module)
        self.names.add(readable(f"{module}.{attribute}"))


def _text(argument):
    """Return a string argument as text; a long one names nothing, and is not kept."""
    text = argument.decode("latin-1") if isinstance(argument, bytes) else argument
    return text if len(text) <= MOST_TEXT else _OTHER
