"""Enums as PythonQt shows them: subclasses of int, one type per enum, ``|`` gives a plain int."""

import enum
import functools

from Host.pythonqt import record


@functools.cache
def enumType(owner, name):
    """The type of enum ``name`` of class ``owner`` (both text), with its values as attributes."""
    info = record.members(owner)
    made = type(name, (int,), {"__module__": info.package, "__slots__": ()})
    for value, number in info.enums[name].items():
        setattr(made, value, made(number))
    return made


@functools.cache
def classValues(owner):
    """Enum values and enum types that are attributes of class ``owner``, as a dict."""
    info = record.members(owner)
    out = {name: enumType(owner, name) for name in info.enums}
    for value, (enumName, number) in info.values.items():
        out[value] = number if enumName is None else enumType(owner, enumName)(number)
    return out


def fromNative(value):
    """The PythonQt enum value of a PySide6 one; a plain int where the record has no such enum."""
    owner, _, name = type(value).__qualname__.rpartition(".")
    owner = {"QIODeviceBase": "QIODevice"}.get(owner, owner)
    number = value.value
    if owner == "QFont" and name == "Weight":
        number = _nearest(number, 1, 0)
    else:
        number = {six: five for five, six in renumbered(type(value)).items() if six}.get(number, number)
    if record.moduleOfClass(owner) and name in record.members(owner).enums:
        return enumType(owner, name)(number)
    return number


def toNative(value, nativeEnum):
    """The PySide6 enum member of an int; raises ValueError for an int that is not one."""
    number = int(value)
    if nativeEnum.__qualname__ == "QFont.Weight":
        return nativeEnum(_nearest(number, 0, 1))
    if number < 0:
        number += 1 << 32
    table = renumbered(nativeEnum)
    if number in table:
        number = table[number]
    elif table and issubclass(nativeEnum, enum.Flag):
        for five, six in table.items():
            if number & five == five:
                number = number & ~five | six << 32
        number = number & 0xFFFFFFFF | number >> 32
    return nativeEnum(number)


@functools.cache
def renumbered(nativeEnum):
    """Values whose number changed between Qt 5 and Qt 6, as {Qt 5: Qt 6}; a flag that Qt 6 dropped becomes 0."""
    owner, _, name = nativeEnum.__qualname__.rpartition(".")
    owner = {"QIODeviceBase": "QIODevice"}.get(owner, owner)
    if record.moduleOfClass(owner) is None:
        return {}
    names = nativeEnum.__members__
    table = {}
    for value, five in record.members(owner).enums.get(name, {}).items():
        if value in names and five >= 0 and names[value].value != five:
            table[five] = names[value].value
        elif value not in names and issubclass(nativeEnum, enum.Flag) and five > 0 and five.bit_count() == 1:
            table.setdefault(five, 0)
    return table


FONT_WEIGHTS = ((0, 100), (12, 200), (25, 300), (50, 400), (57, 500), (63, 600), (75, 700), (81, 800), (87, 900))


def _nearest(weight, source, target):
    """The other Qt's font weight that is nearest by name."""
    return min(FONT_WEIGHTS, key=lambda pair: abs(pair[source] - weight))[target]


def isNativeEnum(kind):
    """Whether ``kind`` is an enum class of PySide6."""
    return isinstance(kind, type) and issubclass(kind, enum.Enum)
