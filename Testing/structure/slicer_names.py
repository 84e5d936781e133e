"""Every qt, ctk, vtk and slicer name in the extension's source must exist in real Slicer."""

import ast
import functools
import importlib
import re
import xml.etree.ElementTree as xml

DYNAMIC_PROPERTIES = {"SlicerParameterName"}


def chains(tree):
    """Yield (line, parts) for every dotted name that starts with qt, ctk, vtk or slicer, and for imports from them."""
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in inner:
            parts, base = [], node
            while isinstance(base, ast.Attribute):
                parts.append(base.attr)
                base = base.value
            # A chain that goes on after a call, such as slicer.app.layoutManager().x, counts up to the call.
            if isinstance(base, ast.Name) and base.id in ("qt", "ctk", "vtk", "slicer"):
                yield node.lineno, [base.id, *reversed(parts)]
        elif (
            isinstance(node, ast.ImportFrom)
            and not node.level
            and node.module.split(".")[0] in ("qt", "ctk", "slicer")
        ):
            for alias in node.names:
                if alias.name != "*":
                    yield node.lineno, [*node.module.split("."), alias.name]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("slicer."):
                    yield node.lineno, alias.name.split(".")


def unknown(parts, record):
    """Return the first name of a chain that Slicer does not have, as dotted text, or ''.

    Parameters
    ----------
    parts : list of str
        For example ['qt', 'QProcess', 'Running'].
    record : Record
        What exists.
    """
    root, name, rest = parts[0], parts[1], parts[2:]
    if root == "vtk" or name.startswith("vtk"):
        return "" if _in_vtk(root, name, tuple(rest[:1])) else ".".join(parts[: 2 + bool(rest)])
    if root == "slicer":
        for length in (3, 2):
            module = ".".join(parts[:length])
            if module in record.python:
                known = len(parts) <= length or parts[length] in record.python[module]
                return "" if known else ".".join(parts[: length + 1])
        if name in ("app", "modules"):
            return "" if not rest or rest[0] in getattr(record, name) else ".".join(parts[:3])
        if name == "mrmlScene":
            return "" if not rest or _in_vtk("slicer", "vtkMRMLScene", (rest[0],)) else ".".join(parts[:3])
    key = f"{root}.{name}"
    if key in record.classes:
        return "" if not rest or rest[0] in record.members(key) else ".".join(parts[:3])
    return "" if name in record.names[root] else key


@functools.cache
def _in_vtk(root, name, member):
    """Whether VTK (vtk) or slicer-core (slicer) has a class, and the class the member."""
    module = importlib.import_module(root)
    return hasattr(module, name) and (not member or hasattr(getattr(module, name), member[0]))


def problems(path, root, record):
    """Return a sentence for every name in a Python file that Slicer does not have."""
    where = path.relative_to(root).as_posix()
    found = {
        (line, unknown(parts, record))
        for line, parts in chains(ast.parse(path.read_text(encoding="utf-8"), str(path)))
    }
    return [f"{where}:{line}: {name} does not exist in Slicer" for line, name in sorted(found) if name]


def ui_problems(path, root, record):
    """Return a sentence for every class or property in a .ui file that Slicer does not have."""
    where = path.relative_to(root).as_posix()
    try:
        tree = xml.parse(path).getroot()
    except xml.ParseError as error:
        return [f"{where}: is not well-formed XML: {error}"]
    result, names = [], set()
    for widget in tree.iter("widget"):
        kind, name = widget.get("class"), widget.get("name")
        if name in names:
            result.append(f"{where}: two widgets are named {name}")
        names.add(name)
        key = record.find_class(kind)
        if key is None:
            result.append(f"{where}: {name}: the class {kind} does not exist in Slicer")
            continue
        known = record.properties(key) | DYNAMIC_PROPERTIES
        result += [
            f"{where}: {name}: {kind} has no property {p.get('name')}"
            for p in widget.findall("property")
            if p.get("name") not in known
        ]
    result += [
        f"{where}: the layout class {layout.get('class')} does not exist in Slicer"
        for layout in tree.iter("layout")
        if record.find_class(layout.get("class")) is None
    ]
    return result


def ui_names(path):
    """Return the names of the widgets, layouts and actions in a .ui file."""
    return {
        e.get("name")
        for kind in ("widget", "layout", "action", "spacer")
        for e in xml.parse(path).getroot().iter(kind)
    }


def unknown_widgets(path, root, names):
    """Return a sentence for every ``….ui.NAME`` in a file where no .ui file of the module has NAME."""
    where, result = path.relative_to(root).as_posix(), []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, (ast.Attribute, ast.Name)):
            owner = node.value.attr if isinstance(node.value, ast.Attribute) else node.value.id
            if owner == "ui" and not re.fullmatch("__.*__", node.attr) and node.attr not in names:
                result.append(f"{where}:{node.lineno}: no .ui file of the module has a widget {node.attr}")
    return result
