"""Stands for ``python -m BreastSegTrainingLib.process``: epochs that sleep, checkpoints that are numbers in a file.

What it does stands in ``fake.json`` in the training's folder.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from BreastSegLib.files import write_json
from BreastSegTrainingLib.launch import FoldState, Training
from BreastSegTrainingLib.launch.exits import ENDED, NO_COMPILER, SHORT_OF_MEMORY, TOLD

RESULTS, COMPILE = "nnUNet_results", "nnUNet_compile"


def main(verb, folder, fold, *_rest):
    assert verb == "fold"
    training = Training.read(Path(folder))
    home = training.fold_folder(fold)
    acts = json.loads((training.folder / "fake.json").read_text())
    terminated = []
    signal.signal(signal.SIGTERM, lambda *_: terminated.append(1))

    def tell(stage, **values):
        FoldState.read(home).changed(state="running", stage=stage, **values).write(home)

    with open(training.folder / "order.txt", "a") as stream:
        stream.write(f"{fold} {os.environ.get('CUDA_VISIBLE_DEVICES', '-')} {os.environ[RESULTS]}\n")
    time.sleep(acts.get("planning_s", 0))
    batch = FoldState.read(home).batch_size or acts.get("batch", 2)
    latest = training.output(fold) / "latest.json"
    epoch = json.loads(latest.read_text())["epoch"] if latest.exists() else 0
    tell("training", batch_size=batch, epoch=epoch, epochs=acts["epochs"])
    if batch > acts.get("fits", 99):
        return SHORT_OF_MEMORY
    if acts.get("compiler") and os.environ.get(COMPILE) != "f":
        return NO_COMPILER
    while epoch < acts["epochs"]:
        time.sleep(acts.get("epoch_s", 0.02))
        epoch += 1
        if acts.get("die_at") == epoch and FoldState.read(home).attempts == 1:
            print("something terrible", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        if epoch % acts.get("every", 1) == 0:
            write_json(latest, {"epoch": epoch}, overwrite=True)
        tell("training", epoch=epoch)
        if terminated or (home / "stop").exists():
            write_json(latest, {"epoch": epoch}, overwrite=True)
            return ENDED
    if acts.get("fail") and FoldState.read(home).attempts == 1:
        FoldState.read(home).changed(state="failed", message=acts["fail"], hint="mend it").write(home)
        return TOLD
    FoldState.read(home).changed(state="done", stage="", dice=0.5).write(home)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
