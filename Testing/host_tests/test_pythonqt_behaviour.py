"""What the recorded facts do not cover: subclasses, lifetimes, conversions, refusals."""

import gc

import pytest

pytestmark = pytest.mark.usefixtures("host")


def test_class_hierarchy_is_flat():
    import qt

    button = qt.QPushButton("x")
    assert not isinstance(button, qt.QWidget)
    assert button.inherits("QWidget") and button.inherits("QAbstractButton") and not button.inherits("QLabel")
    assert type(button).__mro__[1:] == (type(button).__mro__[1], object)


def test_same_object_same_wrapper():
    import qt

    parent = qt.QWidget()
    layout = qt.QVBoxLayout(parent)
    label = qt.QLabel("a")
    layout.addWidget(label)
    assert layout.itemAt(0).widget() is label
    assert parent.children()[1] is label or parent.children()[1] == label
    assert parent.layout() is layout


def test_subclass_keeps_attributes_while_the_object_lives():
    import qt

    class Panel(qt.QWidget):
        def __init__(self, parent=None):
            qt.QWidget.__init__(self, parent)
            self.notes = ["kept"]

    parent = qt.QWidget()
    Panel(parent).setObjectName("inner")
    gc.collect()
    found = parent.findChild("QWidget", "inner")
    assert found.notes == ["kept"]


def test_super_call_in_virtual():
    import qt
    import slicer

    seen = []

    class Sized(qt.QLabel):
        def resizeEvent(self, event):
            seen.append((event.size().width(), type(event).__name__))
            super().resizeEvent(event)

        def sizeHint(self):
            return qt.QSize(123, 45)

    label = Sized("x")
    label.resize(77, 20)
    label.show()
    slicer.app.processEvents()
    assert (77, "QResizeEvent") in seen
    box = qt.QWidget()
    layout = qt.QVBoxLayout(box)
    layout.addWidget(label)
    assert label.sizeHint().width() == 123 and layout.sizeHint().width() >= 123


def test_unbound_base_call_and_event_filter():
    import qt
    import slicer

    seen = []

    class Watcher(qt.QObject):
        def eventFilter(self, watched, event):
            seen.append(watched)
            if event.type() == qt.QEvent.Close:
                event.ignore()
                return True
            return False

    class Sized(qt.QWidget):
        def __init__(self, parent=None):
            qt.QWidget.__init__(self, parent)
            self.sizes = []

        def resizeEvent(self, event):
            qt.QWidget.resizeEvent(self, event)
            self.sizes.append(event.size().height())

    widget, watcher = Sized(), Watcher()
    widget.installEventFilter(watcher)
    widget.resize(40, 51)
    widget.show()
    slicer.app.processEvents()
    assert widget.sizes[-1] == 51
    assert seen and all(each is widget for each in seen)
    widget.close()
    assert widget.visible, "the filter has eaten the close event"
    widget.removeEventFilter(watcher)
    assert widget.close() and not widget.visible


def test_functions_are_taken_only_where_pythonqt_takes_them():
    import qt

    with pytest.raises(ValueError):
        qt.QMenu("m").addAction("a", print)
    with pytest.raises(ValueError):
        qt.QTimer.singleShot(1)


def test_error_in_virtual_is_logged_and_goes_no_further():
    import qt
    import slicer
    from Host.pythonqt import slotErrors

    class Bad(qt.QWidget):
        def resizeEvent(self, event):
            raise ValueError("bad resize")

    widget = Bad()
    widget.resize(31, 20)
    widget.show()
    slicer.app.processEvents()
    assert "bad resize" in slotErrors.pop()
    slotErrors.clear()


@pytest.mark.parametrize(
    "code",
    [
        "qt.QPushButton(text='x')",
        "qt.QTimer(parent=w)",
        "w.setEnabled(enabled=True)",
        "qt.QLabel(5, 5, 5, 5)",
        "w.setToolTip()",
        "w.setToolTip('a', 'b')",
        "w.resize('a', 3)",
        "sp.setValue(1.5)",
        "sp.setValue('1')",
    ],
)
def test_wrong_calls_raise(code):
    import qt

    scope = {"qt": qt, "w": qt.QWidget(), "sp": qt.QSpinBox()}
    with pytest.raises((ValueError, TypeError)):
        eval(code, scope)


