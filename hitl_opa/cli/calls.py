"""A tool call from the command line: ``TOOL FIELD=VALUE …`` or JSON, and what is said of its session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from hitl_opa.errors import ConfigError
from hitl_opa.model import PermissionMode, Session, ToolCall

F = TypeVar("F", bound=Callable[..., Any])


def call_options(command: F) -> F:
    """``TOOL``, its fields, and ``--mode``, ``--confidence``, ``--unattended`` and ``--cwd``."""
    for option in reversed(
        (
            click.argument("tool", required=False),
            click.argument("fields", nargs=-1, metavar="[FIELD=VALUE ... | JSON]"),
            click.option(
                "--mode", type=click.Choice([m.value for m in PermissionMode]), help="The permission mode of the call."
            ),
            click.option("--confidence", type=click.FloatRange(0, 1), help="How sure the agent is, 0-1."),
            click.option("--unattended", is_flag=True, help="Nobody is there to be asked."),
            click.option("--cwd", help="Working directory of the call.  [default: this one]"),
        )
    ):
        command = option(command)
    return command


def call_of(tool: str, fields: tuple[str, ...]) -> ToolCall:
    """The call as typed. Raises UsageError or ConfigError."""
    return ToolCall(tool=tool, input=fields_of(tool, fields))


def adjusted(
    call: ToolCall,
    *,
    mode: str | None = None,
    confidence: float | None = None,
    unattended: bool = False,
    cwd: str | None = None,
) -> ToolCall:
    """The call with what the command line says in place of what it says itself."""
    session: dict[str, Any] = {}
    if mode:
        session["permission_mode"] = PermissionMode(mode)
    if unattended:
        session["unattended"] = True
    changed: dict[str, Any] = {"cwd": cwd or call.cwd or str(Path.cwd())}
    if confidence is not None:
        changed["confidence"] = confidence
    if session:
        changed["session"] = msgspec.structs.replace(call.session or Session(), **session)
    return msgspec.structs.replace(call, **changed)


def fields_of(tool: str, fields: tuple[str, ...]) -> dict[str, Any]:
    """The input as typed. Raises UsageError or ConfigError."""
    if len(fields) == 1 and fields[0].lstrip().startswith("{"):
        try:
            value: dict[str, Any] = msgspec.json.decode(fields[0], type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError) as error:
            raise ConfigError(f"the input is not a JSON object: {error}") from None
        return value
    pairs = [field.partition("=") for field in fields]
    for name, equals, _ in pairs:
        if not (name.isidentifier() and equals):
            example = "Bash command='ls -la'" if tool == "Bash" else f"{tool} field=value"
            raise click.UsageError(f"{name!r} is neither FIELD=VALUE nor a JSON object; for example: {example}")
    return {name: value for name, _, value in pairs}
