"""Options that many commands take. Those of commands with a guard are in `hitl_opa.cli.settings`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

config_option = click.option(
    "--config", type=click.Path(path_type=Path), help="Settings.  [default: hitl.yaml, if present]"
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def options(command: F) -> F:
    """``--config`` and ``--json``."""
    return config_option(json_option(command))
