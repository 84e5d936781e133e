"""The ctk widgets of the host: values, signals, folding."""

import pytest

pytestmark = pytest.mark.usefixtures("host")


@pytest.fixture
def section():
    """A shown section with two lines, one of which the code hides."""
    import ctk
    import qt
    import slicer

    button = ctk.ctkCollapsibleButton()
    button.text = "Exam"
    layout = qt.QVBoxLayout(button)
    first, second = qt.QLabel("one"), qt.QLabel("two")
    layout.addWidget(first)
    layout.addWidget(second)
    second.hide()
    button.show()
    slicer.app.processEvents()
    yield button, first, second
    button.hide()


def test_folding_hides_and_restores(section):
    button, first, second = section
    got = []
    button.connect("contentsCollapsed(bool)", got.append)
    tall = button.sizeHint.height()
    button.collapsed = True
    assert first.isHidden() and not button.checked and button.sizeHint.height() < tall
    second.show()
    assert second.isHidden(), "a child shown while its section is folded stays hidden"
    button.collapsed = False
    assert first.visible and second.visible
    assert got == [True, False]


def test_click_on_header_folds(section):
    button, first, _ = section
    button.click()
    assert button.collapsed and first.isHidden()


def test_group_box_folds():
    import ctk
    import qt

    box = ctk.ctkCollapsibleGroupBox()
    box.title = "Advanced"
    layout = qt.QVBoxLayout(box)
    label = qt.QLabel("x")
    layout.addWidget(label)
    box.collapsed = True
    assert label.isHidden() and box.collapsed
    box.collapsed = False
    assert not label.isHidden()


def test_slider_widget():
    import ctk

    slider = ctk.ctkSliderWidget()
    got = []
    slider.connect("valueChanged(double)", got.append)
    slider.minimum, slider.maximum, slider.singleStep, slider.decimals = -10, 10, 0.5, 1
    slider.value = 3.5
    slider.setValue(3.5)
    slider.value = 99
    assert got == [3.5, 10.0] and slider.value == 10.0
    assert not hasattr(slider, "setRange") and not hasattr(slider, "setMinimum"), "Slicer has neither"


def test_double_spin_box():
    import ctk

    box = ctk.ctkDoubleSpinBox()
    got = []
    box.valueChanged.connect(got.append)
    box.connect("valueChanged(QString)", got.append)
    box.maximum = 5.0
    box.setValue(2.25)
    assert got == [2.25, "2.25"] and box.value == 2.25
    with pytest.raises(AttributeError):
        box.value = "1"


def test_range_widget():
    import ctk

    widget = ctk.ctkRangeWidget()
    got = []
    widget.connect("valuesChanged(double,double)", lambda low, high: got.append((low, high)))
    widget.setRange(0, 10)
    widget.setValues(8, 2)
    widget.minimumValue = 5
    assert (widget.minimumValue, widget.maximumValue) == (5.0, 8.0)
    assert got == [(0.0, 10.0), (2.0, 8.0), (5.0, 8.0)]


def test_double_range_slider():
    import ctk

    slider = ctk.ctkDoubleRangeSlider()
    got, low = [], []
    slider.connect("valuesChanged(double,double)", lambda *values: got.append(values))
    slider.connect("minimumValueChanged(double)", low.append)
    slider.setRange(0.0, 10.0)
    slider.singleStep = 0.5
    slider.setValues(2.0, 8.0)
    slider.setMaximumValue(1.0)
    assert (slider.minimumValue, slider.maximumValue) == (1.0, 1.0), "values stay in order"
    slider.minimumValue = 20.0
    assert (slider.minimumValue, slider.maximumValue) == (10.0, 10.0), "values stay in the range"
    assert got[1:] == [(2.0, 8.0), (1.0, 1.0), (10.0, 10.0)] and low[-1] == 10.0
    with pytest.raises(AttributeError):
        slider.decimals


def test_path_line(tmp_path):
    import ctk

    line = ctk.ctkPathLineEdit()
    line.filters = ctk.ctkPathLineEdit.Dirs
    paths, valid = [], []
    line.connect("currentPathChanged(QString)", paths.append)
    line.connect("validInputChanged(bool)", valid.append)
    line.currentPath = str(tmp_path)
    line.setCurrentPath(str(tmp_path / "nothing"))
    assert paths == [str(tmp_path), str(tmp_path / "nothing")] and valid == [True, False]
    with pytest.raises(AttributeError):
        line.text


def test_checkable_combo_box():
    import ctk
    import qt

    combo = ctk.ctkCheckableComboBox()
    combo.addItems(["0", "1", "all"])
    got = []
    combo.checkedIndexesChanged.connect(lambda: got.append(1))
    combo.setCheckState(combo.model().index(1, 0), qt.Qt.Checked)
    assert [index.row() for index in combo.checkedIndexes()] == [1] and got
    assert combo.checkState(combo.model().index(1, 0)) == qt.Qt.Checked and not combo.noneChecked()


def test_combo_colour_and_text_browser():
    import ctk
    import qt

    combo = ctk.ctkComboBox()
    combo.addItem("Automatic", "auto")
    combo.addItem("CPU", "cpu")
    combo.setCurrentUserDataAsString("cpu")
    assert combo.currentText == "CPU" and combo.currentUserDataAsString == "cpu"
    button = ctk.ctkColorPickerButton()
    names = []
    button.colorNameChanged.connect(names.append)
    button.color = qt.QColor(255, 0, 0)
    assert names == ["#ff0000"]
    browser = ctk.ctkFittedTextBrowser()
    browser.setCollapsibleText("first<br>second")
    assert "second" not in browser.plainText
    browser.collapsed = False
    assert "second" in browser.plainText


def test_message_box_remembers():
    import ctk

    box = ctk.ctkMessageBox()
    box.dontShowAgainSettingsKey = "test/again"
    box.dontShowAgainVisible = True
    assert not box.dontShowAgain
    box.setDontShowAgain(True)
    box.accept()
    again = ctk.ctkMessageBox()
    again.dontShowAgainSettingsKey = "test/again"
    assert again.dontShowAgain
