"""ctkRangeWidget and ctkDoubleRangeSlider: two numbers with a two-handled slider."""

from PySide6 import QtCore, QtGui, QtWidgets

from Host.pythonqt.ctkwidgets.fields import kept

HANDLE = 10


class _TwoHandles(QtWidgets.QWidget):
    """A groove with two handles; positions are fractions of the range."""

    moved = QtCore.Signal(int, float)

    def __init__(self, parent):
        super().__init__(parent)
        self.positions = [0.0, 1.0]
        self._grabbed = None
        self.setMinimumHeight(18)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)

    def _place(self, fraction):
        return HANDLE / 2 + fraction * (self.width() - HANDLE)

    def mousePressEvent(self, event):
        x = event.position().x()
        distances = [abs(self._place(each) - x) for each in self.positions]
        self._grabbed = 0 if distances[0] <= distances[1] else 1

    def mouseMoveEvent(self, event):
        if self._grabbed is not None:
            fraction = (event.position().x() - HANDLE / 2) / max(self.width() - HANDLE, 1)
            self.moved.emit(self._grabbed, min(max(fraction, 0.0), 1.0))

    def mouseReleaseEvent(self, event):
        self._grabbed = None

    def sizeHint(self):
        return QtCore.QSize(120, 20)

    def paintEvent(self, event):
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        middle = self.height() / 2
        low, high = (self._place(each) for each in self.positions)
        palette = self.palette()
        painter.setPen(QtCore.Qt.PenStyle.NoPen)
        painter.setBrush(palette.mid())
        painter.drawRoundedRect(QtCore.QRectF(2, middle - 2, self.width() - 4, 4), 2, 2)
        painter.setBrush(palette.highlight())
        painter.drawRect(QtCore.QRectF(low, middle - 2, max(high - low, 0), 4))
        painter.setPen(palette.color(QtGui.QPalette.ColorRole.Dark))
        painter.setBrush(palette.button())
        for place in (low, high):
            painter.drawRoundedRect(QtCore.QRectF(place - HANDLE / 2 + 0.5, middle - 7.5, HANDLE - 1, 15), 3, 3)


class ctkRangeWidget(QtWidgets.QWidget):
    """Minimum and maximum value: spin boxes beside a two-handled slider."""

    minimumValueChanged = QtCore.Signal(float)
    maximumValueChanged = QtCore.Signal(float)
    minimumValueIsChanging = QtCore.Signal(float)
    maximumValueIsChanging = QtCore.Signal(float)
    valuesChanged = QtCore.Signal(float, float)
    rangeChanged = QtCore.Signal(float, float)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._range = [0.0, 99.0]
        self._values = [0.0, 99.0]
        self._slider = _TwoHandles(self)
        self._boxes = [QtWidgets.QDoubleSpinBox(self), QtWidgets.QDoubleSpinBox(self)]
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._boxes[0])
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._boxes[1])
        for box in self._boxes:
            box.setKeyboardTracking(False)
        self._boxes[0].valueChanged.connect(lambda value: self.setMinimumValue(value))
        self._boxes[1].valueChanged.connect(lambda value: self.setMaximumValue(value))
        self._slider.moved.connect(self._onMoved)
        self._show()

    def _onMoved(self, index, fraction):
        steps = round(fraction * (self._range[1] - self._range[0]) / self.singleStep)
        value = self._range[0] + steps * self.singleStep
        values = list(self._values)
        values[index] = min(value, values[1]) if index == 0 else max(value, values[0])
        self.setValues(*values)

    def _show(self):
        span = self._range[1] - self._range[0]
        for index, box in enumerate(self._boxes):
            blocked = box.blockSignals(True)
            box.setRange(*self._range)
            box.setValue(self._values[index])
            box.blockSignals(blocked)
            self._slider.positions[index] = (self._values[index] - self._range[0]) / span if span else 0.0
        self._slider.update()

    def setValues(self, low, high):
        """Set both values, limited to the range and in order."""
        low, high = (min(max(each, self._range[0]), self._range[1]) for each in (min(low, high), max(low, high)))
        before = tuple(self._values)
        self._values = [low, high]
        self._show()
        if low != before[0]:
            self.minimumValueIsChanging.emit(low)
            self.minimumValueChanged.emit(low)
        if high != before[1]:
            self.maximumValueIsChanging.emit(high)
            self.maximumValueChanged.emit(high)
        if (low, high) != before:
            self.valuesChanged.emit(low, high)

    def setMinimumValue(self, value):
        """Set the lower value."""
        self.setValues(value, max(value, self._values[1]))

    def setMaximumValue(self, value):
        """Set the upper value."""
        self.setValues(min(value, self._values[0]), value)

    def setRange(self, low, high):
        """Set the limits."""
        low, high = min(low, high), max(low, high)
        if [low, high] != self._range:
            self._range = [low, high]
            self.rangeChanged.emit(low, high)
        self.setValues(*self._values)
        self._show()

    def reset(self):
        """Both values to the limits."""
        self.setValues(*self._range)

    def setDecimals(self, decimals):
        """Set the digits behind the point."""
        for box in self._boxes:
            box.setDecimals(decimals)

    def _texts(self):
        for box in self._boxes:
            box.setPrefix(self.prefix)
            box.setSuffix(self.suffix)
            box.setSingleStep(self.singleStep)

    minimum = QtCore.Property(
        float, lambda self: self._range[0], lambda self, v: self.setRange(v, max(v, self._range[1]))
    )
    maximum = QtCore.Property(
        float, lambda self: self._range[1], lambda self, v: self.setRange(min(v, self._range[0]), v)
    )
    minimumValue = QtCore.Property(float, lambda self: self._values[0], setMinimumValue)
    maximumValue = QtCore.Property(float, lambda self: self._values[1], setMaximumValue)
    decimals = QtCore.Property(int, lambda self: self._boxes[0].decimals(), setDecimals)
    prefix = kept(str, "prefix", "", _texts)
    suffix = kept(str, "suffix", "", _texts)
    singleStep = kept(float, "singleStep", 1.0, _texts)
    tickInterval = kept(float, "tickInterval", 0.0)
    tracking = kept(bool, "tracking", True)
    symmetricMoves = kept(bool, "symmetricMoves", False)
    autoSpinBoxWidth = kept(bool, "autoSpinBoxWidth", True)
    spinBoxAlignment = kept(int, "spinBoxAlignment", 128)
    spinBoxTextAlignment = kept(int, "spinBoxTextAlignment", 1)


