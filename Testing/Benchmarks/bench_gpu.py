"""Our worker against nnU-Net's predictor object on the same GPU.

``python3 Testing/run.py bench gpu [--folds N] [--rounds N] [--mirroring off|on|both] [--device cuda:0]``

The default nnU-Net 3d_fullres network (planned by nnU-Net itself, six stages, 32 to 320 features, weights not trained)
with five folds on an exam of 360 x 360 x 180 voxels and three phases. Both sides are one process each that has its
model loaded and has run once; the second run counts. nnU-Net's predictor gets the prepared channels as an array in
memory; our worker reads the exam and prepares it itself.

The share of time the GPU is busy is what the driver's tool reports (``nvidia-smi``, utilization.gpu, ten times a
second: the share of its own last interval in which some kernel ran), averaged over the stage.

``--dry-run`` takes the CPU and tiny sizes, to try the benchmark out where there is no GPU.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from measuring import dice, row

SHAPE, TRY_SHAPE = (180, 360, 360), (64, 96, 128)
STAGE = "Segmenting"
INTERVAL_MS = 100


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--mirroring", choices=("off", "on", "both"), default="both")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--dry-run", action="store_true", help="on the CPU, with tiny sizes")
    parser.add_argument("--predictor", help=argparse.SUPPRESS)  # the process of nnU-Net's side
    options = parser.parse_args()
    if options.predictor:
        predict_theirs(json.loads(options.predictor))
        return
    device = "cpu" if options.dry_run else options.device
    name = gpu_name(device)
    if name is None:
        print(f"There is no working GPU {device}: nothing was measured. --dry-run tries this benchmark on the CPU.")
        return
    with tempfile.TemporaryDirectory(prefix="breastseg-bench-") as folder:
        setting = set_up(Path(folder), options, device)
        print(
            f"{name}; {os.cpu_count()} cores; {setting['text']}; {options.rounds} rounds, each after a run to warm up"
        )
        for mirroring in {"off": (False,), "on": (True,), "both": (False, True)}[options.mirroring]:
            rounds = [one_round(setting, mirroring, device) for _ in range(options.rounds)]
            report(rounds, mirroring)


def gpu_name(device):
    """Return what people call the device, or None if it does not work."""
    from BreastSegLib.errors import DeviceUnavailable
    from BreastSegLib.inference.networks import devices

    try:
        return devices.name_of(devices.choose(device))
    except DeviceUnavailable as error:
        print(error.line)
        return None


def set_up(work, options, device):
    """Write the exam, the prepared channels and the model; return where they are."""
    import default_model
    from BreastSegLib.exam.store import save_exam
    from BreastSegLib.recipe import load_recipe, prepare
    from BreastSegLib.samples.dce import make_dce_exam

    shape, features, folds = (TRY_SHAPE, 0.125, 2) if options.dry_run else (SHAPE, 1.0, options.folds)
    sample = make_dce_exam(101, shape=shape, spacing=(1.0, 1.0, 1.0), posts=2)
    model, patch, stages = default_model.make(work, sample, features, folds, device)
    np.save(work / "channels.npy", prepare(load_recipe(default_model.RECIPE), sample.exam).channels)
    size, tile = (" x ".join(map(str, numbers)) for numbers in (shape, patch))
    return {
        "model": str(model),
        "folds": list(range(folds)),
        "channels": str(work / "channels.npy"),
        "store": str(save_exam(sample.exam, work / "exam")),
        "text": f"{size} voxels, {folds} folds, tile {tile}, features of the stages {stages}",
    }


# --- one round -------------------------------------------------------------------------------------------------------


def one_round(setting, mirroring, device):
    """Run both sides once, after a run to warm up; return seconds, shares of time the GPU was busy, and masks."""
    with Busy(device) as busy:
        theirs = run_theirs(setting, mirroring, device)
        ours = run_ours(setting, mirroring, device)
    for side in (theirs, *ours.values()):
        side["busy"] = {stage: busy.share(*span) for stage, span in side["spans"].items()}
        side["seconds"] = {stage: end - start for stage, (start, end) in side["spans"].items()}
    return {"theirs": theirs, **ours}


def run_theirs(setting, mirroring, device):
    """Run nnU-Net's predictor in a process of its own; return its spans of time and its mask."""
    with tempfile.TemporaryDirectory(prefix="breastseg-bench-") as folder:
        request = {**setting, "mirroring": mirroring, "device": device, "output": str(Path(folder) / "mask.npy")}
        command = [sys.executable, __file__, "--predictor", json.dumps(request)]
        answer = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "nnUNet_compile": "f"})
        if answer.returncode:
            raise RuntimeError(f"nnU-Net's predictor failed: {answer.stderr[-1500:]}")
        return {"spans": json.loads(answer.stdout.splitlines()[-1]), "mask": np.load(request["output"])}


