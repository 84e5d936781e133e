"""Load a case into the scene, correct its mask, and save the mask: the former file stays."""

from dataclasses import replace
from pathlib import Path

from BreastSegLib.errors import BadInput, BreastSegError, Undecided
from BreastSegLib.scene.texts import _

from ..scene import casemask, loadcase, segmenteditor
from ..scene.takecase import MASKS
from . import ask
from .commandwork import makeCommand
from .opentable import forNewMask
from .scenebox import NAME


class CaseActions:
    """The buttons below the table.

    Parameters
    ----------
    ui : object
        The widgets of the .ui file, by name.
    session : BreastSegLib.scene.session.Session
    opened : OpenTable
    step : CasesStep
    start : callable
        ``start(turns, onDone, onError)`` begins work in turns.
    progress : callable
        ``progress(stage, done, total, secondsLeft)``.
    say : callable
    onChanged : callable
        Called when another case is loaded, or its row has changed.
    """

    def __init__(self, ui, session, opened, step, start, progress, say, onChanged):
        self._ui, self._session, self._opened, self._step = ui, session, opened, step
        self._start, self._progress, self._say, self._onChanged = start, progress, say, onChanged
        self.loaded, self._row, self._savedAt, self._correctNext = None, None, (), False
        step.onRowEdited = self._onRowEdited
        ui.loadCaseButton.connect("clicked()", self.load)
        ui.correctMaskButton.connect("clicked()", self.correct)
        ui.saveMaskButton.connect("clicked()", self.save)

    @property
    def maskChanged(self):
        """bool: whether the loaded mask was drawn on since it was loaded or saved."""
        return self.loaded is not None and self.loaded.there and self._modified() != self._savedAt

    @property
    def target(self):
        """str: the case that "Correct mask" is for: the chosen one, else the loaded one; '' for none."""
        chosen = self._step.chosen
        if len(chosen) == 1:
            return self._opened.cases[chosen[0]].name
        return self.loaded.name if self.loaded is not None else ""

    def load(self):
        """Begin to load the chosen case; a mask that is not saved is asked about first."""
        self._correctNext = False
        self._load()

    def _load(self):
        chosen = self._step.chosen
        if len(chosen) != 1 or not self.mayLeave():
            return
        case = self._opened.cases[chosen[0]]
        try:
            self._checkName(case.name)
            source = self._opened.table.source(case)
            masks = self._opened.table.mask_paths(case) if case.get("mask") else []
        except BreastSegError as error:
            self._say(error.line, True)
            return
        if self.loaded is not None:
            loadcase.remove(self._session, self.loaded)
            self.forget()
        turns = loadcase.loadCase(self._session, makeCommand, case, source, masks, self._progress)
        self._start(turns, self._onLoaded, lambda error: self._onError(error, case))

    def correct(self):
        """Open the Segment Editor on the chosen case's mask; it is loaded first if it is not in the scene."""
        if self.loaded is None or self.loaded.name != self.target:
            self._correctNext = True
            self._load()
            return
        try:
            casemask.checkThere(self.loaded.segmentation, self.loaded.volume)
            segmenteditor.correct(self.loaded.segmentation, self.loaded.volume)
        except BreastSegError as error:
            self._say(error.line, True)

    def save(self):
        """Begin to write the loaded case's mask beside the table."""
        if self.loaded is None:
            return
        if self._opened.path is None:
            self._say(_("Save the table first: masks are written beside it."), True)
            return
        try:
            self._checkName(self.loaded.name)
        except BreastSegError as error:
            self._say(error.line, True)
            return
        loaded, modified = self.loaded, self._modified()
        turns = casemask.maskOf(loaded.segmentation, loaded.volume)
        self._start(turns, lambda mask: self._onMask(loaded, mask, modified), lambda error: self._onError(error, None))
        self._progress(_("Saving the mask"), 0, 0, None)

    def mayLeave(self):
        """Ask whether a corrected mask may go when it is not saved."""
        if not self.maskChanged:
            return True
        question = _("The mask of {name} was changed and is not saved. Leave it without saving?")
        return ask.yes(question.format(name=self.loaded.name))

    def forget(self):
        """The loaded case is gone."""
        self.loaded = self._row = None

    def adopt(self, loaded):
        """Take a case that is in the scene already, as after a scene was opened."""
        self.loaded = loaded
        self._savedAt = self._modified()

    def refresh(self, idle):
        """Bring the buttons up to date."""
        if self.loaded is not None and not self.loaded.there:
            self.forget()
        ui, chosen, loaded = self._ui, self._step.chosen, self.loaded
        count, target = len(chosen), self.target
        ui.loadCaseButton.setEnabled(idle and count == 1)
        tip = _("Show the exam and its mask") if count == 1 else _("Choose one row first")
        ui.loadCaseButton.setToolTip(tip)
        ui.correctMaskButton.setEnabled(idle and bool(target))
        tip = _("Open the Segment Editor on the mask of {name}").format(name=target)
        ui.correctMaskButton.setToolTip(tip if target else _("Choose one row first"))
        ui.saveMaskButton.setEnabled(idle and loaded is not None)
        tip = _("Write the mask of {name} beside the table; the former file is kept")
        ui.saveMaskButton.setToolTip(tip.format(name=loaded.name) if loaded is not None else _("Load a case first"))
        ui.caseLabel.setVisible(loaded is not None)
        if loaded is not None:
            words = [_("In the scene: {name}.").format(name=loaded.name), *loaded.notes]
            if self.maskChanged:
                words.append(_("Its mask was changed and is not saved."))
            ui.caseLabel.text = " ".join(words)

    def _onLoaded(self, loaded):
        self.loaded = loaded
        loadcase.show(loaded)
        self._savedAt = self._modified()
        self._say(_("Loaded {name}.").format(name=loaded.name), False)
        self._onChanged()
        if self._correctNext:
            self._correctNext = False
            self.correct()

    def _onMask(self, loaded, mask, modified):
        if not mask.array.any() and not ask.yes(
            _("The mask is empty. Save it all the same? The check will ask whether the case has no lesion.")
        ):
            self._say(_("The mask was not saved."), False)
            return
        try:
            path = self._opened.maskFile(loaded.name, MASKS)
            kept = casemask.writeMask(mask, path)
        except BreastSegError as error:
            self._say(error.line, True)
            return
        self._savedAt = modified
        text = _("Saved the mask of {name}.").format(name=loaded.name)
        if kept is not None:
            text += " " + _("The former one is {name} now.").format(name=Path(kept).name)
        try:
            self._opened.setOfCase(loaded.name, forNewMask(self._opened.cell(path)))
        except BreastSegError as error:
            text += " " + _("The table could not be written: {why}").format(why=error.line)
            self._say(text, True)
        else:
            self._say(text, False)
        self._step.refreshTable()
        self._onChanged()

    def _onError(self, error, case):
        if isinstance(error, Undecided) and case is not None and getattr(error, "choices", ()):
            texts = [text for _value, text in error.choices]
            place = ask.choice(_("The files leave something open"), error.line, texts)
            if place >= 0:
                self._answer(case, error, error.choices[place][0])
                return
        self._say(error.line, True)

    def _answer(self, case, question, value):
        """Write the answer into the table, where the check and the export find it, and load again."""
        try:
            place = self._opened.table.index_of(case.name)
        except BadInput:
            return
        parts = [part for part in case.parts("choose") if not part.startswith(f"{question.name}=")]
        self._opened.setValue(place, "choose", ";".join([*parts, f"{question.name}={value}"]))
        self._step.rows.changed()
        self._step.showRows()
        self._load()

    def _checkName(self, name):
        """Raise BadInput unless exactly one row has this name, and files can have it."""
        count = sum(case.name.casefold() == name.casefold() for case in self._opened.cases)
        if not count:
            raise BadInput(_("The table has no case {name} any more").format(name=name), hint=_("Load another case"))
        hint = _("Correct the column Case first")
        if count > 1:
            raise BadInput(_("{count} rows are called {name}").format(count=count, name=name), hint=hint)
        if not NAME.fullmatch(name):
            raise BadInput(_("The case name has letters, digits, dot, _ and - only"), name, hint)

    def _onRowEdited(self, place, before):
        """The loaded case goes with its row when the user gives that another name."""
        if self.loaded is None:
            return
        former = [*self._opened.cases]
        former[place] = before
        if not any(case is self._row for case in former):  # loaded or read anew since the last edit
            named = [case for case in former if case.name == self.loaded.name]
            self._row = named[0] if len(named) == 1 else None
        if self._row is before:
            self._row = self._opened.cases[place]
            self.loaded = replace(self.loaded, name=self._row.name)

    def _modified(self):
        """Return the state of the loaded mask: another one when it was drawn on, or a segment came or went."""
        if self.loaded is None or not self.loaded.there:
            return ()
        segmentation, state = self.loaded.segmentation.GetSegmentation(), []
        for place in range(segmentation.GetNumberOfSegments()):
            segment = segmentation.GetNthSegment(place)
            image = segment.GetRepresentation("Binary labelmap")
            changed = image.GetMTime() if image is not None else 0
            state.append((segmentation.GetNthSegmentID(place), segment.GetLabelValue(), changed))
        return tuple(state)
