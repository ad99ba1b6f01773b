"""The whole way: entry point, real CLI, guard, and a human at a real controlling terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import sys
import time
from pathlib import Path

import pytest

from hitl_opa.testing import ScriptedModel, text, tool_use

SECONDS = 90


class Person:
    """Reads a child's terminal and presses keys on it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._unread = ""
        self.shown = ""

    def wait_for(self, words: str) -> None:
        until = time.monotonic() + SECONDS
        while words not in self._unread:
            assert time.monotonic() < until, f"{words!r} never came; the screen is:\n{self.shown}"
            if select.select([self._descriptor], [], [], 0.2)[0]:
                self._read()
        self._unread = self._unread.partition(words)[2]

    def press(self, keys: str, after: str) -> None:
        self.wait_for(after)
        time.sleep(0.1)
        os.write(self._descriptor, keys.encode())

    def rest(self) -> None:
        try:
            while True:
                self._read()
        except OSError:  # how a pty says that its other side is closed
            return

    def _read(self) -> None:
        data = os.read(self._descriptor, 65536)
        if not data:
            raise OSError("closed")
        plain = re.sub(r"\x1b\[[0-9;]*m", "", data.decode(errors="replace")).replace("\r\n", "\n")
        self.shown += plain
        self._unread += plain


@pytest.mark.cli
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_person_at_the_terminal_decides(tmp_path: Path) -> None:
    turns = [
        [text("Changing \x1b[2Jit."), tool_use("Edit", file_path="greet.py", old_string="hello", new_string="bye")],
        tool_use("Read", file_path="greet.py"),
        tool_use("Edit", file_path="greet.py", old_string="hello", new_string="bye"),
        tool_use("Bash", command="touch dropped"),
        tool_use("mcp__ops__deploy", environment="staging"),
        "Done.",
    ]
    with ScriptedModel(turns) as model:
        env = {
            **{name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "EDITOR", "VISUAL"}},
            "ANTHROPIC_BASE_URL": model.url,
            "ANTHROPIC_API_KEY": "sk-ant-scripted",
            "TERM": "xterm-256color",
            "COLUMNS": "80",
        }
        code = "from hitl_opa.cli import main; main()"
        child, descriptor = pty.fork()
        if child == 0:
            os.chdir(tmp_path)
            os.execve(sys.executable, [sys.executable, "-c", code, "demo", "--live", "go", "--level", "1"], env)
        person = Person(descriptor)
        person.press("r", after="\n> ")
        person.press("read it first\n", after="\n> ")
        person.press("a", after="\n> ")
        person.wait_for('+print("bye")')
        person.press("a", after="\n> ")
        person.press("e", after="\n> ")
        person.press("touch kept\n", after="\n> ")
        person.press("y", after="\n> ")
        person.wait_for("ops/deploy")
        person.press("a", after="\n> ")
        person.press("approve mcp__ops__deploy\n", after="\n> ")
        person.rest()
        _, status = os.waitpid(child, 0)
        os.close(descriptor)
        told = [result.text for result in model.results().values()]
    assert os.waitstatus_to_exitcode(status) == 0, person.shown
    assert any("read it first" in words for words in told)
    assert "Changing <U+001B>[2Jit." in person.shown
    assert "deployed to: staging" in person.shown
    assert "nothing ran that was denied or rejected" in person.shown
    assert "verified" in person.shown
