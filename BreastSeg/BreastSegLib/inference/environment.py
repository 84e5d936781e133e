"""What an interpreter has for running models: ``python -m BreastSegLib.inference.environment`` prints one JSON line.

It runs in the interpreter that is asked about, which may be old or lack everything, so this file and what it imports
at its top need the standard library only, and no newer Python than 3.6. Packages are imported in a process of its own:
an import can hang or crash.
"""

import argparse
import ctypes.util
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from .hostmemory import main_memory
from .requirements import IMPORT_LIMIT_S, REPORT_FORMAT, base_version, compare, read_requirements

OLDEST_PYTHON = (3, 11)
DEVICE_LIMIT_S = 60.0
# Where the module that runs need is not called like its distribution.
MODULES = {
    "scipy": "scipy.ndimage",
    "scikit-image": "skimage.measure",
    "nnunetv2": "nnunetv2.inference.predict_from_raw_data",
}
# What cannot be imported without another package; it is not tried when that one fails.
NEEDS = {"torchvision": "torch", "timm": "torch", "nnunetv2": "torch"}
DEVICES = "devices"


def survey(limit_s=IMPORT_LIMIT_S):
    """Return what this interpreter has: the fields of the JSON line.

    Returns
    -------
    dict
        ``python``, ``packages`` {name: {version, needed, ok, why, note}}, ``torch_cuda``, ``driver``, ``devices``,
        ``gpu`` (None or {why, mend}), ``memory`` and ``temp`` (bytes), ``slicer`` (whether it is Slicer's Python).
    """
    report = {"format": REPORT_FORMAT, "python": _python(), "slicer": _is_slicer(), "packages": {}}
    report.update({"torch_cuda": None, "driver": _driver(), "devices": [], "gpu": None})
    total, free = main_memory()
    report.update({"memory": {"total": total, "free": free}, "temp": _temporary_folder()})
    if not report["python"]["ok"]:
        return report
    packages = report["packages"] = {name: _package(name, needed) for name, needed in read_requirements().items()}
    tried = _try_imports([name for name, row in packages.items() if not row["why"]], limit_s)
    for name, row in packages.items():
        _add_outcome(name, row, tried, packages)
    _compare_pair(packages)
    report.update(tried.get(DEVICES, {}))
    return report


def _python():
    version = ".".join(map(str, sys.version_info[:3]))
    needed = ">=" + ".".join(map(str, OLDEST_PYTHON))
    why = ""
    if sys.version_info < OLDEST_PYTHON:
        why = f"Python {version} is too old"
    elif sys.maxsize < 2**32:
        why = "it is a 32-bit Python, for which there is no PyTorch"
    return {"version": version, "needed": needed, "path": sys.executable, "ok": not why, "why": why}


def _is_slicer():
    path, home = os.path.realpath(sys.executable or ""), os.environ.get("SLICER_HOME")
    name = os.path.basename(path).lower()
    return name.startswith(("pythonslicer", "python-real")) or bool(
        home and path.startswith(os.path.realpath(home) + os.sep)
    )


def _package(name, needed):
    """Return the row of one distribution, as far as that is known without importing it."""
    import importlib.metadata
    import importlib.util

    row = {"version": None, "needed": needed, "ok": False, "why": "", "note": ""}
    try:
        row["version"] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        # Slicer builds some packages itself; these have no such record.
        if importlib.util.find_spec(MODULES.get(name, name).partition(".")[0]) is None:
            row["why"] = "is not installed"
    return row


def _add_outcome(name, row, tried, packages):
    """Add to a row what its import gave, and how its version compares."""
    first = NEEDS.get(name)
    if row["why"]:
        return
    outcome = tried.get(name)
    if outcome is None:
        row["why"] = "was not tried" + (f", as {first} does not work" if first else "")
        return
    row["version"] = row["version"] or outcome.get("version")
    row["seconds"] = outcome.get("seconds")
    row["why"] = outcome["error"]
    if row["why"] or row["version"] is None:
        row["ok"] = not row["why"]
        return
    within, tested = compare(row["version"], row["needed"])
    if not within:
        row["why"] = "version {} does not work".format(row["version"])
    elif not tested:
        row["note"] = "the version that was tested is {}".format(row["needed"].replace("==", ""))
    row["ok"] = within


def _compare_pair(packages):
    """Say when torch and torchvision are not made for each other."""
    import importlib.metadata

    torch, vision = packages.get("torch", {}), packages.get("torchvision", {})
    if not (torch.get("version") and vision.get("version")):
        return
    try:
        wanted = [text for text in importlib.metadata.requires("torchvision") or () if re.match(r"torch\s*[=(]", text)]
    except importlib.metadata.PackageNotFoundError:
        return
    match = re.search(r"==\s*([0-9.]+[0-9])", wanted[0]) if wanted else None
    if match is None or base_version(torch["version"]) == match.group(1):
        return
    text = "torchvision {} is made for torch {}, not {}".format(vision["version"], match.group(1), torch["version"])
    if vision["ok"]:
        vision["note"] = text
    else:
        vision["why"] = text + ("; it " + vision["why"] if vision["why"] else "")


def _driver():
    """Return the version of NVIDIA's driver, or None."""
    try:
        with open("/proc/driver/nvidia/version") as stream:
            match = re.search(r"Kernel Module\D*([\d.]+)", stream.read())
            if match:
                return match.group(1)
    except OSError:
        pass  # not Linux, or no driver; the tool below knows
    if not (shutil.which("nvidia-smi") or ctypes.util.find_library("nvcuda")):
        return None
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.match(r"[\d.]+", answer.stdout.decode("ascii", "replace"))
    return match.group() if match else None


