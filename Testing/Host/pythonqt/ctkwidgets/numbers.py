"""ctkDoubleSpinBox, ctkDoubleSlider and ctkSliderWidget: one number."""

from PySide6 import QtCore, QtWidgets

from Host.pythonqt.ctkwidgets.fields import forwarded, kept

Horizontal = QtCore.Qt.Orientation.Horizontal


class ctkDoubleSpinBox(QtWidgets.QWidget):
    """A spin box for real numbers; it has no ``setRange`` in Slicer."""

    valueChanged = QtCore.Signal(float)
    decimalsChanged = QtCore.Signal(int)
    editingFinished = QtCore.Signal()
    pythonqtSignalRoutes = {"valueChanged(QString)": ("valueChanged", 1, lambda native, args: (native.text(),))}

    def __init__(self, parent=None):
        super().__init__(parent)
        self._box = QtWidgets.QDoubleSpinBox(self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self.setFocusProxy(self._box)
        self.setSizePolicy(self._box.sizePolicy())
        self._box.valueChanged.connect(self.valueChanged)
        self._box.editingFinished.connect(self.editingFinished)

    def setValue(self, value):
        """Set the number."""
        self._box.setValue(value)

    setValueIfDifferent = setValue

    def setValueAlways(self, value):
        """Set the number and emit in any case."""
        same = value == self._box.value()
        self._box.setValue(value)
        if same:
            self.valueChanged.emit(value)

    def text(self):
        """The text with prefix and suffix."""
        return self._box.text()

    def stepUp(self):
        """One step up."""
        self._box.stepUp()

    def stepDown(self):
        """One step down."""
        self._box.stepDown()

    def setReadOnly(self, readOnly):
        """Forbid editing."""
        self._box.setReadOnly(readOnly)

    def setDecimals(self, decimals):
        """Set the digits behind the point."""
        if decimals != self._box.decimals():
            self._box.setDecimals(decimals)
            self.decimalsChanged.emit(decimals)

    value = forwarded(float, "_box", "value", "setValue")
    minimum = forwarded(float, "_box", "minimum", "setMinimum")
    maximum = forwarded(float, "_box", "maximum", "setMaximum")
    singleStep = forwarded(float, "_box", "singleStep", "setSingleStep")
    prefix = forwarded(str, "_box", "prefix", "setPrefix")
    suffix = forwarded(str, "_box", "suffix", "setSuffix")
    cleanText = QtCore.Property(str, lambda self: self._box.cleanText())
    readOnly = forwarded(bool, "_box", "isReadOnly", "setReadOnly")
    frame = forwarded(bool, "_box", "hasFrame", "setFrame")
    decimals = QtCore.Property(int, lambda self: self._box.decimals(), setDecimals)
    alignment = QtCore.Property(
        int,
        lambda self: self._box.alignment().value,
        lambda self, v: self._box.setAlignment(QtCore.Qt.AlignmentFlag(v)),
    )
    decimalsOption = kept(int, "decimalsOption", 137)
    invertedControls = kept(bool, "invertedControls", False)
    isSettingValue = QtCore.Property(bool, lambda self: False)
    setMode = kept(int, "setMode", 1)
    sizeHintPolicy = kept(int, "sizeHintPolicy", 0)


class ctkDoubleSlider(QtWidgets.QWidget):
    """A slider for real numbers."""

    pythonqtConstructors = (
        (("int", "orientation"), ("QWidget", "parent")),
        (("int", "orientation"),),
        (("QWidget", "parent"),),
        (),
    )
    valueChanged = QtCore.Signal(float)
    sliderMoved = QtCore.Signal(float)
    sliderPressed = QtCore.Signal()
    sliderReleased = QtCore.Signal()
    rangeChanged = QtCore.Signal(float, float)

    def __init__(self, *args):
        super().__init__(next((each for each in args if isinstance(each, QtWidgets.QWidget)), None))
        self._slider = QtWidgets.QSlider(Horizontal, self)
        if args and isinstance(args[0], int):
            self._slider.setOrientation(QtCore.Qt.Orientation(args[0]))
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        self._low, self._high, self._step, self._value = 0.0, 99.0, 1.0, 0.0
        self._sync()
        self._slider.valueChanged.connect(self._fromSlider)
        self._slider.sliderPressed.connect(self.sliderPressed)
        self._slider.sliderReleased.connect(self.sliderReleased)

    def _sync(self):
        blocked = self._slider.blockSignals(True)
        self._slider.setRange(0, max(round((self._high - self._low) / self._step), 0))
        self._slider.setValue(round((self._value - self._low) / self._step))
        self._slider.blockSignals(blocked)

    def _fromSlider(self, position):
        value = min(self._low + position * self._step, self._high)
        if self._slider.isSliderDown():
            self.sliderMoved.emit(value)
            if not self.tracking:
                return
        self.setValue(value)

    def setValue(self, value):
        """Set the number, limited to the range."""
        value = min(max(float(value), self._low), self._high)
        changed = value != self._value
        self._value = value
        self._sync()
        if changed:
            self.valueChanged.emit(value)

    def _limits(self, low, high):
        self._low, self._high = low, max(low, high)
        self._sync()
        self.rangeChanged.emit(self._low, self._high)
        self.setValue(self._value)

    def setOrientation(self, orientation):
        """Qt.Horizontal or Qt.Vertical."""
        self._slider.setOrientation(QtCore.Qt.Orientation(orientation))

    def _writeStep(self, step):
        self._step = step if step > 0 else self._step
        self._sync()

    value = QtCore.Property(float, lambda self: self._value, setValue)
    sliderPosition = QtCore.Property(float, lambda self: self._value, setValue)
    minimum = QtCore.Property(float, lambda self: self._low, lambda self, v: self._limits(v, max(v, self._high)))
    maximum = QtCore.Property(float, lambda self: self._high, lambda self, v: self._limits(min(v, self._low), v))
    singleStep = QtCore.Property(float, lambda self: self._step, _writeStep)
    orientation = QtCore.Property(int, lambda self: self._slider.orientation().value, setOrientation)
    tracking = kept(bool, "tracking", True)
    pageStep = kept(float, "pageStep", 10.0)
    tickInterval = kept(float, "tickInterval", 0.0)
    tickPosition = kept(int, "tickPosition", 0)
    handleToolTip = kept(str, "handleToolTip", "")
    invertedAppearance = forwarded(bool, "_slider", "invertedAppearance", "setInvertedAppearance")
    invertedControls = forwarded(bool, "_slider", "invertedControls", "setInvertedControls")


class ctkSliderWidget(QtWidgets.QWidget):
    """A slider with a spin box."""

    valueChanged = QtCore.Signal(float)
    valueIsChanging = QtCore.Signal(float)
    decimalsChanged = QtCore.Signal(int)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._slider = ctkDoubleSlider(self)
        self._box = QtWidgets.QDoubleSpinBox(self)
        self._box.setKeyboardTracking(False)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._box)
        self._box.setRange(0.0, 99.0)
        self._slider.valueChanged.connect(self._fromSlider)
        self._slider.sliderReleased.connect(self._released)
        self._box.valueChanged.connect(self.setValue)
        self._emitted = 0.0

    def _fromSlider(self, value):
        self._showInBox(value)
        if not self.tracking and self._slider._slider.isSliderDown():
            self.valueIsChanging.emit(value)
            return
        self._released()

    def _showInBox(self, value):
        blocked = self._box.blockSignals(True)
        self._box.setValue(value)
        self._box.blockSignals(blocked)

    def _released(self):
        value = self._slider.value
        if value != self._emitted:
            self._emitted = value
            self.valueIsChanging.emit(value)
            self.valueChanged.emit(value)

    def setValue(self, value):
        """Set the number, limited to the range."""
        self._slider.setValue(value)
        self._showInBox(self._slider.value)

    def reset(self):
        """Back to 0 (or the nearest limit)."""
        self.setValue(0.0)

    def setDecimals(self, decimals):
        """Set the digits behind the point."""
        if decimals != self._box.decimals():
            self._box.setDecimals(decimals)
            self.decimalsChanged.emit(decimals)

    def setSpinBoxVisible(self, shown):
        """Show or hide the spin box."""
        self._box.setVisible(shown)

    def _writeMinimum(self, value):
        self._slider.minimum = value
        self._limits()

    def _writeMaximum(self, value):
        self._slider.maximum = value
        self._limits()

    def _limits(self):
        blocked = self._box.blockSignals(True)
        self._box.setRange(self._slider.minimum, self._slider.maximum)
        self._box.blockSignals(blocked)
        self._showInBox(self._slider.value)

    def _writeStep(self, step):
        self._slider.singleStep = step
        self._box.setSingleStep(step)

    value = QtCore.Property(float, lambda self: self._slider.value, setValue)
    minimum = QtCore.Property(float, lambda self: self._slider.minimum, _writeMinimum)
    maximum = QtCore.Property(float, lambda self: self._slider.maximum, _writeMaximum)
    singleStep = QtCore.Property(float, lambda self: self._slider.singleStep, _writeStep)
    decimals = QtCore.Property(int, lambda self: self._box.decimals(), setDecimals)
    spinBoxVisible = QtCore.Property(bool, lambda self: not self._box.isHidden(), setSpinBoxVisible)
    prefix = forwarded(str, "_box", "prefix", "setPrefix")
    suffix = forwarded(str, "_box", "suffix", "setSuffix")
    tracking = kept(bool, "tracking", True)
    pageStep = kept(float, "pageStep", 10.0)
    tickInterval = kept(float, "tickInterval", 0.0)
    tickPosition = kept(int, "tickPosition", 0)
    popupSlider = kept(bool, "popupSlider", False)
    spinBoxAlignment = kept(int, "spinBoxAlignment", 130)
    synchronizeSiblings = kept(int, "synchronizeSiblings", 3)
    invertedAppearance = kept(bool, "invertedAppearance", False)
    invertedControls = kept(bool, "invertedControls", False)
