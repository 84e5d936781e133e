"""What the kinetics box watches and changes outside the panel: views, layout, and nodes whose exam is gone."""

import qt
import slicer
import vtk

from ..scene import kineticcurves

COMPOSITE = "vtkMRMLSliceCompositeNode"


class KineticsScene:
    """Marks the phase that is shown, shows the curves in a plot view, and removes those of lost exams.

    Parameters
    ----------
    onViews : callable
        Called when a view shows another image.
    """

    def __init__(self, onViews):
        self._onViews = onViews
        self._observed, self._background = {}, {}
        self._withImages, self._withResult = set(), set()
        self._layout, self._marked = None, None

    def mark(self, exam):
        """Mark the phase of an exam that is shown, in its curves."""
        self._observe()
        place = shownPhase(exam)
        kineticcurves.markPhase(exam, place)

    def showLarge(self, chart):
        """Show a chart in a plot view beside the images."""
        manager = slicer.app.layoutManager()
        before = manager.layout
        slicer.modules.plots.logic().ShowChartInLayout(chart)
        self._layout = (before, manager.layout)
        for place in range(manager.plotViewCount):
            # Beside the curves: within the plot it would hide their ends.
            manager.plotWidget(place).plotView().chart().GetLegend().SetInline(False)

    def leaveLarge(self):
        """Go back to the layout in which the user was before `showLarge`, if it is still the one of the plot."""
        kept, self._layout = self._layout, None
        manager = slicer.app.layoutManager()
        if kept is not None and manager.layout == kept[1]:
            manager.setLayout(kept[0])

    def dropLost(self):
        """Remove the curves whose exam or segmentation the user has just removed; those of a scene without it stay."""
        lost = self._withoutResult()
        for node in kineticcurves.allNodes():
            if kineticcurves.imageIds(node):
                self._withImages.add(node.GetID())
            elif node.GetID() in self._withImages and not slicer.mrmlScene.IsImporting():
                self._withImages.discard(node.GetID())
                lost.append(node)
        if lost:
            # Later: the subject hierarchy may be removing their very folder.
            qt.QTimer.singleShot(0, lambda: kineticcurves.removeNodes(lost))

    def _withoutResult(self):
        lost = []
        for node in kineticcurves.allNodes():
            if node.GetNodeReference(kineticcurves.RESULT) is not None:
                self._withResult.add(node.GetID())
            elif node.GetID() in self._withResult and not slicer.mrmlScene.IsImporting():
                self._withResult.discard(node.GetID())
                lost += kineticcurves.partsOf(node)
        return lost

    def close(self):
        """Listen to nothing any more."""
        for node, tag in self._observed.values():
            node.RemoveObserver(tag)
        self._observed.clear()

    def _observe(self):
        for node in slicer.util.getNodesByClass(COMPOSITE):
            former = self._observed.get(node.GetID())
            if former is None or former[0] is not node:
                tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._onModified)
                self._observed[node.GetID()] = (node, tag)

    def _onModified(self, node, event):
        # It changes with the mouse wheel and the opacity, too.
        if self._background.get(node.GetID()) != node.GetBackgroundVolumeID():
            self._background[node.GetID()] = node.GetBackgroundVolumeID()
            self._onViews()


def shownPhase(exam):
    """Return which phase of an exam the slice views show; None when they show none of them."""
    ids = [node.GetID() for node in exam.nodes]
    for composite in slicer.util.getNodesByClass(COMPOSITE):
        if composite.GetBackgroundVolumeID() in ids:
            return ids.index(composite.GetBackgroundVolumeID())
    return None
