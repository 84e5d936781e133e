"""What the parameter node keeps of the panel: the table's path, and what was chosen."""

import logging
from pathlib import Path

import qt
from BreastSegLib.scene import keeping


class Kept:
    """Between the panel and the parameter node; fields that are bound to a widget are not its business.

    Parameters
    ----------
    panel : TrainingPanel
    parent : qt.QWidget
        Owner of the timer.
    """

    def __init__(self, panel, parent):
        self._panel, self._node, self._following = panel, None, False
        self._timer = qt.QTimer(parent)
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.connect("timeout()", self.keep)

    def follow(self, node):
        """Show what a node keeps; None lets go of it."""
        # What was not kept yet is older than what a scene has just brought.
        self._timer.stop()
        self._node = None
        if node is None:
            return
        panel, self._following = self._panel, True
        try:
            panel.dataset.recipe.choose(node.recipe)
            panel.cases.recipe.choose(node.checkRecipe)
            panel.dataset.chooseStratify(node.stratify.split())
            if node.rules:
                panel.quality.chooseRules(node.rules)
            panel.addBox.chooseLayout(node.layout)
            for edit, path in ((panel.ui.outputEdit, node.outputFolder), (panel.ui.keyEdit, node.keyFile)):
                if path and not edit.currentPath:
                    edit.setCurrentPath(path)
            if node.tablePath and panel.opened.path is None and not panel.opened.unsaved:
                self._openTable(node.tablePath)
            panel.cases.chooseColumns(node.columns)
            self._findCase(node)
        finally:
            self._following = False
        self._node = node
        self.keep()

    def keepSoon(self):
        """Write what is chosen into the node in the next turn of the event loop.

        A node that changes makes the widgets that are bound to it show its values: what the user has just typed in one
        of them would be lost if it had not reached the node yet.
        """
        if self._node is not None and not self._following:
            self._timer.start()

    def keep(self):
        """Write what is chosen into the node, as far as it is not there already."""
        self._timer.stop()
        panel, node = self._panel, self._node
        if node is None or self._following:
            return
        loaded = panel.case.loaded
        for name, value in (
            ("tablePath", str(panel.opened.path or "")),
            ("columns", panel.cases.columnsText()),
            ("layout", panel.addBox.layout),
            ("recipe", panel.dataset.recipe.nameOrFile),
            ("checkRecipe", panel.cases.recipe.nameOrFile),
            ("stratify", " ".join(panel.dataset.stratify)),
            ("outputFolder", panel.ui.outputEdit.currentPath),
            ("keyFile", panel.ui.keyEdit.currentPath),
            ("rules", panel.quality.rulesText),
            ("loadedCase", loaded.name if loaded is not None else ""),
            ("segmentation", loaded.segmentation if loaded is not None else None),
            ("phases", list(loaded.exam.nodes) if loaded is not None else []),
        ):
            if getattr(node, name) != value:
                setattr(node, name, value)

    def _openTable(self, path):
        if not Path(path).is_file():
            logging.info("BreastSegTraining: the table that the scene names is not there")
            return
        self._panel.open(path)

    def _findCase(self, node):
        """Take up the case that came back with a scene, so that its mask can be saved."""
        panel = self._panel
        if node.tablePath != str(panel.opened.path or ""):
            return
        names = {case.name for case in panel.opened.cases}
        if panel.case.loaded is not None or node.segmentation is None or node.loadedCase not in names:
            return
        exam, _rows = keeping.keptExam(list(node.phases), "")
        if exam is not None:
            panel.adopt(node.loadedCase, exam, node.segmentation)
