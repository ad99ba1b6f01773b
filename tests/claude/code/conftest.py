"""Servers that answer Claude Code's hooks: the real one, and ones that misbehave."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commands import PROGRAM


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="hitl") as folder:
        yield Path(folder)


Talk = Callable[[socket.socket], None]


@pytest.fixture
def fake(short: Path) -> Iterator[Callable[[Talk], Path]]:
    """A server on a Unix socket, and its path: what is given talks to each of its connections."""
    stopping: list[socket.socket] = []

    def start(talk: Talk) -> Path:
        path = short / "fake.sock"
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.bind(str(path))
        stopping.append(_talking(listening, talk))
        return path

    yield start
    _stop(stopping)


@pytest.fixture
def fake_http() -> Iterator[Callable[[Talk], str]]:
    """The same on a port of this machine, and its URL."""
    stopping: list[socket.socket] = []

    def start(talk: Talk) -> str:
        listening = socket.create_server(("127.0.0.1", 0))
        stopping.append(_talking(listening, talk))
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    yield start
    _stop(stopping)


def _talking(listening: socket.socket, talk: Talk) -> socket.socket:
    listening.listen()

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):  # the hook has given up on this server
                connection.settimeout(20)
                connection.recv(1_000_000)
                talk(connection)

    threading.Thread(target=serve, daemon=True).start()
    return listening


def _stop(listening: list[socket.socket]) -> None:
    for one in listening:
        one.shutdown(socket.SHUT_RDWR)
        one.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `hitl-opa serve`; it listens when this returns."""
    started: list[subprocess.Popen[str]] = []

    def start(cwd: Path, *arguments: str) -> subprocess.Popen[str]:
        server = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "serve", "--port", "0", *arguments],
            cwd=cwd,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(server)
        assert server.stderr is not None
        said = server.stderr.readline()
        assert " on http://" in said, said + server.stderr.read()
        server.url = "http://" + said.rsplit("http://", 1)[1].strip()  # type: ignore[attr-defined]
        while "hooks on" not in said:  # the last that it says before it listens
            said = server.stderr.readline()
            assert said, "it ended"
        return server

    yield start
    for server in started:
        server.terminate()
    for server in started:
        server.communicate(timeout=30)
