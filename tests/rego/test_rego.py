"""The Rego tests, on both engines, and what `opa check` and `opa fmt` say of the policies."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import ModuleType

import msgspec
import pytest

from hitl_opa.policy.bundle import load_bundle
from hitl_opa.policy.testing import run_tests

ROOT = Path(__file__).resolve().parents[2]
REGO = ROOT / "rego"
BUNDLE = load_bundle(base=REGO)
MIN_COVERAGE = 95.0


def _sibling(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec
    assert spec.loader
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


mutate = _sibling("mutate")


@pytest.fixture(scope="module")
def opa() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs ``opa`` with these arguments in the repository."""
    local = ROOT / ".opa" / "opa"
    tool = str(local) if os.access(local, os.X_OK) else shutil.which("opa")
    if not tool:
        pytest.skip("no opa here; make opa fetches it")
    return lambda *args: subprocess.run([tool, *args], cwd=ROOT, capture_output=True, text=True, check=False)


def test_opa_runs_the_tests(opa: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = opa("test", "rego")
    assert done.returncode == 0, done.stdout + done.stderr


def test_opa_coverage(opa: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    report = json.loads(opa("test", "--coverage", "rego").stdout)
    policies = {file: found for file, found in report["files"].items() if not file.endswith("_test.rego")}
    assert set(policies) >= {f"rego/{module}" for module in BUNDLE.modules}
    ruled = {file: found for file, found in policies.items() if "coverage" in found}  # a package may be empty
    holes = {file: found["not_covered"] for file, found in ruled.items() if found["coverage"] < MIN_COVERAGE}
    assert not holes
    assert report["coverage"] >= MIN_COVERAGE


def test_opa_checks_the_policies(opa: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    # votes are judged on another input, which their policy names itself
    for schemas in (["hitl_opa/schemas/input.json", "--ignore", "approvals"], ["hitl_opa/schemas"]):
        done = opa("check", "--strict", "rego", "-s", *schemas)
        assert done.returncode == 0, done.stdout + done.stderr


def test_opa_formats_the_policies(opa: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    assert opa("fmt", "--list", "rego").stdout == ""


def test_only_policies_and_data_lie_there() -> None:
    odd = [str(f) for f in REGO.rglob("*") if f.is_file() and f.suffix != ".rego" and f.name != "data.yaml"]
    assert odd == []


def test_every_test_passes_on_the_embedded_engine() -> None:
    results = run_tests(BUNDLE, engine="embedded")
    assert len(results) > 200
    assert [test for test in results if not test.passed] == []


def test_deleting_a_rule_fails_a_test() -> None:
    """A sample, another one whenever the policies change; `make mutate` does it for all."""
    mutants = mutate.mutants(BUNDLE)
    assert len(mutants) > 250
    sample = Random(BUNDLE.revision).sample(mutants, 25)
    assert [f"{m.module}:{m.line}: {m.head}" for m in sample if mutate.survives(BUNDLE, m)] == []


def test_a_test_that_tests_nothing_is_noticed() -> None:
    """The sample above can fail: without the tests of a package its rules go unmissed."""
    weak = msgspec.structs.replace(BUNDLE, tests={k: v for k, v in BUNDLE.tests.items() if "fixtures" in k})
    assert mutate.survives(weak, mutate.mutants(BUNDLE)[0])


def rules() -> list[tuple[str, dict[str, str]]]:
    """(module, METADATA fields) of every rule that has an id."""
    found = []
    for module, source in BUNDLE.modules.items():
        for block in re.findall(r"((?:^#.*\n)+)(?=[a-z])", source, re.MULTILINE):
            fields = dict(re.findall(r"^#\s+(title|id|risk|remedy): (.*)$", block, re.MULTILINE))
            if "id" in fields:
                found.append((module, fields))
    return found


def test_every_rule_has_its_metadata() -> None:
    missing = [(m, f) for m, f in rules() if not {"title", "id", "risk", "remedy"} <= set(f)]
    assert missing == []
    ids = [f["id"] for _, f in rules()]
    assert len(ids) == len(set(ids))


def test_every_id_in_a_rule_is_described() -> None:
    described = {f["id"] for _, f in rules()} | {"main.undefined", "approvals.undefined"}
    used = {i for s in BUNDLE.modules.values() for i in re.findall(r'"rule": "([a-z.-]+)"', s)}
    used |= {i for s in BUNDLE.modules.values() for i in re.findall(r'\b(?:fault|refused)\("([a-z.-]+)"', s)}
    assert used == described
