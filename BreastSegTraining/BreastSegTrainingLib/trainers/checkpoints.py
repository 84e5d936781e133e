"""Checkpoints that are whole or not there: written beside the old one, and found again after a crash."""

import errno
import os
import pickle
import zipfile
from pathlib import Path

import torch

from .failures import CheckpointNotWritten

FINAL, LATEST, PREVIOUS, BEST = NAMES = tuple(
    f"checkpoint_{word}.pth" for word in ("final", "latest", "previous", "best")
)
DAMAGED = ".damaged"  # added to the name of a file that could not be read, so that it does not replace a good one


def write(checkpoint, path):
    """Write a checkpoint; the file of that name is as it was until the new one is complete.

    A ``checkpoint_latest.pth`` that is replaced becomes ``checkpoint_previous.pth``.

    Parameters
    ----------
    checkpoint : dict
        As nnU-Net's trainer makes it.
    path : str or Path

    Raises
    ------
    CheckpointNotWritten
        If the disk is full or cannot be written.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.part")
    try:
        with open(part, "wb") as stream:
            torch.save(checkpoint, stream)
            stream.flush()
            os.fsync(stream.fileno())
        if path.name == LATEST and path.exists():
            os.replace(path, path.with_name(PREVIOUS))
        os.replace(part, path)
    except (OSError, RuntimeError) as error:
        cause = error if isinstance(error, OSError) else error.__context__
        if not isinstance(cause, OSError):
            raise
        raise CheckpointNotWritten(path, reason(cause)) from error
    finally:
        part.unlink(missing_ok=True)


def reason(error):
    """Return what the system said, in words."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full"
    return error.strerror or type(error).__name__


def resume(trainer):
    """Load the newest whole checkpoint of a fold run into its trainer.

    A file that is damaged is set aside under another name and told of. Where there is no checkpoint at all, the
    training begins at its start.

    Parameters
    ----------
    trainer : nnUNetTrainer
        Initialized or not.

    Returns
    -------
    tuple of (int, str)
        Finished epochs, and '' or a sentence about files that were damaged.
    """
    folder, whole, damaged = Path(trainer.output_folder), [], []
    for name in NAMES:
        if (folder / name).is_file():
            epoch = finished_epochs(folder / name)
            if epoch is None:
                os.replace(folder / name, folder / (name + DAMAGED))
                damaged.append(name)
            else:
                whole.append((epoch, -NAMES.index(name), name))
    if whole:
        trainer.load_checkpoint(str(folder / max(whole)[2]))
    return trainer.current_epoch, _told(damaged, max(whole) if whole else None)


def _told(damaged, taken):
    if not damaged:
        return ""
    files = " and ".join(damaged)
    if taken is None:
        return f"{files} damaged and no other checkpoint: the training begins again"
    return f"{files} damaged: the training goes on from {taken[2]} after epoch {taken[0]}"


def finished_epochs(path):
    """Return how many epochs a checkpoint has seen; None where it is damaged.

    Every byte is read and compared with the file's checksums; the tensors themselves are not kept.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                return None
        content = torch.load(path, map_location="cpu", weights_only=False, mmap=True)  # our own file
        complete = "network_weights" in content and "optimizer_state" in content and "logging" in content
        return int(content["current_epoch"]) if complete else None
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, EOFError, AttributeError):
        return None
    except (zipfile.BadZipFile, zipfile.LargeZipFile, pickle.UnpicklingError, NotImplementedError):
        return None
