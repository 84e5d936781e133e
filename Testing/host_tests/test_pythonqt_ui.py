"""The .ui loader: custom classes, dynamic properties, connections, and what it refuses."""

import pytest
from Host.pythonqt import loadUi

TEMPLATE = """<?xml version="1.0" encoding="UTF-8"?>
<ui version="4.0"><class>Form</class>
 <widget class="{top}" name="Form"><layout class="QVBoxLayout" name="main">{items}</layout></widget>
 <customwidgets><customwidget><class>ctkCollapsibleButton</class><extends>QWidget</extends>
  <header>ctkCollapsibleButton.h</header><container>1</container></customwidget></customwidgets>
 <resources/><connections>{connections}</connections></ui>
"""
GOOD = """
 <item><widget class="ctkCollapsibleButton" name="section"><property name="text"><string>Model</string></property>
  <property name="collapsed"><bool>true</bool></property>
  <layout class="QFormLayout" name="form">
   <item row="0" column="0"><widget class="QLabel" name="pathLabel">
    <property name="text"><string>Folder:</string></property></widget></item>
   <item row="0" column="1"><widget class="ctkPathLineEdit" name="path">
     <property name="filters"><set>ctkPathLineEdit::Dirs|ctkPathLineEdit::Readable</set></property>
     <property name="SlicerParameterName" stdset="0"><string>modelPath</string></property></widget></item>
  </layout></widget></item>
 <item><widget class="QCheckBox" name="box"><property name="text"><string>Use</string></property></widget></item>
 <item><widget class="Line" name="line">
  <property name="orientation"><enum>Qt::Horizontal</enum></property></widget></item>
 <item><widget class="QTableWidget" name="table">
  <column><property name="text"><string>Time</string></property></column></widget></item>
 <item><spacer name="space"><property name="orientation"><enum>Qt::Vertical</enum></property></spacer></item>
"""
CONNECTION = """<connection><sender>box</sender><signal>toggled(bool)</signal><receiver>section</receiver>
 <slot>setEnabled(bool)</slot></connection>"""


@pytest.fixture
def write(tmp_path):
    """Write a .ui file and return its path."""

    def make(items=GOOD, top="QWidget", connections=""):
        path = tmp_path / "Form.ui"
        path.write_text(TEMPLATE.format(items=items, top=top, connections=connections), encoding="utf-8")
        return path

    return make


def test_custom_widgets_and_properties(write, host):
    import slicer

    widget = loadUi(write())
    ui = slicer.util.childWidgetVariables(widget)
    assert ui.section.className() == "ctkCollapsibleButton" and ui.section.collapsed
    assert ui.section.text == "Model"
    assert ui.path.filters == 17
    assert ui.path.property("SlicerParameterName") == "modelPath" == ui.path.SlicerParameterName
    assert ui.table.horizontalHeaderItem(0).text() == "Time"
    assert ui.pathLabel.parent() is ui.section


def test_loading_as_slicer_util_does(write, host):
    import slicer

    widget = slicer.util.loadUI(str(write()))
    assert widget.findChild("QCheckBox", "box").text == "Use"


def test_connections_work(write, host):
    widget = loadUi(write(connections=CONNECTION))
    box, section = widget.findChild("QCheckBox", "box"), widget.findChild("QWidget", "section")
    box.checked = True
    assert section.enabled
    box.checked = False
    assert not section.enabled


@pytest.mark.parametrize(
    "items, problem",
    [
        ('<item><widget class="QNoSuch" name="a"/></item>', "class QNoSuch, which does not exist in Slicer"),
        ('<item><widget class="ctkWorkflow" name="a"/></item>', "recorded in Slicer but not provided by the host"),
        (
            '<item><widget class="QLabel" name="a"><property name="colour"><string>x</string></property></widget>'
            "</item>",
            "property colour, which QLabel does not have",
        ),
        (
            '<item><widget class="ctkSliderWidget" name="a"><property name="range"><number>1</number></property>'
            "</widget></item>",
            "property range",
        ),
        (
            '<item><widget class="QLabel" name="a"/></item><item><widget class="QLabel" name="a"/></item>',
            "two widgets are named a",
        ),
        ("<item>", "not a Qt Designer file"),
    ],
)
def test_bad_files_are_refused(write, host, items, problem):
    with pytest.raises(ValueError, match=problem):
        loadUi(write(items))


@pytest.mark.parametrize(
    "old, new", [("toggled(bool)", "noSignal()"), ("setEnabled(bool)", "noSlot()"), (">box<", ">nobody<")]
)
def test_bad_connections_are_refused(write, host, old, new):
    with pytest.raises(ValueError, match="connect"):
        loadUi(write(connections=CONNECTION.replace(old, new)))


def test_missing_file(tmp_path, host):
    with pytest.raises(ValueError, match="No such file"):
        loadUi(tmp_path / "nothing.ui")
