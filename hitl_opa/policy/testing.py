"""Rego tests (``test_…`` rules in ``_test.rego`` files), on the real opa or on the embedded engine."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

import msgspec

from hitl_opa.errors import PolicyError
from hitl_opa.policy.bundle import PolicyBundle
from hitl_opa.policy.files import write_files
from hitl_opa.policy.opa_tool import find_opa, run_opa

_PACKAGE = re.compile(r"^package\s+([\w.]+)", re.MULTILINE)
_IMPORT = re.compile(r"^import[ \t]+[^#\n]+?(?=[ \t]*(?:#.*)?$)", re.MULTILINE)
_TEST = re.compile(r"^(test_\w+)", re.MULTILINE)


class RegoTest(msgspec.Struct, frozen=True, kw_only=True):
    """One test: its file and line (from 1), full name (``data.hitl.main_test.test_x``) and outcome.

    ``message`` says why it failed; ``engine`` is ``opa`` or ``embedded``.
    """

    file: str
    line: int
    name: str
    passed: bool
    message: str
    engine: str


def collect_tests(bundle: PolicyBundle) -> list[tuple[str, int, str]]:
    """(file, line, full name) of every test, in file order; nothing is run."""
    found: dict[tuple[str, str], int] = {}
    for file, source in sorted(bundle.tests.items()):
        package = _PACKAGE.search(source)
        for match in _TEST.finditer(source) if package else ():
            name = f"data.{package[1]}.{match[1]}" if package else ""
            found.setdefault((file, name), source.count("\n", 0, match.start()) + 1)
    return [(file, line, name) for (file, name), line in found.items()]


def run_tests(
    bundle: PolicyBundle,
    *,
    engine: Literal["auto", "opa", "embedded"] = "auto",
    match: str = "",
    files: Collection[str] | None = None,
) -> list[RegoTest]:
    """Run the bundle's tests, in ``files`` if given, whose name has ``match`` in it.

    All of the bundle is loaded, so tests may use what other test files define. ``auto``: the real
    opa where it is, else embedded.

    Raises PolicyError where policies or tests do not load, or ``opa`` was asked for and is not there.
    """
    opa = find_opa() if engine != "embedded" else None
    if engine == "opa" and opa is None:
        raise PolicyError("opa is not there: run `make opa`, put it on PATH, or use the embedded engine")
    results = _with_opa(opa, bundle, match) if opa else _embedded(bundle, match)
    return results if files is None else [result for result in results if result.file in files]


def _embedded(bundle: PolicyBundle, match: str) -> list[RegoTest]:
    from hitl_opa.engines.embedded import evaluate_rule, load

    engine = load(_one_a_package({**bundle.modules, **bundle.tests}), bundle.data)
    results = []
    for file, line, name in collect_tests(bundle):
        if match not in name:
            continue
        try:
            value = evaluate_rule(engine, name)
            passed, message = _judge(value)
        except PolicyError as error:
            passed, message = False, str(error)
        results.append(RegoTest(file=file, line=line, name=name, passed=passed, message=message, engine="embedded"))
    return results


def _one_a_package(modules: dict[str, str]) -> dict[str, str]:
    """The modules of each package as one: under `with`, regorus loses rules that are reached through an import
    where a package has several files. Files that name different things alike are left apart."""
    packages: dict[str, list[str]] = {}
    for file, source in modules.items():
        found = _PACKAGE.search(source)
        packages.setdefault(found[1] if found else file, []).append(file)
    merged: dict[str, str] = {}
    for package, files in packages.items():
        imports = {line for file in files for line in _IMPORT.findall(modules[file])}
        names = [line.split()[-1].split(".")[-1] for line in imports]
        if len(files) == 1 or len(names) != len(set(names)):
            merged |= {file: modules[file] for file in files}
            continue
        rest = (_IMPORT.sub("", _PACKAGE.sub("", modules[file], count=1)) for file in files)
        merged[" + ".join(files)] = "\n".join([f"package {package}", *sorted(imports), *rest])
    return merged


def _judge(value: Any) -> tuple[bool, str]:
    """A test passes if it is true; one with cases (``test_x[case]``) if each of them is."""
    if value is True:
        return True, ""
    if isinstance(value, dict):
        bad = sorted(case for case, passed in value.items() if passed is not True)
        return not bad, f"cases that are not true: {', '.join(bad)}" if bad else ""
    return False, "undefined" if value == "<undefined>" else f"is {json.dumps(value)[:200]}, not true"


def _with_opa(opa: str, bundle: PolicyBundle, match: str) -> list[RegoTest]:
    with tempfile.TemporaryDirectory(prefix="hitl-opa-") as folder:
        names = write_files({**bundle.modules, **bundle.tests}, bundle.data, Path(folder))
        arguments = ["--run", re.escape(match)] if match else []
        said = run_opa(opa, "test", "--format", "json", *arguments, folder, ok=(0, 2))
    files = {str(Path(folder) / written): name for name, written in names.items()}
    try:
        rows: list[dict[str, Any]] = json.loads(said) or []
        return sorted((_row(row, files) for row in rows), key=lambda result: (result.file, result.line))
    except (ValueError, KeyError, TypeError):
        raise PolicyError(f"opa test: {said.strip()[:2000]}") from None


def _row(row: dict[str, Any], files: dict[str, str]) -> RegoTest:
    location = row["location"]
    error = row.get("error")
    message = "not true" if row.get("fail") else str(error.get("message", error)) if error else ""
    return RegoTest(
        file=files.get(location["file"], location["file"]),
        line=location["row"],
        name=f"{row['package']}.{row['name']}",
        passed=not (row.get("fail") or error),
        message=message,
        engine="opa",
    )
