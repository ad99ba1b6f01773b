"""docs/compliance.md names a test for each claim, and the test is there; and it says what is not covered."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TEXT = (ROOT / "docs" / "compliance.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)


def functions(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_the_tests_that_it_names_are_there() -> None:
    assert len(NAMED) > 40
    assert sorted({f"{file}::{name}" for file, name in NAMED if name not in functions(ROOT / file)}) == []


def test_every_claim_names_one() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| ") and "shown by" not in line]
    assert len(rows) > 30
    assert [row for row in rows if "::test_" not in row] == []


def test_it_has_the_dates_that_apply() -> None:
    assert "2 December 2027" in TEXT
    assert "2 August 2028" in TEXT
    assert TEXT.count("**Not covered.**") == 4
