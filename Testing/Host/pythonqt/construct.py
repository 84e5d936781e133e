"""Construction of wrapper objects, and the PySide6 classes behind Python subclasses (their virtual functions)."""

import functools

from PySide6 import QtCore, QtWidgets
from shibokensupport.signature import get_signature

from Host.pythonqt import compat, convert, objects
from Host.pythonqt.errors import reportSlotError
from Host.pythonqt.objects import PythonQtInstanceWrapper, unwrap, wrap


def baseOf(kind):
    """The wrapper class of the record that ``kind`` is or derives from."""
    return next(each for each in kind.__mro__ if "_info" in vars(each))


def build(wrapper, args, kwargs):
    """Make the PySide6 object of ``wrapper`` from constructor arguments."""
    base = baseOf(type(wrapper))
    name = base.__name__
    if kwargs:
        raise ValueError(f"Called {name} constructor with keyword arguments, but called slot does not support kwargs.")
    native = objects.nativeFor(name)
    if native is None or name in compat.NOT_CONSTRUCTIBLE:
        raise ValueError(f"No constructors available for {name}")
    prepared = compat.CONSTRUCTORS.get(name)
    if prepared is not None:
        prepared = prepared(args)
    if prepared is None:
        prepared = _arguments(native, name, args)
    if type(wrapper) is not base:
        native = shimFor(type(wrapper))
    try:
        made = native(*prepared)
    except NotImplementedError:
        raise ValueError(f"No constructors available for {name}: it is an abstract class") from None
    objects.attach(wrapper, made)


def _arguments(native, name, args):
    if not native.__module__.startswith("PySide6."):
        return _recordedConstructor(native, name, args)
    choices = convert.overloads(native)
    if choices is None:
        return [unwrap(each) for each in args]
    try:
        return convert.chooseOverload(choices, args)
    except convert.NoMatch:
        lines = "\n".join(_constructorText(name, each) for each in choices)
        raise ValueError(_noOverload(args, lines)) from None


def _noOverload(args, lines):
    shown = f"({', '.join(repr(each) for each in args)}{',' if len(args) == 1 else ''})"
    return (
        f"Could not find matching overload for given arguments:\n{shown}\n"
        f" The following slots are available:\n{lines}\n"
    )


def _constructorText(name, parameters):
    from Host.pythonqt.slots import typeText

    inner = ", ".join(f"{typeText(annotation)} {parameter}" for parameter, annotation, _ in parameters)
    return f"{name}({inner}) -> {name}"


def _recordedConstructor(native, name, args):
    """Classes written for the host take a parent or nothing, unless they list ``pythonqtConstructors``."""
    choices = getattr(native, "pythonqtConstructors", ((("QWidget", "parent"),), ()))
    kinds = {"QWidget": QtWidgets.QWidget, "QObject": QtCore.QObject, "QString": str, "int": int}
    for parameters in choices:
        if len(args) == len(parameters):
            try:
                return [
                    convert.toNative(value, kinds.get(kind, object), False)
                    for value, (kind, _) in zip(args, parameters)
                ]
            except convert.NoMatch:
                continue
    lines = "\n".join(f"{name}({', '.join(' '.join(each) for each in one)}) -> {name}" for one in choices)
    raise ValueError(_noOverload(args, lines))


@functools.cache
def shimFor(kind):
    """PySide6 subclass that calls the virtual functions which the Python class ``kind`` overrides."""
    base = baseOf(kind)
    native = objects.nativeFor(base.__name__)
    namespace = {}
    for each in kind.__mro__[: kind.__mro__.index(base)]:
        for name, value in vars(each).items():
            # a virtual function such as sizeHint is recorded as a property only, and can be overridden all the same
            known = name in base._info.methods or name in base._info.properties
            if known and callable(value) and name not in namespace:
                inherited = getattr(native, name, None)
                if callable(inherited):
                    namespace[name] = _virtual(name, inherited)
    return type(native)(kind.__name__, (native,), namespace)


def _virtual(name, inherited):
    found = get_signature(inherited)
    signatures = found if isinstance(found, list) else [found] if found else []
    returns = signatures[0].return_annotation if signatures else None

    def virtual(native, *args):
        wrapper = vars(native).get(objects.LINK)
        if not isinstance(wrapper, PythonQtInstanceWrapper):
            return inherited(native, *args)
        try:
            result = getattr(wrapper, name)(*[wrap(each) for each in args])
        except Exception:
            reportSlotError()
            return False if returns is bool else None
        return _returned(result, returns)

    virtual.__name__ = name
    return virtual


def _returned(result, returns):
    if returns in (None, type(None)):
        return None
    try:
        return convert.toNative(result, returns, False)
    except convert.NoMatch:
        return False if returns is bool else unwrap(result)
