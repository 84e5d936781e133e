"""Extension code cannot start threads in the host; other code can."""

import sys
import threading

import pytest
from Host.pythonqt import threads

SOURCE = """
import concurrent.futures, threading, _thread

def thread():
    threading.Thread(target=int).start()

def pool():
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        return executor.submit(int).result()

def low():
    _thread.start_new_thread(int, ())

def timer():
    threading.Timer(0.01, int).start()
"""


@pytest.fixture
def extension(tmp_path, monkeypatch):
    """A module that lies in a folder of the extension."""
    (tmp_path / "threadfulmodule.py").write_text(SOURCE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    threads.refuseExtensionThreads([tmp_path])
    import threadfulmodule

    yield threadfulmodule
    del sys.modules["threadfulmodule"]


@pytest.mark.parametrize("name", ["thread", "pool", "low", "timer"])
def test_extension_threads_are_refused(extension, name):
    with pytest.raises(RuntimeError, match="Python threads do not run while the application idles.*threadfulmodule"):
        getattr(extension, name)()


def test_other_threads_run(extension):
    done = []
    thread = threading.Thread(target=done.append, args=(1,))
    thread.start()
    thread.join()
    assert done == [1]


@pytest.mark.parametrize("code", ["qt.QThread().start()", "qt.QThreadPool().start(qt.QRunnable())"])
def test_qt_threads_are_refused(code, host):
    import qt

    with pytest.raises((RuntimeError, ValueError)):
        eval(code, {"qt": qt})