class ctkDoubleRangeSlider(QtWidgets.QWidget):
    """A two-handled slider of fractional values, horizontal; values move in steps of `singleStep`."""

    minimumValueChanged = QtCore.Signal(float)
    maximumValueChanged = QtCore.Signal(float)
    minimumPositionChanged = QtCore.Signal(float)
    maximumPositionChanged = QtCore.Signal(float)
    valuesChanged = QtCore.Signal(float, float)
    positionsChanged = QtCore.Signal(float, float)
    rangeChanged = QtCore.Signal(float, float)
    sliderPressed = QtCore.Signal()
    sliderReleased = QtCore.Signal()

    def __init__(self, parent=None):
        super().__init__(parent)
        self._range, self._values = [0.0, 99.0], [0.0, 99.0]
        self._slider = _TwoHandles(self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        self._slider.moved.connect(self._onMoved)
        self._show()

    def _onMoved(self, index, fraction):
        steps = round(fraction * (self._range[1] - self._range[0]) / self.singleStep)
        value = self._range[0] + steps * self.singleStep
        low, high = self._values
        self.setValues(*((min(value, high), high) if index == 0 else (low, max(value, low))))

    def _show(self):
        span = self._range[1] - self._range[0]
        self._slider.positions = [(value - self._range[0]) / span if span else 0.0 for value in self._values]
        self._slider.update()

    def setValues(self, low, high):
        """Set both values, limited to the range and in order."""
        low, high = (min(max(each, self._range[0]), self._range[1]) for each in (min(low, high), max(low, high)))
        before, self._values = self._values, [low, high]
        self._show()
        for name, old, new in zip(("minimum", "maximum"), before, (low, high)):
            if old != new:
                getattr(self, f"{name}PositionChanged").emit(new)
                getattr(self, f"{name}ValueChanged").emit(new)
        if [low, high] != before:
            self.positionsChanged.emit(low, high)
            self.valuesChanged.emit(low, high)

    def setMinimumValue(self, value):
        """Set the lower value."""
        self.setValues(value, max(value, self._values[1]))

    def setMaximumValue(self, value):
        """Set the upper value."""
        self.setValues(min(value, self._values[0]), value)

    def setRange(self, low, high):
        """Set the limits."""
        low, high = min(low, high), max(low, high)
        if [low, high] != self._range:
            self._range = [low, high]
            self.rangeChanged.emit(low, high)
        self.setValues(*self._values)

    minimum = QtCore.Property(
        float, lambda self: self._range[0], lambda self, v: self.setRange(v, max(v, self._range[1]))
    )
    maximum = QtCore.Property(
        float, lambda self: self._range[1], lambda self, v: self.setRange(min(v, self._range[0]), v)
    )
    minimumValue = QtCore.Property(float, lambda self: self._values[0], setMinimumValue)
    maximumValue = QtCore.Property(float, lambda self: self._values[1], setMaximumValue)
    minimumPosition = QtCore.Property(float, lambda self: self._values[0], setMinimumValue)
    maximumPosition = QtCore.Property(float, lambda self: self._values[1], setMaximumValue)
    singleStep = kept(float, "singleStep", 1.0)
    tickInterval = kept(float, "tickInterval", 0.0)
    tickPosition = kept(int, "tickPosition", 0)
    orientation = kept(int, "orientation", 1)
    tracking = kept(bool, "tracking", True)
    symmetricMoves = kept(bool, "symmetricMoves", False)
