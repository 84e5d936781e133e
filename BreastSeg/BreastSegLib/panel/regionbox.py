"""The regions in which masses are segmented: drawn, listed, chosen and removed."""

import qt
import slicer
import vtk
from slicer.util import VTKObservationMixin

from ..errors import BreastSegError
from ..scene import regionframes, regionnodes, shownviews
from ..scene.companions import isThere
from ..scene.mammogramnodes import viewTitle
from ..scene.texts import _

NODE_EVENTS = ("PointModifiedEvent", "PointPositionDefinedEvent", "PointPositionUndefinedEvent", "PointRemovedEvent")


class RegionBox(VTKObservationMixin):
    """Keeps the list of regions in step with the scene, and lets the user place new ones.

    Parameters
    ----------
    ui : object
        The widgets of the .ui file, by name.
    onChanged : callable
        Called when regions came, went, moved, or were ticked.
    showElsewhere : callable, optional
        Called with an image that shall be shown; returns whether it is shown beside a preview.
    """

    def __init__(self, ui, onChanged, showElsewhere=None):
        VTKObservationMixin.__init__(self)
        self._ui, self._onChanged, self._showElsewhere = ui, onChanged, showElsewhere
        self._exam, self._needed = None, True
        self._found = self._shown = self._watched = ()
        self._pending = self._told = None
        self._filling = self._framed = False
        # Many things happen while a region is dragged: the list follows once a turn.
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.connect("timeout()", self._follow)
        for button in (ui.regionBoxButton, ui.regionPointButton):
            button.setCheckable(True)
        ui.regionBoxButton.connect("clicked()", self._onBox)
        ui.regionPointButton.connect("clicked()", self._onPoint)
        ui.regionRemoveButton.connect("clicked()", self._onRemove)
        ui.regionSizeSpin.connect("valueChanged(double)", self._onSize)
        ui.regionList.setSelectionMode(qt.QAbstractItemView.SingleSelection)
        ui.regionList.connect("itemChanged(QListWidgetItem*)", self._onTicked)
        ui.regionList.connect("currentRowChanged(int)", self._onRow)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.NodeAddedEvent, self._onNode)
        self.addObserver(scene, scene.NodeRemovedEvent, self._onNode)
        interaction = regionnodes.interactionNode()
        self.addObserver(interaction, interaction.InteractionModeChangedEvent, self._onMode)
        # The user may begin to place something else.
        self.addObserver(regionnodes.selectionNode(), vtk.vtkCommand.ModifiedEvent, self._onMode)
        self.show(None)

    @property
    def problem(self):
        """str: why the regions cannot be used as they are; '' when they can, or none are needed."""
        if not self._wanted():
            return ""
        found = self._inScene()
        used = [region for region in found if region.used]
        for region in used:
            try:
                regionnodes.regionJson(region, self._exam)
            except BreastSegError as error:
                return error.line
        if found and not used:
            return _("Tick a region, draw a box around each mass, or place a point in it.")
        return "" if used else _("Draw a box around each mass first, or place a point in it.")

    def show(self, exam, needed=True):
        """Show the regions of an exam; nobody is told.

        Parameters
        ----------
        exam : SceneExam, SceneMammograms or None
            Only mammograms have regions.
        needed : bool
            Whether the chosen recipe looks at regions; otherwise there is nothing to draw.
        """
        if self._nodesOf(exam) != self._nodesOf(self._exam) or not needed:
            self.leaveOff()
        self._exam, self._needed = exam, needed
        self._ui.regionFrame.setVisible(self._wanted())
        self._refresh()
        self._told = self._state()

    def regions(self, exam):
        """Return what the worker is told of the regions of an exam in use; () when none are needed.

        Raises
        ------
        BreastSegError
            If a region cannot be used.
        """
        if not self._needed or exam is None or exam.kind != "mammograms":
            return ()
        return tuple(regionnodes.regionsOf(exam))

    def setEnabled(self, enabled):
        """Let the user change the regions, or not."""
        if not enabled:
            self.leaveOff()
        self._ui.regionFrame.setEnabled(enabled)

    def close(self):
        """Let go of the scene."""
        self.leaveOff()
        self._timer.stop()
        self.removeObservers()
        self._found = ()
        self._frame()

    # Placing

    def _onBox(self):
        self._place(self._ui.regionBoxButton)

    def _onPoint(self):
        self._place(self._ui.regionPointButton)

    def _place(self, button):
        """Begin to place a region on the view that is shown; the same button again leaves off."""
        again = self._pending is not None and not button.checked
        self.leaveOff()
        if again or not self._wanted():
            return
        place = shownviews.placeShown(self._exam.nodes)
        if place < 0:
            place = max(0, self._ui.viewTable.currentRow())
            self._showImage(place)
        if button is self._ui.regionBoxButton:
            self._pending = regionnodes.addBox(self._exam, place)
        elif self._exam.views[place].spacing is not None:
            self._pending = regionnodes.addPoint(self._exam, place, self._ui.regionSizeSpin.value)
        if self._pending is not None:
            regionnodes.startPlacing(self._pending)
        self._showButtons(unknown=self._pending is None)

    def leaveOff(self):
        """Stop placing; what was not placed goes."""
        pending, self._pending = self._pending, None
        if pending is not None:
            # Something else may be placed by now: that goes on.
            if not isThere(pending) or regionnodes.isPlacing(pending):
                regionnodes.stopPlacing()
            if isThere(pending) and not regionnodes.isPlaced(pending):
                regionnodes.removeNode(pending)
        self._showButtons()

    def _settle(self):
        """Take the region that the user has placed, or remove one whose placing was left off elsewhere."""
        pending = self._pending
        if pending is None:
            return
        if not isThere(pending) or not regionnodes.isPlacing(pending):
            self.leaveOff()
            if isThere(pending):
                self._select(pending)

    # Following the scene

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNode(self, caller, event, node):
        if node is not None and node.IsA("vtkMRMLMarkupsNode") and not slicer.mrmlScene.IsClosing():
            self._timer.start()

    def _onMode(self, caller, event):
        if self._pending is not None:
            self._timer.start()

    def _onMarkup(self, caller, event):
        self._timer.start()

    def _follow(self):
        if slicer.mrmlScene.IsClosing():
            return
        self._settle()
        self._refresh()
        told = self._state()
        if told != self._told:
            self._told = told
            self._onChanged()

    def _refresh(self):
        if self._wanted():
            regionnodes.tidy(self._exam)
        self._found = self._inScene()
        self._frame()
        self._watch()
        self._showList()
        self._showButtons()

    def _frame(self):
        if self._found or self._framed:
            regionframes.update(self._found, self._exam)
        self._framed = bool(self._found)

    def _state(self):
        return self.problem, tuple((region.node.GetID(), region.point, region.used) for region in self._found)

    def _watch(self):
        nodes = slicer.util.getNodesByClass("vtkMRMLMarkupsNode") if self._wanted() else []
        nodes = [node for node in nodes if not node.GetHideFromEditors()]
        if tuple(nodes) == self._watched:
            return
        self.removeObservers(self._onMarkup)
        self._watched = tuple(nodes)
        for node in nodes:
            for event in NODE_EVENTS:
                self.addObserver(node, getattr(node, event), self._onMarkup)
            self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self._onMarkup)

    def _wanted(self):
        exam = self._exam
        there = exam is not None and exam.kind == "mammograms" and all(map(isThere, exam.nodes))
        return bool(there and self._needed)

    def _inScene(self):
        return tuple(regionnodes.regionsIn(self._exam)) if self._wanted() else ()

    @staticmethod
    def _nodesOf(exam):
        return tuple(exam.nodes) if exam is not None else ()

    # The list

    def _showList(self):
        view, chosen = self._ui.regionList, self._chosen()
        keys = [(region.node, region.point) for region in self._found]
        self._filling = True
        # The rows stay while a region is dragged: choosing another row would take the handles away.
        if keys != [(region.node, region.point) for region in self._shown] or view.count != len(keys):
            view.clear()
            for _key in keys:
                item = qt.QListWidgetItem("")
                item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable | qt.Qt.ItemIsUserCheckable)
                view.addItem(item)
        self._shown = self._found
        for row, region in enumerate(self._found):
            item = view.item(row)
            item.setText(self._textOf(region))
            item.setToolTip(self._tipOf(region))
            item.setCheckState(qt.Qt.Checked if region.used else qt.Qt.Unchecked)
        key = (chosen.node, chosen.point) if chosen is not None else None
        view.setCurrentRow(keys.index(key) if key in keys else -1)
        if keys:
            height = view.sizeHintForRow(0) * min(len(keys), 5) + 6
            view.setMinimumHeight(height)
            view.setMaximumHeight(height)
        view.setVisible(bool(keys))
        self._ui.regionRemoveButton.setVisible(bool(keys))
        self._filling = False

    def _textOf(self, region):
        name = region.name.removeprefix(f"{self._exam.name} ")
        title = viewTitle(self._exam.views[region.place])
        size = regionnodes.sizeText(region, self._exam) or "⚠"
        return " · ".join((name, title, size))

    def _tipOf(self, region):
        try:
            regionnodes.regionJson(region, self._exam)
        except BreastSegError as error:
            return error.line
        return _("{name}: ticked regions are segmented; click to show it").format(name=region.name)

    def _chosen(self):
        row = self._ui.regionList.currentRow
        shown = self._shown
        return shown[row] if 0 <= row < len(shown) and isThere(shown[row].node) else None

    def _select(self, node):
        """Choose the region that was placed just now."""
        self._refresh()
        for row, region in enumerate(self._found):
            if region.node is node:
                self._ui.regionList.setCurrentRow(row)

    def _onRow(self, row):
        for region in self._found:
            if isThere(region.node):
                regionnodes.choose(region.node, False)
        region = self._chosen()
        self._ui.regionRemoveButton.setEnabled(region is not None)
        if region is None:
            return
        regionnodes.choose(region.node, True)
        self._timer.start()
        if region.point >= 0:
            self._filling, before = True, self._filling
            self._ui.regionSizeSpin.setValue(regionnodes.sizeOf(region.node))
            self._filling = before
        if not self._filling:
            self._showImage(region.place)
            self._ui.viewTable.selectRow(region.place)

    def _showImage(self, place):
        if self._showElsewhere is None or not self._showElsewhere(self._exam.nodes[place]):
            shownviews.show(self._exam.nodes, place)

    def _onTicked(self, item):
        row = self._ui.regionList.row(item)
        if not self._filling and 0 <= row < len(self._shown):
            regionnodes.use(self._shown[row].node, item.checkState() == qt.Qt.Checked)
            self._timer.start()

    def _onSize(self, size):
        region = self._chosen()
        if not self._filling and region is not None and region.point >= 0:
            regionnodes.setSize(region.node, size)
            self._timer.start()

    def _onRemove(self):
        region = self._chosen()
        if region is not None:
            regionnodes.remove(region)
            self._timer.start()

    def _showButtons(self, unknown=False):
        """Show what is being placed, and offer what can be; `unknown`: a view without pixel size is in question."""
        ui, pending = self._ui, self._pending
        ui.regionBoxButton.setChecked(pending is not None and pending.IsA(regionnodes.BOX))
        ui.regionPointButton.setChecked(pending is not None and pending.IsA(regionnodes.POINT))
        never = self._wanted() and all(view.spacing is None for view in self._exam.views)
        ui.regionPointButton.setEnabled(not never)
        ui.regionSizeSpin.setEnabled(not never)
        ui.regionSizeLabel.setEnabled(not never)
        ui.regionLabel.text = self._hint(unknown or never)

    def _hint(self, unknown):
        if self._pending is not None and self._pending.IsA(regionnodes.BOX):
            return _("Click two opposite corners of the box in the view. Press “Draw box” again to leave off.")
        if self._pending is not None:
            return _("Click into the mass. Press “Place point” again to leave off.")
        if unknown:
            return _("Draw a box: the pixel size of this image is unknown, so a point would have no size in mm.")
        return _("The model looks at a region around each mass: draw a box around it, or place a point in it.")
