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
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)

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


PROGRAMS = [(page.name, i, block) for page in PAGES for i, block in enumerate(PYTHON.findall(page.read_text("utf-8")))]


@pytest.mark.parametrize(("page", "number", "program"), PROGRAMS, ids=[f"{p}-{i}" for p, i, _ in PROGRAMS])
def test_python_of(page: str, number: int, program: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=150, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_rule_of_the_readme_works(tmp_path: Path) -> None:
    from hitl_opa import Guard, ToolCall

    (rule,) = re.findall(r"^```rego\n(.*?)^```$", PAGES[0].read_text("utf-8"), re.MULTILINE | re.DOTALL)
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "migrations.rego").write_text(rule)
    guard = Guard.open(level=3, audit=":memory:", policies=[str(tmp_path / "policy")])
    for path, verdict in (("db/migrations/1.sql", "ask"), ("db/schema.sql", "allow")):
        call = ToolCall(tool="Write", input={"file_path": path, "content": "x"}, cwd=str(tmp_path / "w"))
        decision = guard.decide_sync(call)
        assert decision.verdict == verdict
        assert ("custom.migrations" in {r.rule for r in decision.reasons}) == (verdict == "ask")
