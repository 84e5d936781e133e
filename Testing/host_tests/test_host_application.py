"""The application around the modules: loading, names, dialogs, threads, the event loop, and the command."""

import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

TESTING = Path(__file__).resolve().parents[1]
TINY = Path(__file__).parent / "data" / "TinyModule"


def command(*arguments, timeout=120):
    """Run the host as a command of its own."""
    environment = {**os.environ, "PYTHONPATH": str(TESTING)}
    environment.pop("VTK_DEFAULT_OPENGL_WINDOW", None)  # set by the host that runs these tests
    return subprocess.run(
        [sys.executable, "-m", "Host", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment,
    )


def test_module_is_loaded_with_its_texts(host):
    import slicer

    module = slicer.modules.tinymodule
    assert (module.title, module.name, module.categories) == ("Tiny Module", "TinyModule", ("Segmentation",))
    assert module.path.endswith("TinyModule.py") and slicer.util.modulePath("TinyModule") == module.path
    assert "TinyModule" in slicer.util.moduleNames()
    assert slicer.modules.TinyModuleInstance.parent == module
    assert slicer.modules.segmentations.logic().IsA("vtkSlicerSegmentationsModuleLogic")


def test_panel_is_built_and_entered(tiny):
    import slicer

    assert slicer.util.selectedModule() == "TinyModule" and tiny.entered >= 1
    assert slicer.modules.TinyModuleWidget is tiny and slicer.util.getModuleLogic("TinyModule") is tiny.logic
    assert tiny.ui.inputSelector.mrmlScene() is slicer.mrmlScene


def test_panel_runs_what_the_user_clicks(tiny):
    import numpy
    import slicer
    import vtk

    array = numpy.zeros((20, 30, 40), numpy.float32)
    array[5:10, 5:10, 5:10] = 200
    volume = slicer.util.addVolumeFromArray(array, vtk.vtkMatrix4x4(), "input")
    tiny.ui.inputSelector.setCurrentNode(volume)
    assert tiny.parameters.inputVolume is volume
    tiny.ui.applyButton.click()
    node = slicer.util.getNode("Lesion")
    mask = slicer.util.arrayFromSegmentBinaryLabelmap(node, node.GetSegmentation().GetNthSegmentID(0), volume)
    assert mask.sum() == 125


def test_scene_close_keeps_the_panel_working(tiny):
    import slicer

    slicer.mrmlScene.Clear(0)
    tiny.ui.repeatsBox.value = 4
    assert tiny.parameters.repeats == 4


def test_unknown_names_are_refused(host):
    import slicer
    from Host.record import NotProvided

    for owner, name in (
        (slicer, "getNode"),
        (slicer, "nothing"),
        (slicer.app, "userInformation"),
        (slicer.modules, "nothing"),
        (slicer.util, "nothing"),
        (slicer.app.layoutManager(), "nothing"),
    ):
        with pytest.raises(AttributeError) as raised:
            getattr(owner, name)
        assert not isinstance(raised.value, NotProvided)
    for owner, name in ((slicer.modules, "segmentstatistics"), (slicer, "vtkSlicerDICOMLoadable")):
        with pytest.raises(NotProvided, match="not provided by the host"):
            getattr(owner, name)
    with pytest.raises(ImportError):
        from slicer.parameterNodeWrapper import Nothing  # noqa: F401
    with pytest.raises(AttributeError):
        slicer.app.newAttribute = 1


def test_names_that_the_record_has_are_there_or_say_so(host):
    import slicer
    from Host import record

    lost = [name for name in record.load()["slicer"] if name.startswith("vtkMRML") and not hasattr(slicer, name)]
    # Classes of modules that the wheel does not ship.
    assert len(lost) < 40, lost


def test_messages_do_not_wait_in_testing_mode(host, caplog):
    import slicer

    start = time.monotonic()
    with caplog.at_level(logging.INFO):
        assert slicer.util.confirmOkCancelDisplay("Go on?") is False or slicer.util.confirmOkCancelDisplay("Go on?")
        slicer.util.errorDisplay("It broke")
        slicer.util.delayDisplay("Short", 100)
    assert time.monotonic() - start < 1 and "It broke" in caplog.text


def test_packaging(host, monkeypatch):
    import slicer.packaging

    assert slicer.packaging.pip_check("numpy") and slicer.packaging.pip_check(["numpy>=1", "packaging"])
    assert not slicer.packaging.pip_check("numpy<1") and not slicer.packaging.pip_check("no-such-package-here")
    assert slicer.packaging.pip_check("no-such-package-here; python_version < '3'")
    assert slicer.packaging.pip_ensure("no-such-package-here") == []
    monkeypatch.setattr(host.options, "isTestingEnabled", False)
    with pytest.raises(RuntimeError, match="no-such-package-here"):
        slicer.packaging.pip_ensure("no-such-package-here", requester="Test")


def test_translation(host):
    from slicer.i18n import tr as _
    from slicer.i18n import translate

    assert (
        _("Text {x}").format(x=1) == "Text 1"
        and translate("qSlicerAbstractCoreModule", "Segmentation") == "Segmentation"
    )


def test_settings_are_not_the_users(host):
    import qt
    import slicer

    assert str(host.workFolder) in qt.QSettings().fileName()
    qt.QSettings().setValue("Tiny/flag", True)
    assert slicer.util.settingsValue("Tiny/flag", False, converter=slicer.util.toBool) is True
    assert str(host.workFolder) in slicer.util.tempDirectory()


def test_start_up_environment_lacks_what_the_host_added(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import os, slicer\ne = slicer.util.startupEnvironment()\n"
        "assert 'VTK_DEFAULT_OPENGL_WINDOW' in os.environ and 'PYTHONPATH' in os.environ\n"
        "assert e['PATH'] == os.environ['PATH'] and 'VTK_DEFAULT_OPENGL_WINDOW' not in e and 'PYTHONPATH' not in e\n"
    )
    done = command("--no-main-window", "--module-paths", TINY, "--testing", "--script", script)
    assert done.returncode == 0, done.stderr


def test_panel_that_cannot_be_built_fails_the_command(tmp_path):
    folder = tmp_path / "Broken"
    folder.mkdir()
    (folder / "Broken.py").write_text(
        "from slicer.ScriptedLoadableModule import *\n"
        "class Broken(ScriptedLoadableModule):\n    pass\n"
        "class BrokenWidget(ScriptedLoadableModuleWidget):\n    def setup(self):\n        int('no panel')\n"
    )
    done = command("--module", "Broken", "--module-paths", folder, "--testing")
    assert done.returncode == 1 and "no panel" in done.stderr


def test_threads_of_the_extension_are_refused(host, tiny):
    import threading

    source = "import threading\ndef begin():\n    threading.Thread(target=print).start()\n"
    namespace = {}
    exec(compile(source, str(TINY / "inside.py"), "exec"), namespace)
    with pytest.raises(RuntimeError, match="QProcess"):
        namespace["begin"]()
    outside = threading.Thread(target=lambda: None)
    outside.start()
    outside.join()


def test_block_meter_measures_and_names_the_place(host):
    from Host import slicerapp
    from Host.eventloop import BlockMeter

    def sleepyFunction():
        time.sleep(0.25)

    with BlockMeter() as meter:
        slicerapp.turnFor(0.1)
        sleepyFunction()
        slicerapp.turnFor(0.1)
    assert 0.24 < meter.longest() < 0.6
    assert "sleepyFunction" in meter.report(1) and len(meter.over(0.2)) == 1
    with BlockMeter() as calm:
        slicerapp.turnFor(0.2)
    assert calm.longest() < 0.2


def test_pause_render(host):
    import slicer

    view = host.layoutManager.sliceWidget("Red").sliceView()
    with slicer.util.RenderBlocker():
        view.scheduleRender()
        host.app.processEvents()
        assert view._stale
    deadline = time.monotonic() + 5
    while view._stale and time.monotonic() < deadline:
        host.app.processEvents()
    assert not view._stale


def test_pictures(host, tiny, tmp_path):
    from Host import screenshots
    from PIL import Image

    screenshots.panelScreenshot(tiny, tmp_path / "panel.png")
    screenshots.sliceViewScreenshot("Red", tmp_path / "red.png", (300, 200))
    screenshots.threeDScreenshot(tmp_path / "threed.png", (320, 240))
    screenshots.layoutScreenshot(tmp_path / "window.png", (1000, 700))
    sizes = {path.stem: Image.open(path).size for path in tmp_path.glob("*.png")}
    assert sizes["red"] == (300, 200) and sizes["threed"] == (320, 240) and sizes["window"] == (1000, 700)
    assert sizes["panel"][0] >= 200 and sizes["panel"][1] >= 200


def test_reload_and_self_test(tiny, host):
    import slicer

    tiny.onReload()
    reloaded = slicer.util.getModuleWidget("TinyModule")
    assert reloaded is not tiny and tiny.cleaned
    slicer.selfTests["TinyModule"]()


def test_command_self_test_and_script(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import slicer, sys\nprint('module', slicer.util.selectedModule(), sys.argv[1:])\n"
        "assert slicer.app.testingEnabled()\n"
    )
    done = command(
        "--module",
        "TinyModule",
        "--module-paths",
        TINY,
        "--testing",
        "--self-test",
        "--script",
        script,
        "--screenshot",
        tmp_path / "w.png",
        "--",
        "one",
    )
    assert done.returncode == 0, done.stderr
    assert "module TinyModule ['one']" in done.stdout and (tmp_path / "w.png").stat().st_size > 5000


@pytest.mark.parametrize(
    "body, code",
    [("raise ValueError('no')", 1), ("import sys; sys.exit(7)", 7), ("import slicer; slicer.util.exit(3)", 3)],
)
def test_command_exit_codes(tmp_path, body, code):
    script = tmp_path / "script.py"
    script.write_text(body + "\n")
    assert command("--no-main-window", "--module-paths", TINY, "--testing", "--script", script).returncode == code


def test_command_failing_self_test(tmp_path):
    folder = tmp_path / "Broken"
    folder.mkdir()
    (folder / "Broken.py").write_text(
        "from slicer.ScriptedLoadableModule import *\n"
        "class Broken(ScriptedLoadableModule):\n    pass\n"
        "class BrokenWidget(ScriptedLoadableModuleWidget):\n    pass\n"
        "class BrokenTest(ScriptedLoadableModuleTest):\n    def runTest(self):\n        self.assertTrue(False)\n"
    )
    assert command("--module", "Broken", "--module-paths", folder, "--self-test").returncode == 1


def test_command_bad_paths(tmp_path):
    missing = command("--module", "X", "--module-paths", tmp_path / "nothing")
    assert missing.returncode == 2 and len(missing.stderr.strip().splitlines()) == 1 and "nothing" in missing.stderr
    unknown = command("--module", "Other", "--module-paths", TINY, "--testing")
    assert unknown.returncode == 2 and "TinyModule" in unknown.stderr


def test_segment_editor_opens_and_follows_its_node(host):
    import slicer

    slicer.util.selectModule("SegmentEditor")
    assert slicer.util.selectedModule() == "SegmentEditor"
    node = slicer.mrmlScene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
    assert node is not None and node.GetSegmentationNode() is None
    slicer.util.selectModule("TinyModule")
    slicer.util.selectModule("SegmentEditor")
    assert len(slicer.util.getNodesByClass("vtkMRMLSegmentEditorNode")) == 1
    slicer.util.selectModule("TinyModule")
