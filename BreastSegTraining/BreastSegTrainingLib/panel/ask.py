"""The questions that the panel asks in windows of their own; tests answer them in its place."""

from pathlib import Path

import qt
import slicer
from BreastSegLib.scene.texts import _

SAVE, DISCARD, CANCEL = "save", "discard", "cancel"


def fileToOpen(title, folder, kinds):
    """Return the file that the user chose, '' when none."""
    return qt.QFileDialog.getOpenFileName(slicer.util.mainWindow(), title, str(folder), kinds) or ""


def filesToOpen(title, folder, kinds):
    """Return the files that the user chose."""
    return tuple(qt.QFileDialog.getOpenFileNames(slicer.util.mainWindow(), title, str(folder), kinds) or ())


def fileToSave(title, path, kinds):
    """Return the file name that the user chose, '' when none; Qt asks before one that exists is replaced."""
    return qt.QFileDialog.getSaveFileName(slicer.util.mainWindow(), title, str(path), kinds) or ""


def withEnding(path, *endings):
    """Return a chosen file name with an ending, the first of those that it may have; '' when the user declines.

    Qt asks before a file is replaced, but only of the name as it was typed.
    """
    path = str(path)
    if path.lower().endswith(endings):
        return path
    path += endings[0]
    question = _("{name} exists already. Replace it?").format(name=Path(path).name)
    return path if not Path(path).exists() or yes(question) else ""


def folder(title, start):
    """Return the folder that the user chose, '' when none."""
    return qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), title, str(start)) or ""


def yes(question):
    """Return whether the user agrees."""
    return bool(slicer.util.confirmYesNoDisplay(question, windowTitle=_("BreastSeg Training")))


def unsaved(name):
    """Ask what becomes of edits that are not saved; returns `SAVE`, `DISCARD` or `CANCEL`."""
    box = qt.QMessageBox(slicer.util.mainWindow())
    box.setWindowTitle(_("BreastSeg Training"))
    box.setText(_("{name} has changes that are not saved.").format(name=name or _("The table")))
    box.setInformativeText(_("Save them?"))
    box.setStandardButtons(qt.QMessageBox.Save | qt.QMessageBox.Discard | qt.QMessageBox.Cancel)
    box.setDefaultButton(qt.QMessageBox.Save)
    answer = box.exec_()
    return {int(qt.QMessageBox.Save): SAVE, int(qt.QMessageBox.Discard): DISCARD}.get(int(answer), CANCEL)


def choice(title, question, texts):
    """Return the place of the answer that the user chose, -1 when none."""
    dialog = qt.QInputDialog(slicer.util.mainWindow())
    dialog.setWindowTitle(title)
    dialog.setLabelText(question)
    dialog.setComboBoxItems(list(texts))
    dialog.setComboBoxEditable(False)
    if not dialog.exec_():
        return -1
    return list(texts).index(dialog.textValue()) if dialog.textValue() in texts else -1
