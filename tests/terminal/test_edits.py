from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from hitl_opa.model import ToolCall
from hitl_opa.terminal import edits
from hitl_opa.terminal.edits import Change, change


def made(tool: str, cwd: Path, **given: object) -> Change:
    found = change(ToolCall(tool=tool, input=given, cwd=str(cwd)))
    assert found is not None
    return found


def test_write_is_compared_with_the_file_and_leaves_it_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("one\ntwo\nthree\n")
    found = made("Write", tmp_path, file_path="a.txt", content="one\n2\nthree\n")
    assert found.lines == ["@@ -1,3 +1,3 @@", " one", "-two", "+2", " three"]
    assert file.read_text() == "one\ntwo\nthree\n"


def test_a_new_file(tmp_path: Path) -> None:
    found = made("Write", tmp_path, file_path="new.txt", content="hello\n")
    assert found.notes == ["A new file."]
    assert found.lines[-1] == "+hello"


@pytest.mark.parametrize(
    ("edit", "note"),
    [
        ({"old_string": "nowhere", "new_string": "x"}, "not in the file"),
        ({"old_string": "a", "new_string": "x"}, "there 2 times: the edit will fail"),
        ({"old_string": "a", "new_string": "x", "replace_all": True}, "Replaced in 2 places"),
        ({"old_string": "", "new_string": "x"}, "will fail"),
    ],
)
def test_edits_that_fail_or_reach_far_say_so(tmp_path: Path, edit: dict[str, object], note: str) -> None:
    (tmp_path / "f").write_text("a\na\n")
    found = made("Edit", tmp_path, file_path="f", **edit)
    assert any(note in n for n in found.notes)
    assert ("+x" in found.lines) == ("Replaced" in note)


def test_several_edits_of_one_file_are_one_diff(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("a\nb\n")
    found = made(
        "MultiEdit",
        tmp_path,
        file_path="f",
        edits=[{"old_string": "a", "new_string": "1"}, {"old_string": "b", "new_string": "2"}],
    )
    assert found.lines[1:] == ["-a", "-b", "+1", "+2"]


def test_a_notebook_cell(tmp_path: Path) -> None:
    book = {"cells": [{"id": "c1", "cell_type": "code", "source": ["print(1)\n", "print(2)"]}]}
    (tmp_path / "n.ipynb").write_bytes(msgspec.json.encode(book))
    found = made("NotebookEdit", tmp_path, notebook_path="n.ipynb", cell_id="c1", new_source="print(1)\nprint(3)")
    assert found.notes == ["Cell 0."]
    assert found.lines[-3:] == [" print(1)", "-print(2)", "+print(3)"]
    gone = made("NotebookEdit", tmp_path, notebook_path="n.ipynb", cell_id="c1", new_source="", edit_mode="delete")
    assert gone.lines[-2:] == ["-print(1)", "-print(2)"]
    missing = made("NotebookEdit", tmp_path, notebook_path="n.ipynb", cell_id="c9", new_source="x")
    assert "will fail" in missing.notes[0]


def test_a_symlink_is_named(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("x\n")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    found = made("Write", tmp_path, file_path="link", content="y\n")
    assert str(tmp_path / "real") in found.notes[0]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    found = made("Write", tmp_path, file_path="pipe", content="y\n")
    assert "Not a regular file" in found.notes[0]
    assert found.lines == ["+y"]


def test_what_cannot_be_read_shows_what_would_be_written(tmp_path: Path) -> None:
    (tmp_path / "bin").write_bytes(b"\xff\xfe\x00")
    assert made("Write", tmp_path, file_path="bin", content="y").lines == ["+y"]
    assert made("Write", tmp_path, file_path="a\0b", content="y").lines == ["+y"]
    assert made("Write", tmp_path).notes == ["The call names no file."]


def test_separators_that_are_no_line_feeds_stay_in_the_line(tmp_path: Path) -> None:
    found = made("Write", tmp_path, file_path="f", content="a\u2028rm -rf /\x0b\n")
    assert found.lines[-1] == "+a\u2028rm -rf /\x0b"


def test_too_long_to_compare(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x\n" * edits.MAX_LINES)
    found = made("Write", tmp_path, file_path="f", content="y\n")
    assert "Too long to compare" in found.notes[0]
    assert found.lines == ["+y"]


def test_line_ends_alone(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"a\r\n")
    assert made("Write", tmp_path, file_path="f", content="a\n").notes == ["Only line ends change."]
    assert made("Write", tmp_path, file_path="f", content="a\r\n").notes == ["Nothing changes."]


def test_other_tools_change_no_file() -> None:
    assert change(ToolCall(tool="Bash", input={"command": "ls"})) is None
