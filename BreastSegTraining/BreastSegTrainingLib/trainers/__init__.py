"""Trainers for nnU-Net: a package that also works alone, copied beside a model. This file needs no torch."""

import filecmp
import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from .failures import CheckpointNotWritten, EncoderWeightsUnfit, SettingsWrong, StopTraining
from .settings import entry, names, resolve

__all__ = [
    "CheckpointNotWritten",
    "EncoderWeightsUnfit",
    "SettingsWrong",
    "StopTraining",
    "copy_to",
    "describe",
    "names",
    "resolve",
]
PACKAGE = "breastseg_trainers"  # name of the copy
NETWORKS = "architectures"


def describe(name):
    """Return what a trainer is.

    Returns
    -------
    dict
        ``name``, ``title``, ``source`` (M1 … M5), ``settings`` (all of them), ``architectures``: the networks of the
        method, each with ``name`` and ``arch_kwargs``; empty where nnU-Net plans the network.

    Raises
    ------
    SettingsWrong
        If there is no such trainer.
    """
    row = entry(name)
    return {"name": name, **row, "settings": resolve(name)}


def copy_to(folder):
    """Write the trainers with their networks into ``folder/breastseg_trainers``.

    With ``nnUNet_extTrainer=folder`` plain nnU-Net finds them on any computer. A copy that is there already is
    replaced only if it differs.

    Parameters
    ----------
    folder : str or Path

    Returns
    -------
    Path
        Of the copy.
    """
    folder, target = Path(folder), Path(folder, PACKAGE)
    files = _files()
    if _same(target, files):
        return target
    folder.mkdir(parents=True, exist_ok=True)
    fresh, old = (folder / f".{PACKAGE}.{word}.{os.getpid()}" for word in ("new", "old"))
    try:
        for name, source in files.items():
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, fresh / name)
        if target.exists():
            os.replace(target, old)
        os.replace(fresh, target)
    except OSError:
        if not _same(target, files):  # else another fold run has just written it
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    return target


def _files():
    """Return {relative name: path} of what a copy consists of."""
    here = Path(__file__).parent
    networks = here / NETWORKS
    if not networks.is_dir():
        networks = Path(find_spec("BreastSegLib.inference.networks.architectures").origin).parent
    files = {path.name: path for path in here.iterdir() if path.suffix in (".py", ".json")}
    files.update((f"{NETWORKS}/{path.name}", path) for path in networks.iterdir() if path.suffix in (".py", ".json"))
    return files


def _same(target, files):
    there = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.suffix in (".py", ".json")}
    return there == set(files) and all(
        filecmp.cmp(target / name, source, shallow=False) for name, source in files.items()
    )
