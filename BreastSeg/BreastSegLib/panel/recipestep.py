"""How the exam is prepared for the network: the recipes in words, and a preview of what they make."""

import logging

import qt
import slicer

from ..errors import BadInput, BreastSegError
from ..recipe import list_recipes, load_recipe
from ..recipe.channels import problem_with
from ..recipe.recipe import describe_recipe
from ..scene import previewflow, previewlayout, previewnodes, viewlayout
from ..scene.companions import isThere
from ..scene.texts import _
from .chartbox import ChartBox

PLOT = "BreastSegHistogram"
LIST_MARGIN = 24


class RecipeStep:
    """The widgets of the group "Preparation".

    Parameters
    ----------
    ui : object
        The widgets of the .ui file, by name.
    onPreview : callable
        Called when the user presses "Preview".
    onChanged : callable
        Called when the user chooses another recipe, or hides the preview.
    """

    def __init__(self, ui, onPreview, onChanged):
        self._ui, self._onChanged = ui, onChanged
        self._recipes, self._names, self._own, self._kind = {}, (), "", None
        self._files = []
        self._exam, self._case, self._needed = None, None, False
        self.preview = None
        self._plot = ChartBox(ui.previewPlotFrame, PLOT)
        ui.recipeBox.connect("currentIndexChanged(int)", self._onRecipe)
        ui.recipeFileButton.connect("clicked()", self._chooseFile)
        ui.previewButton.connect("clicked()", onPreview)
        ui.hidePreviewButton.connect("clicked()", self._onHide)
        ui.previewCaseBox.connect("activated(int)", self._onCase)
        ui.previewChannelBox.connect("activated(int)", self._onChannel)
        self._showPreview()

    @property
    def recipe(self):
        """Recipe or None: the chosen recipe, or the one of the model; None when there is no model."""
        return self._recipeOf(self.nameOrFile) if self.nameOrFile else None

    @property
    def nameOrFile(self):
        """str: name of the chosen recipe, or its file if it is the user's own; '' when there is none."""
        index = self._ui.recipeBox.currentIndex
        return self._names[index] if 0 <= index < len(self._names) else ""

    @property
    def modelsRecipe(self):
        """Recipe or None: what a run would use."""
        return self._recipeOf(self._own) if self._own else None

    @property
    def needsRegions(self):
        """bool: whether the chosen recipe or the model's one looks at regions around lesions."""
        return any(recipe is not None and recipe.needs_region for recipe in (self.recipe, self.modelsRecipe))

    def problemWith(self, exam):
        """Return why the chosen recipe cannot prepare a loaded exam; '' when it can, or none is loaded."""
        recipe = self.recipe
        if exam is None:
            return ""
        if recipe is None:
            return _("Choose a recipe first.")
        if not recipe.fits(exam.kind):
            return _("The recipe is for another kind of exam. Choose one from the list.")
        if exam.kind == "mammograms" or recipe.channel_names is None:
            return ""
        if exam.phases[0].role == "channel":
            return _("The files are given as channels. Load the phases of an exam to prepare them.")
        return problem_with([source for _name, source in recipe.channels], exam.phases, recipe.time_tolerance_s)

    def chooseRecipe(self, name):
        """Choose a recipe by its name, '' for the model's; return whether it is offered."""
        place = 0 if not name else next((k for k, known in enumerate(self._names) if k and known == name), None)
        if place is not None:
            self._ui.recipeBox.setCurrentIndex(place)
        return place is not None

    def addFile(self, path):
        """Offer a recipe file of the user's, and choose it if it fits the loaded exam; it is read again each time.

        Raises
        ------
        BadInput
            If it is no recipe, or none for this kind of exam.
        """
        recipe = load_recipe(path)
        if self._kind is not None and not recipe.fits(self._kind):
            raise BadInput(_("The recipe is for another kind of exam"), recipe.name, _("Choose another recipe"))
        path = str(path)
        self._recipes[path] = recipe
        if path not in self._files:
            self._files.append(path)
        self._listRecipes(self._kind, self._own, again=True)
        self.chooseRecipe(path)
        self._onChanged()

    def offer(self, exam, model):
        """Offer the recipes that fit the loaded exam, the model's first; the choice stays where it can."""
        self._listRecipes(exam.kind if exam is not None else None, model.recipe_source if model is not None else "")
        needed = self.needsRegions and exam is not None and exam.kind == "mammograms"
        if needed and not self._needed:
            self._ui.recipeGroup.collapsed = False
        self._needed = needed

    def refresh(self, exam, missing, idle):
        """Bring the group up to date.

        Parameters
        ----------
        exam : SceneExam, SceneMammograms or None
            As the user corrected it.
        missing : str
            What the user has to do before a preview; '' when nothing.
        idle : bool
            Whether nothing is being done; a preview that no longer fits is hidden then.
        """
        if idle and self.preview is not None and not self._isCurrent(exam):
            self._hideLater()
        self._ui.previewButton.setEnabled(not missing)
        self._ui.previewButton.setToolTip(missing or _("Show the prepared images beside the original"))
        recipe, ui = self.recipe, self._ui
        ui.recipeStepsLabel.text = _wordsOf(recipe) if recipe is not None else ""
        ui.recipeStepsLabel.setToolTip("\n".join(describe_recipe(recipe)) if recipe is not None else "")
        ui.recipeStepsLabel.setVisible(recipe is not None)
        ui.recipeBox.setToolTip(_tooltip(recipe) if recipe is not None else _("Choose a recipe"))
        ui.recipeNoteLabel.text = self._note(missing if exam is not None and idle else "")
        ui.recipeNoteLabel.setVisible(bool(ui.recipeNoteLabel.text))

    def show(self, preview, exam):
        """Offer the channels of a preview that is in the scene now.

        Parameters
        ----------
        preview : Preview
        exam : SceneExam or SceneMammograms
            What was prepared.
        """
        self.preview, self._exam = preview, exam
        self._ui.recipeGroup.collapsed = False
        self._showPreview()

    def hide(self):
        """Remove the preview from the scene and give the views back."""
        preview, self.preview, self._exam = self.preview, None, None
        self._showPreview()
        if preview is not None:
            previewflow.hidePreview(preview)

    def _hideLater(self):
        """Hide the preview in the next turn: a node of it may be on its way out of the scene just now."""
        preview, self.preview, self._exam = self.preview, None, None
        self._showPreview()
        qt.QTimer.singleShot(0, lambda: previewflow.hidePreview(preview))

    def showOriginal(self, node):
        """The user wants to see an image of the exam: show it beside the preview.

        Returns
        -------
        bool
            False when there is no preview, or none of this image: it is hidden then.
        """
        if self.preview is None or not previewlayout.isShown():
            return False
        if self.preview.kind == "dce":
            previewlayout.showOriginal(node)
            return True
        if self._case.channels[0].original is node:
            return True
        place = next((k for k, case in enumerate(self.preview.cases) if case.channels[0].original is node), None)
        if place is None:
            self.hide()
            return False
        self._ui.previewCaseBox.setCurrentIndex(place)
        self._showCaseOf(place)
        return True

    def _isCurrent(self, exam):
        """Return whether the preview still belongs to the exam, and nobody has taken its views or nodes away."""
        if exam is None or not self.preview.complete or not previewlayout.isShown():
            return False
        now, then = ((one.nodes, one.phases, getattr(one, "views", ())) for one in (exam, self._exam))
        return now == then

    def _recipeOf(self, name):
        if name not in self._recipes:
            try:
                self._recipes[name] = load_recipe(name)
            except BreastSegError as error:
                logging.warning(f"BreastSeg: {error.line}")
                self._recipes[name] = None
        return self._recipes[name]

    def _listRecipes(self, kind, own, again=False):
        if self._names and (own, kind) == (self._own, self._kind) and not again:
            return
        box, former = self._ui.recipeBox, self._ui.recipeBox.currentIndex
        chosen = self._names[former] if former > 0 else ""
        found = [(name, self._recipeOf(name)) for name in (*list_recipes(), *self._files)]
        found = [
            (name, recipe) for name, recipe in found if recipe is not None and (kind is None or recipe.fits(kind))
        ]
        self._own, self._kind = own, kind
        self._names = (own, *(name for name, _recipe in found))
        wasBlocked = box.blockSignals(True)
        box.clear()
        name = getattr(self.modelsRecipe, "name", own)  # of an own recipe, which is a file, its name
        box.addItem(_("The model's recipe ({name})").format(name=name) if own else _("The model's recipe"))
        for place, (name, recipe) in enumerate(found, 1):
            box.addItem(_("{title} (own file)").format(title=recipe.title) if name in self._files else recipe.title)
            box.setItemData(place, _tooltip(recipe), qt.Qt.ToolTipRole)
        # The list shows whole titles; recipes may differ in the last word only.
        box.view().setMinimumWidth(box.view().sizeHintForColumn(0) + LIST_MARGIN)
        box.blockSignals(wasBlocked)
        if not self.chooseRecipe(chosen):
            box.setCurrentIndex(0)

    def _note(self, problem):
        sentences = [problem] if problem else []
        own = self.modelsRecipe
        if own is not None and self.recipe is not None and self.recipe.name != own.name:
            what = _("For looking only: “{button}” always prepares with the model's own recipe.")
            sentences.append(what.format(button=self._ui.segmentButton.text))
        return "\n".join(sentences)

    def _showPreview(self):
        preview, ui = self.preview, self._ui
        shown = preview is not None
        ui.previewFrame.setVisible(shown)
        ui.hidePreviewButton.setVisible(shown)
        self._case = preview.cases[0] if shown else None
        self._plot.show(preview.chart if shown else None)
        ui.previewCaseBox.clear()
        for case in preview.cases if shown else ():
            ui.previewCaseBox.addItem(case.title)
        several = shown and len(preview.cases) > 1
        ui.previewCaseLabel.setVisible(several)
        ui.previewCaseBox.setVisible(several)
        self._showCase()

    def _showCase(self):
        case, ui = self._case, self._ui
        ui.previewChannelBox.clear()
        for channel in case.channels if case is not None else ():
            ui.previewChannelBox.addItem(channel.name)
        if case is not None:
            ui.previewChannelBox.setCurrentIndex(case.main)
        several = case is not None and len(case.channels) > 1
        ui.previewChannelLabel.setVisible(several)
        ui.previewChannelBox.setVisible(several)
        ui.previewLabel.text = self._sentences(case) if case is not None else ""

    def _sentences(self, case):
        left = _("Left: the exam. Right: as the network sees it, prepared with “{title}”.")
        lines = [left.format(title=self.preview.title)]
        if case.mirrored:
            lines.append(_("Mirrored: the recipe turns right breasts into left ones; results are turned back."))
        if case.breast is not None:
            lines.append(_("The outline shows where the breast was found."))
        # What was noticed about the exam stands under the exam already.
        return "\n".join([*lines, *(f"• {note}" for note in self.preview.notes if note not in self._exam.notes)])

    def _onRecipe(self, index):
        self._onChanged()

    def _chooseFile(self):
        choices = _("Recipes (*.json)")
        path = qt.QFileDialog.getOpenFileName(self._ui.recipeFileButton, _("Choose a recipe file"), "", choices)
        if not path:
            return
        try:
            self.addFile(path)
        except BreastSegError as error:
            slicer.util.errorDisplay(error.line, windowTitle=_("BreastSeg"))

    def _onHide(self):
        shown, kind = self._case.channels[0].original, self.preview.kind
        self.hide()
        if kind == "mammograms" and isThere(shown):
            # The one that was looked at, not the one that was shown before.
            viewlayout.showInSingleView(shown)
        self._onChanged()

    def _onCase(self, index):
        self._showCaseOf(index)
        original = self._case.channels[0].original
        if original in self._exam.nodes:
            self._ui.viewTable.selectRow(self._exam.nodes.index(original))

    def _showCaseOf(self, index):
        self._case = self.preview.cases[index]
        self._showCase()
        previewflow.showChannel(self.preview, self._case, self._case.channels[self._case.main])

    def _onChannel(self, index):
        previewflow.showChannel(self.preview, self._case, self._case.channels[index], fit=False)


def tidy(preview):
    """Remove what a saved scene has kept of another preview: empty folders, and the views side by side."""
    previewnodes.removeLost(preview)
    if preview is None:
        previewlayout.leave()


def _wordsOf(recipe):
    lines = [f"• {line}" for line in describe_recipe(recipe, brief=True)]
    return "\n".join([_("{title}:").format(title=recipe.title), *lines])


def _tooltip(recipe):
    return "\n".join((recipe.title, recipe.name, recipe.source))
