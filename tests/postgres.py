"""A PostgreSQL server of the tests' own: what Debian installs, on a Unix socket and a free port of this machine."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import psycopg

USER = "hitl"


def binaries() -> Path:
    """Where the server's programs are. Raises RuntimeError, which says how to get them."""
    found = shutil.which("initdb")
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[4]))
    if found is None and not versions:
        raise RuntimeError("these tests need PostgreSQL: apt-get install postgresql")
    return versions[-1].parent if versions else Path(str(found)).resolve().parent


class Server:
    """A server that is started when it is made. It keeps what it commits: fsync is on."""

    def __init__(self) -> None:
        # not below pytest's directory: the path of a socket has to be short, and another user must get there
        self.directory = Path(tempfile.mkdtemp(prefix="hitl-pg-"))
        self._as = _user()
        if self._as:
            account = pwd.getpwnam(self._as)
            os.chown(self.directory, account.pw_uid, account.pw_gid)
        self._data = self.directory / "data"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._run("initdb", "-D", str(self._data), "-U", USER, "--auth=trust", "--encoding=UTF8", "--no-locale", "-N")
        self.start()

    def start(self) -> None:
        settings = f"-p {self.port} -k {self.directory} -c listen_addresses=127.0.0.1 -c max_connections=200"
        log = str(self.directory / "log")
        self._run("pg_ctl", "-D", str(self._data), "-w", "-t", "60", "-l", log, "-o", settings, "start")

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "-D", str(self._data), "-w", "-t", "60", "-m", mode, "stop")

    def crash(self) -> None:
        """As a power cut: every process of it ends at once."""
        pid = int((self._data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for victim in (pid, *map(int, children)):
            os.kill(victim, signal.SIGKILL)
        deadline = time.monotonic() + 60
        while any(Path(f"/proc/{victim}").exists() for victim in (pid, *map(int, children))):
            if time.monotonic() > deadline:
                raise RuntimeError("the server does not end")
            time.sleep(0.01)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.directory)

    def create(self) -> str:
        """The URL of a new, empty database: a schema of its own, which takes less time."""
        name = f"t{uuid.uuid4().hex}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return f"{self.url()}?options=-csearch_path%3D{name}"

    def url(self) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/postgres"

    def _run(self, program: str, *arguments: str) -> None:
        command: list[str] = [str(binaries() / program), *arguments]
        options: dict[str, Any] = {"user": self._as, "group": self._as, "extra_groups": []} if self._as else {}
        done = subprocess.run(
            command, cwd=self.directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            stdin=subprocess.DEVNULL, start_new_session=True, **options,
        )  # fmt: skip
        if done.returncode:
            log = self.directory / "log"
            raise RuntimeError(f"{program}: {done.stdout}\n{log.read_text() if log.exists() else ''}")


def _user() -> str:
    """Whom the server runs as: it refuses to be root."""
    return "postgres" if os.getuid() == 0 else ""
