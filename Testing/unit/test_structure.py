"""The rules that the project keeps about its own files, and that the checkers see a breach."""

import re
import shutil
import tomllib

import pytest
from structure import MODULES, ROOT, cmake_lists, imports, python_files, record, slicer_names, style

RECORD = record.load()
UI_FILES = sorted(path for module in MODULES for path in (ROOT / module).rglob("*.ui"))


def plant(folder, name, text):
    """Write a file below a temporary project folder and return it."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return path


def none(found):
    """Fail with every sentence in full (pytest would cut the list short)."""
    assert not found, "\n".join(["", *found])


# --- the project itself


def test_imports_keep_the_arrows():
    files = python_files()
    assert len(files) > 20
    none([line for path in files for line in imports.problems(path, ROOT)])


def test_style():
    files = python_files(folders=("BreastSeg", "BreastSegTraining", "Testing", "Resources"))
    none([line for path in files for line in style.problems(path, ROOT)])


def test_names_exist_in_slicer():
    none([line for path in python_files() for line in slicer_names.problems(path, ROOT, RECORD)])


@pytest.mark.parametrize("path", UI_FILES, ids=lambda path: path.name)
def test_ui_file(path):
    assert slicer_names.ui_problems(path, ROOT, RECORD) == []


@pytest.mark.parametrize("module", MODULES)
def test_widgets_named_in_the_code_exist(module):
    names = set().union(*(slicer_names.ui_names(path) for path in (ROOT / module).rglob("*.ui")))
    files = python_files(folders=(module,))
    none([line for path in files for line in slicer_names.unknown_widgets(path, ROOT, names)])


def test_cmake_lists_are_complete():
    found = cmake_lists.problems()
    none(found and [*found, "run: python3 Testing/run.py python Testing/update_cmake_lists.py"])


def test_extension_metadata():
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert "project(BreastSeg)" in text
    for name in ("HOMEPAGE", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS"):
        assert re.search(rf'^set\(EXTENSION_{name} ".+"\)$', text, re.MULTILINE), name
    for name in ("ICONURL", "SCREENSHOTURLS"):
        url = re.search(rf'EXTENSION_{name} "(.+)"', text)[1]
        assert (ROOT / url.split("/raw/main/")[1]).is_file(), url
    for module in MODULES:
        assert f"add_subdirectory({module})" in text
        assert "slicer_add_python_unittest" in (ROOT / module / "CMakeLists.txt").read_text(encoding="utf-8")
    assert "Apache License" in (ROOT / "LICENSE.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["Resources/BreastSeg.png", *(f"{m}/Resources/Icons/{m}.png" for m in MODULES)])
def test_icon_is_128_by_128(name):
    data = (ROOT / name).read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")) == (128, 128)


def test_requirements_are_pinned_and_agree_with_the_constraints():
    def pins(name):
        lines = (
            line.partition("#")[0].strip()
            for line in (ROOT / "Testing" / name).read_text(encoding="utf-8").splitlines()
        )
        rows = [line.split("==") for line in lines if line]
        assert all(len(row) == 2 for row in rows), f"{name}: only exact versions"
        return {re.sub(r"[-_.]+", "-", package).lower(): version for package, version in rows}

    wanted, all_of_them = pins("requirements.txt"), pins("constraints.txt")
    assert wanted and {name: all_of_them.get(name) for name in wanted} == wanted


def test_console_scripts_point_at_modules_that_are_there():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert set(scripts) == {"breastseg", "breastsegtraining"}
    for target in scripts.values():
        module, function = target.split(":")
        package = module.split(".")[0]
        path = (ROOT / package.removesuffix("Lib") / module.replace(".", "/")).with_suffix(".py")
        assert f"def {function}(" in path.read_text(encoding="utf-8")


# --- the checkers see a planted breach

LIB = "BreastSeg/BreastSegLib"


@pytest.mark.parametrize(
    "name, text, expected",
    [
        (f"{LIB}/exam/a.py", "import slicer\n", "know the application"),
        (f"{LIB}/pipeline.py", "def f():\n    import qt\n", "know the application"),
        (f"{LIB}/pipeline.py", "from .panel import x\n", "arrows point down"),
        (f"{LIB}/recipe/a.py", "def f():\n    import torch\n", "know torch"),
        (f"{LIB}/inference/client.py", "from nnunetv2.paths import x\n", "know torch"),
        (f"{LIB}/recipe/a.py", "from ..models import library\n", "arrows point down"),
        (f"{LIB}/errors.py", "from . import volume, exam\n", "arrows point down"),
        (f"{LIB}/exam/a.py", "import BreastSegLib.scene.nodes\n", "arrows point down"),
        (f"{LIB}/exam/a.py", "from BreastSegTrainingLib import cases\n", "never imports the training library"),
        (f"{LIB}/scene/a.py", "from ..panel import b\n", "arrows point down"),
        (f"{LIB}/panel/a.py", "from threading import Thread\n", "threads starve"),
        (f"{LIB}/recipe/a.py", "try:\n    import skimage.measure\nexcept ImportError:\n    pass\n", "does not bundle"),
        (f"{LIB}/unheard/a.py", "import os\n", "no room of the house"),
        (
            "BreastSegTraining/BreastSegTrainingLib/cases/a.py",
            "from BreastSegLib.scene import x\n",
            "know the application",
        ),
        ("BreastSegTraining/BreastSegTrainingLib/cases/a.py", "from ..launch import x\n", "arrows point down"),
        ("BreastSeg/BreastSeg.py", "import torch\n", "know torch"),
    ],
)
def test_a_wrong_import_is_seen(tmp_path, name, text, expected):
    found = imports.problems(plant(tmp_path, name, text), tmp_path)
    assert len(found) == 1 and expected in found[0] and found[0].startswith(name)


@pytest.mark.parametrize(
    "name, text",
    [
        (f"{LIB}/exam/a.py", "import os\nimport numpy as np\nfrom ..errors import BadInput\nfrom .b import c\n"),
        (f"{LIB}/inference/networks/engine.py", "import torch\nfrom ...files import x\nfrom ..messages import y\n"),
        (f"{LIB}/inference/worker.py", "import threading\nfrom .. import pipeline\nfrom .networks.engine import z\n"),
        (f"{LIB}/scene/a.py", "import slicer, vtk\nfrom ..pipeline import x\nfrom ..exam import y\n"),
        (f"{LIB}/recipe/a.py", "def f():\n    from skimage import measure\n"),
        ("BreastSegTraining/BreastSegTrainingLib/cases/a.py", "from BreastSegLib.errors import BadInput\n"),
    ],
)
def test_a_right_import_passes(tmp_path, name, text):
    assert imports.problems(plant(tmp_path, name, text), tmp_path) == []


@pytest.mark.parametrize(
    "text, expected",
    [
        ("try:\n    a = 1\nexcept:\n    pass\n", "bare except"),
        ("a = 1\r\n", "CR LF"),
        ("print(1)\n", "print in the library"),
        ("# TO" + "DO later\n", "leftover mark"),
        ("a = 1\n" * 451, "451 lines"),
        ("def f():\n" + "    a = 1\n" * 71, "f is 72 lines long"),
        (f"a = '{'x' * 170}'\n", "characters wide"),
    ],
)
def test_a_breach_of_style_is_seen(tmp_path, text, expected):
    found = style.problems(plant(tmp_path, f"{LIB}/exam/a.py", text), tmp_path)
    assert len(found) == 1 and expected in found[0]


@pytest.mark.parametrize(
    "code, name",
    [
        ("qt.QVariant(3)", "qt.QVariant"),
        ("qt.QProcess.Runing", "qt.QProcess.Runing"),
        ("ctk.ctkNothing()", "ctk.ctkNothing"),
        ("slicer.util.arrayFromNothing(n)", "slicer.util.arrayFromNothing"),
        ("slicer.app.processNothing()", "slicer.app.processNothing"),
        ("slicer.modules.nothing.logic()", "slicer.modules.nothing"),
        ("slicer.vtkMRMLNothingNode()", "slicer.vtkMRMLNothingNode"),
        ("slicer.vtkMRMLScalarVolumeNode.Nothing", "slicer.vtkMRMLScalarVolumeNode.Nothing"),
        ("slicer.mrmlScene.AddNothing(n)", "slicer.mrmlScene.AddNothing"),
        ("slicer.packaging.pip_nothing()", "slicer.packaging.pip_nothing"),
        ("slicer.nothing", "slicer.nothing"),
        ("vtk.vtkNothing()", "vtk.vtkNothing"),
        ("from slicer.util import nothing", "slicer.util.nothing"),
        ("from qt import QNothing", "qt.QNothing"),
        ("import slicer.nothing", "slicer.nothing"),
    ],
)
def test_a_name_that_slicer_lacks_is_seen(tmp_path, code, name):
    found = slicer_names.problems(
        plant(tmp_path, "BreastSeg/a.py", f"import qt, ctk, vtk, slicer\n{code}\n"), tmp_path, RECORD
    )
    assert found == [f"BreastSeg/a.py:2: {name} does not exist in Slicer"]


GOOD_NAMES = """import qt, ctk, vtk, slicer, slicer.packaging
from slicer.i18n import tr
from slicer.parameterNodeWrapper import parameterNodeWrapper
qt.QProcess.Running; qt.Qt.AlignLeft; qt.QTimer.singleShot(0, f); qt.QMessageBox.Ok; qt.QTableWidget.SelectRows
ctk.ctkCollapsibleButton(); slicer.util.arrayFromVolume(n).max(); slicer.app.processEvents()
slicer.app.layoutManager().x; slicer.modules.segmentations.logic(); slicer.modules.breastseg
slicer.vtkMRMLScene.NodeAddedEvent; slicer.mrmlScene.AddNode(n)
slicer.qMRMLNodeComboBox(); vtk.vtkMatrix4x4(); slicer.vtkMRMLSegmentationNode()
"""


def test_names_that_slicer_has_pass(tmp_path):
    assert slicer_names.problems(plant(tmp_path, "a.py", GOOD_NAMES), tmp_path, RECORD) == []


def test_the_extract_answers_like_the_full_record(tmp_path):
    """Where the full record is absent, the extract in the project takes its place."""
    extract = record.load(full=tmp_path / "absent.json")
    assert slicer_names.problems(plant(tmp_path, "a.py", GOOD_NAMES), tmp_path, extract) == []
    for path in python_files():
        assert slicer_names.problems(path, ROOT, extract) == []
    for path in UI_FILES:
        assert slicer_names.ui_problems(path, ROOT, extract) == []
    for parts in (["qt", "QVariant"], ["slicer", "util", "arrayFromNothing"], ["slicer", "app", "processNothing"]):
        assert slicer_names.unknown(parts, extract) == ".".join(parts)


UI = (
    '<ui version="4.0"><widget class="{kind}" name="a">'
    '<property name="{prop}"><string>x</string></property></widget></ui>'
)


@pytest.mark.parametrize(
    "text, expected",
    [
        (UI.format(kind="QLabel", prop="text"), None),
        (UI.format(kind="ctkCollapsibleButton", prop="collapsed"), None),
        (UI.format(kind="QLabel", prop="SlicerParameterName"), None),
        (UI.format(kind="QLabell", prop="text"), "the class QLabell does not exist"),
        (UI.format(kind="QLabel", prop="caption"), "QLabel has no property caption"),
        (UI[:-6].format(kind="QLabel", prop="text"), "not well-formed"),
    ],
)
def test_ui_checker(tmp_path, text, expected):
    found = slicer_names.ui_problems(plant(tmp_path, "a.ui", text), tmp_path, RECORD)
    assert found == [] if expected is None else (len(found) == 1 and expected in found[0])


def test_a_widget_that_no_ui_file_has_is_seen(tmp_path):
    path = plant(tmp_path, "a.py", "self.ui.there.text\nself.ui.gone.text\n")
    found = slicer_names.unknown_widgets(path, tmp_path, {"there"})
    assert found == ["a.py:2: no .ui file of the module has a widget gone"]


def test_cmake_lists_are_compared_and_rewritten(tmp_path):
    folder = tmp_path / "BreastSeg"
    shutil.copytree(ROOT / "BreastSeg", folder, ignore=shutil.ignore_patterns("__pycache__", "Models", ".part-*"))
    cmake_lists.rewrite(tmp_path, ["BreastSeg"])
    assert cmake_lists.problems(tmp_path, ["BreastSeg"]) == []
    (folder / "BreastSegLib" / "new.py").write_text("")
    (folder / "Resources" / "new.json").write_text("{}")
    (folder / "BreastSegLib" / "errors.py").unlink()
    assert cmake_lists.problems(tmp_path, ["BreastSeg"]) == [
        "BreastSeg/CMakeLists.txt does not list BreastSegLib/new.py",
        "BreastSeg/CMakeLists.txt lists BreastSegLib/errors.py, which does not exist",
        "BreastSeg/CMakeLists.txt does not list Resources/new.json",
    ]
    assert cmake_lists.rewrite(tmp_path, ["BreastSeg"]) == ["BreastSeg"]
    assert cmake_lists.problems(tmp_path, ["BreastSeg"]) == []
    assert cmake_lists.rewrite(tmp_path, ["BreastSeg"]) == []
