"""One Rego snippet on both engines."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hitl_opa.engines import embedded
from hitl_opa.policy.opa_tool import find_opa

UNDEFINED = "<undefined>"
ERROR = "<error>"


@pytest.fixture(scope="session")
def opa() -> str:
    found = find_opa()
    assert found, "these tests compare with the real opa: run `make opa` first"
    return found


@pytest.fixture
def on_opa(opa: str, tmp_path: Path) -> Any:
    """The value of data.t.r in a module, as strict OPA has it."""

    def run(source: str, input_: Any = None) -> Any:
        (tmp_path / "t.rego").write_text(source)
        (tmp_path / "input.json").write_text(json.dumps(input_ or {}))
        done = subprocess.run(
            [opa, "eval", "-f", "json", "--strict-builtin-errors", "-d", "t.rego", "-i", "input.json", "data.t.r"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        answer = json.loads(done.stdout)
        if "errors" in answer:
            return ERROR
        return answer["result"][0]["expressions"][0]["value"] if answer.get("result") else UNDEFINED

    return run


@pytest.fixture
def on_embedded() -> Any:
    """The value of data.t.r in a module, as the embedded engine has it, unlinted."""

    def run(source: str, input_: Any = None) -> Any:
        try:
            engine = embedded.load({"t.rego": source}, b"{}")
            engine.set_input_json(json.dumps(input_ or {}))
            return json.loads(engine.eval_rule_as_json("data.t.r"))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:
            return ERROR

    return run
