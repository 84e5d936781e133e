"""The rules that the project keeps about its own files; Testing/unit/test_structure.py applies them."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULES = ("BreastSeg", "BreastSegTraining")


def python_files(root=ROOT, folders=MODULES):
    """Return the Python files under `folders` of `root`, sorted, without caches."""
    return sorted(p for folder in folders for p in (root / folder).rglob("*.py") if "__pycache__" not in p.parts)
