"""The table of models in the model library, and what each row says."""

from dataclasses import dataclass

import qt

from ..errors import BreastSegError
from ..recipe import load_recipe
from ..scene.texts import _

LIBRARY_ITSELF = "model library"  # what `models.survey` calls the folder when it cannot be used


@dataclass(frozen=True)
class Row:
    """One model of the library.

    Parameters
    ----------
    name : str
    model : Model or None
        None for a folder that cannot be used as it is.
    size : int
        Bytes on disk.
    problem : str
        Why it cannot be used; '' when it can.
    """

    name: str
    model: object
    size: int
    problem: str = ""

    @property
    def own(self):
        """bool: whether the user installed it, and may rename or remove it."""
        return self.model is None or not self.model.shipped


def rowsOf(models, problems):
    """Return the rows of a survey: the user's own models first, then the shipped ones, then what cannot be used."""
    rows = [Row(model.name, model, sizeOf(model)) for model in models]
    rows.sort(key=lambda row: (not row.own, row.name))
    return [*rows, *(Row(name, None, 0, error.line) for name, error in sorted(problems.items()))]


def sizeOf(model):
    """Return the bytes that a model takes on disk; 0 when its folder is gone meanwhile."""
    from ..models import manage

    try:
        return manage.disk_use(model)
    except (OSError, BreastSegError):
        return 0


class ModelTable:
    """Shows the models and tells when the user selects one.

    Parameters
    ----------
    table : qt.QTableWidget
    onSelected : callable
    """

    def __init__(self, table, onSelected):
        self._table = table
        self.rows, self.states = (), {}
        headings = [_("Name"), _("For"), _("Network"), _("Folds"), _("On disk"), _("Licence"), _("State")]
        table.setColumnCount(len(headings))
        table.setHorizontalHeaderLabels(headings)
        table.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
        table.setSelectionMode(qt.QAbstractItemView.SingleSelection)
        table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        table.setWordWrap(False)
        table.verticalHeader().setVisible(False)
        header = table.horizontalHeader()
        header.setHighlightSections(False)
        for column in range(len(headings)):
            header.setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
        header.setStretchLastSection(True)
        table.connect("itemSelectionChanged()", onSelected)

    @property
    def row(self):
        """Row or None: the selected row."""
        place = self._table.currentRow()
        return self.rows[place] if 0 <= place < len(self.rows) else None

    def show(self, rows, selected=""):
        """Show other rows, keeping the selection or selecting the one named `selected`."""
        selected = selected or (self.row.name if self.row is not None else "")
        table = self._table
        wasBlocked = table.blockSignals(True)
        self.rows = tuple(rows)
        table.setRowCount(len(self.rows))
        for place, row in enumerate(self.rows):
            for column, text in enumerate(self._texts(row)):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(row.problem or (text if column else row.model.card["title"]))
                table.setItem(place, column, item)
        place = next((k for k, row in enumerate(self.rows) if row.name == selected), 0 if self.rows else -1)
        table.setCurrentCell(place, 0)
        table.blockSignals(wasBlocked)

    def _texts(self, row):
        if row.model is None:
            return (row.name, "", "", "", "", "", _("Not usable"))
        state = self.states.get(row.name) or (_("Installed") if row.own else _("Comes with BreastSeg"))
        model = row.model
        folds = ", ".join(model.folds)
        return (row.name, purpose(model), network(model), folds, sizeText(row.size), model.card["licence"], state)


def purpose(model):
    """Return what a model is for, such as ``DCE-MRI, 2 channels``."""
    try:
        recipe = load_recipe(model.recipe_source)
    except BreastSegError:
        return _("Unknown recipe")
    if not recipe.fits("dce"):
        return _("Mammograms")
    count = len(model.channel_names)
    return _("DCE-MRI, 1 channel") if count == 1 else _("DCE-MRI, {count} channels").format(count=count)


def network(model):
    """Return what kind of network a model is: ``3D``, or how many an ensemble averages."""
    if model.members:
        return _("Ensemble of {count}").format(count=len(model.members))
    names = {"2d": _("2D"), "3d_fullres": _("3D"), "3d_lowres": _("3D, low resolution")}
    return names.get(model.configuration, model.configuration)


def details(row):
    """Return the sentences about a row."""
    if row.model is None:
        return row.problem
    card, model = row.model.card, row.model
    lines = [card["title"], card["description"]]
    if model.members:
        names = ", ".join(f"{member.name}" for member in model.members)
        lines.append(_("Averages: {names}").format(names=names))
    else:
        lines.append(_("Channels: {names}").format(names=", ".join(model.channel_names)))
    if card["citation"]:
        lines.append(_("Cite: {citation}").format(citation=card["citation"]))
    return "\n".join(line for line in lines if line)


def sizeText(size):
    """Return bytes for people: ``12 MB``, ``1.3 GB``."""
    if size >= 999_500_000:
        return f"{size / 1e9:.1f} GB"
    return f"{max(size, 0) / 1e6:.0f} MB" if size >= 999_500 else f"{max(size, 0) / 1e3:.0f} kB"
