from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hitl_opa.errors import PolicyError
from hitl_opa.policy.yaml import load_yaml

GOOD = """# data
text: plain words
quoted: "yes"
number: -12
float: 1.5e3
flag: true
'off': 'off'
list: [a, 1, [b, {c: d}]]
block: |
  two
  lines
folded: >-
  one
  line
nested:
  - key: value
    other: 10.0.0.0/8
  - "null"
version: 1.2.3
time: 12:30:45h
empty: ""
none: []
"""


def test_reads_what_opa_reads(opa: str, tmp_path: Path) -> None:
    (tmp_path / "data.yaml").write_text(GOOD)
    done = subprocess.run(
        [opa, "eval", "-f", "json", "-d", "data.yaml", "data"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert load_yaml(GOOD, "data.yaml") == json.loads(done.stdout)["result"][0]["expressions"][0]["value"]


@pytest.mark.parametrize(
    ("text", "place", "why"),
    [
        ("a: yes", "1:4", "means different things"),
        ("a: 0777", "1:4", "means different things"),
        ("a: 1_000", "1:4", "means different things"),
        ("a: 0x10", "1:4", "means different things"),
        ("a: 12:30:45", "1:4", "means different things"),
        ("a: 2024-01-01", "1:4", "means different things"),
        ("a: 2024-01-01T00:00:00Z", "1:4", "means different things"),
        ("a: .nan", "1:4", "means different things"),
        ("a: -.inf", "1:4", "means different things"),
        ("a: .5", "1:4", "means different things"),
        ("a: +1", "1:4", "means different things"),
        ("a: ~", "1:4", "means different things"),
        ("a: null", "1:4", "means different things"),
        ("a:\nb: 1", "1:3", "means different things"),
        ("a: 1e999", "1:4", "out of range"),
        ("a: 12345678901234567890", "1:4", "does not fit 64 bits"),
        ("a: 1\nb: 2\na: 3", "3:1", "duplicate key 'a'"),
        ("1: 2", "1:1", "keys must be strings"),
        ("true: 2", "1:1", "keys must be strings"),
        ("? [a]\n: b", "1:3", "keys must be strings"),
        ("a: &x [1]\nb: *x", "1:4", "anchors are not supported"),
        ("a: *x", "1:4", "aliases are not supported"),
        ("a: !!python/object:os.system x", "1:4", "tag"),
        ("a: !mine [1]", "1:4", "tag"),
        ("---\na: 1\n---\nb: 2", "4:1", "more than one YAML document"),
        ("a: [1", "2:1", "not YAML"),
        ("a: b: c", "1:5", "not YAML"),
        ("[" * 40 + "]" * 40, "1:33", "nested more than 32 deep"),
        ("[" * 100_000, "1:1001", "exceeded maximum nesting depth"),
    ],
)
def test_refuses_with_the_place(text: str, place: str, why: str) -> None:
    with pytest.raises(PolicyError) as caught:
        load_yaml(text, "f.yaml")
    assert str(caught.value).startswith(f"f.yaml:{place}: ")
    assert why in str(caught.value)


@pytest.mark.parametrize("text", ["a: \x00", "\ud800"])
def test_refuses_text_that_is_none(text: str) -> None:
    with pytest.raises((PolicyError, UnicodeEncodeError)):
        load_yaml(text, "f.yaml")


def test_a_bomb_of_aliases_is_refused_before_it_is_built() -> None:
    levels = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    with pytest.raises(PolicyError, match="anchors are not supported"):
        load_yaml("\n".join(levels), "bomb.yaml")


@pytest.mark.parametrize(
    ("text", "value"), [("", {}), ("# only\n", {}), ("'x'", "x"), ("[]", []), ("a: |\n  \n", {"a": ""})]
)
def test_small_ones(text: str, value: Any) -> None:
    assert load_yaml(text, "f") == value
