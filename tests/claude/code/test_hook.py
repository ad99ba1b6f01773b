"""The command hook as a process: whatever goes wrong is exit code 2, with a reason, and nothing on standard output."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hitl_opa.claude.code.settings import HOOK

CALL = {
    "hook_event_name": "PreToolUse",
    "session_id": "s",
    "tool_name": "Bash",
    "tool_input": {"command": "ls"},
    "tool_use_id": "t",
}
Fake = Callable[[Callable[[socket.socket], None]], Path]


def hook(*arguments: str, call: Any = CALL, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    given = call if isinstance(call, str) else json.dumps(call)
    return subprocess.run(
        [sys.executable, "-I", "-S", str(HOOK), *arguments],
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=cwd,
    )


def refused(done: subprocess.CompletedProcess[str], why: str) -> None:
    assert (done.returncode, done.stdout) == (2, ""), done
    assert why in done.stderr
    assert done.stderr.startswith("hitl-opa: ")


def reply(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def said(decision: str, **more: Any) -> bytes:
    specific = {"hookEventName": "PreToolUse", "permissionDecision": decision, **more}
    return json.dumps({"hookSpecificOutput": specific}).encode()


def test_a_plain_allow(fake: Fake) -> None:
    path = fake(lambda c: c.sendall(reply(b"anything", "X-Hitl-Answer: allow")))
    done = hook("--socket", str(path))
    assert done.returncode == 0
    assert json.loads(done.stdout)["hookSpecificOutput"]["permissionDecision"] == "allow"


def test_an_allow_with_another_input_is_passed_on_whole(fake: Fake) -> None:
    big = "x" * 300_000
    path = fake(lambda c: c.sendall(reply(said("allow", updatedInput={"command": big}))))
    done = hook("--socket", str(path))
    assert done.returncode == 0
    assert json.loads(done.stdout)["hookSpecificOutput"]["updatedInput"] == {"command": big}


def test_a_deny_blocks_with_its_reason(fake: Fake) -> None:
    path = fake(lambda c: c.sendall(reply(said("deny", permissionDecisionReason="Not on a Friday."))))
    refused(hook("--socket", str(path)), "Not on a Friday.")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "answered ''"),
        (b"junk\r\n\r\n", "answered 'junk'"),
        (reply(said("allow"), status="500 Internal Server Error"), "500"),
        (reply(said("allow"), status="404 Not Found"), "404"),
        (reply(b"", status="204 No Content"), "204"),
        (reply(said("allow"), length=5), "not whole"),
        (reply(said("allow"), length=5_000), "not whole"),
        (reply(b"{}"), "hookSpecificOutput"),
        (reply(b""), "JSONDecodeError"),
        (reply(b"null"), "TypeError"),
        (reply(b'{"hookSpecificOutput": {"permissionDecision": "allow"'), "JSONDecodeError"),
        (reply(said("ask")), "neither allow nor deny"),
        (reply(said("Allow")), "neither allow nor deny"),
        (reply(said("defer")), "neither allow nor deny"),
        (reply(said("allow", hookEventName="PostToolUse")), "neither allow nor deny"),
        (reply(said("allow", updatedInput="ls")), "not an object"),
        (reply(b'{"permissionDecision": "allow"}'), "KeyError"),
        (reply(b"\xff\xfe"), "JSONDecodeError"),
    ],
)
def test_junk_blocks(fake: Fake, answer: bytes, why: str) -> None:
    refused(hook("--socket", str(fake(lambda c: c.sendall(answer)))), why)


def test_no_server_blocks(short: Path) -> None:
    refused(hook("--socket", str(short / "none.sock")), "hitl-opa serve")
    (short / "file").touch()
    refused(hook("--socket", str(short / "file")), "hitl-opa serve")
    refused(hook("--socket", "/no/such/folder/x.sock"), "start it")


def test_a_server_that_goes_away_or_says_nothing_blocks(fake: Fake) -> None:
    path = fake(lambda c: time.sleep(10))
    refused(hook("--socket", str(path), "--seconds", "0.3"), "within 0.3 s")


def test_input_that_never_ends_blocks(short: Path) -> None:
    command = [sys.executable, "-I", "-S", str(HOOK), "--socket", str(short / "x"), "--seconds", "0.3"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.wait(timeout=30) == 2
        assert process.stderr is not None
        assert b"within 0.3 s" in process.stderr.read()


@pytest.mark.parametrize("arguments", [[], ["--socket"], ["--what", "x"], ["--socket", "x", "--decide", "y"]])
def test_a_wrong_command_line_blocks(arguments: list[str]) -> None:
    refused(hook(*arguments), "")


def test_what_is_already_over_is_noted(fake: Fake) -> None:
    path = fake(lambda c: c.sendall(reply(b"{}", "X-Hitl-Answer: noted")))
    done = hook("--socket", str(path), call={**CALL, "hook_event_name": "PostToolUse"})
    assert (done.returncode, done.stdout) == (0, "{}")


def test_modules_lying_about_are_not_imported(fake: Fake, tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit(0)")
    path = fake(lambda c: c.sendall(reply(said("deny", permissionDecisionReason="no"))))
    refused(hook("--socket", str(path), cwd=tmp_path), "no")


def test_decided_alone(tmp_path: Path) -> None:
    (tmp_path / "hitl.yaml").write_text("level: 2\n")
    where = ["--decide", str(tmp_path)]
    done = hook(*where, call={**CALL, "cwd": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["hookSpecificOutput"]["permissionDecision"] == "allow"
    call = {**CALL, "tool_input": {"command": "rm -rf /"}, "cwd": str(tmp_path)}
    refused(hook(*where, call=call), "files.root")
    refused(hook(*where, call="junk"), "malformed")
    refused(hook(*where, call={**CALL, "hook_event_name": "Nonsense"}), "Nonsense")
    (tmp_path / "hitl.yaml").write_text("level: 9\n")
    refused(hook(*where), "level is 9")
    refused(hook("--decide", str(tmp_path / "none")), "No such file")
