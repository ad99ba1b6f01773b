"""Options that every command with a guard takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from hitl_opa.config import Config, OpaServer, load_config
from hitl_opa.guard import Guard

F = TypeVar("F", bound=Callable[..., Any])

LEVELS = {
    1: "Nothing runs alone: you decide every call.",
    2: "Reading runs alone; whatever changes something asks you.",
    3: "Medium risk runs alone, such as edits and tests; what is dangerous asks you.",
    4: "Everything but critical calls runs alone, watched and recorded.",
}


def guard_options(command: F) -> F:
    """``--config``, ``--level``, ``--engine`` and ``--policy``."""
    for option in reversed(
        (
            click.option("--config", type=click.Path(path_type=Path), help="Settings.  [default: hitl.yaml]"),
            click.option("--level", type=click.IntRange(1, 4), help="Autonomy level, in place of the settings'."),
            click.option(
                "--engine",
                metavar="embedded|URL",
                help="Decide in this process, or at this OPA server (http://host:port).",
            ),
            click.option(
                "--policy", "policies", multiple=True, metavar="PATH", help="More rules of the pack hitl.custom."
            ),
        )
    ):
        command = option(command)
    return command


def load_settings(
    config: Path | None = None,
    level: int | None = None,
    engine: str | None = None,
    policies: tuple[str, ...] = (),
    **overrides: Any,
) -> Config:
    """Settings from the file and the command line. Raises ConfigError."""
    if level is not None:
        overrides["level"] = level
    if engine is not None:
        overrides["opa"] = None if engine == "embedded" else OpaServer(url=engine)
    loaded = load_config(config, **overrides)
    if policies:
        from msgspec.structs import replace

        absolute = [str(Path(path).absolute()) for path in policies]
        loaded = replace(loaded, policies=[*loaded.policies, *absolute])
    return loaded


ASIDE: dict[str, Any] = {"audit": ":memory:", "database": "", "durable": False}
"""Settings of a guard that only says what policy makes of a call: nothing of it is recorded or kept."""


@contextmanager
def open_guard(config: Config) -> Iterator[Guard]:
    """A guard for these settings, closed at the end."""
    guard = Guard.open(config)
    try:
        yield guard
    finally:
        asyncio.run(guard.close())
