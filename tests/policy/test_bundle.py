from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from hitl_opa.errors import PolicyError
from hitl_opa.policy import bundle
from hitl_opa.policy.bundle import load_bundle, shipped

MINE = "package hitl.custom\n\nreasons contains r if {\n\tfalse\n\tr := {}\n}\n"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    write(tmp_path / "base/hitl/main/main.rego", "package hitl.main\n\ndecision := {}\n")
    write(tmp_path / "base/hitl/main/main_test.rego", "package hitl.main_test\n\ntest_x if true\n")
    write(tmp_path / "base/hitl/tiers/data.yaml", "tools:\n  Read: {permission: auto}\n")
    return tmp_path / "base"


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_the_shipped_policies_load() -> None:
    bundle = load_bundle()
    assert "hitl/main/main.rego" in bundle.modules
    assert not any(name.endswith("_test.rego") for name in bundle.modules)
    assert json.loads(bundle.data)["hitl"]["tiers"]
    assert not bundle.users
    assert (shipped() / "hitl/main/main.rego").is_file()


def test_what_was_parsed_before_is_what_the_files_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`make generate` has been run since a data file changed; and a file that changed after that is parsed."""
    files = [file.read_text() for file in shipped().rglob("data.yaml")]
    known = json.loads(bundle.GENERATED.read_bytes())
    assert known.keys() == {hashlib.sha256(text.encode()).hexdigest() for text in files}
    want = load_bundle()
    for content in (b"", b"{", b"[]", b'{"x": 1}'):
        (tmp_path / "generated.json").write_bytes(content)
        monkeypatch.setattr(bundle, "GENERATED", tmp_path / "generated.json")
        assert load_bundle() == want
    monkeypatch.setattr(bundle, "GENERATED", tmp_path / "nothing.json")
    assert load_bundle() == want


def test_data_lies_where_its_directory_says_and_tests_stand_apart(base: Path) -> None:
    bundle = load_bundle(base=base)
    assert json.loads(bundle.data) == {"hitl": {"tiers": {"tools": {"Read": {"permission": "auto"}}}}}
    assert list(bundle.modules) == ["hitl/main/main.rego"]
    assert list(bundle.tests) == ["hitl/main/main_test.rego"]


def test_users_directories_and_files_come_on_top(base: Path, tmp_path: Path) -> None:
    write(tmp_path / "mine/a/rule.rego", MINE)
    write(tmp_path / "mine/a/rule_test.rego", "package hitl.custom_test\n")
    write(tmp_path / "mine/hitl/tiers/data.json", '{"tools": {"Deploy": {"permission": "approve"}}}')
    write(tmp_path / "mine/.git/hidden.rego", "nonsense")
    one = write(tmp_path / "one.rego", MINE)
    bundle = load_bundle(tmp_path / "mine", one, base=base)
    names = {f"{tmp_path}/mine/a/rule.rego", f"{tmp_path}/mine/a/rule_test.rego", str(one)}
    assert bundle.users == names
    assert names <= bundle.modules.keys() | bundle.tests.keys()
    assert set(json.loads(bundle.data)["hitl"]["tiers"]["tools"]) == {"Read", "Deploy"}


def test_a_users_data_may_add_but_not_change(base: Path, tmp_path: Path) -> None:
    write(tmp_path / "mine/hitl/tiers/data.yaml", "tools:\n  Read: {permission: approve}\n")
    with pytest.raises(PolicyError, match=r"data\.hitl\.tiers\.tools\.Read\.permission already has a value"):
        load_bundle(tmp_path / "mine", base=base)


def test_overrides_replace_value_by_value(base: Path) -> None:
    over = {"hitl": {"tiers": {"tools": {"Read": {"permission": "confirm"}}}, "settings": {"list": [1]}}}
    data = json.loads(load_bundle(base=base, data_overrides=over).data)
    assert data["hitl"] == {"tiers": {"tools": {"Read": {"permission": "confirm"}}}, "settings": {"list": [1]}}


def test_the_revision_changes_with_everything_that_decides_and_with_nothing_else(base: Path, tmp_path: Path) -> None:
    first = load_bundle(base=base).revision
    assert first == load_bundle(base=base).revision
    assert len(first) == 64
    mine = write(tmp_path / "mine.rego", MINE)
    others = {
        load_bundle(base=base, program_data=b"x").revision,
        load_bundle(base=base, data_overrides={"hitl": {"x": 1}}).revision,
        load_bundle(mine, base=base).revision,
    }
    assert len(others | {first}) == 4
    write(base / "hitl/main/main_test.rego", "package hitl.main_test\n\ntest_y if true\n")
    assert load_bundle(base=base).revision == first


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("hitl/custom/data.yaml", b"a: 1\na: 2\n", r"data\.yaml:2:1: duplicate key"),
        ("hitl/custom/data.yaml", b"[1]", r"data\.yaml:1:1: the top of a data file must be an object"),
        ("hitl/custom/data.json", b'{"a": NaN}', r"data\.json: not JSON"),
        ("hitl/custom/data.json", b"[" * 5000, r"data\.json: not JSON"),
        ("x.rego", b'package a\n\nr := "\xff"\n', r"x\.rego:3:7: not UTF-8"),
        ("x.rego", b"#" * 1_000_001, r"x\.rego: larger than 1000000 bytes"),
    ],
)
def test_a_bad_file_is_named(base: Path, tmp_path: Path, name: str, content: bytes, why: str) -> None:
    write(tmp_path / "mine" / name, "").write_bytes(content)
    with pytest.raises(PolicyError, match=why):
        load_bundle(tmp_path / "mine", base=base)


def test_what_is_not_there_is_named(base: Path, tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="no such policy file or directory"):
        load_bundle(tmp_path / "nowhere", base=base)
    (tmp_path / "empty").mkdir()
    with pytest.raises(PolicyError, match="no Rego files"):
        load_bundle(base=tmp_path / "empty")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_an_unreadable_file_is_named(base: Path) -> None:
    (base / "hitl/main/main.rego").chmod(0)
    with pytest.raises(PolicyError, match="cannot be read"):
        load_bundle(base=base)


def test_the_same_file_twice_is_refused(base: Path, tmp_path: Path) -> None:
    mine = write(tmp_path / "mine.rego", MINE)
    with pytest.raises(PolicyError, match="two policy directories have this file"):
        load_bundle(mine, mine, base=base)
