"""A real SLURM of one node on the loopback address, for the time of the tests: its own folder, ports and key."""

import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from programs import free_ports, program

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol")
START_S, END_S, LOOK_S = 60.0, 10.0, 0.2
NODE = "breastseg1"

CONFIG = """\
ClusterName=breastsegtest
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
PlugStackConfig={folder}/plugstack.conf
MpiDefault=none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=100
ReturnToService=1
JobRequeue=1
KillWait=5
MinJobAge=300
SlurmctldTimeout=30
SlurmdTimeout=30
MessageTimeout=3
NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={daemon} CPUs=2 RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes={node} Default=YES MaxTime=INFINITE State=UP
"""


def why_not():
    """Return why such a cluster cannot be started here, or ''."""
    if not sys.platform.startswith("linux"):
        return "SLURM runs on Linux only"
    if os.geteuid() != 0:
        return "the test's own SLURM is started by root only"
    missing = [name for name in PROGRAMS if program(name) is None]
    return f"not installed: {', '.join(missing)} (packages slurm-wlm and munge)" if missing else ""


class Cluster:
    """The cluster; a context manager.

    Parameters
    ----------
    folder : Path
        Made private.

    Attributes
    ----------
    environment : dict
        With which SLURM's commands find this cluster.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self._processes = {}
        self.environment = {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def __enter__(self):
        try:
            self._begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in ("slurmd", "slurmctld", "munged"):
            self.end(name)

    def start(self, name):
        """Start one of the three programs."""
        folder, config = self.folder, self.environment["SLURM_CONF"]
        command = {
            "munged": [
                *("--foreground", "--force"),  # the folder is private, and munged is used by root only
                *("--key-file", folder / "munge.key", "--socket", folder / "munge.socket"),
                *("--pid-file", folder / "munge.pid", "--log-file", folder / "munge.log"),
                *("--seed-file", folder / "munge.seed"),
            ],
            "slurmctld": ["-D", "-f", config],
            "slurmd": ["-D", "-f", config, "-N", NODE],
        }[name]
        with open(folder / f"{name}.out", "ab") as out:
            self._processes[name] = subprocess.Popen(
                [program(name), *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **self.environment},
            )

    def end(self, name):
        """End one of the programs that `start` has started."""
        process = self._processes.pop(name, None)
        if process is None:
            return
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def ask(self, *command):
        """Run one of SLURM's commands and return what it says."""
        answer = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, **self.environment}, timeout=60
        )
        if answer.returncode:
            raise RuntimeError(f"{' '.join(command)}: {answer.stderr.strip()}")
        return answer.stdout

    def wait_ready(self):
        """Wait until the node takes jobs.

        Raises
        ------
        RuntimeError
            With the ends of the logs, if it does not come to that.
        """
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            with suppress(RuntimeError):
                if self.ask("sinfo", "-h", "-o", "%t").strip() == "idle":
                    return
            time.sleep(LOOK_S)
        logs = [path for path in sorted(self.folder.iterdir()) if path.suffix in (".log", ".out")]
        ends = [f"{path.name}: {path.read_text(errors='replace')[-1500:]}" for path in logs]
        raise RuntimeError("The test's own SLURM did not start\n" + "\n".join(ends))

    def _begin(self):
        folder = self.folder
        folder.mkdir(parents=True, exist_ok=True)
        os.chmod(folder, 0o755)
        for name in ("state", "spool"):
            (folder / name).mkdir(exist_ok=True)
        (folder / "plugstack.conf").write_text("", encoding="ascii")
        key = folder / "munge.key"
        key.write_bytes(os.urandom(128))
        os.chmod(key, 0o600)
        controller, daemon = free_ports(2)
        text = CONFIG.format(
            host=socket.gethostname().partition(".")[0], folder=folder, controller=controller, daemon=daemon, node=NODE
        )
        (folder / "slurm.conf").write_text(text, encoding="utf-8")
        self.start("munged")
        until = time.monotonic() + START_S
        while not (folder / "munge.socket").exists() and time.monotonic() < until:
            time.sleep(LOOK_S)
        self.start("slurmctld")
        self.start("slurmd")
        self.wait_ready()
