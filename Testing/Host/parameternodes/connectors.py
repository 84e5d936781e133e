"""Widgets bound to parameters: which widget shows which type, and how it is read and written.

As in the application the widget's class must be exactly the one named: a derived class is refused.
"""

import abc
import enum
import math
import pathlib

from .annotations import Decimals, SingleStep, findFirstAnnotation, getNodeTypes, splitAnnotations, unannotatedType
from .validators import Choice, Maximum, Minimum, WithinRange

INT_LIMITS = (-(2**31), 2**31 - 1)
_registered = []


class GuiConnector(abc.ABC):
    """One widget that shows one parameter."""

    def __init__(self):
        self._callback = None

    @staticmethod
    @abc.abstractmethod
    def canRepresent(widget, datatype) -> bool:
        """Whether this connector fits."""

    @staticmethod
    @abc.abstractmethod
    def create(widget, datatype):
        """Return a connector, or None."""

    def onChanged(self, callback):
        """Call `callback` when the user changes the widget; None ends it."""
        self._callback = callback
        if callback is None:
            self._disconnect()
        else:
            self._connect()

    def changed(self, *_):
        if self._callback:
            self._callback()

    @abc.abstractmethod
    def _connect(self):
        """Connect the widget's signal to `changed`."""

    @abc.abstractmethod
    def _disconnect(self):
        """Disconnect it again."""

    @abc.abstractmethod
    def widget(self):
        """Return the widget."""

    @abc.abstractmethod
    def read(self):
        """Return the widget's value in the parameter's type."""

    @abc.abstractmethod
    def write(self, value) -> None:
        """Show a value."""


def parameterNodeGuiConnector(classtype=None):
    """Class decorator: make a connector known."""

    def register(decorated):
        if not issubclass(decorated, GuiConnector):
            raise TypeError("Must be a GuiConnector subclass")
        _registered.append(decorated)
        return decorated

    return register if classtype is None else register(classtype)


def createGuiConnector(widget, datatype) -> GuiConnector:
    """Return the connector between a widget and a (possibly annotated) type.

    Raises
    ------
    RuntimeError
        No connector fits.
    """
    for candidate in _registered:
        if candidate.canRepresent(widget, datatype):
            return candidate.create(widget, datatype)
    raise RuntimeError(f"Unable to create GUI connector from datatype '{datatype}' to widget type '{type(widget)}'")


class _WidgetConnector(GuiConnector):
    """Base of the built-in connectors: widget classes by name, a signal, and the types they show."""

    widgetClasses: tuple = ()
    signalName = ""

    def __init__(self, widget, datatype=None):
        super().__init__()
        self._widget = widget
        self._type, self._annotations = splitAnnotations(datatype)
        self._prepare()

    def _prepare(self) -> None:
        """Set up the widget from the annotations."""

    @classmethod
    def shows(cls, datatype) -> bool:
        """Whether the type (without annotations) is one of this connector's."""
        raise NotImplementedError

    @staticmethod
    def canRepresent(widget, datatype):
        raise NotImplementedError

    @staticmethod
    def create(widget, datatype):
        raise NotImplementedError

    def _connect(self):
        getattr(self._widget, self.signalName).connect(self.changed)

    def _disconnect(self):
        getattr(self._widget, self.signalName).disconnect(self.changed)

    def widget(self):
        return self._widget


def _builtIn(cls):
    """Class decorator: give a built-in connector its static functions and make it known."""
    cls.canRepresent = staticmethod(
        lambda widget, datatype: type(widget).__name__ in cls.widgetClasses and cls.shows(unannotatedType(datatype))
    )
    cls.create = staticmethod(
        lambda widget, datatype: cls(widget, datatype) if cls.canRepresent(widget, datatype) else None
    )
    cls.__abstractmethods__ = frozenset(cls.__abstractmethods__ - {"canRepresent", "create"})
    return parameterNodeGuiConnector(cls)


class _CheckedConnector(_WidgetConnector):
    @classmethod
    def shows(cls, datatype):
        return datatype is bool

    def read(self):
        return self._widget.checked

    def write(self, value):
        self._widget.checked = value


@_builtIn
class QCheckBoxToBoolConnector(_CheckedConnector):
    """Check box: bool."""

    widgetClasses = ("QCheckBox",)
    signalName = "stateChanged"


@_builtIn
class QCheckablePushButtonToBoolConnector(_CheckedConnector):
    """Push button that stays down: bool."""

    widgetClasses = ("QPushButton",)
    signalName = "toggled"

    def _prepare(self):
        self._widget.checkable = True


@_builtIn
class ctkCheckablePushButtonToBoolConnector(_CheckedConnector):
    """Push button with a check box: bool."""

    widgetClasses = ("ctkCheckablePushButton",)
    signalName = "toggled"

    def _prepare(self):
        self._widget.checkable = True


class _NumberConnector(_WidgetConnector):
    signalName = "valueChanged"
    limits = INT_LIMITS
    mustBeBounded: tuple = ()

    def _prepare(self):
        decimals = findFirstAnnotation(self._annotations, Decimals)
        if decimals is not None:
            self._widget.decimals = decimals.value
        step = findFirstAnnotation(self._annotations, SingleStep)
        if step is not None:
            self._widget.singleStep = step.value
        span = findFirstAnnotation(self._annotations, WithinRange)
        low = span or findFirstAnnotation(self._annotations, Minimum)
        high = span or findFirstAnnotation(self._annotations, Maximum)
        if (low is None or high is None) and type(self._widget).__name__ in self.mustBeBounded:
            raise RuntimeError(f"{type(self._widget).__name__} needs a parameter with a minimum and a maximum")
        self._widget.minimum = low.minimum if low else self.limits[0]
        self._widget.maximum = high.maximum if high else self.limits[1]

    def read(self):
        return self._type(self._widget.value)

    def write(self, value):
        self._widget.value = value


