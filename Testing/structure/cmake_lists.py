"""The lists of scripts and resources in a module's CMakeLists.txt, compared with the files on disk or rewritten."""

from . import MODULES, ROOT

KINDS = ("scripts", "resources")


def files_of(module, kind, root=ROOT):
    """Return the paths that belong in a list, relative to the module's folder, sorted.

    Parameters
    ----------
    module : str
        Name of the module and of its folder.
    kind : str
        'scripts' (Python files) or 'resources' (everything else under Resources).
    root : Path
        The project folder.
    """
    folder = root / module
    if kind == "scripts":
        found = [p for p in folder.rglob("*.py") if "Resources" not in p.relative_to(folder).parts]
    else:
        found = [p for p in (folder / "Resources").rglob("*") if p.is_file()]
    names = (p.relative_to(folder) for p in found)
    return sorted(
        p.as_posix()
        for p in names
        if "__pycache__" not in p.parts and not any(part.startswith(".") for part in p.parts)
    )


def listed(module, kind, root=ROOT):
    """Return the lines between the markers of a list, as they stand.

    Raises
    ------
    ValueError
        If a marker is missing.
    """
    before, lines, after = _split((root / module / "CMakeLists.txt").read_text(encoding="utf-8"), kind)
    return [line.strip().strip('"') for line in lines if line.strip()]


def problems(root=ROOT, modules=MODULES):
    """Return a sentence for each file that is missing in a list, or listed and missing on disk."""
    result = []
    for module in modules:
        for kind in KINDS:
            wanted, there = files_of(module, kind, root), listed(module, kind, root)
            result += [f"{module}/CMakeLists.txt does not list {name}" for name in wanted if name not in there]
            result += [
                f"{module}/CMakeLists.txt lists {name}, which does not exist" for name in there if name not in wanted
            ]
            if there != sorted(set(there)):
                result.append(f"{module}/CMakeLists.txt: the {kind} are not sorted, or listed twice")
    return result


def rewrite(root=ROOT, modules=MODULES):
    """Write the lists anew and return the names of the modules whose file changed."""
    changed = []
    for module in modules:
        path = root / module / "CMakeLists.txt"
        old = text = path.read_text(encoding="utf-8")
        for kind in KINDS:
            before, _, after = _split(text, kind)
            names = [f'  "{name}"' if " " in name else f"  {name}" for name in files_of(module, kind, root)]
            text = "\n".join([*before, *names, *after])
        if text != old:
            path.write_text(text, encoding="utf-8", newline="\n")
            changed.append(module)
    return changed


def _split(text, kind):
    lines = text.split("\n")
    stripped = [line.strip() for line in lines]
    begin, end = stripped.index(f"# begin {kind}"), stripped.index(f"# end {kind}")
    return lines[: begin + 1], lines[begin + 1 : end], lines[end:]
