"""Methods and slots as callables that behave like PythonQt's ``builtin_qt_slot``."""

import functools
import inspect
import types
import typing

import shiboken6
from PySide6 import QtCore

from Host.pythonqt import compat, convert, objects
from Host.pythonqt.errors import NotProvided
from Host.pythonqt.objects import Member, PythonQtInstanceWrapper, unwrap, wrap

PYTHON_NAMES = {"raise": "raise_", "print": "print_", "exec": "exec", "del": "del_"}
TEXT_OF_TYPE = {
    str: "QString",
    bytes: "char*",
    int: "int",
    float: "double",
    bool: "bool",
    object: "QVariant",
    typing.Any: "QVariant",
    type(None): "void",
}
BUILT_IN = {
    "className": lambda wrapper: type(wrapper)._info.name,
    "inherits": lambda wrapper, name: name == type(wrapper)._info.name or name in type(wrapper)._info.bases,
    "help": lambda wrapper: "\n".join(sorted(type(wrapper)._info.methods)),
    "delete": lambda wrapper: _delete(wrapper),
}


def _delete(wrapper):
    native = wrapper._native
    if isinstance(native, QtCore.QObject) and shiboken6.isValid(native):
        shiboken6.delete(native)


class SlotMember(Member):
    """A recorded method of a class."""

    def __init__(self, name):
        super().__init__(name)
        self.__name__ = name

    def __get__(self, wrapper, owner):
        info = owner._info
        text, declaredBy = info.methods.get(self.name, ("", info.name))
        if self.name not in BUILT_IN and not isProvided(info.name, self.name):
            raise NotProvided(f"{info.name}.{self.name}")
        return builtin_qt_slot(self.name, wrapper, owner, text, declaredBy)


@functools.cache
def isProvided(className, name):
    """Whether the host can run method ``name`` of ``className``."""
    info = record_members(className)
    if compat.findMethod(info, name) is not None:
        return True
    return nativeFunction(objects.nativeFor(className), name) is not None


def record_members(className):
    from Host.pythonqt import record

    return record.members(className)


def nativeFunction(native, name):
    """PySide6 function of class ``native`` for the recorded method ``name``, or None."""
    found = getattr(native, PYTHON_NAMES.get(name, name), None)
    if found is None or isinstance(found, (QtCore.Signal, QtCore.Property)) or not callable(found):
        return None
    return found


@functools.cache
def isStatic(native, name):
    """Whether the method needs no object."""
    found = inspect.getattr_static(native, PYTHON_NAMES.get(name, name), None)
    return isinstance(found, (staticmethod, classmethod, types.BuiltinFunctionType))


