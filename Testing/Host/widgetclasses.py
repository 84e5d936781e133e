"""Which host class stands for which class of the application."""


def register() -> None:
    """Tell the PythonQt layer about the host's classes."""
    from . import iomanager, mainwindow, modules, slicerapp
    from .dicomlib import database
    from .pythonqt import registerWidgetClass
    from .views import chartview, layoutmanager, sliceview, tableview, threedview
    from .widgets import checkablenodes, mrmlwidget, nodecombobox, segmentstable

    classes = {
        "qSlicerApplication": slicerapp.HostApplication,
        "qSlicerLayoutManager": layoutmanager.LayoutManager,
        "qSlicerModuleManager": modules.ModuleManager,
        "qSlicerModuleFactoryManager": modules.FactoryManager,
        "qSlicerLoadableModule": modules.CoreModule,
        "qSlicerScriptedLoadableModule": modules.ScriptedModule,
        "qSlicerScriptedLoadableModuleWidget": modules.ScriptedWidget,
        "qSlicerIOManager": iomanager.IOManager,
        "qSlicerMainWindow": mainwindow.MainWindow,
        "qSlicerModuleSelectorToolBar": mainwindow.ModuleSelector,
        "qSlicerModulePanel": mainwindow.ModulePanel,
        "qMRMLSliceWidget": sliceview.SliceWidget,
        "qMRMLSliceView": sliceview.SliceView,
        "qMRMLSliceControllerWidget": sliceview.SliceController,
        "qMRMLThreeDWidget": threedview.ThreeDWidget,
        "qMRMLThreeDView": threedview.ThreeDView,
        "qMRMLThreeDViewControllerWidget": threedview.ThreeDController,
        "qMRMLPlotWidget": chartview.PlotWidget,
        "qMRMLPlotView": chartview.PlotView,
        "qMRMLTableWidget": tableview.TableWidget,
        "qMRMLTableView": tableview.TableView,
        "qMRMLNodeComboBox": nodecombobox.NodeComboBox,
        "qMRMLCheckableNodeComboBox": checkablenodes.CheckableNodeComboBox,
        "qMRMLSegmentsTableView": segmentstable.SegmentsTable,
        "qMRMLWidget": mrmlwidget.MRMLWidget,
        "qSlicerWidget": mrmlwidget.SlicerWidget,
        "qMRMLCollapsibleButton": mrmlwidget.collapsibleButtonClass(),
    }
    for name, hostClass in classes.items():
        registerWidgetClass(name, hostClass, module="slicer")
    registerWidgetClass("ctkDICOMDatabase", database.DicomDatabase, module="ctk")