def predict_theirs(request):
    """Predict twice with nnU-Net's predictor object and print when each step of the second run began and ended."""
    import torch
    from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    device = torch.device(request["device"])
    predictor = nnUNetPredictor(
        use_mirroring=request["mirroring"],
        perform_everything_on_device=device.type == "cuda",
        device=device,
        allow_tqdm=False,
    )
    predictor.initialize_from_trained_model_folder(request["model"], request["folds"], "checkpoint_final.pth")
    channels = np.load(request["channels"])
    managers = (predictor.plans_manager, predictor.configuration_manager)
    for _ in range(2):
        times = [time.time()]
        preprocessor = predictor.configuration_manager.preprocessor_class(verbose=False)
        properties = {"spacing": (1.0, 1.0, 1.0)}
        data, _, properties = preprocessor.run_case_npy(channels, None, properties, *managers, predictor.dataset_json)
        times.append(time.time())
        logits = predictor.predict_logits_from_preprocessed_data(torch.from_numpy(data)).cpu()
        times.append(time.time())
        mask = convert_predicted_logits_to_segmentation_with_correct_shape(
            logits, *managers, predictor.label_manager, properties
        )
        times.append(time.time())
    np.save(request["output"], np.asarray(mask))
    spans = {"Preparing": times[0:2], STAGE: times[1:3], "Restoring": times[2:4], "whole": [times[0], times[3]]}
    print(json.dumps(spans))


def run_ours(setting, mirroring, device):
    """Run our worker, warm, with and without shortcuts; return spans of time, mask and work of each."""
    from BreastSegLib.inference.client import WorkerClient
    from BreastSegLib.pipeline import segment

    found = {}
    with WorkerClient() as client:
        for name, shortcuts in (("warm-up", True), ("ours", True), ("ours, without shortcuts", False)):
            stages = Stages()
            result = segment(
                {"store": setting["store"]},
                setting["model"],
                device,
                tta=mirroring,
                client=client,
                shortcuts=shortcuts,
                on_event=stages.note,
            )
            found[name] = {
                "spans": stages.finish(),
                "mask": result["raw"].array,
                "work": result["record"]["work"],
                "timings": result["timings"],
            }
    found.pop("warm-up")
    return found


class Stages:
    """When each stage of a run began and ended, by its progress events."""

    def __init__(self):
        self._began, self._spans, self._stage, self._since = time.time(), {}, None, time.time()

    def note(self, event):
        """Take one event of the worker."""
        stage = event.get("stage")
        if stage is not None and stage != self._stage:
            self._close()
            self._stage, self._since = stage, time.time()

    def finish(self):
        """Return {stage: (start, end)} and the whole run."""
        self._close()
        return {**self._spans, "whole": (self._began, time.time())}

    def _close(self):
        if self._stage is not None:
            self._spans[self._stage] = (self._since, time.time())


class Busy:
    """Asks the driver's tool ten times a second how busy a GPU is."""

    def __init__(self, device):
        self._device, self._process, self._samples = device, None, []

    def __enter__(self):
        if self._device.startswith("cuda"):
            identity = _identity(self._device)
            command = ["nvidia-smi", "-i", identity, "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
            try:
                self._process = subprocess.Popen(
                    [*command, "-lms", str(INTERVAL_MS)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
                )
            except OSError:
                return self
            threading.Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(self, *_):
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def share(self, start, end):
        """Return the mean share, 0 to 1, between two times; None where it is not known."""
        shares = [share for when, share in self._samples if start <= when <= end]
        return float(np.mean(shares)) if shares else None

    def _read(self):
        for line in self._process.stdout:
            if re.fullmatch(r"\s*\d+\s*", line):  # else: not told, as of a part of a GPU
                self._samples.append((time.time(), int(line) / 100))


def _identity(device):
    """Return the driver's name of a GPU: its own numbers can differ from CUDA's."""
    import torch

    index = torch.device(device).index or 0
    identity = str(getattr(torch.cuda.get_device_properties(index), "uuid", ""))
    return f"GPU-{identity}" if identity else str(index)


# --- report ----------------------------------------------------------------------------------------------------------


def report(rounds, mirroring):
    """Print seconds and busy shares of each stage, the ratios and the Dice."""
    print(f"\nmirroring {'on' if mirroring else 'off'}")
    for side in rounds[0]:
        for stage in rounds[0][side]["seconds"]:
            seconds = [found[side]["seconds"][stage] for found in rounds if stage in found[side]["seconds"]]
            row(f"{side}: {stage}", seconds, "s")
            shares = [found[side]["busy"].get(stage) for found in rounds]
            if stage in (STAGE, "whole") and None not in shares:
                expected = ">= 0.85" if stage == STAGE and side != "theirs" else ""
                row("  share of time the GPU was busy", shares, expected=expected)
    for side in [name for name in rounds[0] if name != "theirs"]:
        for stage in ("whole", STAGE):
            ratios = [found["theirs"]["seconds"][stage] / found[side]["seconds"][stage] for found in rounds]
            row(f"nnU-Net's predictor / {side}: {stage}", ratios, expected=">= 2")
        last = rounds[-1]
        mask, other = last[side]["mask"], last["theirs"]["mask"]
        counts = f"({np.count_nonzero(mask)} and {np.count_nonzero(other)} voxels)"
        print(f"Dice of raw masks, {side} and nnU-Net: {dice(mask, other):.5f} {counts}; work {last[side]['work']}")
        print(f"stages as the worker counts them (s): {last[side]['timings']}", flush=True)


if __name__ == "__main__":
    main()
