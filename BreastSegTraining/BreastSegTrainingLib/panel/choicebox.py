"""A combo box whose entries stand for values: what the user reads is not what is kept."""


class ChoiceBox:
    """Keeps values beside the entries of a combo box.

    Parameters
    ----------
    box : qt.QComboBox
    values : sequence
        What the entries stand for, in their order.
    onChanged : callable
        Called when the user, or a program, has chosen another one.
    titles : sequence of str, optional
        The entries; those of the .ui file when not given.
    tips : sequence of str, optional
    """

    def __init__(self, box, values, onChanged, titles=None, tips=None):
        self._box, self._onChanged, self._values = box, onChanged, ()
        if titles is None:
            self._values = tuple(values)
        else:
            self.fill(values, titles, tips)
        box.connect("currentIndexChanged(int)", lambda index: self._onChanged())

    @property
    def value(self):
        """The chosen value; None when there is none."""
        index = self._box.currentIndex
        return self._values[index] if 0 <= index < len(self._values) else None

    @property
    def values(self):
        """tuple: all values."""
        return self._values

    def fill(self, values, titles, tips=None):
        """Offer other values; the chosen one stays chosen if it is among them."""
        values, former = tuple(values), self.value
        if values == self._values and tuple(titles) == tuple(self._box.itemText(i) for i in range(self._box.count)):
            return
        blocked = self._box.blockSignals(True)
        self._box.clear()
        self._values = values
        for place, title in enumerate(titles):
            self._box.addItem(title)
            self._box.setItemData(place, (tips or titles)[place], TOOL_TIP)
        if former in values:
            self._box.setCurrentIndex(values.index(former))
        self._box.blockSignals(blocked)
        if self.value != former:
            self._onChanged()

    def choose(self, value):
        """Choose a value; one that is not offered is not chosen."""
        if value in self._values:
            self._box.setCurrentIndex(self._values.index(value))


TOOL_TIP = 3  # Qt::ToolTipRole
