"""The demo, on the real CLI."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hitl_opa.audit import Report
from hitl_opa.cli.demo import _Demo
from hitl_opa.cli.watch import Seen
from hitl_opa.testing import Sandbox

HITL = [sys.executable, "-c", "from hitl_opa.cli import main; main()"]
GOOD = Report(records=1, erased=0, streams=[], problems=[])


def demo(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, "COLUMNS": "80", "TERM": "dumb", **env}
    return subprocess.run(
        [*HITL, "demo", *arguments], cwd=cwd, env=given, capture_output=True, text=True, timeout=170, check=False
    )


@pytest.mark.cli
def test_the_guides_gate(tmp_path: Path) -> None:
    """The three tiers work, what is destructive is blocked, AskUserQuestion is shown."""
    result = demo("--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr + result.stdout
    said = json.loads(result.stdout)
    assert (said["ok"], said["faults"], said["level"]) == (True, [], 3)
    calls = [(c["tool"], c["verdict"], c["said"], c["ended"]) for c in said["calls"]]
    assert calls == [
        ("Read", "allow", "", "ran"),
        ("Read", "allow", "", "ran"),
        ("Write", "allow", "", "ran"),
        ("Bash", "allow", "", "ran"),
        ("Write", "ask", "reject", "blocked"),
        ("Bash", "deny", "", "blocked"),
        ("AskUserQuestion", "allow", "", "ran"),
        ("mcp__ops__deploy", "ask", "approve", "ran"),
    ]
    assert said["calls"][4]["by"] == "reviewer demo (scripted)"
    assert said["calls"][5]["rule"] == "files.root"
    assert said["levels"][5] == ["deny"] * 4
    assert said["levels"][2] == ["ask", "ask", "allow", "allow"]
    assert said["audit"]["ok"]
    pause = said["pause"]
    assert (pause["before"], pause["after"], pause["state"]) == ([], ["production"], "executed")
    assert said["audit"]["streams"][0]["root"]


@pytest.mark.cli
def test_in_a_log_of_80_columns(tmp_path: Path) -> None:
    result = demo("--level", "1", cwd=tmp_path, NO_COLOR="1")
    assert result.returncode == 0, result.stderr + result.stdout
    assert result.stderr == ""
    assert "\x1b" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    for part in (
        "level      1: Nothing runs alone",
        "decided  by demo (scripted): reject",
        "outcome  it did not run",
        "answered by demo (scripted): staging",
        "The same calls at each autonomy level",
        "nothing ran that was denied or rejected",
        "asked to deploy to production, and has ended",
        "$ hitl-opa approvals approve",
        "executed; an equal call would be asked about again",
        "verified",
    ):
        assert part in result.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.cli
@pytest.mark.parametrize(("button", "deployed"), [("approve", "production"), ("reject", "nothing")])
def test_a_person_decides_in_the_inbox(tmp_path: Path, button: str, deployed: str) -> None:
    """Through the pages, as a browser without JavaScript would."""
    env = {**os.environ, "TERM": "dumb", "NO_COLOR": "1"}
    with subprocess.Popen([*HITL, "demo", "--inbox"], cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True) as demo:
        try:
            assert demo.stdout is not None
            said = {}
            while "password" not in said:
                line = demo.stdout.readline()
                assert line, said
                label, _, value = line.strip().rpartition(" ")
                said[label.strip()] = value
            visit(said["open"], said["log in as"], said["password"], button)
            rest = demo.stdout.read()
            assert demo.wait(120) == 0, rest
        finally:
            demo.kill()
    assert f"deployed  {deployed}" in rest, rest


def visit(url: str, name: str, password: str, button: str) -> None:
    import httpx2 as httpx

    def token(page: httpx.Response) -> str:
        return re.findall(r'name="token" value="([^"]+)"', page.text)[0]

    with httpx.Client(base_url=url.split("/inbox", maxsplit=1)[0], follow_redirects=True) as browser:
        page = browser.get("/inbox/login")
        login = {"token": token(page), "next": url[url.index("/inbox") :], "name": name, "password": password}
        page = browser.post("/inbox/login", data=login)
        assert "production" in page.text
        hidden = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page.text))
        phrase = "approve mcp__ops__deploy" if button == "approve" else ""
        said = {**hidden, "choice": button, "reason": "Because.", "typed": phrase}
        answer = browser.post(f"{url}/decide", data=said)
        assert answer.status_code == 200, answer.text


def test_live_needs_a_key(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    result = run("demo", "--live", "hello")
    assert result.exit_code == 2
    assert "needs a key in the environment" in result.stderr
    assert run("demo", "--live", "hello", "--json").exit_code == 2


def seen(tool: str, what: str, verdict: str, said: str = "", ended: str = "") -> Seen:
    return Seen(
        **{"id": "1", "call_id": "1", "tool": tool, "what": what, "input": {}, "verdict": verdict, "risk": "high"},
        **{"rule": "r", "reason": "", "by": "policy", "said": said, "ended": ended},
    )


def test_it_tells_on_a_guard_that_does_not_hold() -> None:
    with Sandbox() as sandbox:
        stage = _Demo(sandbox, 3, quiet=True)
        assert stage._faults([seen("Bash", "rm -rf /", "deny", ended="blocked")], GOOD) == []
        assert stage._faults([seen("Bash", "rm -rf /", "deny", ended="ran")], GOOD)
        assert stage._faults([seen("Write", ".env", "ask", "reject", "ran")], GOOD)
        sandbox.write(".env", "changed")
        assert stage._faults([seen("Write", ".env", "ask", "reject", "blocked")], GOOD)
        assert stage._faults([seen("Write", ".env", "allow", ended="ran")], GOOD) == []
    with Sandbox() as sandbox:
        stage = _Demo(sandbox, 3, quiet=True)
        subprocess.run([f"{stage._scene.bin}/rm", "nothing"], check=False, capture_output=True)
        assert stage._faults([], GOOD) == ["rm -rf / reached rm"]


def test_an_unverified_record_is_a_fault() -> None:
    from hitl_opa.audit import Damage, Problem

    bad = Report(records=1, erased=0, streams=[], problems=[Problem(damage=Damage.EDITED, message="x")])
    with Sandbox() as sandbox:
        assert _Demo(sandbox, 3, quiet=True)._faults([], bad) == ["the record does not verify"]
