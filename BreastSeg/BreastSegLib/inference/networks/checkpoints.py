"""Opening a checkpoint without running what it holds (worker side)."""

import importlib
import pickle
import warnings

from ...errors import BadInput
from ...models import pickles, trust

FIELDS = ("network_weights", "trainer_name", "init_args")


def read_checkpoint(path):
    """Return the content of a checkpoint that nnU-Net v2 wrote.

    It is opened with torch's weights-only loader, which builds nothing but tensors, plain containers and the few
    classes that nnU-Net's checkpoints hold. A file that the user has trusted knowingly may also hold the very classes
    that it was trusted with.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict
        With `FIELDS`; tensors on the CPU.

    Raises
    ------
    BadInput
        If the file asks for more than weights need, and names what; if it is damaged or no checkpoint of nnU-Net v2.
    """
    import torch

    try:
        content = _weights_only(path, pickles.allowed())
    except pickle.UnpicklingError as error:
        trusted = trust.check_checkpoint(path)  # refuses the file by the names that it asks for, unless trusted
        content = _trusted_content(path, trusted, error)
    except Exception as error:  # what a damaged stream of opcodes leads to is without bounds
        raise _damaged(path, error) from error
    missing = [name for name in FIELDS if not isinstance(content, dict) or name not in content]
    if missing:
        raise BadInput(
            f"This is not a checkpoint of nnU-Net v2: it has no {', '.join(missing)}",
            _shown(path),
            "Choose a model that nnU-Net v2 has trained",
        )
    weights = content["network_weights"]
    named = isinstance(weights, dict) and all(isinstance(name, str) for name in weights)
    if not named or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        raise BadInput("The checkpoint holds no network weights", _shown(path), "Install the model again")
    return content


def _weights_only(path, names):
    import torch

    with warnings.catch_warnings(), torch.serialization.safe_globals(_found(names)):
        warnings.simplefilter("ignore")  # of old spellings of NumPy's names
        return torch.load(path, map_location="cpu", weights_only=True, mmap=_mappable(path))


def _found(names):
    """Return classes and functions with the names that checkpoints call them by, as far as they are installed."""
    found = []
    for name in names:
        module, _, attribute = name.rpartition(".")
        if module.partition(".")[0] == "torch":
            continue  # torch knows which of its own are harmless
        for place in (module.replace("numpy.core", "numpy._core"), module):
            try:
                found.append((getattr(importlib.import_module(place), attribute), name))
                break
            except (ImportError, AttributeError):
                continue
    return found


def _mappable(path):
    """Return whether a checkpoint is a zip archive: then only the weights are read, not the optimizer's state."""
    with open(path, "rb") as stream:
        return stream.read(4) == b"PK\x03\x04"


def _trusted_content(path, names, refused):
    """Return the content of a checkpoint with the names that the user trusts it with."""
    if not names:
        raise _damaged(path, refused) from refused
    try:
        return _weights_only(path, (*pickles.allowed(), *names))
    except Exception as error:  # whatever the trusted classes raise
        raise _damaged(path, error) from error


def _damaged(path, error):
    """Return the error for a file that names nothing strange and cannot be opened."""
    return BadInput(f"The checkpoint is damaged: {_first_line(error)}", _shown(path), "Install the model again")


def _shown(path):
    return f"{path.parent.name}/{path.name}"


def _first_line(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
