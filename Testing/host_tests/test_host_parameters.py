"""Parameter nodes: typed values, checks, defaults, observers, and widgets bound to them."""

import enum
import pathlib
from typing import Annotated, Optional

import pytest


class Color(enum.Enum):
    RED = 1
    GREEN = 2

    def label(self):
        return self.name.title()


@pytest.fixture
def node(host):
    import slicer

    return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "parameters")


@pytest.fixture
def wrapperClass(host):
    import slicer
    from slicer.parameterNodeWrapper import Choice, Default, Maximum, Minimum, WithinRange, parameterNodeWrapper

    class Parameters:
        number: int = 3
        share: Annotated[float, WithinRange(0, 1), Default(0.25)]
        low: Annotated[int, Minimum(-2)]
        high: Annotated[int, Maximum(5)] = 5
        text: str
        done: bool
        path: pathlib.Path
        volume: slicer.vtkMRMLScalarVolumeNode
        either: slicer.vtkMRMLModelNode | slicer.vtkMRMLSegmentationNode | None
        maybe: Optional[int]  # noqa: UP045 - both ways of writing must work
        kind: Annotated[str, Choice(["a", "b"])] = "a"
        names: list[str]
        limits: tuple[int, float]
        table: dict[str, int]
        color: Color

    return parameterNodeWrapper(Parameters)


def test_defaults(wrapperClass, node):
    parameters = wrapperClass(node)
    assert (parameters.number, parameters.share, parameters.low, parameters.high) == (3, 0.25, 0, 5)
    assert (parameters.text, parameters.done, parameters.path) == ("", False, pathlib.Path())
    assert parameters.volume is None and parameters.either is None and parameters.maybe is None
    assert parameters.names == [] and parameters.limits == (0, 0.0) and parameters.table == {}
    assert parameters.color is Color.RED and parameters.default("number").value == 3


def test_values_live_in_the_node(wrapperClass, node):
    first = wrapperClass(node)
    first.number, first.color, first.path, first.maybe = 8, Color.GREEN, pathlib.Path("a b/ä"), 4
    second = wrapperClass(node)
    assert (second.number, second.color, second.path, second.maybe) == (8, Color.GREEN, pathlib.Path("a b/ä"), 4)
    assert node.GetParameter("number") == "8"
    second.maybe = None
    assert first.maybe is None


@pytest.mark.parametrize(
    "name, value, error",
    [
        ("number", "5", TypeError),
        ("number", None, ValueError),
        ("number", 1.5, TypeError),
        ("share", 1.01, ValueError),
        ("low", -3, ValueError),
        ("high", 6, ValueError),
        ("kind", "c", ValueError),
        ("done", 1, TypeError),
        ("path", "text", TypeError),
        ("names", ["a", 2], TypeError),
        ("limits", (1,), ValueError),
        ("color", "RED", TypeError),
        ("maybe", "x", TypeError),
    ],
)
def test_refused_values_change_nothing(wrapperClass, node, name, value, error):
    parameters = wrapperClass(node)
    before = parameters.getValue(name)
    with pytest.raises(error):
        setattr(parameters, name, value)
    assert parameters.getValue(name) == before


def test_node_references(wrapperClass, node):
    import slicer

    parameters = wrapperClass(node)
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "v")
    parameters.volume = volume
    assert parameters.volume is volume and node.GetNodeReferenceID("volume") == volume.GetID()
    with pytest.raises(TypeError):
        parameters.volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode")
    parameters.either = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    with pytest.raises(TypeError):
        parameters.either = volume
    slicer.mrmlScene.RemoveNode(volume)
    assert parameters.volume is None


def test_lists_write_back(wrapperClass, node):
    parameters = wrapperClass(node)
    names = parameters.names
    names.append("one")
    names += ["two"]
    assert parameters.names == ["one", "two"] == wrapperClass(node).names
    with pytest.raises(TypeError):
        names.append(3)
    assert names == ["one", "two"]
    with pytest.raises(NotImplementedError):
        names + ["three"]
    parameters.table["a"] = 1
    assert wrapperClass(node).table == {"a": 1}


def test_observers_see_the_new_value_once(wrapperClass, node):
    import vtk

    parameters = wrapperClass(node)
    seen = []
    tag = parameters.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: seen.append(parameters.number))
    parameters.number = 9
    assert seen == [9]
    modifying = parameters.StartModify()
    parameters.number, parameters.text = 10, "x"
    parameters.EndModify(modifying)
    assert seen == [9, 10]
    parameters.RemoveObserver(tag)
    parameters.number = 11
    assert seen == [9, 10] and parameters.isCached("number")


def test_unknown_and_reserved_names(wrapperClass, node):
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    parameters = wrapperClass(node)
    with pytest.raises(ValueError, match="nothing"):
        parameters.getValue("nothing")
    with pytest.raises(ValueError, match="reserved"):
        parameterNodeWrapper(type("P", (), {"default": 1, "__annotations__": {"x": int}}))
    with pytest.raises(Exception, match="Unable to create serializer"):
        parameterNodeWrapper(type("P", (), {"__annotations__": {"x": complex}}))


def test_gui_shows_and_changes(tiny):
    ui, parameters = tiny.ui, tiny.parameters
    assert ui.thresholdBox.value == 150 and ui.thresholdBox.maximum == 500 and ui.thresholdBox.decimals == 1
    assert ui.modeBox.currentText == "careful" and ui.sideBox.currentText == "RIGHT" and ui.smoothBox.checked
    ui.thresholdBox.value = 90.5
    ui.titleEdit.text = "Mass"
    ui.modeBox.currentIndex = 0
    ui.smoothBox.checked = False
    assert (parameters.threshold, parameters.title, parameters.mode, parameters.smooth) == (
        90.5,
        "Mass",
        "fast",
        False,
    )
    parameters.repeats = 7
    assert ui.repeatsBox.value == 7


def test_gui_can_be_disconnected_and_connected_again(tiny):
    tiny.parameters.disconnectGui(tiny.guiTag)
    tiny.ui.repeatsBox.value = 5
    assert tiny.parameters.repeats == 2
    tiny.guiTag = tiny.parameters.connectGui(tiny.ui)
    assert tiny.ui.repeatsBox.value == 2
    tiny.ui.repeatsBox.value = 6
    assert tiny.parameters.repeats == 6


def test_wrong_widget_for_a_type_is_refused(host, wrapperClass, node):
    import qt

    with pytest.raises(RuntimeError, match="Unable to create GUI connector"):
        wrapperClass(node).connectParametersToGui({"number": qt.QLineEdit()})
    with pytest.raises(RuntimeError, match="Choice"):
        wrapperClass(node).connectParametersToGui({"text": qt.QComboBox()})
    with pytest.raises(RuntimeError):
        # A slider needs both ends.
        wrapperClass(node).connectParametersToGui({"low": qt.QSlider()})


def test_enum_labels_in_combo_box(host, wrapperClass, node):
    import qt

    parameters, box = wrapperClass(node), qt.QComboBox()
    parameters.connectParametersToGui({"color": box})
    assert (box.itemText(0), box.itemText(1)) == ("Red", "Green")
    box.currentIndex = 1
    assert parameters.color is Color.GREEN
