"""The command group, and how it finds its commands."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any, ClassVar

import click

from hitl_opa.errors import HitlError


class Failure(click.ClickException):
    """What we raise on purpose, for a person: a line on standard error and exit code 2."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        click.echo(f"hitl-opa: {self.format_message()}", file=file, err=file is None)


class Lazy(click.Group):
    """Commands are imported when they are called: ``decide`` should not pay for ``demo``."""

    homes: ClassVar[dict[str, str]] = {
        "init": "hitl_opa.cli.init",
        "decide": "hitl_opa.cli.decide",
        "explain": "hitl_opa.cli.explain",
        "policy": "hitl_opa.cli.policy",
        "audit": "hitl_opa.cli.audit",
        "replay": "hitl_opa.cli.replay",
        "report": "hitl_opa.cli.report",
        "approvals": "hitl_opa.cli.approvals",
        "grants": "hitl_opa.cli.grants",
        "users": "hitl_opa.cli.users",
        "metrics": "hitl_opa.cli.metrics",
        "autonomy": "hitl_opa.cli.autonomy",
        "incident": "hitl_opa.cli.autonomy",
        "rate": "hitl_opa.cli.rate",
        "notify": "hitl_opa.cli.notify",
        "worker": "hitl_opa.cli.worker",
        "jobs": "hitl_opa.cli.jobs",
        "doctor": "hitl_opa.cli.doctor",
        "demo": "hitl_opa.cli.demo",
        "serve": "hitl_opa.cli.serve",
        "keys": "hitl_opa.cli.serve",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.homes)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        home = self.homes.get(cmd_name)
        return None if home is None else getattr(import_module(home), cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except HitlError as error:
            raise Failure(str(error)) from error
        except BrokenPipeError:  # `hitl-opa … | head` is no failure
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="hitl-opa")
def cli() -> None:
    """Humans in the loop where it matters: tool calls through OPA/Rego to allow, ask or deny.

    \b
    Start here:
      hitl-opa demo                           a real Claude Code session, offline, guarded
      hitl-opa init                           settings and a first rule with its test
      hitl-opa decide Bash command='ls -la'   what policy says of one call
      hitl-opa explain Bash command='ls -la'  and why, and what would change it

    Exit codes: 0 done, 1 the answer is no, 2 wrong usage or settings. Every command has --help.
    """
