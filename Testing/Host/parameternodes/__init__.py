"""Typed parameter nodes: the host's own ``slicer.parameterNodeWrapper``.

`modules()` returns the Python modules to install; the names in them are those of the record, and a recorded name that
is not built here says so.
"""

import types

from .. import record


def modules() -> dict:
    """Return full module name -> module for ``slicer.parameterNodeWrapper`` and its submodules."""
    from . import annotations, connectors, validators, wrapper

    sources = {
        "slicer.parameterNodeWrapper": (annotations, validators, connectors, wrapper),
        "slicer.parameterNodeWrapper.validators": (validators,),
        "slicer.parameterNodeWrapper.guiConnectors": (annotations, connectors),
        "slicer.parameterNodeWrapper.types": (),
    }
    return {name: _module(name, parts) for name, parts in sources.items()}


def _module(fullName: str, parts) -> types.ModuleType:
    module = types.ModuleType(fullName)
    recorded = record.load()["python"][fullName]
    for part in parts:
        for name in recorded:
            if hasattr(part, name):
                setattr(module, name, getattr(part, name))
    module.__all__ = [name for name in recorded if name in vars(module)]
    if fullName == "slicer.parameterNodeWrapper":
        module.__path__ = []

    def missing(name):
        if name in recorded:
            raise record.NotProvided(fullName, name)
        raise AttributeError(f"module '{fullName}' has no attribute '{name}'")

    module.__getattr__ = missing
    return module