def _temporary_folder():
    """Return where temporary files go, whether that works and how much room is there."""
    row = {"path": "", "writable": False, "ascii": True, "total": None, "free": None}
    try:
        row["path"] = tempfile.gettempdir()
        row["ascii"] = all(ord(letter) < 128 for letter in row["path"])
        usage = shutil.disk_usage(row["path"])
        row["total"], row["free"] = usage.total, usage.free
        with tempfile.TemporaryFile(prefix="breastseg-") as stream:
            stream.write(b"0" * 4096)
        row["writable"] = True
    except OSError as error:
        row["why"] = error.strerror or str(error)
    return row


def _try_imports(names, limit_s):
    """Import packages in a process of its own; return {name: {error, seconds, version}} of those that were tried.

    After one that hangs or crashes another process tries the others, those that need it left out.
    """
    result, left = {}, list(names)
    while left:
        outcome, current = _one_process(left, limit_s)
        result.update(outcome)
        if current is None or current == DEVICES:
            break
        left = [name for name in left if name not in result and NEEDS.get(name) not in _failed(result)]
    return result


def _failed(outcomes):
    return {name for name, outcome in outcomes.items() if outcome.get("error")}


def _one_process(names, limit_s):
    """Return the outcomes of one process that imports packages, and what it was at when it hung or died (or None)."""
    command = [sys.executable, "-m", __spec__.name, "--imports"] + list(names)
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
        lines = queue.Queue()
        reader = threading.Thread(target=_read_lines, args=(process.stdout, lines))
        reader.daemon = True
        reader.start()
        result, current, why = {}, names[0], ""
        while True:
            try:
                line = lines.get(timeout=DEVICE_LIMIT_S if current == DEVICES else limit_s)
            except queue.Empty:
                why = f"did not finish importing within {limit_s:.0f} s"
                break
            if line is None:
                break
            message = json.loads(line.decode("ascii"))
            if "begin" in message:
                current = message["begin"]
            else:
                result[message.pop("end")], current = message, None
        process.kill()
        code = process.wait()
        process.stdin.close()
        if current == DEVICES:
            result[DEVICES] = {"gpu": {"why": "asking for the GPUs hung or crashed", "mend": "Update the driver"}}
        elif current is not None:
            result[current] = {"error": why or f"crashed while it was imported ({_how(code, errors)})"}
    return result, current


def _read_lines(stream, lines):
    """Pass on the lines of a process (in a thread, as pipes cannot be read with a time limit everywhere)."""
    for line in stream:
        lines.put(line)
    stream.close()
    lines.put(None)


def _how(code, errors):
    errors.seek(0)
    said = errors.read().decode("utf-8", "replace").strip().splitlines()
    return (said[-1][:200] if said else "") or (f"signal {-code}" if code < 0 else f"exit code {code}")


def _import_all(names):
    """Import packages one by one and write how each went (in the process of its own)."""
    stream = os.fdopen(os.dup(1), "wb", 0)
    os.dup2(2, 1)  # what libraries print goes elsewhere

    def say(**message):
        stream.write((json.dumps(message) + "\n").encode("ascii"))

    failed = set()
    for name in names:
        if NEEDS.get(name) in failed:
            continue
        say(begin=name)
        error, version, began = "", None, time.perf_counter()
        try:
            __import__(MODULES.get(name, name))
            version = getattr(sys.modules[MODULES.get(name, name).partition(".")[0]], "__version__", None)
        except (Exception, SystemExit) as problem:
            text = next((line for line in str(problem).splitlines() if line.strip()), "no message")
            error = f"cannot be imported: {type(problem).__name__}: {text.strip()[:300]}"
            failed.add(name)
        say(end=name, error=error, version=version and str(version), seconds=round(time.perf_counter() - began, 1))
    if "torch" in names and "torch" not in failed:
        say(begin=DEVICES)
        say(end=DEVICES, **_devices())


def _devices():
    from .networks.devices import cuda_version, list_devices, why_no_gpu

    problem = why_no_gpu()
    return {
        "torch_cuda": cuda_version(),
        "devices": list_devices(),
        "gpu": None if problem is None else {"why": problem[0], "mend": problem[1]},
    }


def _end_with_parent():
    """End this process, and with it the one that imports, when its standard input closes: nobody waits any more."""

    def watch():
        while sys.stdin.buffer.read(1):
            pass
        os._exit(3)

    thread = threading.Thread(target=watch)
    thread.daemon = True
    thread.start()


def main(argv=None):
    """Print the JSON line, or import the named packages for the process that does."""
    parser = argparse.ArgumentParser(prog="BreastSegLib.inference.environment")
    parser.add_argument("--imports", nargs="+", metavar="NAME", help="import packages and say how each went")
    parser.add_argument("--watched", action="store_true", help="end when the standard input closes")
    parser.add_argument("--limit", type=float, default=IMPORT_LIMIT_S, metavar="S", help="seconds for one import")
    options = parser.parse_args(argv)
    if options.imports or options.watched:
        _end_with_parent()
    if options.imports:
        _import_all(options.imports)
    else:
        sys.stdout.write("\n" + json.dumps(survey(options.limit)) + "\n")
        sys.stdout.flush()
    # Threads of libraries and the one that watches must not delay the end.
    os._exit(0)


if __name__ == "__main__":
    main()
