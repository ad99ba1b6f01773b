"""``hitl-opa serve`` and ``hitl-opa keys``: the decision API over HTTP."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import click
import msgspec

from hitl_opa.cli.options import json_option
from hitl_opa.cli.settings import guard_options, load_settings
from hitl_opa.errors import ConfigError
from hitl_opa.guard.opening import SOCKET


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8282, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 takes a free one."
)
@click.option(
    "--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes; one uses one core."
)
@click.option(
    "--socket",
    "unix",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"Unix socket for Claude Code's hooks; only you can open it.  [default: {SOCKET} beside the settings]",
)
@guard_options
def serve(host: str, port: int, workers: int, unix: Path | None, **settings: Any) -> None:
    """Answer tool calls over HTTP, and Claude Code's hooks.

    \b
    hitl-opa keys new ci --principal ci-bot --level 2    # once; prints what hitl.yaml needs
    hitl-opa serve --port 8282
    curl -H "Authorization: Bearer $KEY" -d '{"tool": "Bash", "input": {"command": "ls"}}' \\
         http://127.0.0.1:8282/v1/decisions

    POST /v1/decisions takes one tool call, or {"calls": [...]}. POST /v1/data/hitl/main/decision
    answers as OPA does, POST /hooks/claude-code as Claude Code's hooks want it. Principal and level
    come from the key. /healthz and /openapi.json need none, and neither does the Unix socket, over
    which calls are yours.

    With more than one worker each counts sessions for itself, so rules about sequences see only the
    calls that came to the same worker.
    """
    try:
        import uvicorn
        from uvicorn.supervisors import Multiprocess

        from hitl_opa.cli.serving import SETTINGS, Serving, application, listen, listen_locally
    except ImportError as error:
        raise ConfigError(
            f"the decision API needs the extra `server`: pip install 'hitl-opa[server]' ({error})"
        ) from None
    from hitl_opa.guard import Guard

    config = load_settings(**settings)
    guard = Guard.open(config)  # what is wrong should be said here, and not by a worker
    local = hasattr(socket, "AF_UNIX")
    application(guard, socket=local)
    sockets = [listen(host, port)]
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"hitl-opa: {guard.describe()} on http://{shown}:{sockets[0].getsockname()[1]}", err=True)
    if guard.approvals is not None:
        click.echo(f"hitl-opa: the inbox on http://{shown}:{sockets[0].getsockname()[1]}/inbox", err=True)
    if local:
        path = unix or config.path(SOCKET)
        sockets.append(listen_locally(path))
        click.echo(f"hitl-opa: Claude Code's hooks on {path}", err=True)
    guard.audit.close()
    here = f"http://{shown}:{sockets[0].getsockname()[1]}"
    config = msgspec.structs.replace(config, protect=[*config.protect, here])
    os.environ[SETTINGS] = msgspec.json.encode(Serving(config=config, socket=local)).decode()
    uvicorn_config = uvicorn.Config(
        "hitl_opa.cli.serving:create",
        factory=True,
        workers=workers,
        log_level="warning",
        access_log=False,
        server_header=False,
    )
    server = uvicorn.Server(uvicorn_config)
    if workers > 1:
        Multiprocess(uvicorn_config, sockets=sockets).run()
    else:
        server.run(sockets=sockets)


@click.group()
def keys() -> None:
    """API keys of the decision API.

    \b
    hitl-opa keys new ci --principal ci-bot --level 2    prints the key once, and what hitl.yaml needs
    """


@keys.command()
@click.argument("name")
@click.option("--principal", required=True, help="Who calls made with this key are from.")
@click.option("--level", default=1, show_default=True, type=click.IntRange(1, 4), help="Their autonomy level.")
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(["viewer", "reviewer", "admin"]),
    help="For a person's key: what they may do with approvals.",
)
@click.option("--group", "groups", multiple=True, help="For a person's key: whom they speak for.")
@click.option("--write", type=click.Path(path_type=Path, dir_okay=False), help="Write the key to a new file.")
@json_option
def new(
    name: str,
    principal: str,
    level: int,
    roles: tuple[str, ...],
    groups: tuple[str, ...],
    write: Path | None,
    as_json: bool,
) -> None:
    """Make a key. Standard output has the lines that hitl.yaml needs; the key itself is kept nowhere.

    \b
    hitl-opa keys new ci --principal ci-bot --level 2 --write ci.key >> hitl.yaml
    hitl-opa keys new ann --principal ann --role reviewer --group ops --write ann.key

    A key with a role is a person's, who decides with it on approvals. Do not give it to an agent.
    """
    from hitl_opa.server.keys import new_key

    key, digest = new_key()
    entry: dict[str, Any] = {"name": name, "sha256": digest, "principal": principal, "level": level}
    entry |= {"roles": roles} if roles else {}
    entry |= {"groups": groups} if groups else {}
    if write is not None:
        try:
            with os.fdopen(os.open(write, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(key + "\n")
        except OSError as error:
            raise ConfigError(f"{write}: {error.strerror}") from None
    if as_json:
        click.echo(msgspec.json.encode({"entry": entry, **({} if write else {"key": key})}))
        return
    click.echo(f"The key, shown once: {key}" if write is None else f"The key is in {write}.", err=True)
    click.echo("hitl.yaml needs these lines:", err=True)
    click.echo(f"keys:\n  - {msgspec.json.encode(entry).decode()}")
