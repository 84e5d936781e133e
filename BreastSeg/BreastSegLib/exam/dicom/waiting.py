"""Many small reads, in parallel where that helps."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

THREADS = 8
PROBE, PROBE_S = 48, 0.3
BATCH, TURN_S = 16, 0.1


def map_reads(function, items, threads=THREADS):
    """Yield ``function(item)`` for all items, in order.

    Threads pay where files are waited for: on a network drive or a cold disk. With the files in memory they only get
    in one another's way, so the first reads, done one by one, tell which it is.

    Parameters
    ----------
    function : callable
        Must be safe in several threads at once.
    items : sequence
    threads : int
        0 for none: inside Slicer, where threads do not run.

    Yields
    ------
    object
        If the consumer stops early, what has not begun is not read any more.
    """
    wall, busy, done = time.perf_counter(), time.thread_time(), 0
    while done < min(len(items), PROBE) and time.perf_counter() - wall < PROBE_S:
        yield function(items[done])
        done += 1
    wall, busy, rest = time.perf_counter() - wall, time.thread_time() - busy, items[done:]
    if not (threads and wall > 2 * busy and rest):
        yield from map(function, rest)
        return
    # Few reads at a time where each is slow: the consumer has its turn often, to hear a cancel.
    size = min(max(int(TURN_S * done / wall), 1), BATCH)
    batches = [rest[k : k + size] for k in range(0, len(rest), size)]
    stopped = threading.Event()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for results in pool.map(lambda batch: [function(item) for item in batch if not stopped.is_set()], batches):
                yield from results
        except BaseException:
            # GeneratorExit included: a cancel, or an error of the consumer.
            stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
