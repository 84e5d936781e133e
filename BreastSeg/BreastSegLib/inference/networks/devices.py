"""Which processors can run a network, and why a GPU cannot. torch is imported inside the functions."""

import os
import re
import subprocess
import warnings

from ...errors import DeviceUnavailable
from ..hostmemory import main_memory
from ..waiting import set_waiting

SLOWER = "Use --device cpu (slower)"
SMI_LIMIT_S = 5.0


def list_devices():
    """Return what networks can run on: every GPU, then the CPU. Works without torch too: then only the CPU.

    Returns
    -------
    list of dict
        ``device`` (``cuda:0`` … ``cpu``), ``name``, ``memory_total`` and ``memory_free`` (bytes; None: unknown),
        ``capability`` (``8.6``; '' for the CPU) and ``problem``: '' or why it cannot be used.
    """
    total, free = main_memory()
    cpu = {"device": "cpu", "name": "CPU", "memory_total": total, "memory_free": free, "capability": "", "problem": ""}
    try:
        torch = _torch()
    except (ImportError, OSError):  # OSError: a library of torch cannot be loaded
        return [cpu]
    return [*_gpus(torch), cpu]


def choose(device):
    """Return the `torch.device` to run on, after trying it out. Nothing falls back silently.

    Parameters
    ----------
    device : {'auto', 'cpu', 'cuda'} or str
        ``auto`` and ``cuda`` are the GPU with the most free memory; ``cuda:1`` is that very GPU.

    Raises
    ------
    DeviceUnavailable
        If there is no such GPU or it does not work; says why, and what to do.
    """
    try:
        torch = _torch()
    except (ImportError, OSError) as error:
        raise DeviceUnavailable(
            f"PyTorch cannot be loaded: {_first_line(error)}",
            hint="models check-environment says how to mend it",
        ) from error
    if device == "cpu":
        return torch.device("cpu")
    if not re.fullmatch(r"auto|cuda(:\d+)?", str(device)):
        raise DeviceUnavailable(f"Unknown device {device!r}", hint="Devices: auto, cpu, cuda, cuda:0, cuda:1 …")
    problem = why_no_gpu()
    if problem:
        raise DeviceUnavailable(f"There is no usable GPU: {problem[0]}", hint=problem[1])
    rows = _gpus(torch)
    row = _named(device, rows) if ":" in device else _roomiest(rows)
    if row["problem"]:
        raise DeviceUnavailable(
            row["problem"], row["device"], "Install a PyTorch build that supports this GPU, or use --device cpu"
        )
    chosen = torch.device(row["device"])
    _touch(torch, chosen, row)
    return chosen


def cuda_version():
    """Return the version of CUDA that torch was built for, or None."""
    return _torch().version.cuda


def why_no_gpu():
    """Return None if CUDA starts, else (reason, what to do) in plain words."""
    torch = _torch()
    with warnings.catch_warnings(record=True):  # they say what the sentence below says
        warnings.simplefilter("always")
        if torch.cuda.is_available() and torch.cuda.device_count():
            return None
        if torch.version.cuda is None and getattr(torch.version, "hip", None) is None:
            return "this PyTorch has no CUDA support", SLOWER
        try:
            torch.cuda.init()
        except (RuntimeError, AssertionError) as error:
            return _said(" ".join(str(error).split()), torch.version.cuda)
    return "no NVIDIA GPU or driver was found", SLOWER


def _said(text, cuda):
    """Return (reason, what to do) for what CUDA said when it did not start."""
    if "too old" in text or "insufficient" in text:
        return f"the NVIDIA driver is too old for this PyTorch (CUDA {cuda})", "Update the driver, or use --device cpu"
    if "unsupported display driver" in text or "forward compatibility" in text:
        return "driver and CUDA do not fit together", "Update the driver and restart, or use --device cpu"
    if "no NVIDIA driver" in text or "No CUDA GPUs" in text or "no CUDA-capable device" in text:
        return "no NVIDIA GPU or driver was found", SLOWER
    return f"CUDA does not start: {text[:200]}", "Restart the computer or update the driver, or use --device cpu"


