"""The installed entry point, as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hitl_opa.cli.root import Lazy, cli

HITL = [sys.executable, "-c", "from hitl_opa.cli import main; main()"]


def hitl(*arguments: str, cwd: Path, **settings: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*HITL, *arguments], cwd=cwd, capture_output=True, text=True, timeout=60, check=False, **settings
    )


def test_help_teaches(tmp_path: Path) -> None:
    result = hitl("--help", cwd=tmp_path)
    assert result.returncode == 0
    assert "Start here:" in result.stdout
    for name in Lazy.homes:
        assert f"  {name} " in result.stdout


@pytest.mark.parametrize("name", list(Lazy.homes))
def test_every_command_has_a_help_with_an_example(run: Any, name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    assert f"hitl-opa {name}" in result.output
    commands = getattr(cli.commands.get(name), "commands", {})
    for sub in commands:
        assert run(name, sub, "--help").exit_code == 0


def test_version(tmp_path: Path) -> None:
    assert "hitl-opa" in hitl("--version", cwd=tmp_path).stdout


def test_an_error_is_one_line_on_standard_error(tmp_path: Path) -> None:
    result = hitl("decide", "Bash", "command=ls", "--config", "none.yaml", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "hitl-opa: none.yaml: No such file or directory\n"


def test_an_unknown_command(tmp_path: Path) -> None:
    result = hitl("deicde", cwd=tmp_path)
    assert result.returncode == 2
    assert "No such command 'deicde'" in result.stderr


def test_jsonl_through_a_pipe(tmp_path: Path) -> None:
    result = hitl(
        "decide", "--jsonl", cwd=tmp_path, input='{"id": "1", "tool": "Bash", "input": {"command": "rm -rf /"}}\n'
    )
    assert result.returncode == 0
    assert '"verdict":"deny"' in result.stdout


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    line = b'{"tool": "Bash", "input": {"command": "ls"}}\n'
    process = subprocess.Popen(
        [*HITL, "decide", "--jsonl"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    process.stdin.write(line)
    process.stdin.flush()
    process.stdout.readline()
    process.stdout.close()
    process.stdin.write(line * 50)
    process.stdin.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(30) == 0
    assert errors == b""


def test_help_does_not_import_what_is_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from hitl_opa.cli.root import cli; cli(['--help'], standalone_mode=False); sys.exit(any("
        "m in sys.modules for m in ('claude_agent_sdk', 'regorus', 'sqlglot', 'tree_sitter')))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    assert os.linesep.encode() in result.stdout
