"""The short dialog for a model without a card: how exams are prepared for it, and what its labels mean."""

import os

import qt

from ..errors import BreastSegError
from ..models.card import TERMS, check_name
from ..recipe import list_recipes, load_recipe
from ..scene.texts import _


class ModelCardScreen:
    """What was proposed for a model, for the user to check and complete.

    Parameters
    ----------
    ui : object
        The widgets of ModelCard.ui, by name.
    onBack : callable
        Called when the user does not want it.
    onInstall : callable
        Called with the arguments of ``models install`` that say what the user has chosen.
    """

    def __init__(self, ui, onBack, onInstall):
        self._ui, self._onInstall = ui, onInstall
        self._recipes, self._why = [], {}
        self._channels = self._taken = self._labels = self._boxes = ()
        table = ui.cardLabelTable
        table.setColumnCount(2)
        table.setHorizontalHeaderLabels([_("Label in the model"), _("Meaning")])
        table.verticalHeader().setVisible(False)
        table.setSelectionMode(qt.QAbstractItemView.NoSelection)
        table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
        table.horizontalHeader().setSectionResizeMode(1, qt.QHeaderView.Stretch)
        ui.cardBackButton.connect("clicked()", onBack)
        ui.cardInstallButton.connect("clicked()", self._install)
        ui.cardRecipeFileButton.connect("clicked()", self._chooseFile)
        ui.cardRecipeBox.connect("currentIndexChanged(int)", lambda index: self._refresh())
        ui.cardNameEdit.connect("textChanged(QString)", lambda text: self._refresh())
        ui.cardLicenceEdit.connect("textChanged(QString)", lambda text: self._refresh())

    def open(self, source, proposal, taken):
        """Show what is proposed for a model.

        Parameters
        ----------
        source : str
            File or folder that the model comes from.
        proposal : dict
            ``name``, ``channel_names``, ``recipes`` (pairs of name and why, the likeliest first), ``labels`` (name →
            value and terminology, which may be empty); ``licence`` where it is known.
        taken : sequence of str
            Names that other models have.
        """
        ui = self._ui
        self._channels, self._taken = tuple(proposal.get("channel_names") or ()), tuple(taken)
        self._showLabels(proposal.get("labels") or {})
        self._listRecipes(proposal.get("recipes") or ())
        ui.cardTitleLabel.text = _("Install {name}").format(name=os.path.basename(str(source).rstrip("/\\")))
        ui.cardNameEdit.text = proposal.get("name") or ""
        ui.cardChannelsLabel.text = ", ".join(self._channels)
        ui.cardLicenceEdit.text = proposal.get("licence") or ""
        self._refresh()

    @property
    def recipe(self):
        """str: name or file of the chosen recipe; '' when none is chosen."""
        index = self._ui.cardRecipeBox.currentIndex
        return self._recipes[index] if 0 <= index < len(self._recipes) else ""

    def addRecipe(self, path):
        """Offer a recipe file of the user's own, and choose it.

        Raises
        ------
        BreastSegError
            If it is no recipe, or not for this number of channels.
        """
        title = load_recipe(path).title
        self._offer(str(path), _("{title} (own file)").format(title=title), _("You chose this file."))
        self._ui.cardRecipeBox.setCurrentIndex(len(self._recipes) - 1)

    def _listRecipes(self, proposed):
        box = self._ui.cardRecipeBox
        wasBlocked = box.blockSignals(True)
        self._recipes, self._why = [], {}
        box.clear()
        for name, why in proposed:
            self._offer(name, load_recipe(name).title, why)
        if not proposed or (len(proposed) > 1 and proposed[0][1] == proposed[1][1]):
            # Where the same speaks for two, the user decides and not the order of a list.
            self._recipes.insert(0, "")
            box.insertItem(0, _("Please choose"))
            likely = [load_recipe(name).title for name, why in proposed if why == proposed[0][1]]
            self._why[""] = (
                _("Ask the model's makers which one they used. Likely, because {why}: {titles}").format(
                    why=proposed[0][1], titles="; ".join(likely)
                )
                if likely
                else ""
            )
        for name in list_recipes():
            recipe = load_recipe(name)
            if name not in self._why and self._fits(recipe):
                self._offer(name, recipe.title, _("Not proposed by the names of the channels: please check."))
        box.setCurrentIndex(0)
        box.blockSignals(wasBlocked)

    def _fits(self, recipe):
        names = recipe.channel_names
        return len(names) == len(self._channels) if names is not None else True

    def _offer(self, name, title, why):
        self._recipes.append(name)
        self._why[name] = why
        self._ui.cardRecipeBox.addItem(title)

    def _showLabels(self, labels):
        table = self._ui.cardLabelTable
        self._labels = tuple(labels)
        table.setRowCount(len(self._labels))
        boxes = []
        for place, name in enumerate(self._labels):
            table.setItem(place, 0, qt.QTableWidgetItem(f"{name} ({labels[name].get('value')})"))
            box = qt.QComboBox()
            for text in (_("Please choose"), *(meaning(term) for term in TERMS)):
                box.addItem(text)
            term = labels[name].get("terminology")
            box.setCurrentIndex(TERMS.index(term) + 1 if term in TERMS else 0)
            box.connect("currentIndexChanged(int)", lambda index: self._refresh())
            table.setCellWidget(place, 1, box)
            boxes.append(box)
        self._boxes = tuple(boxes)
        rows = sum(table.rowHeight(place) for place in range(min(len(self._labels), 5)))
        table.setFixedHeight(table.horizontalHeader().sizeHint.height() + rows + 4)

    def _problem(self):
        name = self._ui.cardNameEdit.text.strip()
        try:
            check_name(name)
        except BreastSegError as error:
            return error.line
        if name in self._taken:
            return _("A model of that name is there already. Choose another name.")
        if not self.recipe:
            return _("Choose how exams are prepared for this model.")
        if any(box.currentIndex == 0 for box in self._boxes):
            return _("Say what each label means.")
        return "" if self._ui.cardLicenceEdit.text.strip() else _("Write the licence, or “unknown”.")

    def _refresh(self):
        problem, ui = self._problem(), self._ui
        ui.cardWhyLabel.text = self._why.get(self.recipe, "")
        ui.cardNoteLabel.text = problem
        ui.cardNoteLabel.setVisible(bool(ui.cardNoteLabel.text))
        ui.cardInstallButton.setEnabled(not problem)
        ui.cardInstallButton.setToolTip(problem)

    def _chooseFile(self):
        title, choices = _("Choose a recipe file"), _("Recipes (*.json)")
        path = qt.QFileDialog.getOpenFileName(self._ui.cardRecipeFileButton, title, "", choices)
        if not path:
            return
        try:
            self.addRecipe(path)
        except BreastSegError as error:
            self._ui.cardNoteLabel.text = error.line
            self._ui.cardNoteLabel.setVisible(True)

    def _install(self):
        ui = self._ui
        # With "=", so that what begins with a dash is not taken for an option.
        arguments = [f"--name={ui.cardNameEdit.text.strip()}", f"--recipe={self.recipe}"]
        arguments += [f"--label={name}={TERMS[box.currentIndex - 1]}" for name, box in zip(self._labels, self._boxes)]
        self._onInstall([*arguments, f"--licence={ui.cardLicenceEdit.text.strip()}"])


def meaning(term):
    """Return what people read for a terminology."""
    return {"mass": _("Mass"), "neoplasm": _("Neoplasm (tumour)")}.get(term, term)
