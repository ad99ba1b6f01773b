"""A real OPA server with a policy, on a free port."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator

import pytest
from opa_server import start

from hitl_opa.policy.opa_tool import find_opa


@pytest.fixture(scope="session")
def opa_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, object], str]]:
    """(policy, data) -> URL of a server that has loaded them; one server for each, kept for the session."""
    opa = find_opa()
    assert opa, "these tests need the real opa: run `make opa` first"
    running: dict[str, tuple[subprocess.Popen[bytes], str]] = {}

    def serve(policy: str, data: object) -> str:
        key = policy + json.dumps(data)
        if key not in running:
            folder = tmp_path_factory.mktemp("opa")
            (folder / "policy.rego").write_text(policy)
            (folder / "data.json").write_text(json.dumps(data))
            running[key] = start(opa, folder)
        return running[key][1]

    yield serve
    for process, _ in running.values():
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="session")
def opa() -> str:
    found = find_opa()
    assert found, "these tests compare with the real opa: run `make opa` first"
    return found


@pytest.fixture(scope="session")
def opa_arities(opa: str) -> dict[str, int]:
    said = subprocess.run([opa, "capabilities", "--current"], capture_output=True, text=True, timeout=60, check=True)
    return {item["name"]: len(item["decl"].get("args", [])) for item in json.loads(said.stdout)["builtins"]}
