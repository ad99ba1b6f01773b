from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hitl_opa.audit.keys import Keys, read_verifiers
from hitl_opa.audit.notes import open_note, sign
from hitl_opa.errors import AuditError

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "audit.json"


def test_a_new_file_is_for_its_owner_only(file: Path) -> None:
    made = Keys.new(file, "log")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    loaded = Keys.load(file)
    assert loaded.verifiers() == made.verifiers()
    assert open_note(sign("text\n", loaded.signers()), made.verifiers()) == "text\n"


def test_there_is_no_second_new_file(file: Path) -> None:
    Keys.new(file, "log")
    before = file.read_bytes()
    with pytest.raises(AuditError, match="rotate"):
        Keys.new(file, "log")
    assert file.read_bytes() == before


def test_rotation_overlaps_and_old_keys_verify_for_good(file: Path) -> None:
    first = Keys.new(file, "log", NOW)
    rotated = first.rotate(timedelta(days=30), NOW)
    assert Keys.load(file).keys == rotated.keys
    during, after = NOW + timedelta(days=29), NOW + timedelta(days=30)
    assert len(rotated.signers(during)) == 2
    note = sign("text\n", rotated.signers(during))
    assert open_note(note, first.verifiers()) == "text\n"  # who only knows the old key can still check
    assert open_note(note, rotated.verifiers()[:1]) == "text\n"
    assert len(rotated.signers(after)) == 1
    again = rotated.rotate(timedelta(days=30), after)
    assert [bool(key.private) for key in again.keys] == [True, True, False]
    assert open_note(sign("old\n", first.signers(NOW)), again.verifiers()) == "old\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_without_an_overlap_the_old_key_signs_no_more(file: Path) -> None:
    rotated = Keys.new(file, "log", NOW).rotate(timedelta(0), NOW)
    assert len(rotated.signers(NOW)) == 1
    assert not rotated.keys[1].private


@pytest.mark.skipif(os.name != "posix", reason="modes")
def test_keys_that_others_may_read_are_refused(file: Path) -> None:
    Keys.new(file, "log")
    file.chmod(0o640)
    with pytest.raises(AuditError, match="chmod 600"):
        Keys.load(file)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"version":2,"keys":[]}', '{"version":1,"keys":[]}', "\xff"])
def test_what_is_no_key_file_is_refused(file: Path, content: str) -> None:
    file.parent.mkdir()
    file.touch(0o600)
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(AuditError, match=r"audit keys .*audit\.json"):
        Keys.load(file)


def test_a_damaged_key_is_found_on_loading(file: Path) -> None:
    Keys.new(file, "log")
    file.write_text(file.read_text().replace("PRIVATE+KEY+log+", "PRIVATE+KEY+log+0"))
    with pytest.raises(AuditError, match="damaged"):
        Keys.load(file)


def test_no_file(file: Path) -> None:
    with pytest.raises(AuditError, match="hitl-opa audit key new"):
        Keys.load(file)


def test_public_keys_as_text(file: Path) -> None:
    (key,) = Keys.new(file, "log").verifiers()
    assert read_verifiers(f"# comment\n\n {key} \n") == [key]
    with pytest.raises(AuditError):
        read_verifiers("nonsense")
