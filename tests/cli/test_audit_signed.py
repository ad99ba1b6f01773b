"""Keys, checkpoints, proofs, erasure and exports, from the command line."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hitl_opa import Guard, ToolCall
from hitl_opa.errors import AuditError


@pytest.fixture
def signed(run: Any, tmp_path: Path) -> Path:
    """A project with a signed record of three calls of two sessions, anchored in a file."""
    run("init", "--level", "3")
    with (tmp_path / "hitl.yaml").open("a") as settings:
        settings.write("\ncheckpoints:\n  keys: keys/audit.key\n  anchors:\n  - file: anchor.jsonl\n")
    assert run("audit", "key", "new", "--name", "log").exit_code == 0
    guard = Guard.open()
    for number, command in enumerate(("ls", "rm -rf /", "echo Needle")):
        call = ToolCall(tool="Bash", input={"command": command}, id=f"toolu_{number}")
        guard.decide_sync(call)
    guard.audit.close()
    (tmp_path / "public").write_text(run("audit", "key", "list").stdout)
    return tmp_path / ".hitl" / "hitl.db"


def change(database: Path, sql: str) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute(sql)
    connection.close()


def test_keys(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    made = json.loads(run("audit", "key", "new", "--json").stdout)
    file = Path(made["file"])
    assert file == tmp_path / ".config" / "hitl-opa" / "audit.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert made["public"].startswith("hitl-opa/")
    again = run("audit", "key", "new")
    assert again.exit_code == 2
    assert "rotate" in again.stderr
    rotated = json.loads(run("audit", "key", "rotate", "--json").stdout)
    listed = [json.loads(line) for line in run("audit", "key", "list", "--json").stdout.splitlines()]
    assert [key["public"] for key in listed] == [rotated["public"], made["public"]]
    assert [key["signs"] for key in listed] == [True, True]
    assert "checkpoints: {}" not in run("audit", "key", "list").stdout


def test_a_guard_that_should_sign_and_cannot_does_not_open(run: Any, tmp_path: Path) -> None:
    (tmp_path / "hitl.yaml").write_text("checkpoints: {keys: audit.key}\n")
    with pytest.raises(AuditError, match="hitl-opa audit key new"):
        Guard.open()


def test_a_rotation_is_on_record_and_signed_by_both(run: Any, signed: Path) -> None:
    public = json.loads(run("audit", "key", "rotate", "--json").stdout)["public"]
    (note,) = run("audit", "tail", "--kind", "note", "--json").stdout.splitlines()
    assert json.loads(note)["leaf"]["hitl"]["extra"]["audit_key"] == public
    report = json.loads(run("audit", "verify", "--key", "public", "--json").stdout)  # with the old key alone
    assert report["ok"]
    assert sorted(head["signed"] for head in report["streams"]) == [1, 3]


def test_verify_uses_keys_and_anchors_of_the_settings(run: Any, signed: Path, tmp_path: Path) -> None:
    result = run("audit", "verify")
    assert result.exit_code == 0
    assert "3 of them are signed for" in result.output
    for sql in (
        "DELETE FROM audit_leaf WHERE seq = 2",
        "UPDATE audit_stream SET size = 2",
        "DELETE FROM audit_checkpoint",
    ):
        change(signed, sql)
    cut = run("audit", "verify")
    assert cut.exit_code == 1
    assert "truncated: record 2" in cut.output
    (tmp_path / "hitl.yaml").write_text("")
    assert run("audit", "verify").exit_code == 0  # nothing vouches for the end now
    assert run("audit", "verify", "--key", "public", "--anchor", "anchor.jsonl").exit_code == 1


def test_an_export_verifies_with_the_public_key_alone(run: Any, signed: Path, tmp_path: Path) -> None:
    assert run("audit", "export", "-o", "export.jsonl").exit_code == 0
    for name in ("hitl.yaml", "anchor.jsonl"):
        (tmp_path / name).unlink()
    result = run("audit", "verify", "export.jsonl", "--key", "public")
    assert result.exit_code == 0
    assert "3 of them are signed for" in result.output
    assert "no public key is known" in run("audit", "verify", "export.jsonl").output
    lines = (tmp_path / "export.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "export.jsonl").write_text("".join(lines[:-1]))
    cut = run("audit", "verify", "export.jsonl", "--key", "public")
    assert cut.exit_code == 1
    assert "truncated: record 2" in cut.output


def test_what_vouches_for_nothing_is_no_yes(run: Any, signed: Path, tmp_path: Path) -> None:
    assert run("audit", "export", "-o", "export.jsonl").exit_code == 0
    records = [line for line in (tmp_path / "export.jsonl").read_text().splitlines() if '"checkpoint"' not in line]
    (tmp_path / "stripped.jsonl").write_text("\n".join(records))
    assert run("audit", "verify", "stripped.jsonl").exit_code == 0  # the anchor of the settings vouches for them
    (tmp_path / "hitl.yaml").rename(tmp_path / "away")
    stripped = run("audit", "verify", "stripped.jsonl", "--key", "public")
    assert stripped.exit_code == 1
    assert "unsigned: no known key signed a checkpoint of it" in " ".join(stripped.output.split())
    assert "3 signed for by nobody" in run("audit", "verify", "stripped.jsonl").output
    (tmp_path / "stripped.jsonl").write_text("")
    assert "holds no record: nothing was checked" in run("audit", "verify", "stripped.jsonl").stderr
    (tmp_path / "away").rename(tmp_path / "hitl.yaml")
    (tmp_path / "anchor.jsonl").write_text("")
    lost = run("audit", "verify")
    assert lost.exit_code == 1
    assert "anchor.jsonl has no checkpoint over 3 records" in " ".join(lost.output.split())
    assert "has no checkpoint over 3 records" in " ".join(run("doctor").output.split())
    assert run("audit", "checkpoint").exit_code == 1
    for table in ("audit_leaf", "audit_stream", "audit_checkpoint", "audit_anchored"):
        change(signed, f"DELETE FROM {table}")
    assert "holds no record: nothing was checked" in run("audit", "verify").stderr


def test_thousands_of_findings_are_counted(run: Any, signed: Path, tmp_path: Path) -> None:
    line = json.dumps({"checkpoint": "forged {}"}, separators=(",", ":"))
    (tmp_path / "export.jsonl").write_text("".join(line.replace("{}", str(n)) + "\n" for n in range(2000)))
    told = run("audit", "verify", "export.jsonl", "--key", "public")
    assert told.exit_code == 1
    assert told.output.count("forged: a checkpoint") == 100
    assert "more: --json lists them all" in told.output
    assert len(json.loads(run("audit", "verify", "export.jsonl", "--json").stdout)["problems"]) >= 2000


def test_other_formats_are_not_taken_for_what_verifies(run: Any, signed: Path, tmp_path: Path) -> None:
    for form in ("csv", "opa", "otel"):
        run("audit", "export", "--format", form, "-o", "other")
        told = run("audit", "verify", "other", "--key", "public")
        assert told.exit_code == 1, form
        assert "no exported record" in " ".join(told.output.split()), form


def test_a_proof_of_one_call(run: Any, signed: Path, tmp_path: Path) -> None:
    assert run("audit", "prove", "toolu_1", "-o", "proof").exit_code == 0
    (tmp_path / "hitl.yaml").unlink()
    signed.unlink()
    good = run("audit", "verify", "--proof", "proof", "--key", "public")
    assert good.exit_code == 0
    assert "decision Bash deny: record 1 of the 3 signed for at 20" in good.output.replace("\n  ", " ")
    assert json.loads(run("audit", "verify", "--proof", "proof", "--key", "public", "--json").stdout)["seq"] == 1
    (tmp_path / "proof").write_text((tmp_path / "proof").read_text().replace("deny", "allow"))
    bad = run("audit", "verify", "--proof", "proof", "--key", "public")
    assert bad.exit_code == 1
    assert "WRONG" in bad.output
    assert not json.loads(run("audit", "verify", "--proof", "proof", "--key", "public", "--json").stdout)["ok"]
    assert "give the public keys" in run("audit", "verify", "--proof", "proof").stderr


def test_a_proof_that_the_record_only_grew(run: Any, signed: Path, tmp_path: Path) -> None:
    (tmp_path / "note").write_text(json.loads((tmp_path / "anchor.jsonl").read_text())["checkpoint"])
    for file in ("note", "anchor.jsonl"):
        assert run("audit", "prove", "--extends", file, "-o", "proof").exit_code == 0
        assert "extend the 3 of before" in " ".join(run("audit", "verify", "--proof", "proof").output.split())
    assert run("audit", "prove").exit_code == 2
    assert "no signed note" in run("audit", "prove", "--extends", "public").stderr


def test_checkpoint_signs_for_what_others_left(run: Any, signed: Path, tmp_path: Path) -> None:
    settings = (tmp_path / "hitl.yaml").read_text()
    (tmp_path / "hitl.yaml").write_text("")
    guard = Guard.open()
    guard.decide_sync(ToolCall(tool="Read", input={"file_path": "a"}))
    guard.audit.close()
    assert run("audit", "checkpoint").exit_code == 2
    (tmp_path / "hitl.yaml").write_text(settings)
    assert json.loads(run("audit", "checkpoint", "--json").stdout) == {"signed": 1, "anchored": 1, "problems": []}
    assert json.loads(run("audit", "checkpoint", "--json").stdout) == {"signed": 0, "anchored": 0, "problems": []}
    change(signed, "UPDATE audit_leaf SET leaf = replace(leaf, 'Read', 'Write') WHERE stream = 2")
    refused = run("audit", "checkpoint")
    assert refused.exit_code == 1
    assert "edited: record 0" in refused.output


def test_what_holds_no_key_and_no_checkpoint_is_no_yes(run: Any, signed: Path, tmp_path: Path) -> None:
    assert run("audit", "export", "-o", "export.jsonl").exit_code == 0
    (tmp_path / "empty").write_text("")
    (tmp_path / "deep").write_text("[" * 100_000)
    for option, words in (("--key", "holds no public key"), ("--anchor", "holds no checkpoint")):
        done = run("audit", "verify", "export.jsonl", "--key", "public", option, "empty")
        assert (done.exit_code, words in done.stderr) == (2, True), option
    for deep in (["deep"], ["export.jsonl", "--anchor", "deep"], ["--proof", "deep"]):
        assert run("audit", "verify", *deep, "--key", "public").exit_code in (1, 2)


def test_erase_and_prune(run: Any, signed: Path) -> None:
    assert "say what to erase" in run("audit", "erase", "--yes").stderr
    assert run("audit", "erase", "--tool", "Bash", "--dry-run").output == "3 payload(s) would be erased\n"
    assert run("audit", "erase", "--tool", "Bash").exit_code == 1  # nobody said yes
    done = json.loads(run("audit", "prune", "--before", "2001-01-01", "--yes", "--json").stdout)
    assert done == {"payloads": 0, "copies": 0, "scrubbed": True}
    result = run("audit", "erase", "--tool", "Bash", "--yes", "--by", "ann", "--reason", "asked to")
    assert "erased  3 payload(s)" in result.output
    verified = run("audit", "verify")
    assert verified.exit_code == 0
    assert "3 payload(s) were erased" in verified.output
    assert "Needle" not in run("audit", "export").stdout
    assert "its content was erased" in run("audit", "show", "toolu_2").output
    (erasure,) = run("audit", "search", "--kind", "erasure", "--reviewer", "ann", "--json").stdout.splitlines()
    assert json.loads(erasure)["payload"]["detail"] == {"reason": "asked to"}


def test_search(run: Any, signed: Path) -> None:
    (found,) = run("audit", "search", "nEEDLE", "--json").stdout.splitlines()
    assert json.loads(found)["leaf"]["hitl"]["call_id"] == "toolu_2"
    assert "DENY" in run("audit", "search", "--verdict", "deny").output
    assert run("audit", "search", "toolu", "-n", "2", "--json").stdout.count("\n") == 2
    assert "nothing on record fits" in run("audit", "search", "no such thing").output


def test_exports_in_other_formats(run: Any, signed: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run("audit", "export", "--format", "csv").stdout)))
    assert [row["verdict"] for row in rows] == ["allow", "deny", "allow"]
    events = run("audit", "export", "--format", "opa", "--verdict", "deny").stdout.splitlines()
    assert [json.loads(event)["result"]["verdict"] for event in events] == ["deny"]
    logs = json.loads(run("audit", "export", "--format", "otel").stdout)
    assert len(logs["resourceLogs"][0]["scopeLogs"][0]["logRecords"]) == 3
    assert "leave out the filters" in run("audit", "export", "--verdict", "deny").stderr


def test_an_anchor_in_git(run: Any, signed: Path, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", "anchors"], cwd=tmp_path, check=True)
    settings = (tmp_path / "hitl.yaml").read_text().replace("- file: anchor.jsonl", "- git: anchors")
    (tmp_path / "hitl.yaml").write_text(settings)
    assert json.loads(run("audit", "checkpoint", "--json").stdout)["anchored"] == 1
    assert run("audit", "verify").exit_code == 0
    change(signed, "DELETE FROM audit_leaf")
    change(signed, "DELETE FROM audit_stream")
    change(signed, "DELETE FROM audit_checkpoint")
    assert "records 0-2" in run("audit", "verify", "--key", "public", "--anchor", "anchors").output


def test_a_key_that_policy_would_not_know_is_refused(run: Any, tmp_path: Path) -> None:
    (tmp_path / "hitl.yaml").write_text("checkpoints: {keys: keys.json}\n")
    result = run("audit", "key", "new")
    assert result.exit_code == 2
    assert "ends with audit.key" in result.stderr