def _gpus(torch):
    """Return the rows of all GPUs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    rows = []
    for index in range(count):
        device = f"cuda:{index}"
        try:
            properties = torch.cuda.get_device_properties(index)
        except (RuntimeError, AssertionError) as error:
            problem = f"The GPU does not work: {_first_line(error)}"
            rows.append(_row(device, "GPU", None, "", problem))
            continue
        capability = (properties.major, properties.minor)
        problem = _unsupported(properties.name, capability, torch.cuda.get_arch_list())
        rows.append(_row(device, properties.name, properties.total_memory, "{}.{}".format(*capability), problem))
    _add_free_memory(torch, rows)
    return rows


def _row(device, name, total, capability, problem):
    row = {"device": device, "name": name, "memory_total": total, "memory_free": None}
    return {**row, "capability": capability, "problem": problem}


def _unsupported(name, capability, built_for):
    """Return why a build of PyTorch holds no code for a GPU, or ''.

    Parameters
    ----------
    name : str
    capability : tuple of int
        (8, 6).
    built_for : list of str
        ``sm_80`` is code for 8.0 to 8.9, ``compute_80`` can be translated for all that came later.
    """
    known = []
    for text in built_for:
        match = re.fullmatch(r"(sm|compute)_(\d+)(\d)[a-z]?", text)
        if match is None:  # names of another maker's GPUs: nothing is known about them here
            return ""
        known.append((match.group(1), (int(match.group(2)), int(match.group(3)))))
    for kind, built in known:
        if built <= capability and (kind == "compute" or built[0] == capability[0]):
            return ""
    if not known:
        return ""
    versions = ", ".join(sorted({"{}.{}".format(*built) for _, built in known}, key=lambda v: float(v)))
    return (
        "The GPU {} (compute capability {}.{}) is not supported by this PyTorch build".format(name, *capability)
        + f", which is for {versions}"
    )


def _add_free_memory(torch, rows):
    """Add the free memory to the rows of GPUs.

    Asking CUDA takes some hundred MB on every GPU that is asked, so with several the driver's own tool is asked first.
    """
    free = _free_by_driver() if len(rows) > 1 else {}
    for index, row in enumerate(rows):
        if row["problem"]:
            continue
        identity = str(getattr(torch.cuda.get_device_properties(index), "uuid", ""))
        row["memory_free"] = free.get(identity.replace("GPU-", "").lower())
        if row["memory_free"] is None:
            try:
                row["memory_free"] = torch.cuda.mem_get_info(index)[0]
            except RuntimeError as error:
                # A GPU without room even for that is full, not broken: `choose` says so.
                row["memory_free"] = 0
                if not _is_out_of_memory(error):
                    row["problem"] = f"The GPU does not work: {_first_line(error)}"


def _free_by_driver():
    """Return {identity of a GPU: free bytes}; empty where the driver's tool is missing or does not answer."""
    command = ["nvidia-smi", "--query-gpu=uuid,memory.free", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=SMI_LIMIT_S)
    except (OSError, subprocess.SubprocessError):
        return {}
    rows = re.findall(r"^GPU-([0-9a-fA-F-]+),\s*(\d+)\s*$", answer.stdout.decode("ascii", "replace"), re.MULTILINE)
    return {identity.lower(): int(mebibytes) * 2**20 for identity, mebibytes in rows}


def _named(device, rows):
    for row in rows:
        if row["device"] == f"cuda:{int(device.partition(':')[2])}":
            return row
    there = ", ".join(f"{row['device']} ({row['name']})" for row in rows)
    raise DeviceUnavailable(f"There is no GPU {device}", hint=f"This computer has {there}")


def _roomiest(rows):
    """Return the usable GPU with the most free memory; the first where none is usable."""
    usable = [row for row in rows if not row["problem"]]
    return max(usable, key=lambda row: row["memory_free"] or 0) if usable else rows[0]


def _touch(torch, device, row):
    """Let the GPU add some numbers: only that shows that it works."""
    try:
        torch.zeros(8, device=device).add_(1).sum().item()
    except RuntimeError as error:
        if _is_out_of_memory(error):
            raise DeviceUnavailable(
                f"The GPU {row['name']} has no free memory",
                row["device"],
                "Close other programs that use it, choose another GPU, or use --device cpu",
            ) from error
        if "no kernel image" in str(error):
            raise DeviceUnavailable(
                f"The GPU {row['name']} is not supported by this PyTorch build",
                row["device"],
                "Install a PyTorch build that supports this GPU, or use --device cpu",
            ) from error
        raise DeviceUnavailable(
            f"The GPU does not work: {_first_line(error)}",
            row["device"],
            "Update the driver or PyTorch, or use --device cpu",
        ) from error


def _is_out_of_memory(error):
    return "out of memory" in str(error).lower()


def _first_line(error):
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:200]


def _torch():
    set_waiting(os.environ)
    import torch

    return torch


def name_of(device):
    """Return what people call a `torch.device`."""
    return _torch().cuda.get_device_name(device) if device.type == "cuda" else "CPU"
