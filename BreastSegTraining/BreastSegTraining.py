"""The Slicer door of BreastSegTraining: module, widget, logic and self test."""

import os
import tempfile

import qt
import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)


class BreastSegTraining(ScriptedLoadableModule):
    """What the application shows of the module before it is opened."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("BreastSeg Training")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = []
        self.parent.contributors = ["SlicerBreastSeg developers"]
        self.parent.helpText = _(
            "Keeps the table of labelled breast exams that lesion models are trained from. "
            "For research use only, not a medical device."
        )
        self.parent.acknowledgementText = _("Training is built on nnU-Net v2 (Isensee et al., Nature Methods 2021).")


class BreastSegTrainingWidget(ScriptedLoadableModuleWidget):
    """The panel: a table of labelled cases with its buttons."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        self.logic = None
        self.view = None

    def setup(self):
        """Build the panel from the .ui file; called once, when the module is first opened."""
        ScriptedLoadableModuleWidget.setup(self)
        from BreastSegTrainingLib.panel import CaseTableView

        uiWidget = slicer.util.loadUI(self.resourcePath("UI/BreastSegTraining.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)

        self.logic = BreastSegTrainingLogic()
        self.view = CaseTableView(self.ui.caseTableWidget)
        self.ui.loadButton.connect("clicked(bool)", self.onLoad)
        self.ui.saveButton.connect("clicked(bool)", self.onSave)
        self.ui.addButton.connect("clicked(bool)", self.onAdd)
        self.ui.removeButton.connect("clicked(bool)", self.onRemove)
        self.ui.caseTableWidget.connect("itemSelectionChanged()", self.updateButtons)
        self.ui.caseTableWidget.connect("itemChanged(QTableWidgetItem*)", self.onEdited)
        self.showTable()

    def onLoad(self, _checked=False):
        """Ask for a CSV file and show it."""
        path = qt.QFileDialog.getOpenFileName(
            slicer.util.mainWindow(), _("Load case table"), str(self.logic.table.folder), _("Case table (*.csv)")
        )
        if path:
            self.load(path)

    def load(self, path):
        """Show the table of a CSV file; returns whether that worked (the reason stands below the table)."""
        if not self._tried(lambda: self.logic.load(path)):
            return False
        self.showTable()
        return True

    def onSave(self, _checked=False):
        """Ask for a file name and save."""
        path = qt.QFileDialog.getSaveFileName(
            slicer.util.mainWindow(), _("Save case table"), self.logic.suggestedPath(), _("Case table (*.csv)")
        )
        if path:
            self.save(path)

    def save(self, path):
        """Save what stands in the panel, replacing the file; returns whether that worked."""
        if not self._tried(lambda: self.logic.save(self.view.read(self.logic.table.folder), path)):
            return False
        self.showTable()
        self.say(_("Saved {count} cases to {path}.").format(count=len(self.logic.table), path=path))
        return True

    def onAdd(self, _checked=False):
        """Add a row to fill in."""
        self.view.addRow()
        self.say(_("Fill in patient, exam and mask of the new row; paths start from the folder of the table."))

    def onRemove(self, _checked=False):
        """Remove the row with the cursor."""
        self.view.removeRow(self.view.selectedRow())
        self.updateButtons()
        self.say(_("The row is removed from the table; the files stay where they are."))

    def onEdited(self, _item=None):
        """Clear the last message: it may no longer be true."""
        self.say("")
        self.updateButtons()

    def updateButtons(self):
        """Enable what can be done now; the tooltips say why something cannot."""
        rows = self.view.rowCount()
        self.ui.removeButton.enabled = self.view.selectedRow() >= 0
        self.ui.removeButton.toolTip = (
            _("Remove the selected row") if self.view.selectedRow() >= 0 else _("Select a row to remove it")
        )
        self.ui.saveButton.enabled = rows > 0
        self.ui.saveButton.toolTip = _("Save the table as CSV") if rows else _("Add or load cases first")

    def showTable(self):
        """Show the logic's table and what is wrong with it."""
        self.view.show(self.logic.table)
        self.updateButtons()
        self.say(self.logic.summary())

    def say(self, text):
        """Show a line below the table."""
        self.ui.statusLabel.text = text

    def _tried(self, action):
        from BreastSegLib.errors import BreastSegError

        try:
            action()
        except BreastSegError as error:
            self.say(error.line)
            return False
        return True


class BreastSegTrainingLogic(ScriptedLoadableModuleLogic):
    """The case table in memory; scripts may use it without a panel."""

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)
        from BreastSegTrainingLib.cases import CaseTable

        self.table = CaseTable()
        self.path = ""

    def load(self, path):
        """Read a case table.

        Raises
        ------
        BreastSegLib.errors.BadInput
            If the file cannot be used; the table in memory stays.
        """
        from BreastSegTrainingLib.cases import CaseTable

        self.table = CaseTable.read(path)
        self.path = str(path)

    def save(self, table, path):
        """Write a case table, replacing the file, and keep it as the one in memory.

        Raises
        ------
        BreastSegLib.errors.BadInput
            If it cannot be written.
        """
        path = path if path.lower().endswith(".csv") else f"{path}.csv"
        table.write(path, overwrite=True)
        self.table, self.path = table, path

    def suggestedPath(self):
        """Return the file name that the save dialog starts with."""
        return self.path or os.path.join(str(self.table.folder), "cases.csv")

    def summary(self):
        """Return a sentence about the table: how many cases and patients, and the first missing file."""
        if not len(self.table):
            return _("No cases yet. Load a table or add a row.")
        patients = len({case.patient_id for case in self.table})
        text = _("{cases} cases of {patients} patients.").format(cases=len(self.table), patients=patients)
        missing = self.table.missing_files()
        if missing:
            text += " " + _("{count} files are missing. {first}").format(count=len(missing), first=missing[0])
        return text


class BreastSegTrainingTest(ScriptedLoadableModuleTest):
    """The self test; the same in Slicer and in the host."""

    def setUp(self):
        """Start from an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self):
        """Run every test method."""
        self.setUp()
        self.test_tableGoesThroughThePanel()
        self.setUp()
        self.test_badTableIsExplained()

    def test_tableGoesThroughThePanel(self):
        """A table is loaded, gets a row, loses a row, and is saved as it is seen."""
        from BreastSegTrainingLib.cases import Case, CaseTable

        widget = slicer.util.getModuleWidget("BreastSegTraining")
        with tempfile.TemporaryDirectory() as folder:
            source, target = os.path.join(folder, "cases.csv"), os.path.join(folder, "saved.csv")
            CaseTable(
                [
                    Case("a_1", "A", "exams/a", "masks/a.nrrd", "North", "", {"density": "c"}),
                    Case("b_1", "B", "exams/b", "masks/b.nrrd"),
                ],
                folder,
            ).write(source)
            self.assertTrue(widget.load(source))
            table = widget.ui.caseTableWidget
            self.assertEqual((table.rowCount, table.columnCount), (2, 7))
            self.assertEqual(table.item(0, 6).text(), "c")
            self.assertIn("2 cases of 2 patients", widget.ui.statusLabel.text)
            self.assertIn("4 files are missing", widget.ui.statusLabel.text)

            widget.ui.addButton.click()
            self.assertEqual(table.rowCount, 3)
            self.assertFalse(widget.save(target))
            self.assertIn("row 3", widget.ui.statusLabel.text)
            self.assertFalse(os.path.exists(target))
            for column, text in ((1, "C"), (2, "exams/c"), (3, "masks/c.nrrd")):
                table.item(2, column).setText(text)
            widget.view.select(0)
            widget.ui.removeButton.click()
            self.assertTrue(widget.save(target))
            saved = CaseTable.read(target)
            self.assertEqual([case.case_id for case in saved], ["b_1", "case_001"])
            self.assertEqual([case.patient_id for case in saved], ["B", "C"])

    def test_badTableIsExplained(self):
        """A table without its columns is refused with a line that names the file; what was shown stays."""
        widget = slicer.util.getModuleWidget("BreastSegTraining")
        rows = widget.ui.caseTableWidget.rowCount
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "bad.csv")
            with open(path, "w", encoding="utf-8") as stream:
                stream.write("name,mask\nx,y\n")
            self.assertFalse(widget.load(path))
        self.assertIn("bad.csv", widget.ui.statusLabel.text)
        self.assertIn("case_id", widget.ui.statusLabel.text)
        self.assertEqual(widget.ui.caseTableWidget.rowCount, rows)
