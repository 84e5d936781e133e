"""``qt``, ``ctk`` and ``PythonQt`` as the real application offers them to Python, over PySide6.

    import Host.pythonqt
    Host.pythonqt.install()            # puts qt, ctk, PythonQt (and its submodules) into sys.modules
    import qt
    button = qt.QPushButton("Run")     # attributes as in PythonQt: button.text, button.clicked.connect(f), ...

The record of the real application (``Host/record.json``, made by ``make_record``) decides which classes and members
exist and how they behave. A name that is not recorded does not exist; a recorded one that the host has not built
raises ``errors.NotProvided`` (an AttributeError), never a silent stand-in.

To add a class
--------------
1. Put its name into ``supported.txt`` and run ``python -m Host.pythonqt.make_record``.
2. A Qt class that PySide6 has is ready. For a ctk, qMRML or qSlicer class write a PySide6 class of the recorded base:
   each recorded property as a ``QtCore.Property`` of the same name (or plain methods ``name()`` / ``setName(value)``),
   each method and signal under its recorded name. Python objects (MRML nodes) travel as ``Signal(object)``. Optional
   class attributes: ``pythonqtConstructors`` (argument lists besides ``()`` and ``(QWidget parent)``) and
   ``pythonqtSignalRoutes`` (recorded signature to (PySide6 signal name, order, function(native, args) -> arguments)).
3. ``registerWidgetClass("qMRMLNodeComboBox", TheClass, module="slicer")``: Python code gets it with
   ``wrapperClass("qMRMLNodeComboBox")``, .ui files by its name.

Differences between Qt 5 and Qt 6 live in ``compat``. Known to differ, always to the stricter side: PythonQt turns more
values into text and numbers than the host does, and a list of one text in QSettings is read back as text.
"""

from Host.pythonqt import immortals

immortals.protect()

from Host.pythonqt import threads  # noqa: E402
from Host.pythonqt.errors import NotProvided, slotErrors  # noqa: E402
from Host.pythonqt.modules import install  # noqa: E402
from Host.pythonqt.objects import unwrap, wrap, wrapperClass  # noqa: E402
from Host.pythonqt.ui import loadUi, registerWidgetClass  # noqa: E402

__all__ = [
    "NotProvided",
    "install",
    "loadUi",
    "registerWidgetClass",
    "slotErrors",
    "threads",
    "unwrap",
    "wrap",
    "wrapperClass",
]
