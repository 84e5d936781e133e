"""The module Segment Editor: no effects, but it can be opened and follows its node, as the application's does.

There it is a scripted module; its panel edits what the singleton `vtkMRMLSegmentEditorNode` names.
"""

from PySide6 import QtWidgets

from .modules import ScriptedModule, ScriptedWidget

NAME, TITLE, TAG = "SegmentEditor", "Segment Editor", "SegmentEditor"


class SegmentEditorModule(ScriptedModule):
    """What ``slicer.modules.segmenteditor`` is."""

    def __init__(self, manager, scene):
        super().__init__(manager, NAME, "", scene)
        self.title = TITLE
        self.helpText = "Edits segments. The host shows what is chosen; it has no effects."

    def createNewWidgetRepresentation(self):
        return SegmentEditorPanel(self)


class SegmentEditorPanel(ScriptedWidget):
    """Says what is edited; the application has its editor here."""

    def __init__(self, module):
        super().__init__(module)
        self._label = QtWidgets.QLabel()
        self._label.setWordWrap(True)
        self.layout().addWidget(self._label)

    def enter(self):
        import slicer

        self._entered = True
        node = slicer.mrmlScene.GetSingletonNode(TAG, "vtkMRMLSegmentEditorNode")
        if node is None:
            # The application makes its node when the module is opened, before anything is chosen.
            node = slicer.vtkMRMLSegmentEditorNode()
            node.SetSingletonTag(TAG)
            node = slicer.mrmlScene.AddNode(node)
        parts = (("Segmentation", node.GetSegmentationNode()), ("Source volume", node.GetSourceVolumeNode()))
        self._label.setText("\n".join(f"{title}: {each.GetName() if each else 'none'}" for title, each in parts))
