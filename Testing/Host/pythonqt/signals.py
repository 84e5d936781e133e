"""Signals: text and attribute connections, order and argument rules as in Qt 5 with PythonQt."""

import functools
import inspect
import itertools
import types

import shiboken6
from PySide6 import QtCore

from Host.pythonqt import compat
from Host.pythonqt.errors import NotProvided, reportSlotError
from Host.pythonqt.objects import Member, unwrap, wrap

_hubs = {}
_serial = itertools.count()


class Hub:
    """All Python slots of one signal of one C++ object.

    One PySide6 connection feeds it; it calls the slots overload by overload (``order``), each in the order of
    connection. It holds the slots strongly: in PythonQt a connection keeps a bound method alive.
    """

    def __init__(self):
        self.entries = []

    def add(self, order, adapt, signature, slot):
        self.entries.append((order, next(_serial), adapt, signature, slot))
        self.entries.sort(key=lambda entry: entry[:2])

    def remove(self, signature, slot=None):
        """Drop connections of ``signature`` (to ``slot``); returns whether there was one."""
        kept = [e for e in self.entries if e[3] != signature or (slot is not None and e[4] != slot)]
        changed = len(kept) != len(self.entries)
        self.entries = kept
        return changed

    def fire(self, native, args):
        for entry in list(self.entries):
            if entry not in self.entries:
                continue
            try:
                adapted = entry[2](native, args)
            except Exception:
                reportSlotError()
                continue
            if adapted is not None:
                callSlot(entry[4], [wrap(each, plainEnums=True) for each in adapted])


def callSlot(slot, args):
    """Call a Python slot with as many arguments as it takes; an exception is logged and goes no further."""
    try:
        function = slot.__func__ if isinstance(slot, types.MethodType) else slot
        code = function.__code__ if isinstance(function, types.FunctionType) else None
        if code is not None and not code.co_flags & inspect.CO_VARARGS:
            args = args[: max(code.co_argcount - isinstance(slot, types.MethodType), 0)]
        slot(*args)
    except Exception:
        reportSlotError()


def guarded(slot):
    """A callable for PySide6 that calls ``slot`` by the rules of ``callSlot``."""

    def call(*args):
        callSlot(slot, [wrap(each, plainEnums=True) for each in args])

    return call


@functools.cache
def normalized(signature):
    """Signature without spaces, const and references, as Qt compares them."""
    return bytes(QtCore.QMetaObject.normalizedSignature(signature).data()).decode()


def defaultSignature(kind, name):
    """The overload that the attribute ``obj.name`` stands for: the first declared in Qt 5, a clone's longest form."""
    signatures = kind._info.signals[name]
    for owner in (kind._info.name,) + kind._info.bases:
        chosen = compat.FIRST_OVERLOAD.get((owner, name))
        if chosen is not None:
            return chosen
    return max(signatures, key=lambda text: (text.count(",") + (not text.endswith("()")), text))


def _route(kind, native, signature):
    """(PySide6 signal name, order, adapter) of a recorded signature."""
    for owner in (kind._info.name,) + kind._info.bases:
        found = compat.SIGNAL_ROUTES.get((owner, signature))
        if found is not None:
            return found
    own = getattr(type(native), "pythonqtSignalRoutes", {}).get(signature)
    if own is not None:
        return own
    inner = signature[signature.index("(") + 1 : -1]
    count = 0 if not inner else _depthZeroCommas(inner) + 1
    if inner == "?":
        count = None
    return signature.split("(")[0], 0, lambda native, args: args[:count]


def _depthZeroCommas(text):
    depth = commas = 0
    for letter in text:
        depth += (letter in "<(") - (letter in ">)")
        commas += letter == "," and depth == 0
    return commas


def _hub(native, source, create):
    pointer = shiboken6.getCppPointer(native)[0]
    ofObject = _hubs.get(pointer)
    if ofObject is None:
        if not create:
            return None
        ofObject = _hubs[pointer] = {}
        native.destroyed.connect(lambda *_: _hubs.pop(pointer, None))
    hub = ofObject.get(source)
    if hub is None and create:
        signal = getattr(native, source, None)
        if signal is None or not hasattr(signal, "connect"):
            raise NotProvided(f"{type(native).__name__}.{source}")
        hub = ofObject[source] = Hub()
        kind = type(native)

        def relay(*args):
            hub.fire(shiboken6.wrapInstance(pointer, kind) if source != "destroyed" else None, args)

        signal.connect(_RELAYS[_argumentCount(native, source)](relay))
    return hub


def _argumentCount(native, source):
    """Arguments of the longest form of a signal."""
    return max((count for _, count in _signatures(native, source)), default=0)


def _signatures(native, source):
    """Forms of a signal of the PySide6 object: (signature, number of arguments)."""
    meta = native.metaObject()
    methods = (meta.method(index) for index in range(meta.methodCount()))
    isSignal = QtCore.QMetaMethod.MethodType.Signal
    return [
        (bytes(method.methodSignature().data()).decode(), method.parameterCount())
        for method in methods
        if method.methodType() == isSignal and bytes(method.name().data()) == source.encode()
    ]


