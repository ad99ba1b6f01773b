"""The command line. One file a command; every command takes ``--help``, and ``--json`` where it prints."""

from __future__ import annotations

import os
import sys

from hitl_opa.cli.root import cli


def main() -> None:
    """Entry point of ``hitl-opa``. Exit codes: 0 done, 1 the answer is no, 2 wrong usage or settings."""
    try:
        cli()
    except BrokenPipeError:  # `hitl-opa … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
