"""The curves of the chosen fold runs in Slicer's plot view, over each other, while they grow."""

from BreastSegLib.scene.texts import _

from ..curves import LiveCurves
from ..scene import plotlayout
from ..scene.curvenodes import DICE, LOSS, RATE, TIME, CurvePlot

OFF = ""
KINDS = (OFF, LOSS, DICE, RATE, TIME)
TURNS = 2  # looks between two readings


class CurvesBox:
    """The box below the table of fold runs.

    Parameters
    ----------
    ui : object
        The widgets of the .ui files, by name.
    """

    def __init__(self, ui):
        self._box, self._label = ui.curvesBox, ui.curvesHelpLabel
        self._runs, self._live, self._plot, self._turn = (), None, None, 0
        titles = (_("Not shown"), _("Loss"), _("Pseudo-Dice"), _("Learning rate"), _("Time of an epoch"))
        for title in titles:
            self._box.addItem(title)
        self._box.connect("currentIndexChanged(int)", lambda index: self._showAnew())
        self._tell()

    @property
    def kind(self):
        """str: which curves are shown; '' for none."""
        return KINDS[max(0, self._box.currentIndex)]

    @property
    def plot(self):
        """CurvePlot or None: the nodes in the scene."""
        return self._plot

    def choose(self, runs):
        """Show the curves of other fold runs.

        Parameters
        ----------
        runs : sequence of Run
        """
        keys = [run.key for run in runs]
        if keys == [run.key for run in self._runs]:
            self._runs = tuple(runs)
            return
        self._runs = tuple(runs)
        self._showAnew()

    def chooseKind(self, kind):
        """Choose which curves are shown."""
        self._box.setCurrentIndex(KINDS.index(kind))

    def turn(self):
        """Look whether the curves have grown. A timer calls this."""
        self._turn += 1
        if self._live is not None and self._turn % TURNS == 0:
            self._update()

    def reset(self):
        """The scene is closing: its nodes go, and come back with the next look."""
        if self._plot is not None and self._plot.isThere:
            self._plot.remove()
        self._plot = None

    def close(self):
        """Take the curves out of the scene."""
        self._live = None
        self.reset()

    def _showAnew(self):
        self.reset()
        self._live = None
        if self.kind == OFF:
            plotlayout.leave()
            self._tell()
            return
        trainings = {run.training.name for run in self._runs}
        several = len(trainings) > 1
        folders = {}
        for run in self._runs:
            name = _("fold {fold}").format(fold=run.fold)
            folders[f"{run.training.name} {name}" if several else name] = run.training.output(run.fold)
        planned = max((run.state.epochs for run in self._runs), default=0)
        self._live = LiveCurves(folders, planned or None) if folders else None
        self._update()

    def _update(self):
        curves = self._live.read() if self._live is not None else []
        if curves:
            if self._plot is None or not self._plot.isThere:
                plotlayout.enter()
                self._plot = self._plot or CurvePlot(self._title())
                self._plot.show(curves, self.kind)
            else:
                self._plot.update(curves)
        self._tell(curves)

    def _title(self):
        names = list(dict.fromkeys(run.training.name for run in self._runs))
        return names[0] if len(names) == 1 else _("Trainings")

    def _tell(self, curves=()):
        if self.kind == OFF:
            words = ""
        elif not self._runs:
            words = _("Choose fold runs in the table.")
        elif not curves:
            words = _("No epoch is finished yet.")
        else:
            notes = dict.fromkeys(note for one in curves for note in one.notes)
            words = " ".join(notes)
        self._label.text = words
        self._label.setVisible(bool(words))
