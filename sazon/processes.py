"""Child processes that never outlive their parent, for commands that run several servers."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sazon.errors import ServingError

_PR_SET_PDEATHSIG = 1
_STOP_S = 15.0
GIVES_WAY = 5
"""Niceness of a model server beside its gateway: what takes a moment need not wait for what takes all there is."""


def die_with_parent() -> None:
    """Linux only: the kernel sends SIGTERM when the parent is gone, also when it was killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Processes:
    """Starts children, watches them, and stops them in reverse order."""

    logs: Path
    running: list[tuple[str, subprocess.Popen[bytes]]] = field(default_factory=list)

    def start(
        self, name: str, command: list[str], environment: dict[str, str], niceness: int = 0
    ) -> subprocess.Popen[bytes]:
        """Starts a server; its output goes to `<logs>/<name>.log`. It is not reached by the terminal's Ctrl-C.

        Args:
            name: of the server, and of its log.
            command: with its arguments.
            environment: added to that of this process.
            niceness: how far it gives way to other processes, 0 to 19.
        """

        def prepare() -> None:
            die_with_parent()
            os.nice(niceness)

        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / f"{name}.log").open("ab") as log:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **environment},
                start_new_session=True,
                preexec_fn=prepare,
            )
        self.running.append((name, child))
        return child

    def wait_until(self, name: str, ready: Callable[[], bool], timeout_s: float) -> None:
        """Polls until a started server is ready.

        Raises:
            ServingError: it ended, or the time is over; the message shows the last line of its log.
        """
        deadline_s = time.monotonic() + timeout_s
        child = next(process for known, process in self.running if known == name)
        while not ready():
            if child.poll() is not None:
                raise ServingError(f"{name} stopped with exit code {child.returncode}: {self._last_line(name)}")
            if time.monotonic() > deadline_s:
                raise ServingError(f"{name} was not ready after {timeout_s:.0f} s: {self._last_line(name)}")
            time.sleep(0.1)

    def first_ended(self) -> tuple[str, int] | None:
        """Name and exit code of a child that is no longer running, if there is one."""
        for name, child in self.running:
            if child.poll() is not None:
                return name, child.returncode
        return None

    def stop(self) -> None:
        """SIGTERM to each, newest first, then SIGKILL to those that do not listen."""
        for _, child in reversed(self.running):
            if child.poll() is None:
                child.terminate()
        deadline_s = time.monotonic() + _STOP_S
        for _, child in reversed(self.running):
            try:
                child.wait(max(0.1, deadline_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self.running.clear()

    def _last_line(self, name: str) -> str:
        path = self.logs / f"{name}.log"
        lines = path.read_text(errors="replace").split("\n") if path.exists() else []
        return next((line.strip() for line in reversed(lines) if line.strip()), "no output") + f" (see {path})"


def answers(url: str, timeout_s: float = 2.0) -> bool:
    """Whether a GET is answered with a status below 400."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_s):
            return True
    except OSError:  # refused, timed out, or answered with an error status
        return False


def free_port(host: str, preferred: int) -> int:
    """The preferred port if nobody listens there, else any free one."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ServingError(f"no free port on {host}")
