"""Every command that the documentation shows is run, in order, in one shell a page."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# set-up and whole-suite commands: tests/cli runs the demo, and this suite is `make test`
ELSEWHERE = {"make demo", "make test", "make help", "make generate", "make bench", "make rego-test"}


def script(page: Path) -> str:
    lines = [line for block in BLOCK.findall(page.read_text(encoding="utf-8")) for line in block.splitlines()]
    return "\n".join(line for line in lines if line.split("#")[0].strip() not in ELSEWHERE)


@pytest.mark.parametrize("page", [p for p in PAGES if script(p).strip()], ids=lambda p: p.name)
@pytest.mark.xdist_group("ports")
def test_commands_of(page: Path, tmp_path: Path) -> None:
    tools = f"{Path(sys.executable).parent}:{ROOT / '.opa'}"
    env = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(tmp_path), "NO_COLOR": "1"}
    work = tmp_path / "work"
    work.mkdir()
    shutil.copytree(ROOT / "examples", work / "examples")
    log = tmp_path / "output"
    with log.open("wb") as output:
        shell = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-x", "-c", script(page)],
            cwd=work,
            env=env,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code: int | str = shell.wait(timeout=150)
        except subprocess.TimeoutExpired:
            code = "took too long"
        finally:
            with contextlib.suppress(ProcessLookupError):  # the page's servers, in the shell's process group
                os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()
    assert code == 0, log.read_text(errors="replace")
