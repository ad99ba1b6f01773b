from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from hitl_opa.audit.anchors import FILE, FileAnchor, GitAnchor, WebhookAnchor
from hitl_opa.errors import AuditError

NOTES = ["one\n1\n", "two\n2\n", "three\n— x\n"]


def git(*arguments: str, cwd: Path) -> str:
    return subprocess.run(["git", *arguments], cwd=cwd, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git("init", "--quiet", "repository", cwd=tmp_path)
    return tmp_path / "repository"


def test_a_file_keeps_what_was_in_it(tmp_path: Path) -> None:
    anchor = FileAnchor(tmp_path / "far" / "away.jsonl")
    anchor.put(NOTES[:1])
    anchor.put(NOTES[1:])
    assert anchor.read() == (NOTES, ())
    with (tmp_path / "far" / "away.jsonl").open("a") as file:
        file.write('{"checkpoint": 3}\n{"checkpoint": "cut')
    anchor.put(NOTES[:1])
    notes, (problem,) = anchor.read()
    assert notes == [*NOTES, NOTES[0]]  # what follows a line that was cut off is a line of its own
    assert f"{anchor.name}: line 4 is no checkpoint" in problem
    assert problem.endswith("(and 1 more)")


def test_a_file_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AuditError, match="file/x"):
        FileAnchor(tmp_path / "file" / "x").put(NOTES)
    assert FileAnchor(tmp_path / "missing").read() == ([], ())
    _notes, (problem,) = FileAnchor(tmp_path).read()
    assert "is no file" in problem


@pytest.mark.parametrize("target", ["/dev/zero", "/dev/null", "pipe"])
def test_what_is_no_file_is_neither_waited_for_nor_written_to(tmp_path: Path, target: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    anchor = FileAnchor(tmp_path / "anchor.jsonl")
    (tmp_path / "anchor.jsonl").symlink_to(target)
    with pytest.raises(AuditError, match=r"is no file|No such device"):
        anchor.put(NOTES)
    notes, (problem,) = anchor.read()
    assert notes == []
    assert "is no file" in problem


@pytest.mark.parametrize(
    "line",
    [b"[" * 100_000, b'{"checkpoint":' * 5000, b"\xff\xfe", b"\0" * 100, b'{"checkpoint":NaN}', b"x" * 7_000_000],
)
def test_a_hostile_line_is_named_by_its_number(tmp_path: Path, line: bytes) -> None:
    file = tmp_path / "anchor.jsonl"
    FileAnchor(file).put(NOTES)
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n") + line + b"\n")
    notes, (problem,) = FileAnchor(file).read()
    assert notes == NOTES
    assert "line 4 is no checkpoint" in problem


def test_git_keeps_what_a_later_commit_cut_off(repository: Path) -> None:
    (repository / "other").write_text("x")
    git("add", "other", cwd=repository)  # what somebody else has staged stays so
    anchor = GitAnchor(repository)
    anchor.put(NOTES[:1])
    anchor.put(NOTES[1:])
    assert git("status", "--porcelain", cwd=repository) == "A  other\n"
    assert git("log", "--format=%s", cwd=repository).splitlines() == [
        "2 checkpoint(s) of the audit log",
        "1 checkpoint(s) of the audit log",
    ]
    (repository / FILE).write_text("")
    git("-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qam", "cut", cwd=repository)
    assert anchor.read() == (NOTES, ())


@pytest.mark.parametrize(
    "hide",
    [
        lambda at: (at / ".git" / "info" / "attributes").write_text(f"{FILE} binary\n"),
        lambda at: (
            (at / ".git" / "info" / "attributes").write_text(f"{FILE} diff=x\n"),
            git("config", "diff.x.textconv", "echo hidden; touch ran; true", cwd=at),
        ),
        lambda at: git("replace", "HEAD", "HEAD~1", cwd=at),
        lambda at: git("update-ref", "refs/hidden", "HEAD", cwd=at) and git("reset", "--hard", "-q", "HEAD~1", cwd=at),
        lambda at: git("config", "color.ui", "always", cwd=at),
        lambda at: git("config", "diff.noprefix", "true", cwd=at),
    ],
    ids=["binary", "textconv", "replaced", "another ref", "colour", "no prefix"],
)
def test_no_setting_of_a_repository_hides_what_it_keeps(repository: Path, hide: Callable[[Path], object]) -> None:
    anchor = GitAnchor(repository)
    for note in NOTES:
        anchor.put([note])
    hide(repository)
    assert anchor.read() == (NOTES, ())
    assert not (repository / "ran").exists()


def test_git_without_a_commit_or_a_repository(tmp_path: Path, repository: Path) -> None:
    assert GitAnchor(repository).read() == ([], ())
    _notes, (problem,) = GitAnchor(tmp_path).read()
    assert "not a git repository" in problem


def test_git_pushes(repository: Path, tmp_path: Path) -> None:
    git("init", "--quiet", "--bare", "remote", cwd=tmp_path)
    git("remote", "add", "origin", str(tmp_path / "remote"), cwd=repository)
    git("config", "push.autoSetupRemote", "true", cwd=repository)
    GitAnchor(repository, push=True).put(NOTES)
    assert GitAnchor(tmp_path / "remote").read() == (NOTES, ())


def test_git_that_fails_says_why(tmp_path: Path, repository: Path) -> None:
    with pytest.raises(AuditError, match="not a git repository"):
        GitAnchor(tmp_path).put(NOTES)
    with pytest.raises(AuditError, match="git push"):
        GitAnchor(repository, push=True).put(NOTES)


class Receiver(BaseHTTPRequestHandler):
    answers: list[int]
    got: list[Any]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.got.append((self.headers["authorization"], json.loads(body)))
        self.send_response(self.answers.pop(0))
        self.send_header("location", "/elsewhere")
        self.send_header("content-length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[tuple[str, type[Receiver]]]:
    handler = type("Handler", (Receiver,), {"answers": [], "got": []})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/hook", handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_webhook_gets_the_notes(receiver: tuple[str, type[Receiver]]) -> None:
    url, handler = receiver
    handler.answers += [200, 204]
    WebhookAnchor(url).put(NOTES)
    WebhookAnchor(url, token="t").put(NOTES[:1])
    assert handler.got == [(None, {"checkpoints": NOTES}), ("Bearer t", {"checkpoints": NOTES[:1]})]
    assert WebhookAnchor(url).read() is None


@pytest.mark.parametrize("status", [302, 400, 503])
def test_a_webhook_that_does_not_keep_them(receiver: tuple[str, type[Receiver]], status: int) -> None:
    url, handler = receiver
    handler.answers.append(status)
    with pytest.raises(AuditError, match=str(status)):
        WebhookAnchor(url).put(NOTES)
    assert len(handler.got) == 1


def test_a_webhook_that_is_not_there() -> None:
    with pytest.raises(AuditError, match="refused"):
        WebhookAnchor("http://127.0.0.1:1/").put(NOTES)
    with pytest.raises(AuditError, match="starts with https"):
        WebhookAnchor("file:///etc/passwd")
