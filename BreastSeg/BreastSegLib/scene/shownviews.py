"""Which mammogram the views show."""

import slicer

from . import viewlayout


def placeShown(nodes):
    """Return which volume node lies in the background of a slice view, the red one first; -1 for none."""
    manager = slicer.app.layoutManager()
    if manager is None:
        return -1
    ids = [node.GetID() for node in nodes]
    for name in sorted(manager.sliceViewNames(), key=lambda name: name != viewlayout.VIEW):
        widget = manager.sliceWidget(name)
        # Views that the layout leaves out are hidden, whatever the window is.
        if widget is None or widget.isHidden():
            continue
        shown = widget.sliceLogic().GetSliceCompositeNode().GetBackgroundVolumeID()
        if shown in ids:
            return ids.index(shown)
    return -1


def show(nodes, place):
    """Show one of the mammograms; a view that shows it already keeps its zoom."""
    if placeShown([nodes[place]]) < 0:
        viewlayout.showInSingleView(nodes[place])
