"""Small rules of style that a machine can see."""

import ast
import re

MAXIMUM_LINES, MAXIMUM_FUNCTION, MAXIMUM_WIDTH = 450, 70, 119
# Written in two halves so that this file does not match.
LEFTOVERS = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b")


def problems(path, root):
    """Return a sentence for every breach in a file.

    Parameters
    ----------
    path : Path
        A Python file.
    root : Path
        The project folder.
    """
    relative = path.relative_to(root)
    where = relative.as_posix()
    data = path.read_bytes()
    text = data.decode("utf-8")
    lines = text.splitlines()
    library = any(part.endswith("Lib") for part in relative.parts[:-1])
    result = [f"{where}: lines end with CR LF"] if b"\r" in data else []
    if library and len(lines) > MAXIMUM_LINES:
        result.append(f"{where}: {len(lines)} lines; is there a second idea in it?")
    for number, line in enumerate(lines, 1):
        if LEFTOVERS.search(line):
            result.append(f"{where}:{number}: a leftover mark: {line.strip()[:60]}")
        if len(line) > MAXIMUM_WIDTH:
            result.append(f"{where}:{number}: {len(line)} characters wide")
    for node in ast.walk(ast.parse(text, str(path))):
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            result.append(f"{where}:{node.lineno}: bare except")
        if library and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = node.end_lineno - node.lineno + 1
            if length > MAXIMUM_FUNCTION:
                result.append(f"{where}:{node.lineno}: {node.name} is {length} lines long")
        if (
            library
            and path.stem != "__main__"
            and isinstance(node, ast.Call)
            and getattr(node.func, "id", "") == "print"
        ):
            result.append(f"{where}:{node.lineno}: print in the library")
    return result
