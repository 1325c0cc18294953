"""A real Slurm of one node on this machine, for tests: munged, slurmctld and slurmd on loopback,
with ports, keys and folders of their own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

_programs = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel")


def why_not() -> str:
    """Why there can be no Slurm here; empty where there can."""
    missing = [name for name in _programs if _path_of(name) is None]
    if missing:
        return f"{', '.join(missing)} not found: apt-get install slurm-wlm munge"
    return "" if os.geteuid() == 0 else "the daemons of Slurm are started by root only"


class Node:
    """folder: configuration, state and logs. While it is up, SLURM_CONF leads every command of
    Slurm here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.conf = folder / "slurm.conf"
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Returns once the node takes jobs."""
        for name in ("state", "spool", "log"):
            (self.folder / name).mkdir(parents=True)
        self.conf.write_text(_conf.format(
            dir=self.folder, ctld=_free_port(), slurmd=_free_port(), cpus=8,
        ))  # fmt: skip
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        self._daemons["munged"] = self._spawn(
            "munged", "--foreground", "--force", f"--key-file={key}",
            f"--socket={self.folder}/munge.socket", f"--pid-file={self.folder}/munged.pid",
            f"--log-file={self.folder}/log/munged.log", f"--seed-file={self.folder}/munge.seed",
        )  # fmt: skip
        wait_for(lambda: (self.folder / "munge.socket").exists(), "munged listens")
        self.start_controller()
        self.start_slurmd()
        self.wait_until_idle()

    def stop(self) -> None:
        """Ends every process it started, those of jobs included."""
        if "slurmd" in self._daemons:
            self.crash()
        self._end("slurmctld", signal.SIGTERM)
        self._end("munged", signal.SIGTERM)

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"SLURM_CONF": str(self.conf)}

    def start_controller(self) -> None:
        """slurmctld, which keeps its queue on disk."""
        self._daemons["slurmctld"] = self._spawn("slurmctld", "-D", "-f", str(self.conf))
        wait_for(lambda: " UP" in self.say("scontrol", "ping"), "slurmctld answers")

    def stop_controller(self) -> None:
        """Slurm is down; jobs go on."""
        self._end("slurmctld", signal.SIGTERM)

    def start_slurmd(self, *, rebooted: bool = False) -> None:
        """rebooted: tell the controller that the whole node was started anew."""
        more = ["-b"] if rebooted else []
        self._daemons["slurmd"] = self._spawn("slurmd", "-D", "-f", str(self.conf), *more)

    def restart_slurmd(self) -> None:
        """The node's daemon is killed and started again; its jobs do not notice."""
        self._end("slurmd", signal.SIGKILL)
        self.start_slurmd()

    def crash(self) -> None:
        """The node is gone at once: its daemon and every process of its jobs are killed."""
        self._end("slurmd", signal.SIGKILL)
        processes = _processes()
        mine = {p for p, _ in processes if f"SLURM_CONF={self.conf}" in _environment_of(p)}
        of_jobs = {p for p in mine if "SLURM_JOB_ID=" in _environment_of(p)}
        # Those that watch over the jobs go first, or they would report how the jobs ended.
        keepers = {parent for p, parent in processes if p in of_jobs} & mine - of_jobs
        for process in [*keepers, *of_jobs]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        wait_for(lambda: not of_jobs & {p for p, _ in _processes()}, "the processes are gone")

    def wait_until_idle(self) -> None:
        """Until the node takes jobs."""
        wait_for(
            lambda: self.say("sinfo", "--noheader", "--format=%T").strip() in ("idle", "mixed"),
            "the node takes jobs",
        )

    def wait_until_empty(self, seconds: float = 300.0) -> None:
        """Until no job is queued or runs."""
        wait_for(lambda: not self.queue(), "no job is queued or runs", seconds)

    def queue(self) -> list[str]:
        """One line per job or task, "12_3 PENDING"."""
        return self.say("squeue", "--noheader", "--array", "--format=%i %T").splitlines()

    def say(self, *command: str) -> str:
        """What a command of Slurm prints."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60
        )
        return done.stdout

    def _spawn(self, *command: str) -> subprocess.Popen[bytes]:
        path = _path_of(command[0])
        assert path is not None, f"{command[0]} is looked for before anything is started"
        log = (self.folder / "log" / f"{command[0]}.out").open("ab")
        with log:
            return subprocess.Popen(
                [path, *command[1:]], stdout=log, stderr=log, env=self.environment,
                start_new_session=True,
            )  # fmt: skip

    def _end(self, name: str, number: int) -> None:
        process = self._daemons.pop(name, None)
        if process is not None:
            process.send_signal(number)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for(done: Callable[[], object], what: str, seconds: float = 300.0) -> None:
    """Until `done` says so."""
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, f"waited {seconds:g} s in vain: {what}"
        time.sleep(0.3)


def _path_of(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _processes() -> list[tuple[int, int]]:
    """(process, its parent) of all."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (folder / "stat").read_text()
                found.append((int(folder.name), int(stat.rpartition(")")[2].split()[1])))
    return found


def _environment_of(process: int) -> str:
    try:
        return Path(f"/proc/{process}/environ").read_bytes().decode(errors="replace")
    except OSError:
        return ""


_conf = """\
ClusterName=test
SlurmctldHost=localhost
SlurmctldPort={ctld}
SlurmdPort={slurmd}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={dir}/munge.socket,cred_expire=5
StateSaveLocation={dir}/state
SlurmdSpoolDir={dir}/spool
SlurmctldPidFile={dir}/slurmctld.pid
SlurmdPidFile={dir}/slurmd.pid
SlurmctldLogFile={dir}/log/slurmctld.log
SlurmdLogFile={dir}/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=0
ReturnToService=2
KillWait=10
BatchStartTimeout=1
MinJobAge=86400
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MaxArraySize=101
NodeName=localhost CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes=localhost Default=YES MaxTime=60 State=UP
PartitionName=closed Nodes=localhost MaxTime=60 State=INACTIVE
"""
