"""What ``hitl-opa serve`` runs: its sockets, and the application of each worker."""

from __future__ import annotations

import gc
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from hitl_opa.config import Config
from hitl_opa.errors import ConfigError

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from hitl_opa.guard import Guard

SETTINGS = "HITL_OPA_SERVE_SETTINGS"


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker has to know, handed on in its environment."""

    config: Config
    socket: bool = False


def create() -> Starlette:
    """ASGI factory for uvicorn, which starts each worker with a fresh interpreter."""
    from hitl_opa.guard import Guard

    serving = msgspec.json.decode(os.environ[SETTINGS], type=Serving)
    app = application(Guard.open(serving.config), socket=serving.socket)
    # what was loaded stays, and nearly all that a request makes is freed without the collector
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    return app


def application(guard: Guard, *, socket: bool = False) -> Starlette:
    """Everything that is served over this guard. Raises ConfigError."""
    from hitl_opa.claude.code.hooks import CodeHooks
    from hitl_opa.server import create_app

    return create_app(guard, hooks=CodeHooks(guard).said, socket=socket)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket whose connections do not delay small writes.

    On a socket that uvicorn makes for several workers they would: each answer would take 40 ms.
    """
    try:
        listening = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=2048
        )
    except OSError as error:
        raise ConfigError(f"cannot listen on {host} port {port}: {error.strerror or error}") from None
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def listen_locally(path: Path) -> socket.socket:
    """A listening Unix socket that only this user can open. One that nobody listens on any more is replaced."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    name = min(str(path), os.path.relpath(path), key=len)  # the path of a socket has to be short
    mask = os.umask(0o177)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.is_socket() and not _answers(name):
            path.unlink()
        listening.bind(name)
        listening.listen(2048)
    except OSError as error:
        listening.close()
        raise ConfigError(f"cannot listen on {path}: {error.strerror or error}; name another one: --socket") from None
    finally:
        os.umask(mask)
    return listening


def _answers(name: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(name) == 0
