"""Who may import whom: the arrows of the house, and where torch, Qt, MRML and threads belong."""

import ast
import sys
from pathlib import Path

FOUNDATION = ("errors", "volume", "files", "tables")
APPLICATION = {"slicer", "vtk", "vtkmodules", "qt", "ctk", "PythonQt", "DICOMLib", "PySide6"}
TORCH = {"torch", "torchvision", "nnunetv2"}
THREADS = {"threading", "_thread", "multiprocessing", "concurrent", "asyncio"}
# What every Slicer has, so that it may be imported at the top of a file; the rest is imported where it is used.
BUNDLED = {"numpy", "scipy", "SimpleITK", "pydicom", "highdicom", "slicer", "vtk", "qt", "ctk", "DICOMLib"}
OURS = {"BreastSegLib", "BreastSegTrainingLib"}

_LOW = {"foundation", "exam", "recipe", "models", "measures", "samples", "reports", "inference", "executors"}
_TRAINING = {
    *("parallel", "cases", "checks", "quality", "dataset", "presets", "trainers", "launch", "curves", "evaluation"),
    *("publish", "experiments"),
}
# Room → the rooms of the same package that it may import, besides itself.
ARROWS = {
    "BreastSegLib": {
        "foundation": set(),
        "exam": {"foundation"},
        "recipe": {"foundation", "exam"},
        "models": {"foundation"},
        "measures": {"foundation"},
        "samples": {"foundation", "exam"},
        "reports": {"foundation", "measures"},
        "inference": {"foundation"},
        "executors": {"foundation", "inference"},
        "networks": {"foundation", "inference", "models"},
        "child": {"foundation", "inference", "networks"},
        "pipeline": _LOW | {"networks"},
        "pacs": _LOW | {"pipeline"},
        "worker": _LOW | {"networks", "child", "pipeline"},
        "scene": _LOW | {"pipeline"},
        "panel": _LOW | {"pipeline", "scene"},
        "commands": _LOW | {"pipeline", "pacs"},
        "__main__": _LOW | {"pipeline", "commands"},
        "__init__": set(),
    },
    "BreastSegTrainingLib": {
        "parallel": set(),
        "cases": set(),
        "checks": {"cases", "parallel"},
        "quality": {"cases", "parallel"},
        "dataset": {"cases", "checks", "parallel"},
        "trainers": set(),
        "presets": {"trainers"},
        "launch": {"cases", "dataset", "presets", "trainers"},
        "process": {"dataset", "launch", "trainers"},
        "curves": {"launch"},
        "evaluation": {"cases", "dataset", "launch", "parallel"},
        "publish": {"cases", "curves", "dataset", "launch", "presets", "trainers"},
        "experiments": _TRAINING,
        "commands": _TRAINING,
        "scene": _TRAINING,
        "panel": _TRAINING | {"scene"},
        "__main__": {"commands"},
        "__init__": set(),
    },
}
WITH_APPLICATION = {"scene", "panel", "door"}
WITH_TORCH = {"networks", "trainers", "process"}
# Of `inference`, what only the child process runs: an ordinary Python, where threads do not starve.
IN_THE_CHILD = {"ahead", "environment", "inbox"}
WITHOUT_THREADS = WITH_APPLICATION | {"inference"}


def room_of(parts):
    """Return (package, room) of a module, given the parts of its dotted name; ('', 'door') outside the libraries."""
    if parts[0] not in ARROWS:
        return "", "door"
    if len(parts) == 1:
        return parts[0], "__init__"
    if parts[1] in FOUNDATION:
        return parts[0], "foundation"
    if parts[1:3] in (("inference", "networks"), ("inference", "worker")):
        return parts[0], parts[2]
    if parts[1] == "inference" and parts[2:3] and parts[2] in IN_THE_CHILD:
        return parts[0], "child"
    return parts[0], parts[1]


def imports_of(tree, parts, is_package):
    """Yield (line, dotted name as a tuple, at the top of the file) for every import in a syntax tree.

    ``from a import b`` gives a.b: whether b is a module or a name in one, its room is the same.
    """
    top = {id(node) for node in _file_scope(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, tuple(alias.name.split(".")), id(node) in top
        elif isinstance(node, ast.ImportFrom):
            base = parts if is_package else parts[:-1]
            base = base[: len(base) - node.level + 1] if node.level else ()
            for alias in node.names:
                yield (
                    node.lineno,
                    (*base, *(node.module or "").split("."), alias.name) if node.module else (*base, alias.name),
                    id(node) in top,
                )


def _file_scope(tree):
    """Yield the statements that run when the file is imported, blocks such as try and if included."""
    todo = list(tree.body)
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            todo += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt | ast.ExceptHandler)]
        elif isinstance(node, ast.ClassDef):
            todo += node.body


def problems(path, root):
    """Return a sentence for every import of a file that breaks a rule.

    Parameters
    ----------
    path : Path
        A Python file in one of the modules' folders.
    root : Path
        The project folder.
    """
    relative = Path(path).relative_to(root)
    parts = tuple(relative.with_suffix("").parts[1:])
    is_package = parts[-1] == "__init__"
    parts = parts[:-1] if is_package else parts
    package, room = room_of(parts)
    if package and room not in ARROWS[package]:
        return [
            f"{relative.as_posix()}: {room} is no room of the house; add its arrows to Testing/structure/imports.py"
        ]
    tree = ast.parse(Path(path).read_text(encoding="utf-8"), str(path))
    result = []
    for line, name, at_top in imports_of(tree, parts, is_package):
        reason = _reason(package, room, name, at_top)
        if reason:
            result.append(f"{relative.as_posix()}:{line}: {room} imports {'.'.join(name)}: {reason}")
    return result


def _reason(package, room, name, at_top):
    if name[0] in OURS:
        return _inner_reason(package, room, name)
    if name[0] in APPLICATION and room not in WITH_APPLICATION:
        return "only scene, panel and the module files know the application"
    if name[0] in TORCH and room not in WITH_TORCH:
        return "only inference/networks and the trainers know torch and nnU-Net"
    if name[0] in THREADS and room in WITHOUT_THREADS:
        return "threads starve in the application"
    if at_top and room not in WITH_TORCH and name[0] not in BUNDLED | set(sys.stdlib_module_names) | {"__future__"}:
        return "Slicer does not bundle it, so import it in the function that uses it"
    return ""


def _inner_reason(package, room, name):
    target_package, target = room_of(name)
    if target_package == "BreastSegTrainingLib" and package == "BreastSegLib":
        return "the library never imports the training library"
    if target == "__init__" or (target_package, target) == (package, room):
        return ""
    if package == "":
        return ""
    if target not in ARROWS[target_package]:
        # `from BreastSegLib import __version__` and the like: a name of the package itself.
        return ""
    if package != target_package:
        if target in WITH_APPLICATION and room not in WITH_APPLICATION:
            return "only scene, panel and the module files know the application"
        return ""
    return (
        ""
        if target in ARROWS[package][room]
        else f"arrows point down; {room} may use " + (", ".join(sorted(ARROWS[package][room])) or "nothing of ours")
    )
