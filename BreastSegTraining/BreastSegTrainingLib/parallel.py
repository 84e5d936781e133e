"""The same work for many cases, in several processes: bounded memory, and one bad case never ends the others."""

import multiprocessing
import os
import sys
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass

from BreastSegLib.errors import BadInput, BreastSegError

TRIES = 2  # of an item alone
WAIT_S = 0.2  # how soon a cancel is heard
MOST_ON_WINDOWS = 61  # processes of a pool; it cannot wait for more
# One process for each case: libraries that start threads of their own would fight over the processors.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")


@dataclass(frozen=True)
class Outcome:
    """What came of one item.

    Parameters
    ----------
    index : int
        Place of the item.
    result : object or None
    error : BreastSegError or None
    """

    index: int
    result: object = None
    error: BreastSegError | None = None


def processors():
    """Return how many processes are used when nothing else is said: one for each processor that may be used."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each(function, items, workers=None, report=None, stage="Working"):
    """Yield an `Outcome` for each item, in the order in which they are finished.

    Parameters
    ----------
    function : callable
        At the top of a module, so that another process finds it; takes an item. Of its exceptions every one is the
        outcome of its item; what is no `BreastSegError` becomes one that names the kind of exception only, because
        messages can hold file names.
    items : sequence
    workers : int, optional
        Processes; with 1 everything is done in this one.
    report : callable, optional
        ``report(stage, done, total)``, called after each item and several times a second; may raise `Cancelled`,
        which ends the processes.
    stage : str
        For `report`.

    Notes
    -----
    No more items than twice the processes are under way, and results are handed on at once, so that memory does not
    grow with their number. When a process dies (out of memory, a crash of a library), those items that were under way
    are done again one by one, each in a process of its own; one that ends this process twice has failed.
    """
    items, report = list(items), report or (lambda *_: None)
    workers = max(
        1, min(workers or processors(), len(items), MOST_ON_WINDOWS if sys.platform == "win32" else len(items))
    )
    report(stage, 0, len(items))
    source = _here(function, items) if workers == 1 else _Pool(function, items, workers, report, stage).run()
    with closing(source):
        for done, outcome in enumerate(source, 1):
            yield outcome
            report(stage, done, len(items))


def _here(function, items):
    for index, item in enumerate(items):
        yield Outcome(index, *_attempt(function, item))


def _attempt(function, item):
    """Return (result, None) or (None, error) of one item."""
    try:
        return function(item), None
    except BreastSegError as error:
        return None, _plain(error)
    except MemoryError:
        return None, BadInput("There is not enough memory for this case", hint="Use fewer processes (--workers 1)")
    except Exception as error:  # noqa: BLE001 - one case must not end the others
        return None, BreastSegError(
            f"The case could not be done: {type(error).__name__}", hint="Run it alone with --debug"
        )


def _plain(error):
    """Return an error that another process can be sent: its class may take other arguments."""
    return BadInput(error.what, error.where, error.hint)


class _Pool:
    def __init__(self, function, items, workers, report, stage):
        self._function, self._items, self._workers = function, items, workers
        self._report, self._stage, self._done = report, stage, 0

    def run(self):
        waiting = list(range(len(self._items)))[::-1]
        while waiting:
            lost = yield from self._many(waiting)
            for index in lost:
                yield self._alone(index)

    def _many(self, waiting):
        """Do items until all are done or a process dies; return those that were under way then."""
        with _executor(self._workers) as pool:
            running = {}
            try:
                while waiting or running:
                    while waiting and len(running) < 2 * self._workers:
                        index = waiting[-1]  # it goes on waiting when the pool turns out to be broken
                        running[pool.submit(_attempt, self._function, self._items[index])] = index
                        waiting.pop()
                    ended, _ = wait(running, WAIT_S, FIRST_COMPLETED)
                    self._report(self._stage, self._done, len(self._items))
                    for future in ended:
                        outcome = Outcome(running[future], *future.result())
                        del running[future]
                        self._done += 1
                        yield outcome
            except BrokenProcessPool:
                return sorted(running.values())
            except BaseException:
                _end(pool)
                raise
        return []

    def _alone(self, index):
        self._done += 1
        for _ in range(TRIES):
            try:
                return self._in_a_process(index)
            except BrokenProcessPool:
                continue
        what = "The process of this case ended before it had finished, probably for want of memory"
        return Outcome(index, None, BreastSegError(what, hint="Use fewer processes (--workers 1)"))

    def _in_a_process(self, index):
        with _executor(1) as pool:
            future = pool.submit(_attempt, self._function, self._items[index])
            try:
                while not wait([future], WAIT_S)[0]:
                    self._report(self._stage, self._done - 1, len(self._items))
                return Outcome(index, *future.result())
            except BrokenProcessPool:
                raise
            except BaseException:
                _end(pool)
                raise


def _executor(workers):
    # "spawn" on every system: a fork of a process that has threads can hang.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, context, initializer=_one_thread)


def _one_thread():
    import signal
    import threading

    import SimpleITK as sitk

    # Killed, the parent cannot end its children, and these would wait for work for ever.
    threading.Thread(target=_end_with_parent, daemon=True).start()

    # Ctrl+C goes to the whole group of processes; the parent ends its children itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(dict.fromkeys(THREADS, "1"))
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)


def _end_with_parent():
    multiprocessing.parent_process().join()
    os._exit(1)


def _end(pool):
    """End the processes of a pool at once: what they were writing has temporary names."""
    processes = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(5)
