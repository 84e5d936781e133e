"""What the tests of regions and mammogram results share: views in the scene without a worker, a mouse, widgets."""

import json

import numpy as np
import pytest
from breastseg_fixtures import ROOT, drain

SPACING = 0.2
SHAPE = (300, 200)  # y, x


def addExam(folder, views, turns=None, name="Exam 1", shape=SHAPE):
    """Add views with the voxels of a ramp, turned as told, and return the `SceneMammograms` with its store."""
    from BreastSegLib.exam.mammograms.store import FORMAT
    from BreastSegLib.exam.mammograms.upright import geometry_of
    from BreastSegLib.scene import mammogramnodes
    from BreastSegLib.scene.sceneexam import SceneMammograms

    folder.mkdir(parents=True, exist_ok=True)
    turns = turns or [0] * len(views)
    tone = {"window": 500.0, "level": 250.0, "curve": None}
    rows = []
    for index, (view, turn) in enumerate(zip(views, turns)):
        array = np.arange(np.prod(shape), dtype=np.float32).reshape(1, *shape) % 499 + index
        np.save(folder / f"view_{index:04d}.npy", array)
        geometry = geometry_of(shape, view.spacing or (1.0, 1.0), turn).to_json()
        rows.append({**view.to_json(), "array": f"view_{index:04d}.npy", "geometry": geometry, "tone": tone})
    (folder / "exam.json").write_text(json.dumps({"format": FORMAT, "views": rows, "notes": []}), encoding="utf-8")
    nodes = drain(mammogramnodes.addViewNodes(views, rows, folder, name))
    return SceneMammograms(name, str(folder), tuple(views), tuple(nodes))


def view(laterality="L", position="CC", spacing=(SPACING, SPACING), **more):
    """Return a view of a known or unknown pixel size."""
    from BreastSegLib.exam.mammograms.view import View

    return View(laterality, position, spacing=spacing, **more)


def rasOf(exam, place, x, y, z=0.0):
    """Return where a pixel of a view lies in the world."""
    import slicer
    import vtk

    matrix = vtk.vtkMatrix4x4()
    exam.nodes[place].GetIJKToRASMatrix(matrix)
    return (slicer.util.arrayFromVTKMatrix(matrix) @ [x, y, z, 1.0])[:3]


class Mouse:
    """The user's mouse in a slice view: real VTK events, taken by Slicer's own markups."""

    def __init__(self, name="Red"):
        from Host import application

        self._view = application.current().layoutManager.sliceWidget(name).sliceView()
        self._view.forceRender()
        self._interactor = self._view.interactor()
        self._interactor.InvokeEvent("EnterEvent")

    def click(self, ras):
        """Move to a point of the world (mm, RAS) and press the left button."""
        self._do(ras, "MouseMoveEvent", "LeftButtonPressEvent", "LeftButtonReleaseEvent")

    def drag(self, start, end, steps=5):
        """Press the left button at one point of the world, and let go at another."""
        self._do(start, "MouseMoveEvent", "LeftButtonPressEvent")
        for step in range(1, steps + 1):
            self._do(start + (end - start) * step / steps, "MouseMoveEvent")
        self._do(end, "LeftButtonReleaseEvent")

    def _do(self, ras, *events):
        import slicer

        x, y = (int(round(value)) for value in self._view.convertRASToXYZ(ras)[:2])
        self._interactor.SetEventInformation(x, y, 0, 0)
        for event in events:
            self._interactor.InvokeEvent(event)
            slicer.app.processEvents()

    @property
    def pixel(self):
        """float: the size of a screen pixel in mm."""
        matrix = self._view.mrmlSliceNode().GetXYToRAS()
        return float(np.linalg.norm([matrix.GetElement(row, 0) for row in range(3)]))


@pytest.fixture
def ui(scene):
    """The widgets of the panel's .ui file, in a window of their own."""
    import slicer

    widget = slicer.util.loadUI(str(ROOT / "BreastSeg" / "Resources" / "UI" / "BreastSeg.ui"))
    widget.setMRMLScene(slicer.mrmlScene)
    names = slicer.util.childWidgetVariables(widget)
    names.recipeGroup.collapsed = False
    yield names
    widget.setMRMLScene(None)


@pytest.fixture
def layout(scene):
    """The layout manager; the layout is as before after the test."""
    import slicer

    manager = slicer.app.layoutManager()
    before = manager.layout
    yield manager
    manager.setLayout(before)
