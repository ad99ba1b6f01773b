"""The command line. One file a command; every command takes ``--help``, and ``--json`` where it prints."""

from __future__ import annotations

from hitl_opa.cli.root import cli


def main() -> None:
    """Entry point of ``hitl-opa``. Exit codes: 0 done, 1 the answer is no, 2 wrong usage or settings."""
    cli(prog_name="hitl-opa")
