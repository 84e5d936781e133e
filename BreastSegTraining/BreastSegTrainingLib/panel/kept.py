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
            self._showTraining(node)
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
            *self._ofTraining(),
            ("loadedCase", loaded.name if loaded is not None else ""),
            ("segmentation", loaded.segmentation if loaded is not None else None),
            ("phases", list(loaded.exam.nodes) if loaded is not None else []),
        ):
            if getattr(node, name) != value:
                setattr(node, name, value)

    def _ofTraining(self):
        """Return (field, value) of steps 4 and 5."""
        ui, training, evaluation = self._panel.ui, self._panel.training, self._panel.evaluation
        return (
            ("trainDataset", ui.trainDatasetEdit.currentPath),
            ("workFolder", ui.workEdit.currentPath),
            ("preset", training.preset.value or ""),
            ("trainFolds", " ".join(training.wantedFolds)),
            ("trainDevice", training.device.value),
            ("trainer", training.trainer.value or ""),
            ("configuration", training.configuration.value),
            ("fineTune", training.fineTune.value or ""),
            ("encoderWeights", ui.encoderEdit.currentPath),
            ("executor", training.executor.value),
            ("whenClosing", training.closing.value),
            ("evaluateWhat", evaluation.what.value),
            ("evaluateTraining", evaluation.wantedTraining),
            ("truthFolder", ui.truthEdit.currentPath),
            ("predictionFolder", ui.predictionEdit.currentPath),
            ("grid", evaluation.grid.value),
            ("cleanup", evaluation.cleanup.value),
            ("groups", " ".join(evaluation.groups.ticked)),
            ("evaluationOutput", ui.evaluationOutputEdit.currentPath),
            ("evaluation", evaluation.file),
        )

    def _showTraining(self, node):
        """Show what a node keeps of steps 4 and 5."""
        ui, training, evaluation = self._panel.ui, self._panel.training, self._panel.evaluation
        for edit, path in (
            (ui.trainDatasetEdit, node.trainDataset),
            (ui.workEdit, node.workFolder),
            (ui.encoderEdit, node.encoderWeights),
            (ui.truthEdit, node.truthFolder),
            (ui.predictionEdit, node.predictionFolder),
            (ui.evaluationOutputEdit, node.evaluationOutput),
        ):
            if path and not edit.currentPath:
                edit.setCurrentPath(path)
        for box, value in (
            (training.preset, node.preset),
            (training.device, node.trainDevice),
            (training.trainer, node.trainer),
            (training.configuration, node.configuration),
            (training.fineTune, node.fineTune),
            (training.executor, node.executor),
            (training.closing, node.whenClosing),
            (evaluation.what, node.evaluateWhat),
            (evaluation.grid, node.grid),
            (evaluation.cleanup, node.cleanup),
        ):
            box.choose(value)
        training.chooseFolds(node.trainFolds.split())
        evaluation.chooseTraining(node.evaluateTraining)
        evaluation.groups.tick(node.groups.split())
        if node.evaluation and not evaluation.file and Path(node.evaluation).is_file():
            evaluation.open(node.evaluation)

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
