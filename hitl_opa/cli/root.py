"""The command group, and how it finds its commands."""

from __future__ import annotations

from importlib import import_module
from typing import ClassVar

import click


class Lazy(click.Group):
    """Commands are imported when they are called: ``decide`` should not pay for ``demo``."""

    homes: ClassVar[dict[str, str]] = {
        "decide": "hitl_opa.cli.decide",
        "serve": "hitl_opa.cli.serve",
        "keys": "hitl_opa.cli.serve",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.homes)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        home = self.homes.get(cmd_name)
        return None if home is None else getattr(import_module(home), cmd_name)


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="hitl-opa")
def cli() -> None:
    """Humans in the loop where it matters: tool calls through OPA/Rego to allow, ask or deny.

    \b
    Start here:
      hitl-opa init                           settings and a first rule with its test
      hitl-opa decide Bash command='ls -la'   what policy says of one call
      hitl-opa demo                           a real Claude Code session, offline, guarded
    """
