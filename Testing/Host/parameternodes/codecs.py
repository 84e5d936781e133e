"""How typed values are kept in a parameter node: one codec for each kind of type.

A codec has ``default()``, ``check(value)``, ``isIn(node, name)``, ``write(node, name, value)``, ``read(node, name)``
and ``remove(node, name)``. ``cacheable`` says whether a value that was read may be handed out again.
"""

import enum
import pathlib
import typing

from . import containers
from .annotations import isUnion, splitAnnotations
from .validators import extractValidators

PATH_TYPES = (
    pathlib.Path,
    pathlib.PosixPath,
    pathlib.WindowsPath,
    pathlib.PurePath,
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
)


class Codec:
    """Base: a value of one class, kept as text under its name."""

    cacheable = True
    accepts: tuple = ()

    def default(self):
        raise NotImplementedError

    def check(self, value) -> None:
        if value is None:
            raise ValueError("Value must not be None")
        if not isinstance(value, self.accepts):
            raise TypeError(f"Value must be of type {self.accepts}, not {type(value)}")

    def isIn(self, node, name) -> bool:
        return node.HasParameter(name)

    def write(self, node, name, value) -> None:
        node.SetParameter(name, self.toText(value))

    def read(self, node, name):
        return self.fromText(node.GetParameter(name))

    def remove(self, node, name) -> None:
        node.UnsetParameter(name)

    def toText(self, value) -> str:
        return str(value)

    def fromText(self, text: str):
        raise NotImplementedError


class NumberCodec(Codec):
    """int, or float (which takes int too)."""

    def __init__(self, kind):
        self.kind = kind
        self.accepts = (int, float) if kind is float else (int,)

    def default(self):
        return 0

    def fromText(self, text):
        return self.kind(text)


class TextCodec(Codec):
    """str"""

    accepts = (str,)

    def default(self):
        return ""

    def fromText(self, text):
        return text


class BoolCodec(Codec):
    """bool"""

    accepts = (bool,)

    def default(self):
        return False

    def fromText(self, text):
        return text == "True"


class PathCodec(Codec):
    """The classes of pathlib."""

    def __init__(self, kind):
        self.kind = kind
        self.accepts = (kind,)

    def default(self):
        return self.kind()

    def fromText(self, text):
        return self.kind(text)


class EnumCodec(Codec):
    """Members of an enum, kept by name."""

    def __init__(self, kind):
        self.kind = kind
        self.accepts = (kind,)

    def default(self):
        return next(iter(self.kind))

    def toText(self, value):
        return value.name

    def fromText(self, text):
        return self.kind[text]


class NodeCodec(Codec):
    """A node of the scene, kept as a node reference; None is no node."""

    def __init__(self, kind):
        self.accepts = (kind,)

    def default(self):
        return None

    def check(self, value):
        if value is not None:
            super().check(value)

    def write(self, node, name, value):
        # None is a value too: the empty parameter says that this one is set.
        node.SetParameter(name, "")
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)

    def read(self, node, name):
        return node.GetNodeReference(name)

    def remove(self, node, name):
        node.UnsetParameter(name)
        node.RemoveNodeReferenceIDs(name)


class NoneCodec(Codec):
    """The None of an optional type."""

    def default(self):
        return None

    def check(self, value):
        if value is not None:
            raise ValueError(f"Value must be None, not {value!r}")

    def toText(self, value):
        return ""

    def fromText(self, text):
        return None


class SequenceCodec(Codec):
    """list[T]: the length, and every element under its own name."""

    accepts = (list, containers.ObservedList)

    def __init__(self, element):
        self.element = element

    def default(self):
        return []

    def check(self, value):
        super().check(value)
        for entry in value:
            self.element.check(entry)

    def isIn(self, node, name):
        return node.HasParameter(f"{name}.len")

    def write(self, node, name, value):
        modifying = node.StartModify()
        try:
            self.remove(node, name)
            node.SetParameter(f"{name}.len", str(len(value)))
            for index, entry in enumerate(value):
                self.element.write(node, f"{name}.{index}", entry)
        finally:
            node.EndModify(modifying)

    def read(self, node, name):
        count = int(node.GetParameter(f"{name}.len"))
        values = [self.element.read(node, f"{name}.{index}") for index in range(count)]
        return containers.ObservedList(values, lambda changed: self._writeBack(node, name, changed))

    def _writeBack(self, node, name, changed):
        self.check(changed)
        self.write(node, name, changed)

    def remove(self, node, name):
        if self.isIn(node, name):
            for index in range(int(node.GetParameter(f"{name}.len"))):
                self.element.remove(node, f"{name}.{index}")
            node.UnsetParameter(f"{name}.len")


