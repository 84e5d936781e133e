"""nnU-Net's own check of a dataset, in a Python process of its own: torch and nnU-Net never come into ours."""

import subprocess
import sys

from BreastSegLib.errors import BadInput

CODE = """
import sys
try:
    from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity
except ImportError:
    sys.exit(3)
verify_dataset_integrity(sys.argv[1], int(sys.argv[2]))
"""
NOT_INSTALLED = 3


def verify_with_nnunet(folder, workers=2, python=None):
    """Let nnU-Net check a raw dataset (what its option ``--verify_dataset_integrity`` does).

    Parameters
    ----------
    folder : str or Path
        ``DatasetNNN_Name``.
    workers : int
        Processes.
    python : str, optional
        Interpreter with nnU-Net; the running one when not given.

    Raises
    ------
    BadInput
        If nnU-Net is not installed there, or finds a fault; the message is its last line.
    """
    command = [str(python or sys.executable), "-c", CODE, str(folder), str(workers)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise BadInput(f"Python cannot be started: {error.strerror}", command[0], "Leave out --verify") from error
    if done.returncode == NOT_INSTALLED:
        raise BadInput("nnU-Net is not installed, so it cannot check the dataset", hint="Leave out --verify")
    if done.returncode:
        said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise BadInput(f"nnU-Net found a fault in the dataset: {said[-1] if said else 'it says nothing'}", folder)