@_builtIn
class QSliderOrSpinBoxToIntConnector(_NumberConnector):
    """Slider or spin box: int."""

    widgetClasses = ("QSlider", "QSpinBox")
    mustBeBounded = ("QSlider",)

    @classmethod
    def shows(cls, datatype):
        return datatype is int


@_builtIn
class QDoubleSpinBoxCtkSliderWidgetToFloatIntConnector(_NumberConnector):
    """Double spin box or slider with a spin box: float and int."""

    widgetClasses = ("QDoubleSpinBox", "ctkSliderWidget")
    limits = (-math.inf, math.inf)
    mustBeBounded = ("ctkSliderWidget",)

    @classmethod
    def shows(cls, datatype):
        return datatype in (float, int)


class _ComboBoxConnector(_WidgetConnector):
    widgetClasses = ("QComboBox",)
    signalName = "currentIndexChanged"

    def _fill(self, entries):
        self._values = [value for _, value in entries]
        self._widget.clear()
        for label, _ in entries:
            self._widget.addItem(label)

    def read(self):
        return self._values[self._widget.currentIndex]

    def write(self, value):
        if value not in self._values:
            raise ValueError(f"Unable to find value {value} in choices {self._values}")
        self._widget.currentIndex = self._values.index(value)


@_builtIn
class QComboBoxToStringableConnector(_ComboBoxConnector):
    """Combo box: one of the choices of an int, float, str or bool."""

    @classmethod
    def shows(cls, datatype):
        return datatype in (int, float, str, bool)

    def _prepare(self):
        choice = findFirstAnnotation(self._annotations, Choice)
        if choice is None:
            raise RuntimeError("A combo box needs a parameter with the Choice annotation")
        self._fill([(str(value), value) for value in choice.choices])


@_builtIn
class QComboBoxToEnumConnector(_ComboBoxConnector):
    """Combo box: a member of an enum, shown by its ``label()`` or its name."""

    @classmethod
    def shows(cls, datatype):
        return isinstance(datatype, type) and issubclass(datatype, enum.Enum)

    def _prepare(self):
        label = getattr(self._type, "label", lambda member: member.name)
        self._fill([(label(member), member) for member in self._type])


@_builtIn
class QLineEditToStrConnector(_WidgetConnector):
    """Line edit: str."""

    widgetClasses = ("QLineEdit",)
    signalName = "textChanged"

    @classmethod
    def shows(cls, datatype):
        return datatype is str

    def read(self):
        return self._widget.text

    def write(self, value):
        # Setting the same text again would move the cursor while the user types.
        if self._widget.text != value:
            self._widget.text = value


@_builtIn
class QTextEditPlainTextToStrConnector(_WidgetConnector):
    """Text edit: str."""

    widgetClasses = ("QTextEdit", "QPlainTextEdit")
    signalName = "textChanged"

    @classmethod
    def shows(cls, datatype):
        return datatype is str

    def read(self):
        return self._widget.toPlainText()

    def write(self, value):
        if self._widget.toPlainText() != value:
            self._widget.setPlainText(value)


@_builtIn
class QLabelToStrConnector(_WidgetConnector):
    """Label: str, shown only."""

    widgetClasses = ("QLabel",)

    @classmethod
    def shows(cls, datatype):
        return datatype is str

    def _connect(self):
        """A label is never changed by the user."""

    def _disconnect(self):
        """Nothing was connected."""

    def read(self):
        return self._widget.text

    def write(self, value):
        self._widget.text = value


class _PathConnector(_WidgetConnector):
    @classmethod
    def shows(cls, datatype):
        return isinstance(datatype, type) and issubclass(datatype, pathlib.PurePath)


@_builtIn
class ctkPathLineEditToPathConnector(_PathConnector):
    """Path line edit: pathlib classes."""

    widgetClasses = ("ctkPathLineEdit",)
    signalName = "currentPathChanged"

    def read(self):
        return self._type(self._widget.currentPath)

    def write(self, value):
        # An empty path reads "." as a Path and "" in the widget.
        self._widget.currentPath = str(value)


@_builtIn
class ctkDirectoryButtonToPathConnector(_PathConnector):
    """Directory button: pathlib classes."""

    widgetClasses = ("ctkDirectoryButton",)
    signalName = "directoryChanged"

    def read(self):
        return self._type(self._widget.directory)

    def write(self, value):
        self._widget.directory = str(value)


@_builtIn
class qMRMLNodeComboBoxToNodeConnector(_WidgetConnector):
    """Node selector: a node class, or a union of node classes and None."""

    widgetClasses = ("qMRMLNodeComboBox",)
    signalName = "currentNodeChanged"

    @classmethod
    def shows(cls, datatype):
        return bool(getNodeTypes(datatype))

    def _prepare(self):
        self._widget.nodeTypes = getNodeTypes(self._type)

    def _connect(self):
        self._widget.connect("currentNodeChanged(vtkMRMLNode*)", self.changed)

    def _disconnect(self):
        self._widget.disconnect("currentNodeChanged(vtkMRMLNode*)", self.changed)

    def read(self):
        return self._widget.currentNode()

    def write(self, value):
        self._widget.setCurrentNode(value)
