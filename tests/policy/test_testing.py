from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest

from hitl_opa.engines import open_embedded
from hitl_opa.errors import PolicyError
from hitl_opa.policy import build, testing
from hitl_opa.policy.build import build_bundle
from hitl_opa.policy.bundle import PolicyBundle, load_bundle
from hitl_opa.policy.files import file_names
from hitl_opa.policy.testing import collect_tests, run_tests

LIB = "package lib\n\nnames contains n if some n in input.names\n"
RULE = 'package p\n\nimport data.lib\n\nq contains 1 if "a" in lib.names\n'
TESTS = """package p_test

import data.p

test_right if p.q == {1} with input as {"names": ["a"]}

test_wrong if p.q == {2} with input as {"names": ["a"]}

test_cases[note] if {
	some note, names in {"one": ["a"], "two": ["a", "b"]}
	p.q == {1} with input as {"names": names}
}

test_undefined if p.nothing
"""


def bundle(**tests: str) -> PolicyBundle:
    modules = {"lib.rego": LIB, "p/one.rego": RULE, "p/two.rego": "package p\n\nnothing if input.nothing\n"}
    return PolicyBundle(
        modules=modules, tests={f"{k}_test.rego": v for k, v in tests.items()}, data=b"{}", revision="r"
    )


@pytest.mark.parametrize("engine", ["opa", "embedded"])
def test_results(engine: str) -> None:
    results = run_tests(bundle(p=TESTS), engine=engine)  # type: ignore[arg-type]
    assert [(r.file, r.line, r.name, r.passed) for r in results] == [
        ("p_test.rego", 5, "data.p_test.test_right", True),
        ("p_test.rego", 7, "data.p_test.test_wrong", False),
        ("p_test.rego", 9, "data.p_test.test_cases", True),
        ("p_test.rego", 14, "data.p_test.test_undefined", False),
    ]
    assert {r.engine for r in results} == {engine}
    assert all(r.message for r in results if not r.passed)


def test_collecting_runs_nothing() -> None:
    assert [(line, name) for _, line, name in collect_tests(bundle(p=TESTS))] == [
        (5, "data.p_test.test_right"),
        (7, "data.p_test.test_wrong"),
        (9, "data.p_test.test_cases"),
        (14, "data.p_test.test_undefined"),
    ]


@pytest.mark.parametrize("engine", ["opa", "embedded"])
def test_choosing(engine: str) -> None:
    both = bundle(p=TESTS, other="package other_test\n\ntest_x if true\n")
    assert [r.name for r in run_tests(both, engine=engine, match="right")] == ["data.p_test.test_right"]  # type: ignore[arg-type]
    assert [r.file for r in run_tests(both, engine=engine, files={"other_test.rego"})] == ["other_test.rego"]  # type: ignore[arg-type]


@pytest.mark.parametrize("engine", ["opa", "embedded"])
def test_what_does_not_load_is_a_policy_error(engine: str) -> None:
    with pytest.raises(PolicyError, match=r"bad_test\.rego"):
        run_tests(bundle(bad="package bad_test\n\ntest_x if [\n"), engine=engine)  # type: ignore[arg-type]


@pytest.mark.parametrize("engine", ["opa", "embedded"])
def test_an_error_in_a_test_is_that_tests(engine: str) -> None:
    source = 'package e_test\n\ntest_bad if to_number("x") == data.lib.one\n\ntest_good if true\n'
    results = {r.name: r for r in run_tests(bundle(e=source), engine=engine)}  # type: ignore[arg-type]
    assert not results["data.e_test.test_bad"].passed
    assert results["data.e_test.test_good"].passed


def test_without_opa(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testing, "find_opa", lambda: None)
    assert {r.engine for r in run_tests(bundle(p=TESTS))} == {"embedded"}
    with pytest.raises(PolicyError, match="opa is not there"):
        run_tests(bundle(p=TESTS), engine="opa")


def test_the_shipped_tests_pass_alike_on_both() -> None:
    shipped = load_bundle()
    on = {
        engine: {(r.file, r.line, r.name, r.passed) for r in run_tests(shipped, engine=engine)}  # type: ignore[arg-type]
        for engine in ("opa", "embedded")
    }
    assert on["opa"] == on["embedded"]
    assert all(passed for *_, passed in on["opa"])
    assert len(on["opa"]) > 100


@pytest.mark.parametrize("tool", [True, False])
def test_a_built_bundle_decides_in_opa_as_embedded(
    opa: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: bool
) -> None:
    if not tool:
        monkeypatch.setattr(build, "find_opa", lambda: None)
    shipped = load_bundle()
    target = tmp_path / "bundle.tar.gz"
    assert build_bundle(shipped, target) == ("opa" if tool else "embedded")
    done = subprocess.run(
        [opa, "eval", "-b", str(target), "-f", "raw", "data.hitl.main.decision.reason"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    engine = open_embedded(shipped.modules, shipped.data)
    assert f'"reason": "{done.stdout.strip()}"' in engine.evaluate_sync(b"{}").decode()
    with tarfile.open(target) as archive:
        names = archive.getnames()
        manifest = archive.extractfile(next(n for n in names if n.endswith(".manifest")))
        assert manifest
        assert shipped.revision.encode() in manifest.read()
    assert not [name for name in names if "_test" in name or "tmp" in name]


def test_the_same_bundle_is_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "find_opa", lambda: None)
    for name in ("a", "b"):
        build_bundle(load_bundle(), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_target_that_cannot_be_written_is_a_policy_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "find_opa", lambda: None)
    with pytest.raises(PolicyError, match="cannot be written"):
        build_bundle(load_bundle(), tmp_path / "nowhere" / "bundle.tar.gz")


def test_users_paths_become_safe_names() -> None:
    names = file_names(
        {"hitl/a.rego": "", "/etc/x/a.rego": "", "../up/a.rego": "", "up/a.rego": "", "C:\\b\\a_test.rego": ""}
    )
    assert list(names.values()) == ["hitl/a.rego", "etc/x/a.rego", "up/a.rego", "up/a-2.rego", "C:/b/a_test.rego"]
