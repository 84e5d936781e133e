"""A box with the recipes that there are, and the user's own from a file."""

from BreastSegLib.errors import BreastSegError
from BreastSegLib.recipe import list_recipes, load_recipe
from BreastSegLib.scene.texts import _

from . import ask

OTHER = "…"


class RecipeBox:
    """Keeps a combo box filled with recipes.

    Parameters
    ----------
    box : qt.QComboBox
    onChanged : callable
    nothing : str
        What stands for no recipe.
    say : callable
        ``say(text, isError)``.
    """

    def __init__(self, box, onChanged, nothing, say):
        self._box, self._onChanged, self._nothing, self._say = box, onChanged, nothing, say
        self._names, self._last = ["", *list_recipes(), OTHER], ""
        self._fill()
        box.connect("activated(int)", self._onActivated)

    @property
    def nameOrFile(self):
        """str: the chosen recipe's name, or its file; '' when none is chosen."""
        index = self._box.currentIndex
        return self._names[index] if 0 <= index < len(self._names) - 1 else ""

    def choose(self, nameOrFile):
        """Choose a recipe; one that cannot be read is not chosen."""
        if nameOrFile not in self._names:
            try:
                load_recipe(nameOrFile)
            except BreastSegError:
                nameOrFile = ""
            else:
                self._names.insert(len(self._names) - 1, nameOrFile)
                self._fill()
        self._last = nameOrFile
        self._box.setCurrentIndex(self._names.index(nameOrFile))

    def _fill(self):
        blocked = self._box.blockSignals(True)
        self._box.clear()
        for name in self._names:
            self._box.addItem(self._title(name))
        self._box.blockSignals(blocked)

    def _title(self, name):
        if not name:
            return self._nothing
        if name == OTHER:
            return _("Another one (file)…")
        try:
            return load_recipe(name).title or name
        except BreastSegError:
            return name

    def _onActivated(self, index):
        if self._names[index] == OTHER:
            path = ask.fileToOpen(_("Choose a recipe"), "", "JSON (*.json)")
            self._chooseFile(path)
        self._last = self.nameOrFile
        self._onChanged()

    def _chooseFile(self, path):
        """Choose the user's own recipe; the former one stays when it is none, and the reason is said."""
        try:
            if path:
                load_recipe(path)
        except BreastSegError as error:
            self._say(error.line, True)
            path = ""
        self.choose(path or self._last)
