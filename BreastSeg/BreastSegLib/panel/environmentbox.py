"""The window "Check": whether a Python interpreter can run models, and how to mend what is missing."""

from pathlib import Path

import qt
import slicer

from ..inference.checkup import Checkup, rows, works
from ..scene.session import childEnvironment, ownInterpreter
from ..scene.texts import _
from .state import inThePanel

RESOURCES = Path(__file__).resolve().parents[2] / "Resources" / "UI"
INTERVAL_MS = 100
COLOURS = {"missing": "#c0392b", "warning": "#b9770e", "ok": "#1e8449"}


class EnvironmentBox:
    """Looks at an interpreter in a child process and shows what was found, on one screen.

    Parameters
    ----------
    parent : qt.QWidget or None
        The window that it belongs to.
    interpreter : callable
        Returns the interpreter that the user named; '' for Slicer's own.
    onReport : callable
        Called with the report of `inference.checkup.Checkup`.
    """

    def __init__(self, parent, interpreter, onReport):
        self._interpreter, self._onReport = interpreter, onReport
        self._checkup = None
        self.dialog = qt.QDialog(parent)
        self.dialog.setWindowTitle(_("What models need"))
        top = slicer.util.loadUI(str(RESOURCES / "Environment.ui"))
        layout = qt.QVBoxLayout(self.dialog)
        layout.addWidget(top)
        self.dialog.resize(top.width, top.height)
        self.ui = ui = slicer.util.childWidgetVariables(top)
        headings = [_("What"), _("State"), _("Found"), _("How to mend it")]
        table = ui.environmentTable
        table.setColumnCount(len(headings))
        table.setHorizontalHeaderLabels(headings)
        table.verticalHeader().setVisible(False)
        table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        table.setSelectionMode(qt.QAbstractItemView.ContiguousSelection)
        table.setWordWrap(True)
        # A bar that comes and goes would wrap the rows anew, whose height decides whether it is there.
        table.setVerticalScrollBarPolicy(qt.Qt.ScrollBarAlwaysOn)
        table.setHorizontalScrollBarPolicy(qt.Qt.ScrollBarAlwaysOff)
        header = table.horizontalHeader()
        header.setSectionResizeMode(0, qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(1, qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(2, qt.QHeaderView.Stretch)
        header.setSectionResizeMode(3, qt.QHeaderView.Stretch)
        table.verticalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        self._timer = qt.QTimer(self.dialog)
        self._timer.setInterval(INTERVAL_MS)
        self._timer.connect("timeout()", self._turn)
        ui.environmentAgainButton.connect("clicked()", self.check)
        ui.environmentCloseButton.connect("clicked()", self.dialog.reject)
        self.dialog.connect("finished(int)", lambda result: self._stop())

    @property
    def checking(self):
        """bool: whether the answer is still to come."""
        return self._checkup is not None

    def check(self):
        """Show the window and begin to look at the interpreter."""
        self._stop()
        python = self._interpreter() or ownInterpreter()
        self.ui.environmentTable.setRowCount(0)
        self.ui.environmentLabel.text = _("Looking at {python}. This can take a minute.").format(python=python)
        self.ui.environmentLabel.setStyleSheet("")
        self.ui.environmentProgressBar.setVisible(True)
        self.ui.environmentAgainButton.setEnabled(False)
        self.dialog.show()
        self.dialog.activateWindow()
        self._checkup = Checkup(python, childEnvironment())
        self._timer.start()

    def close(self):
        """Close the window for good and end the check."""
        self._stop()
        self.dialog.hide()
        self.dialog.deleteLater()

    def _stop(self):
        self._timer.stop()
        checkup, self._checkup = self._checkup, None
        if checkup is not None:
            checkup.close()

    def _turn(self):
        report = self._checkup.poll() if self.checking else None
        if report is None:
            return
        self._stop()
        self._show(report)
        self._onReport(report)

    def _show(self, report):
        ui, found, fine = self.ui, rows(report), works(report)
        ui.environmentProgressBar.setVisible(False)
        ui.environmentAgainButton.setEnabled(True)
        good, bad = _("Models can run with this Python."), _("Models cannot run with this Python yet.")
        ui.environmentLabel.text = good if fine else bad
        ui.environmentLabel.setStyleSheet("font-weight: bold;" + ("" if fine else " color: #c0392b;"))
        states = {"ok": _("ok"), "warning": _("note"), "missing": _("missing")}
        table = ui.environmentTable
        table.setRowCount(len(found))
        for place, row in enumerate(found):
            mend = inThePanel(row["mend"], _)
            for column, text in enumerate((row["what"], states[row["state"]], row["found"], mend)):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(text)
                if column == 1:
                    item.setForeground(qt.QBrush(qt.QColor(COLOURS[row["state"]])))
                table.setItem(place, column, item)


def deviceTitle(row):
    """Return what people read for a device: ``GPU 0: NVIDIA … (24 GB, 20 GB free)``.

    Parameters
    ----------
    row : dict
        As `inference.networks.devices.list_devices` gives it.
    """
    if row["device"] == "cpu":
        return _("CPU (slow)")
    number = row["device"].partition(":")[2] or "0"
    if not row["name"]:
        return _("GPU {number}").format(number=number)
    name = _("GPU {number}: {name}").format(number=number, name=row["name"])
    if row.get("memory_total") is None:
        return name
    total = round(row["memory_total"] / 2**30)
    if row.get("memory_free") is None:
        return _("{name} ({total} GB)").format(name=name, total=total)
    free = round(row["memory_free"] / 2**30)
    return _("{name} ({total} GB, {free} GB free)").format(name=name, total=total, free=free)
