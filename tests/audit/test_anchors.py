from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
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
    assert anchor.notes() == NOTES
    with (tmp_path / "far" / "away.jsonl").open("a") as file:
        file.write('{"checkpoint": 3}\n')
    with pytest.raises(AuditError, match="no checkpoint"):
        anchor.notes()


def test_a_file_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AuditError, match="file/x"):
        FileAnchor(tmp_path / "file" / "x").put(NOTES)
    with pytest.raises(AuditError, match="No such file"):
        FileAnchor(tmp_path / "missing").notes()


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
    assert anchor.notes() == NOTES


def test_git_pushes(repository: Path, tmp_path: Path) -> None:
    git("init", "--quiet", "--bare", "remote", cwd=tmp_path)
    git("remote", "add", "origin", str(tmp_path / "remote"), cwd=repository)
    git("config", "push.autoSetupRemote", "true", cwd=repository)
    GitAnchor(repository, push=True).put(NOTES)
    assert GitAnchor(tmp_path / "remote").notes() == NOTES


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
    assert WebhookAnchor(url).notes() == []


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