class MappingCodec(Codec):
    """dict[K, V]: a list of keys and a list of values."""

    accepts = (dict, containers.ObservedDict)

    def __init__(self, keys, values):
        self.keys = SequenceCodec(keys)
        self.values = SequenceCodec(values)

    def default(self):
        return {}

    def check(self, value):
        super().check(value)
        self.keys.check(list(value.keys()))
        self.values.check(list(value.values()))

    def isIn(self, node, name):
        return self.keys.isIn(node, f"{name}.keys")

    def write(self, node, name, value):
        modifying = node.StartModify()
        try:
            self.keys.write(node, f"{name}.keys", list(value.keys()))
            self.values.write(node, f"{name}.values", list(value.values()))
        finally:
            node.EndModify(modifying)

    def read(self, node, name):
        keys, values = self.keys.read(node, f"{name}.keys"), self.values.read(node, f"{name}.values")
        return containers.ObservedDict(dict(zip(keys, values)), lambda changed: self._writeBack(node, name, changed))

    def _writeBack(self, node, name, changed):
        self.check(changed)
        self.write(node, name, changed)

    def remove(self, node, name):
        self.keys.remove(node, f"{name}.keys")
        self.values.remove(node, f"{name}.values")


class TupleCodec(Codec):
    """tuple[A, B, ...]: every element under its own name."""

    accepts = (tuple,)

    def __init__(self, elements):
        self.elements = elements

    def default(self):
        return tuple(element.default() for element in self.elements)

    def check(self, value):
        super().check(value)
        if len(value) != len(self.elements):
            raise ValueError(f"Value must have {len(self.elements)} elements, not {len(value)}")
        for element, entry in zip(self.elements, value):
            element.check(entry)

    def isIn(self, node, name):
        return all(element.isIn(node, f"{name}.{index}") for index, element in enumerate(self.elements))

    def write(self, node, name, value):
        modifying = node.StartModify()
        try:
            for index, (element, entry) in enumerate(zip(self.elements, value)):
                element.write(node, f"{name}.{index}", entry)
        finally:
            node.EndModify(modifying)

    def read(self, node, name):
        return tuple(element.read(node, f"{name}.{index}") for index, element in enumerate(self.elements))

    def remove(self, node, name):
        for index, element in enumerate(self.elements):
            element.remove(node, f"{name}.{index}")


class UnionCodec(Codec):
    """A | B | None: which of them it is, and the value in that one's way."""

    def __init__(self, options):
        self.options = options

    def default(self):
        # Optional values start as None, other unions with the default of the first.
        none = next((option for option in self.options if isinstance(option, NoneCodec)), None)
        return None if none else self.options[0].default()

    def check(self, value):
        self._fitting(value)

    def _fitting(self, value) -> int:
        reasons = []
        # A node codec takes None too, but None belongs to the None of the union.
        order = range(len(self.options))
        if value is None:
            order = sorted(order, key=lambda index: not isinstance(self.options[index], NoneCodec))
        for index in order:
            try:
                self.options[index].check(value)
            except (TypeError, ValueError) as reason:
                reasons.append(str(reason))
            else:
                return index
        raise TypeError("; ".join(reasons))

    def isIn(self, node, name):
        return node.HasParameter(f"{name}.option")

    def write(self, node, name, value):
        modifying = node.StartModify()
        try:
            self.remove(node, name)
            index = self._fitting(value)
            node.SetParameter(f"{name}.option", str(index))
            self.options[index].write(node, name, value)
        finally:
            node.EndModify(modifying)

    def read(self, node, name):
        return self.options[int(node.GetParameter(f"{name}.option"))].read(node, name)

    def remove(self, node, name):
        if self.isIn(node, name):
            self.options[int(node.GetParameter(f"{name}.option"))].remove(node, name)
            node.UnsetParameter(f"{name}.option")


class CheckedCodec(Codec):
    """Another codec, with the checks that the annotations ask for."""

    def __init__(self, inner, validators):
        self.inner = inner
        self.validators = validators
        for method in ("default", "isIn", "write", "read", "remove"):
            setattr(self, method, getattr(inner, method))

    def check(self, value):
        self.inner.check(value)
        for validator in self.validators:
            validator.validate(value)


def forType(annotatedType):
    """Return (codec, annotations that are left) for a type as written in the class.

    Raises
    ------
    TypeError
        No codec for this type.
    """
    kind, annotations = splitAnnotations(annotatedType)
    validators, rest = extractValidators(annotations)
    codec = _plain(kind)
    return (CheckedCodec(codec, validators) if validators else codec), rest


def _plain(kind):
    import slicer

    simple = {
        int: lambda: NumberCodec(int),
        float: lambda: NumberCodec(float),
        str: TextCodec,
        bool: BoolCodec,
        type(None): NoneCodec,
    }
    if kind in simple:
        return simple[kind]()
    if kind in PATH_TYPES:
        return PathCodec(kind)
    if isUnion(kind):
        return UnionCodec([forType(option)[0] for option in typing.get_args(kind)])
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is list and len(arguments) == 1:
        return SequenceCodec(forType(arguments[0])[0])
    if origin is dict and len(arguments) == 2:
        return MappingCodec(*(forType(argument)[0] for argument in arguments))
    if origin is tuple and arguments:
        return TupleCodec([forType(argument)[0] for argument in arguments])
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return EnumCodec(kind)
    if isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode):
        return NodeCodec(kind)
    raise TypeError(f"Unable to create serializer for type: {kind}")
