"""Loaded by every Python of the queue's tests: the process that trains is replaced by a small one without torch."""

import os
import sys
from pathlib import Path

_NAME = "BreastSegTrainingLib.launch.interpreter"


class _Finder:
    """Changes the one function after its module has been loaded."""

    def find_spec(self, name, path=None, target=None):
        if name != _NAME:
            return None
        sys.meta_path.remove(self)
        import importlib.util

        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            command = module.command
            fake = str(Path(__file__).with_name("fake_process.py"))
            module.command = lambda name, *rest: (
                (sys.executable, fake, *map(str, rest)) if name == "process" else command(name, *rest)
            )

        spec.loader.exec_module = exec_module
        return spec


if os.environ.get("BREASTSEG_FAKE_FOLD"):
    sys.meta_path.insert(0, _Finder())