class builtin_qt_slot:
    # A method of one object, or of a class when it is looked up there; __doc__ is the recorded signature.

    __slots__ = ("_name", "_wrapper", "_owner", "_declaredBy", "_signature")
    __doc__ = property(lambda self: self._signature)

    def __init__(self, name, wrapper, owner, text, declaredBy):
        self._name = name
        self._wrapper = wrapper
        self._owner = owner
        self._declaredBy = declaredBy
        self._signature = f"X.{name}{text}" if text else f"X.{name}()"

    @property
    def __name__(self):
        return self._name

    def _isStatic(self):
        native = objects.nativeFor(self._owner._info.name)
        return compat.isStatic(self._owner._info, self._name) or (native is not None and isStatic(native, self._name))

    def __repr__(self):
        shown = f"static_{self._declaredBy}_{self._name}" if self._isStatic() else self._name
        if self._wrapper is None:
            return f"<unbound qt slot {shown} of {self._owner.__name__} type>"
        return f"<qt slot {shown} of {type(self._wrapper).__name__} instance at {id(self._wrapper._native):#x}>"

    def __eq__(self, other):
        return isinstance(other, builtin_qt_slot) and (self._name, self._wrapper) == (other._name, other._wrapper)

    def __hash__(self):
        return hash((self._name, id(self._wrapper)))

    def __call__(self, *args, **kwargs):
        if kwargs:
            raise ValueError(
                f"Called {self._fullSignature()} with keyword arguments, but called slot does not support kwargs."
            )
        wrapper = self._wrapper
        if wrapper is None and not self._isStatic():
            if not args or not isinstance(args[0], PythonQtInstanceWrapper):
                raise ValueError(
                    f"slot {self._name} requires {self._owner.__name__} instance as first argument, got "
                    f"{type(args[0]).__name__ if args else 'nothing'}"
                )
            wrapper, args = args[0], args[1:]
        if self._name in BUILT_IN:
            return BUILT_IN[self._name](wrapper, *args)
        return self._run(wrapper, args)

    def _run(self, wrapper, args):
        native = None
        if wrapper is not None:
            native = wrapper._native
            if isinstance(native, QtCore.QObject) and not shiboken6.isValid(native):
                raise ValueError(f"Trying to call '{self._name}' on a destroyed {type(wrapper).__name__} object")
        info = self._owner._info
        special = compat.findMethod(info, self._name)
        if special is not None:
            checkCount(special, (native,) + args, lambda: self._wrongArguments(args, None))
            return wrap(special(native, *args))
        function = nativeFunction(objects.nativeFor(info.name), self._name)
        if isinstance(function, types.FunctionType):
            checkCount(function, (native,) + args, lambda: self._wrongArguments(args, None))
            return wrap(function(native, *[unwrap(each) for each in args]))
        return wrap(self._callNative(function, native, args))

    def _callNative(self, function, native, args):
        static = self._isStatic()
        choices = convert.overloads(function, static and native is None)
        if choices is None:
            converted = [unwrap(each) for each in args]
        else:
            try:
                converted = convert.chooseOverload(choices, args)
            except convert.NoMatch:
                raise self._wrongArguments(args, choices) from None
        if native is not None and static:
            function = getattr(native, PYTHON_NAMES.get(self._name, self._name))
        elif native is not None:
            converted.insert(0, native)
        try:
            return function(*converted)
        except TypeError as problem:
            if problem.__traceback__.tb_next is None:
                raise self._wrongArguments(args, choices) from None
            raise

    def _wrongArguments(self, args, choices):
        shown = f"({', '.join(repr(each) for each in args)}{',' if len(args) == 1 else ''})"
        if choices and len(choices) > 1:
            lines = "\n".join(self._signatureText(each) for each in choices)
            return ValueError(
                f"Could not find matching overload for given arguments:\n{shown}\n The following slots "
                f"are available:\n{lines}\n"
            )
        return ValueError(f"Called {self._fullSignature()} with wrong arguments: {shown}")

    def _signatureText(self, parameters):
        inner = ", ".join(f"{typeText(annotation)} {name}" for name, annotation, _ in parameters)
        returns = self._signature.partition("-> ")[2] or "void"
        returns = "QVariant" if returns == "object" else returns
        return f"{self._name}({inner}) -> {returns}"

    def _fullSignature(self):
        function = nativeFunction(objects.nativeFor(self._owner._info.name), self._name)
        choices = convert.overloads(function) if function and not isinstance(function, types.FunctionType) else None
        if not choices:
            return self._signature.removeprefix("X.")
        names = self._signature.partition("(")[2].partition(")")[0].split(", ")
        longest = max(choices, key=len)[: len(names)]
        return self._signatureText(
            [(name, annotation, optional) for name, (_, annotation, optional) in zip(names, longest)]
        )


def checkCount(function, args, problem):
    """Raise ``problem()`` when a Python function does not take these positional arguments."""
    try:
        inspect.signature(function).bind(*args)
    except TypeError:
        raise problem() from None


def typeText(annotation):
    """C++ name of a parameter type, for messages."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        annotation = typing.get_args(annotation)[0]
    if annotation in TEXT_OF_TYPE:
        return TEXT_OF_TYPE[annotation]
    if isinstance(annotation, type):
        return annotation.__qualname__.replace(".", "::")
    return "QVariant"
