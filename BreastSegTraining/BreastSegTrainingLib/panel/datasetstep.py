"""Step 3: the nnU-Net dataset - what it is called, how it is divided, and what will be in it."""

from pathlib import Path

import qt
from BreastSegLib.scene.texts import _

from . import ask, counted, exportcommand
from .recipebox import RecipeBox

STRATIFY_COLUMNS = 2


class DatasetStep:
    """The tab "Dataset".

    Parameters
    ----------
    ui : object
        The widgets of the .ui file, by name.
    opened : OpenTable
    file : TableFile
    run : callable
        ``run(arguments, onResult)`` starts a verb.
    onChanged : callable
    say : callable

    Attributes
    ----------
    onExported : callable
        ``onExported(folder)`` is told where the dataset lies.
    """

    def __init__(self, ui, opened, file, run, onChanged, say):
        self._ui, self._opened, self._file, self._run, self._say = ui, opened, file, run, say
        self._onChanged, self._idle, self._folder = onChanged, True, ""
        self.onExported = lambda folder: None  # what the next step does with the dataset
        self.recipe = RecipeBox(ui.recipeBox, onChanged, _("Choose a recipe"), say)
        titles = {"centre": _("Centre"), "density": _("Density"), "birads": _("BI-RADS"), "volume": _("Lesion size")}
        self._checks = {}
        for number, name in enumerate(exportcommand.STRATIFY):
            check = qt.QCheckBox(titles[name])
            check.setToolTip(_("Let test part and folds be alike in this"))
            check.connect("toggled(bool)", lambda on: onChanged())
            ui.stratifyLayout.addWidget(check, number // STRATIFY_COLUMNS, number % STRATIFY_COLUMNS)
            self._checks[name] = check
        for edit in (ui.nameEdit, ui.prefixEdit, ui.licenceEdit, ui.referenceEdit):
            edit.connect("textChanged(QString)", lambda text: onChanged())
        for edit in (ui.outputEdit, ui.keyEdit):
            edit.connect("currentPathChanged(QString)", lambda path: onChanged())
        for box in (ui.numberBox, ui.foldsBox, ui.seedBox, ui.workersBox):
            box.connect("valueChanged(int)", lambda value: onChanged())
        ui.testBox.connect("valueChanged(double)", lambda value: onChanged())
        ui.exportButton.connect("clicked()", self.export)
        ui.summaryButton.connect("clicked()", self.summary)
        ui.showDatasetButton.connect("clicked()", lambda: self._open(self._folder))
        ui.exportedLabel.setVisible(False)

    @property
    def settings(self):
        """exportcommand.DatasetSettings: what is chosen."""
        ui = self._ui
        return exportcommand.DatasetSettings(
            recipe=self.recipe.nameOrFile,
            number=ui.numberBox.value,
            name=ui.nameEdit.text.strip(),
            output=_absolute(ui.outputEdit.currentPath),
            prefix=ui.prefixEdit.text.strip(),
            key=_absolute(ui.keyEdit.currentPath),
            test=round(ui.testBox.value, 4),
            folds=ui.foldsBox.value,
            stratify=self.stratify,
            seed=ui.seedBox.value,
            workers=ui.workersBox.value,
            licence=ui.licenceEdit.text.strip(),
            reference=ui.referenceEdit.text.strip(),
            verify=bool(ui.verifyCheck.checked),
        )

    @property
    def stratify(self):
        """tuple of str: what the parts are to be alike in."""
        return tuple(name for name, check in self._checks.items() if check.checked)

    def chooseStratify(self, names):
        """Tick what the parts are to be alike in."""
        for name, check in self._checks.items():
            check.setChecked(name in names)

    def refresh(self):
        """Bring sentences and buttons up to date."""
        ui, cases = self._ui, self._opened.cases
        selected = [case for case in cases if case.selected]
        missing = exportcommand.whatIsMissing(self.settings, len(cases), selected)
        ui.exportButton.setEnabled(self._idle and not missing)
        ui.exportButton.setToolTip(missing or _("Write the cases as an nnU-Net dataset; what is there is kept"))
        words = exportcommand.inWords(cases) if cases else ""
        ui.datasetLabel.text = f"{words}\n{missing}".strip() if missing else words
        ui.summaryButton.setEnabled(self._idle and bool(cases))
        ui.showDatasetButton.setEnabled(bool(self._folder))
        ui.showDatasetButton.setToolTip(self._folder or _("Nothing was exported yet"))

    def setIdle(self, idle):
        """Let the user choose, or not: a command is at work."""
        self._idle = idle
        self.refresh()

    def export(self):
        """Begin to write the dataset."""
        if not self._file.saved():
            return
        self._ui.exportedLabel.setVisible(False)
        self._run(exportcommand.argumentsOf(self.settings, self._opened.path), self._onExported)

    def summary(self):
        """Begin to make the report with the numbers for a paper, and open it."""
        if not self._file.saved():
            return
        start = self._opened.path.with_suffix(".html")
        path = ask.fileToSave(_("Save summary"), start, "HTML (*.html)")
        if path:
            path = ask.withEnding(path, ".html", ".htm")
        if path:
            self._run(["summary", str(self._opened.path), "--output", path, "--overwrite"], self._onSummary)

    def forget(self):
        """Another table stands there."""
        self._folder = ""
        self._ui.exportedLabel.setVisible(False)

    def _onExported(self, event):
        self._file.reread()
        self._folder = str(event.get("dataset") or "")
        self.onExported(self._folder)
        failed = event.get("failed") or ()
        words = _("{name}: {training} for training, {test} for the test, {folds}.").format(
            name=Path(self._folder).name,
            training=counted.cases(_count(event.get("training"))),
            test=_count(event.get("test")),
            folds=counted.folds(_count(event.get("folds"))),
        )
        words += " " + _("Written: {written}, unchanged: {unchanged}.").format(
            written=_count(event.get("written")), unchanged=_count(event.get("unchanged"))
        )
        if event.get("refused"):
            words += " " + _("Not exported: {cases}; the status in step 1 says why.").format(
                cases=counted.cases(len(event["refused"]))
            )
        if event.get("key"):
            words += " " + _("Which name is which case: {key}.").format(key=Path(event["key"]).name)
        lines = [words, *map(str, event.get("notes") or ())]
        lines += [f"{row.get('case')}: {row.get('why')}" for row in failed[:5]]
        self._ui.exportedLabel.text = "\n".join(lines)
        self._ui.exportedLabel.setVisible(True)
        if failed:
            self._say(
                _("{cases} could not be exported; the table says why.").format(cases=counted.cases(len(failed))), True
            )
        else:
            self._say(_("Exported {name}.").format(name=Path(self._folder).name), False)

    def _onSummary(self, event):
        self._say(_("Summary saved: {path}").format(path=event.get("report", "")), False)
        self._open(event.get("report", ""))

    def _open(self, path):
        if path and not qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path))):
            self._say(_("Nothing could open {path}").format(path=path), True)


def _absolute(path):
    path = path.strip()
    return str(Path(path).expanduser().absolute()) if path else ""


def _count(value):
    """Return a number; the length of a list."""
    return len(value) if isinstance(value, (list, tuple, dict)) else (value or 0)
