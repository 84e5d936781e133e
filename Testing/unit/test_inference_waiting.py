"""How threads wait for each other: as is best beside other programs, unless the user says otherwise."""

import json
import os
import subprocess
import sys

import pytest
from BreastSegLib.inference.waiting import SETTINGS, set_waiting


@pytest.mark.parametrize("own", [{}, {"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "7"}], ids=str)
def test_what_the_user_has_set_stays(own):
    environment = {"PATH": "/bin", **own}
    set_waiting(environment)
    assert environment == {"PATH": "/bin", **(own or SETTINGS)}


def test_the_processes_that_train_start_without_torch():
    """They set it when they begin: torch must not be there yet."""
    code = "import sys, BreastSegTrainingLib.process.__main__; print('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["False"]


def test_it_is_set_before_torch_is_imported():
    code = (
        "import json, os, sys\n"
        "from BreastSegLib.inference.networks.devices import list_devices\n"
        "before = 'torch' in sys.modules\n"
        "list_devices()\n"
        "print(json.dumps([before, {name: os.environ.get(name) for name in sys.argv[1:]}]))"
    )
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    command = [sys.executable, "-c", code, *SETTINGS]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout.splitlines()[-1]) == [False, SETTINGS]
