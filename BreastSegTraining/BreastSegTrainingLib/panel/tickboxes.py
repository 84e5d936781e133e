"""A few check boxes in a grid, such as folds and groups."""

import qt


class TickBoxes:
    """Fills a grid with check boxes.

    Parameters
    ----------
    layout : qt.QGridLayout
    columns : int
    onChanged : callable
    """

    def __init__(self, layout, columns, onChanged):
        self._layout, self._columns, self._onChanged, self._checks = layout, columns, onChanged, {}

    @property
    def names(self):
        """tuple of str: all that can be ticked."""
        return tuple(self._checks)

    @property
    def ticked(self):
        """tuple of str: those that are ticked."""
        return tuple(name for name, check in self._checks.items() if check.checked)

    def fill(self, titles, ticked=(), tips=None):
        """Offer others.

        Parameters
        ----------
        titles : dict of str to str
            By name.
        ticked : sequence of str
        tips : dict of str to str, optional
        """
        for check in self._checks.values():
            self._layout.removeWidget(check)
            check.setVisible(False)
            check.deleteLater()
        self._checks = {}
        for number, (name, title) in enumerate(titles.items()):
            check = qt.QCheckBox(title)
            check.setToolTip((tips or {}).get(name, ""))
            check.setChecked(name in ticked)
            check.connect("toggled(bool)", lambda on: self._onChanged())
            self._layout.addWidget(check, number // self._columns, number % self._columns)
            self._checks[name] = check

    def tick(self, names):
        """Tick these and no others."""
        for name, check in self._checks.items():
            check.setChecked(name in names)

    def setEnabled(self, enabled):
        """Let the user tick, or not."""
        for check in self._checks.values():
            check.setEnabled(enabled)
