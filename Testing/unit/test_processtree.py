"""Starting a child as the root of its own tree, and ending all of it."""

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest
from BreastSegLib.inference import processtree
from BreastSegLib.inference.processtree import end_tree, start_options

posix = pytest.mark.skipif(os.name != "posix", reason="groups of processes are of POSIX")
TREE = """
import subprocess, sys, time
grandchild = subprocess.Popen([sys.executable, "-c", {inner!r}])
print(grandchild.pid, flush=True)
{then}
"""
SLEEP = "import time; time.sleep(60)"


def tree(inner=SLEEP, then="time.sleep(60)"):
    """Start a child with a grandchild; return the child and the grandchild's `psutil.Process`."""
    command = [sys.executable, "-c", TREE.format(inner=inner, then=then)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **start_options())
    grandchild = psutil.Process(int(child.stdout.readline()))
    child.stdout.close()
    return child, grandchild


def gone(process):
    return not psutil.wait_procs([process], timeout=3)[1]


def test_a_whole_tree_ends():
    child, grandchild = tree()
    assert end_tree(child)
    assert child.returncode is not None and gone(grandchild)


@posix
def test_what_a_dead_child_left_running_ends():
    child, grandchild = tree(then="sys.exit(0)")
    child.wait()
    assert grandchild.is_running()
    end_tree(child)
    assert gone(grandchild)


@posix
def test_processes_that_ignore_polite_signals_or_are_stopped_end():
    deaf = "import signal, time; [signal.signal(s, signal.SIG_IGN) for s in (15, 2, 1)]; time.sleep(60)"
    child, grandchild = tree(inner=deaf)
    grandchild.suspend()
    os.kill(child.pid, signal.SIGSTOP)
    assert end_tree(child) and gone(grandchild)


@posix
def test_ctrl_c_in_the_terminal_does_not_reach_the_child():
    child, _ = tree()
    assert os.getpgid(child.pid) == child.pid != os.getpgrp()
    assert os.getsid(child.pid) == child.pid
    end_tree(child)


def test_ending_twice_or_what_has_ended_is_no_error():
    child = subprocess.Popen([sys.executable, "-c", ""], **start_options())
    child.wait()
    assert end_tree(child) and end_tree(child)


@posix
def test_a_member_outside_the_group_is_ended_too():
    outside = subprocess.Popen([sys.executable, "-c", SLEEP], start_new_session=True)
    child = subprocess.Popen([sys.executable, "-c", SLEEP], **start_options())
    end_tree(child, [outside.pid])
    assert outside.wait(3) == -9


@posix
def test_members_of_a_child_that_has_ended_are_left_alone():
    """Their numbers may belong to other processes by then."""
    other = subprocess.Popen([sys.executable, "-c", SLEEP], start_new_session=True)
    child = subprocess.Popen([sys.executable, "-c", ""], **start_options())
    child.wait()
    end_tree(child, [other.pid])
    time.sleep(0.1)
    assert other.poll() is None
    other.kill()
    other.wait()


@posix
def test_a_process_can_end_itself_with_all_it_started():
    package = os.path.dirname(os.path.dirname(os.path.dirname(processtree.__file__)))
    then = f"sys.path.insert(0, {package!r})\n"
    then += "from BreastSegLib.inference.processtree import end_own_tree\nend_own_tree(3)"
    child, grandchild = tree(then=then)
    assert child.wait(10) == -9
    assert gone(grandchild)


# --- Windows, with a stand-in for its commands -----------------------------------------------------------------------


class Windows:
    """What `subprocess` and a process do on Windows, as far as `processtree` uses them."""

    DEVNULL, TimeoutExpired = subprocess.DEVNULL, subprocess.TimeoutExpired

    def __init__(self, taskkill="works"):
        self.taskkill, self.commands, self.options = taskkill, [], []
        self.process = SimpleNamespace(pid=77, poll=self.poll, kill=self.kill, wait=self.wait)
        self.returncode, self.killed = None, False

    def run(self, command, **options):
        self.commands.append(command)
        self.options.append(options)
        if self.taskkill == "missing":
            raise FileNotFoundError("taskkill")
        if self.taskkill == "hangs":
            raise subprocess.TimeoutExpired(command, options["timeout"])
        if self.taskkill == "works" and command[2] == "77":
            self.returncode = 1
        return SimpleNamespace(returncode=0 if self.taskkill == "works" else 1)

    def poll(self):
        return self.returncode

    def kill(self):
        self.returncode, self.killed = 1, True

    def wait(self, seconds):
        if self.returncode is None:
            raise subprocess.TimeoutExpired("python", seconds)
        return self.returncode


@pytest.fixture
def windows(monkeypatch):
    def make(taskkill="works"):
        stand_in = Windows(taskkill)
        monkeypatch.setattr(processtree, "subprocess", stand_in)
        return stand_in

    return make


def test_windows_opens_no_console_and_keeps_ctrl_c_away():
    assert start_options("win32") == {"creationflags": 0x08000200}
    assert start_options("linux") == start_options("darwin") == {"start_new_session": True}


def test_windows_ends_the_tree_of_the_child_and_of_the_worker_behind_a_launcher(windows):
    system = windows()
    assert end_tree(system.process, [78], platform="win32")
    assert system.commands == [["taskkill", "/PID", pid, "/T", "/F"] for pid in ("78", "77")]
    assert all(options["creationflags"] == 0x08000000 and options["timeout"] for options in system.options)
    assert not system.killed


@pytest.mark.parametrize("taskkill", ["missing", "hangs", "refused"])
def test_windows_without_taskkill_ends_at_least_the_child(windows, taskkill):
    system = windows(taskkill)
    assert end_tree(system.process, platform="win32")
    assert system.killed


def test_windows_leaves_numbers_of_ended_processes_alone(windows):
    system = windows()
    system.returncode = 0
    end_tree(system.process, [78], platform="win32")
    assert system.commands == []


def test_a_process_that_hangs_in_a_driver_is_not_waited_for_without_end(windows):
    system = windows("refused")
    system.process.kill = lambda: None
    assert end_tree(system.process, platform="win32") is False
