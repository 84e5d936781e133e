"""Sees one fold run through: starts the process that trains, again with half the batch when the memory was short.

``python -m BreastSegTrainingLib.launch.foldrun TRAINING_FOLDER FOLD [--slot DEVICE]``. It knows no torch, so that it
lives when the process that trains is killed, and can say so.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from BreastSegLib.errors import BreastSegError
from BreastSegLib.executors.binding import bound_options
from BreastSegLib.executors.identity import identity_of
from BreastSegLib.inference.processtree import end_tree, start_options

from . import interpreter
from .exits import ENDED, NO_COMPILER, SHORT_OF_MEMORY, TOLD
from .foldstate import EPOCH, FAILED, LOG, NOW, QUEUED, RUNNING, STOP, STOPPED, FoldState, now
from .gpus import visible
from .training import LOCAL, Training
from .truth import RESUME, Place, as_written, last_lines

LOOK_S = 0.2
STOPPABLE = ("training",)  # at the end of an epoch; the other stages are begun anew in any case
MOST_STARTS = 12  # halving a batch of 2048


def main(arguments):
    """See a fold run through and return the exit code of the job."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("fold")
    parser.add_argument("--slot", default="")
    options = parser.parse_args(arguments)
    training = Training.read(options.folder)
    folder = training.fold_folder(options.fold)
    run = FoldRun(training, options.fold, folder, options.slot)
    signal.signal(signal.SIGTERM, lambda *_: run.ask_to_stop())
    try:
        return run.see_through()
    except BreastSegError as error:  # such as a full disk
        run.failed(error.what, error.hint)
        raise


class FoldRun:
    """One fold run, from its start to its end.

    Parameters
    ----------
    training : Training
    fold : str
    folder : Path
        Holds its state.
    slot : str
        Device, such as ``cuda:1``; '' for what the cluster gives.
    """

    def __init__(self, training, fold, folder, slot=""):
        self._training, self._fold, self._folder, self._slot = training, fold, folder, slot
        self._compile, self._interrupted = True, False

    def see_through(self):
        """Run it to its end; return 0 when done, else another code."""
        place = Place.read(self._folder)
        state = as_written(self._folder) or FoldState()
        state = state.changed(
            state=RUNNING,
            stage="waiting",
            attempts=state.attempts + 1,
            started=state.started or now(),
            ended="",
            message="",
            hint="",
            job={
                "executor": self._training.executor,
                "slot": self._slot,
                "process": identity_of(os.getpid()),
                "handle": place.handle if place else {},
            },
        )
        state.write(self._folder)
        for _ in range(MOST_STARTS):
            if self._asked():
                return self._stopped()
            code = self._train()
            if code in (0, TOLD):
                return code
            if code == ENDED or self._asked() == NOW:
                return self._stopped()
            if code == NO_COMPILER and self._compile:
                self._compile = False
                self._note("The network could not be compiled; it is trained as it is")
            elif code != SHORT_OF_MEMORY or not self._halve():
                return self._died(code)
        return self._died(code)

    def ask_to_stop(self):
        """Stop after the epoch; called when the system wants the job to end.

        Not by the file: a cluster may start the job again, and it shall go on then.
        """
        self._interrupted = True

    def failed(self, message, hint=RESUME):
        """Write down that it has failed."""
        state = as_written(self._folder) or FoldState()
        state.changed(state=FAILED, message=message, hint=hint, eta_s=None, ended=now()).write(self._folder)

    def _train(self):
        """Start the process that trains and wait for its end; return its exit code."""
        command = interpreter.command("process", "fold", self._training.folder, self._fold)
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            env=self._environment(),
            **start_options(),
            **bound_options(),
        )
        told = False
        while process.poll() is None:
            asked = self._asked()
            if self._interrupted and not told:
                process.terminate()
                told = True
            if asked and (asked == NOW or self._stage() not in STOPPABLE):
                end_tree(process)
                return ENDED
            time.sleep(LOOK_S)
        end_tree(process)  # what it left running
        return process.returncode

    def _environment(self):
        environment = {**os.environ, **interpreter.environment(), **self._training.environment()}
        environment["nnUNet_n_proc_DA"] = str(self._training.workers)
        environment["nnUNet_def_n_proc"] = str(max(1, min(4, self._training.workers)))
        if not self._compile:
            environment["nnUNet_compile"] = "f"
        if self._slot.startswith("cuda:"):
            environment["CUDA_VISIBLE_DEVICES"] = visible(int(self._slot.partition(":")[2]), os.environ)
        return environment

    def _asked(self):
        """Return what was asked for, ``epoch`` or ``now``; '' when it shall go on."""
        try:
            return (self._folder / STOP).read_text(encoding="ascii").strip() or EPOCH
        except OSError:
            return EPOCH if self._interrupted else ""

    def _stage(self):
        state = as_written(self._folder)
        return state.stage if state else ""

    def _stopped(self):
        state = as_written(self._folder) or FoldState()
        if self._interrupted and self._training.executor != LOCAL and not (self._folder / STOP).exists():
            state.changed(state=QUEUED, stage="waiting", message="Interrupted by the cluster", eta_s=None).write(
                self._folder
            )
            return ENDED
        text = "Stopped" if state.epoch or state.stage == "training" else "Stopped before the first epoch"
        hint = "The command resume goes on from the last checkpoint"
        state.changed(state=STOPPED, message=text, hint=hint, eta_s=None, ended=now()).write(self._folder)
        return ENDED

    def _died(self, code):
        """Write down why a process that said nothing itself has ended."""
        state = as_written(self._folder)
        if state is not None and state.state == FAILED:
            return code or 1
        if code < 0:
            killed = "perhaps the computer's memory ran out" if -code == 9 else "see the log"
            self.failed(f"The process was ended by signal {-code}; {killed}", f"{RESUME}; see {LOG}")
        else:
            self.failed(f"The process ended with the code {code}: {last_lines(self._folder)}", f"{RESUME}; see {LOG}")
        return code or 1

    def _halve(self):
        """Prepare a start with half the batch; return whether there is one."""
        state = as_written(self._folder)
        batch = state.batch_size or 0
        if not self._training.retry_memory:
            self.failed(
                f"The memory of {state.device or 'the device'} is too small for a batch of {batch}",
                "Train with a smaller --batch or --patch, or with --retry-memory",
            )
            return False
        if batch <= 1:
            self.failed(
                f"The memory of {state.device or 'the device'} is too small even for a batch of 1",
                "Train with a smaller --patch, or on a larger device",
            )
            return False
        smaller = batch // 2
        self._note(f"Out of memory with a batch of {batch}; started again with {smaller}", batch_size=smaller)
        return True

    def _note(self, text, **values):
        state = as_written(self._folder)
        state.changed(state=RUNNING, message="", hint="", notes=(*state.notes, text), **values).write(self._folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