# PySide6 decides by the number of parameters of a callable what it passes, and passes nothing to ``*args``.
_RELAYS = (
    lambda relay: lambda: relay(),
    lambda relay: lambda a: relay(a),
    lambda relay: lambda a, b: relay(a, b),
    lambda relay: lambda a, b, c: relay(a, b, c),
    lambda relay: lambda a, b, c, d: relay(a, b, c, d),
    lambda relay: lambda a, b, c, d, e: relay(a, b, c, d, e),
)


def connect(wrapper, signature, slot):
    """Connect a recorded signal by its signature; False for a signature that the class does not have."""
    signature = normalized(signature.lstrip("2"))
    kind = type(wrapper)
    name = signature.split("(")[0]
    own = getattr(kind, name, None)
    if isinstance(own, Signal) and "(" in signature:
        return own.__get__(wrapper, kind).connect(slot)
    known = kind._info.signals.get(name, ())
    if signature not in known and name + "(?)" not in known:
        return False
    if not callable(slot):
        return False
    source, order, adapt = _route(kind, wrapper._native, signature)
    _hub(wrapper._native, source, True).add(order, adapt, signature, slot)
    return True


def disconnect(wrapper, signature, slot=None):
    """Remove connections made with the same signature; returns whether there were any."""
    signature = normalized(signature.lstrip("2"))
    kind = type(wrapper)
    if signature.split("(")[0] not in kind._info.signals:
        return False
    source, _, _ = _route(kind, wrapper._native, signature)
    hub = _hub(wrapper._native, source, False)
    return bool(hub) and hub.remove(signature, slot)


class builtin_qt_signal:
    """A signal of one object: connect, disconnect, emit, or call it to emit."""

    __slots__ = ("_wrapper", "_name")

    def __init__(self, wrapper, name):
        self._wrapper = wrapper
        self._name = name

    def _signature(self):
        return defaultSignature(type(self._wrapper), self._name)

    def connect(self, slot):
        """Connect a callable; True when it is one."""
        if not callable(slot):
            raise TypeError("Signal connect: the argument is not callable")
        return connect(self._wrapper, self._signature(), slot)

    def disconnect(self, *slot):
        """Disconnect one callable, or all without an argument."""
        return disconnect(self._wrapper, self._signature(), *slot)

    def emit(self, *args):
        """Emit the signal."""
        native = self._wrapper._native
        source = _route(type(self._wrapper), native, self._signature())[0]
        signature = next((each for each in _signatures(native, source) if each[1] == len(args)), None)
        if signature is None:
            if not _signatures(native, source):
                raise NotProvided(f"{type(self._wrapper).__name__}.{self._name}")
            raise ValueError(f"Called {self._signature()} with wrong arguments: {args!r}")
        native.emit(QtCore.SIGNAL(signature[0]), *[unwrap(each) for each in args])

    def __call__(self, *args):
        self.emit(*args)

    def __repr__(self):
        return f"<qt signal {self._name} of {type(self._wrapper).__name__} instance at {id(self._wrapper._native):#x}>"


class SignalMember(Member):
    """A recorded signal as an attribute."""

    def __get__(self, wrapper, owner):
        return self if wrapper is None else builtin_qt_signal(wrapper, self.name)

    def assign(self, wrapper, value):
        raise AttributeError(f"Signal '{self.name}' can not be overwritten on {type(wrapper).__name__} object")


class Signal:
    """``PythonQt.QtCore.Signal``: a signal declared on a Python subclass of a Qt class."""

    def __init__(self, *types_):
        self.types = types_
        self.name = None

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, wrapper, owner):
        if wrapper is None:
            return self
        return vars(wrapper).setdefault(f"_signal_{self.name}", BoundSignal(len(self.types)))


class BoundSignal:
    """A Python-declared signal of one object."""

    def __init__(self, count):
        self._count = count
        self._slots = []

    def connect(self, slot):
        """Connect a callable."""
        if not callable(slot):
            raise TypeError("Signal connect: the argument is not callable")
        self._slots.append(slot)
        return True

    def disconnect(self, *slot):
        """Disconnect one callable, or all."""
        before = len(self._slots)
        self._slots = [each for each in self._slots if slot and each != slot[0]]
        return len(self._slots) != before

    def emit(self, *args):
        """Call the slots."""
        if len(args) != self._count:
            raise ValueError(f"the signal takes {self._count} arguments, {len(args)} given")
        for slot in list(self._slots):
            callSlot(slot, list(args))

    __call__ = emit


def slotByText(receiver, text):
    """The callable behind a receiver object and a slot signature such as ``"accept()"``; None when there is none."""
    name = normalized(text.lstrip("1")).split("(")[0]
    slot = getattr(receiver, name, None) if name in type(receiver)._info.methods else None
    if slot is None:
        return None
    inner = normalized(text.lstrip("1")).split("(", 1)[1][:-1]
    count = 0 if not inner else _depthZeroCommas(inner) + 1

    def call(*args):
        slot(*args[:count])

    return call