@pytest.mark.parametrize(
    "code",
    [
        "sp.value = 'a'",
        "sp.value = 1.5",
        "le.text = 3",
        "w.enabled = 'yes'",
        "w.visible = None",
        "tw.rowCount = 'b'",
        "w.clicked = 1",
        "w.show = 2",
    ],
)
def test_wrong_assignments_raise(code):
    import qt

    scope = {"w": qt.QPushButton(), "sp": qt.QSpinBox(), "le": qt.QLineEdit(), "tw": qt.QTableWidget()}
    with pytest.raises(AttributeError):
        exec(code, scope)


@pytest.mark.parametrize("name", ["QVariant", "qApp", "QWebEngineView", "QSvgWidget", "NoSuchClass"])
def test_unknown_names_are_refused(name):
    import qt

    assert not hasattr(qt, name)


def test_names_that_only_pyside_has_are_refused():
    import qt

    label = qt.QLabel("x")
    for name in ("textChanged", "hasPicture", "setTextAlignment", "isSignalConnected2", "__feature__", "setupUi"):
        assert not hasattr(label, name), name
    assert not hasattr(qt.QSlider(), "toggled")


def test_recorded_but_not_built_says_so():
    import ctk

    with pytest.raises(AttributeError, match="recorded in Slicer but not provided by the host: ctk.ctkFlowLayout"):
        ctk.ctkFlowLayout
    with pytest.raises(AttributeError, match="ctkCheckableComboBox.checkableModelHelper"):
        ctk.ctkCheckableComboBox().checkableModelHelper()


def test_unreferenced_timer_never_fires(host):
    import qt
    from Host.slicerapp import turnFor

    fired = []

    def start():
        timer = qt.QTimer()
        timer.timeout.connect(lambda: fired.append(1))
        timer.start(1)

    start()
    kept = qt.QTimer()
    kept.timeout.connect(lambda: fired.append(2))
    kept.start(1)
    turnFor(0.1)
    kept.stop()
    assert 1 not in fired and 2 in fired


def test_renumbered_enums_reach_qt_by_name():
    import qt

    combo = qt.QComboBox()
    combo.setSizeAdjustPolicy(qt.QComboBox.AdjustToMinimumContentsLengthWithIcon)
    assert combo.sizeAdjustPolicy == 3
    combo.sizeAdjustPolicy = qt.QComboBox.AdjustToContents
    assert combo.sizeAdjustPolicy == 0
    dialog = qt.QFileDialog()
    dialog.setOption(qt.QFileDialog.DontUseNativeDialog, True)
    assert dialog.testOption(qt.QFileDialog.DontUseNativeDialog)
    font = qt.QFont()
    font.setWeight(qt.QFont.Bold)
    assert font.bold() and font.weight() == 75


def test_flags_joined_to_int_are_taken():
    import qt

    item = qt.QTableWidgetItem("a")
    item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable)
    assert item.flags() == 33
    label = qt.QLabel("x")
    label.setAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
    assert label.alignment == 130
    box = qt.QDialogButtonBox()
    box.setStandardButtons(qt.QDialogButtonBox.Ok | qt.QDialogButtonBox.Cancel)
    assert len(box.buttons()) == 2


def test_button_box_constructor_takes_the_wrong_overload():
    import qt

    assert qt.QDialogButtonBox(qt.QDialogButtonBox.Ok | qt.QDialogButtonBox.Cancel).buttons() == ()


def test_deleted_object():
    import qt

    widget = qt.QWidget()
    label = qt.QLabel("x", widget)
    widget.delete()
    assert not label
    with pytest.raises(ValueError, match="destroyed"):
        label.setText("y")
    with pytest.raises(ValueError, match="destroyed"):
        label.text


def test_connections_keep_bound_methods_alive():
    import qt

    got = []

    class Listener:
        def heard(self, value):
            got.append(value)

    box = qt.QCheckBox("c")
    box.toggled.connect(Listener().heard)
    gc.collect()
    box.checked = True
    assert got == [True]


def test_process_error_and_signal_are_one_name():
    import qt

    process = qt.QProcess()
    assert process.error() == qt.QProcess.UnknownError
