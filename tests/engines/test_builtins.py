"""Overridden built-ins answer as the real OPA does, over generated arguments."""

from __future__ import annotations

import json
import random
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from hitl_opa.engines import builtins
from hitl_opa.engines.globs import GlobError, glob_match

ERROR = "<error>"
GLOBS = [
    *("a", "b", "/", ".", "é", ":", "*", "**", "?", "[ab]", "[!a]", "[a-c]", "{a,b}", "{a*,b}", "\\*", "{a,{b,/}}"),
    *("**/", "/**", "ab", "[!a-b]", "{,a}", "*.env", "[/]", "[abc-e]", "[", "{", "\\", "]", "}", ",", "[]", "[^a]"),
    *("[!]", "[b-a]", "[a-]", "[-a]"),
]
TEXTS = ["a", "b", "/", ".", "é", ":", "ab", "*", ".env", "c", "x/", "\n"]
STRINGS = ["", "a", "aB É", "ß", "İ", "Σς", "日本", "🙂", "%s", "10", "-3.5", "1e3", " 1", "0x10", "a*?[]{}\\"]
TEMPLATES = ["%s", "%v", "%d", "%v-%s", "100%%", "é %v %v", "no verb"]
VALUES: list[Any] = [
    "s",
    "",
    0,
    1,
    -5,
    2**62,
    0.5,
    1.25e-5,
    100000.5,
    1234567.5,
    -0.00012,
    1e-7,
    True,
    None,
    [1, "x"],
    {"k": [None], "a": "é\n"},
]


def cases(seed: int) -> list[tuple[str, list[Any]]]:
    pick = random.Random(seed)
    made: list[tuple[str, list[Any]]] = []
    for _ in range(3000):
        pattern = "".join(pick.choice(GLOBS) for _ in range(pick.randint(0, 6)))
        text = "".join(pick.choice(TEXTS) for _ in range(pick.randint(0, 6)))
        made.append(("glob.match", [pattern, pick.choice([["/"], [], None, [":"], ["/", "."]]), text]))
    for name in ("lower", "upper", "to_number", "glob.quote_meta", "crypto.md5", "crypto.sha1", "crypto.sha256"):
        made += [(name, [text]) for text in STRINGS]
    for name in ("indexof", *(f"crypto.hmac.{h}" for h in ("md5", "sha1", "sha256", "sha512", "equal"))):
        made += [(name, [pick.choice(STRINGS), pick.choice(STRINGS)]) for _ in range(60)]
    for template in TEMPLATES:
        made += [("sprintf", [template, pick.choices(VALUES, k=pick.randint(0, 3))]) for _ in range(80)]
    made += [("sprintf", ["%v|%s|%d", [value] * 3]) for value in VALUES]
    return made


def test_as_opa_has_them(opa: str, tmp_path: Path) -> None:
    asked = cases(1)
    names = sorted({name for name, _ in asked})
    assert set(names) == set(builtins.OVERRIDES)
    lines = ["package t", "", "r := [x | some c in data.cases; x := one(c)]", ""]
    for name in names:
        arguments = ", ".join(f"c.a[{i}]" for i in range(builtins.OVERRIDES[name][0]))
        lines.append(f'f(c) := x if {{ c.n == "{name}"; x := {name}({arguments}) }}')
    lines += [f'one(c) := x if {{ x := f(c) }} else := "{ERROR}"', ""]
    (tmp_path / "t.rego").write_text("\n".join(lines))
    (tmp_path / "data.json").write_text(json.dumps({"cases": [{"n": n, "a": a} for n, a in asked]}))
    done = subprocess.run(
        [opa, "eval", "-f", "json", "-d", "t.rego", "-d", "data.json", "data.t.r"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[:2000]
    expected = json.loads(done.stdout)["result"][0]["expressions"][0]["value"]
    different = [
        (name, arguments, wanted, mine)
        for (name, arguments), wanted in zip(asked, expected, strict=True)
        if (mine := ours(name, arguments)) != wanted
    ]
    assert different == []
    assert sum(wanted is True for wanted in expected) > 100


def ours(name: str, arguments: list[Any]) -> Any:
    try:
        return builtins.OVERRIDES[name][1](*arguments)
    except (ValueError, TypeError):
        return ERROR


@pytest.mark.parametrize("pattern", ["**a*b", "**a*b**a*b*c", "*a*a*a*a*b", "{a*,*b}*c", "[/]*[/]*b", "**/*.pem"])
def test_a_long_hostile_text_ends_soon(pattern: str) -> None:
    for text in ("a" * 4000, "a/" * 2000, "/" * 4000, "ab" * 2000):
        started = time.monotonic()
        glob_match(pattern, ["/"], text)
        assert time.monotonic() - started < 2


def test_a_text_too_long_for_its_pattern_is_an_error() -> None:
    with pytest.raises(GlobError, match="more than 4096 characters"):
        glob_match("**a*b", ["/"], "a" * 5000)
    assert glob_match("**/.env", ["/"], "a/" * 500_000 + ".env")  # one wildcard stays linear


def test_alternatives_are_bounded() -> None:
    with pytest.raises(GlobError, match="more than 256 alternatives"):
        glob_match("{a,b}" * 9, [], "a")


def test_sprintf_refuses_what_the_engines_format_differently() -> None:
    for template in ("%5d", "%x", "%q", "%.2f", "%", "%T"):
        with pytest.raises(ValueError, match=re.escape("only %s, %v, %d and %%")):
            builtins.OVERRIDES["sprintf"][1](template, [1])
