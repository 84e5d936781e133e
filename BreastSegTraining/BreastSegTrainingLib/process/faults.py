"""What a fault of torch, nnU-Net or the system means for a person: one sentence, and what to do."""

import errno

from BreastSegLib.errors import BreastSegError
from BreastSegLib.inference.networks.devices import SLOWER

from ..launch.exits import NO_COMPILER, SHORT_OF_MEMORY, TOLD
from ..launch.foldstate import LOG
from ..launch.truth import RESUME

_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "bad alloc",
    "cublas_status_alloc_failed",
)
_COMPILERS = ("torch._dynamo", "torch._inductor", "triton")
_LIBRARY_IS_WRONG = ("no kernel image", "device kernel image is invalid", "not compiled with cuda")


def explain(error, training=True):
    """Return (exit code, message, hint) for an exception.

    Parameters
    ----------
    error : BaseException
    training : bool
        Whether epochs were being trained: then less memory helps.
    """
    text = " ".join(str(error).split())
    if isinstance(error, BreastSegError):
        where = f" ({error.where})" if error.where else ""
        return TOLD, f"{error.what.rstrip('. ')}{where}", error.hint
    reason = getattr(error, "reason", "")
    if type(error).__name__ == "CheckpointNotWritten":
        return TOLD, f"The checkpoint could not be written: {reason}", f"Free some space. {RESUME}"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return TOLD, "The disk is full", f"Free some space. {RESUME}"
    if type(error).__name__ in ("SettingsWrong", "EncoderWeightsUnfit"):
        return TOLD, text, "Start the training anew with other settings"
    if is_memory(error):
        return SHORT_OF_MEMORY if training else TOLD, f"Out of memory: {text[:200]}", f"Close other programs. {RESUME}"
    if any(words in text.lower() for words in _LIBRARY_IS_WRONG):
        return TOLD, "This PyTorch build does not support the GPU", f"Install one that does. {SLOWER}"
    if _of_compiler(error):
        return NO_COMPILER, f"The network could not be compiled: {text[:200]}", ""
    return TOLD, f"{type(error).__name__}: {text[:300]}", f"See {LOG}. {RESUME}"


def is_memory(error):
    """Return whether an exception says that memory was short, on the device or in the computer."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in text for words in _MEMORY)
    )


def _of_compiler(error):
    while error is not None:
        if type(error).__module__.startswith(_COMPILERS):
            return True
        error = error.__cause__
    return False
