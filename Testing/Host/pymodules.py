"""The small Python submodules of ``slicer``: i18n, packaging, testing, logic."""

import importlib.metadata
import inspect
import logging
import pathlib
import types

from packaging.requirements import InvalidRequirement, Requirement

from . import record


def recordedModule(name: str, members: dict) -> types.ModuleType:
    """Return a module with these members, which refuses other names; each must be in the record."""
    module = types.ModuleType(name)
    recorded = record.load()["python"][name]
    unknown = set(members) - set(recorded)
    if unknown:
        raise ValueError(f"{name} has no {', '.join(sorted(unknown))} in the real application")
    vars(module).update(members)

    def missing(attribute):
        if attribute in recorded:
            raise record.NotProvided(name, attribute)
        raise AttributeError(f"module '{name}' has no attribute '{attribute}'")

    module.__getattr__ = missing
    return module


# i18n: the application runs in English, so texts stay as they are


def getContext(sourceFile):
    """Return the translation context of a source file: its name, with its package in front when it has one."""
    path = pathlib.Path(sourceFile)
    parts = [path.stem] if path.stem != "__init__" else []
    folder = path.parent
    while (folder / "__init__.py").exists():
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts)


def tr(text):
    """Return the text in the user's language."""
    return translate(getContext(inspect.stack()[1].filename), text)


def translate(context, text):
    """Return the text in the user's language."""
    from PySide6 import QtCore

    if not isinstance(text, str):
        raise TypeError(f"The text to translate must be a str, not {type(text).__name__}")
    return QtCore.QCoreApplication.translate(context, text)


# packaging


def _requirements(requirements):
    entries = requirements if isinstance(requirements, (list, tuple)) else [requirements]
    return [entry if isinstance(entry, Requirement) else Requirement(entry) for entry in entries]


def pip_check(req, _seen=None) -> bool:
    """Whether requirements are met by what is installed, extras' requirements included.

    Parameters
    ----------
    req : str, Requirement or list of them
    """
    seen = set() if _seen is None else _seen
    return all(_isMet(requirement, seen) for requirement in _requirements(req))


def _isMet(requirement, seen) -> bool:
    if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
        return True
    try:
        distribution = importlib.metadata.distribution(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return False
    if not requirement.specifier.contains(distribution.version, prereleases=True):
        return False
    key = (requirement.name.lower(), frozenset(requirement.extras))
    if not requirement.extras or key in seen:
        return True
    seen.add(key)
    for text in distribution.requires or []:
        inner = Requirement(text)
        wanted = inner.marker is not None and any(
            inner.marker.evaluate({"extra": extra}) for extra in requirement.extras
        )
        if wanted and not pip_check(inner, seen):
            return False
    return True


def load_requirements(path) -> list:
    """Return the requirements of a requirements file."""
    lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    lines = [line.split(" #")[0].strip() for line in lines]
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def load_pyproject_dependencies(path) -> list:
    """Return the dependencies of a pyproject.toml."""
    import tomllib

    with open(path, "rb") as stream:
        return [Requirement(text) for text in tomllib.load(stream).get("project", {}).get("dependencies", [])]


def pip_ensure(
    requirements,
    constraints=None,
    skip_packages=None,
    prompt_install=True,
    prompt_restart=True,
    requester=None,
    skip_in_testing=True,
    show_progress=True,
):
    """Install what is missing. The host installs nothing: it asks nobody, so this counts as a user who declined.

    Raises
    ------
    RuntimeError
        Something is missing, and the application is not in testing mode.
    """
    import slicer

    missing = [requirement for requirement in _requirements(requirements) if not pip_check(requirement)]
    if not missing:
        return []
    if skip_in_testing and slicer.app.testingEnabled():
        logging.info(f"Testing mode is enabled: skipping installation of {', '.join(map(str, missing))}")
        return []
    raise RuntimeError(f"User declined installation of required packages: {', '.join(map(str, missing))}")


def isPipInstallInProgress() -> bool:
    """Whether an installation runs; never in the host."""
    return False


# testing


def exitSuccess():
    """End the application with success."""
    import slicer

    slicer.util.exit(slicer.util.EXIT_SUCCESS)


def exitFailure(message=""):
    """End the application with failure, saying why."""
    import slicer

    if message:
        logging.error(message)
    slicer.util.exit(slicer.util.EXIT_FAILURE)


def runUnitTest(path, testname):
    """Run the unit tests of one Python module and end the application with the outcome."""
    import sys
    import unittest

    for folder in reversed(path if isinstance(path, (list, tuple)) else [path]):
        sys.path.insert(0, str(folder))
    suite = unittest.defaultTestLoader.loadTestsFromName(testname)
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    if result.wasSuccessful():
        exitSuccess()
    else:
        exitFailure()


def build() -> dict:
    """Return full module name -> module."""
    import slicer

    logicNames = [name for name in record.load()["python"]["slicer.logic"] if hasattr(slicer, name)]
    return {
        "slicer.i18n": recordedModule(
            "slicer.i18n", {"getContext": getContext, "tr": tr, "translate": translate, "FILEPATH_TO_CONTEXT": {}}
        ),
        "slicer.packaging": recordedModule(
            "slicer.packaging",
            {
                "Requirement": Requirement,
                "InvalidRequirement": InvalidRequirement,
                "pip_check": pip_check,
                "pip_ensure": pip_ensure,
                "load_requirements": load_requirements,
                "load_pyproject_dependencies": load_pyproject_dependencies,
                "isPipInstallInProgress": isPipInstallInProgress,
            },
        ),
        "slicer.testing": recordedModule(
            "slicer.testing", {"exitSuccess": exitSuccess, "exitFailure": exitFailure, "runUnitTest": runUnitTest}
        ),
        "slicer.logic": recordedModule("slicer.logic", {name: getattr(slicer, name) for name in logicNames}),
    }
