"""The description is of what is really served: no more, no less."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route
from starlette.testclient import TestClient

from hitl_opa import Guard
from hitl_opa.claude.code.hooks import CodeHooks
from hitl_opa.config import load_config
from hitl_opa.server import create_app

SETTINGS = {
    "decisions": "level: 2",
    "approvals": "level: 2\ndurable: true",
    "notify": "level: 2\ndurable: true\nnotify: {base_url: 'http://127.0.0.1:8282', channels: []}",
}


@pytest.fixture(params=SETTINGS)
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Starlette]:
    (tmp_path / "hitl.yaml").write_text(SETTINGS[request.param])
    guard = Guard.open(load_config(tmp_path / "hitl.yaml"))
    yield create_app(guard, hooks=CodeHooks(guard).said, socket=True)
    guard.close_sync()


def served(routes: list[BaseRoute]) -> set[tuple[str, str]]:
    """Paths and methods of all but the inbox, which is pages."""
    found: set[tuple[str, str]] = set()
    for route in routes:
        if isinstance(route, Mount) or (isinstance(route, Route) and route.path == "/inbox"):
            continue
        assert isinstance(route, Route)
        assert route.methods, route.path
        found |= {(route.path, method.lower()) for method in route.methods - {"HEAD"}}
    return found


def described(app: Starlette) -> dict[str, Any]:
    answer: dict[str, Any] = TestClient(app).get("/openapi.json").json()
    return answer


def test_every_route_is_described_and_nothing_else(app: Starlette) -> None:
    paths = described(app)["paths"]
    assert {(path, method) for path, methods in paths.items() for method in methods} == served(app.routes)


def test_every_operation_has_its_own_name_and_every_schema_is_one(app: Starlette) -> None:
    description = described(app)
    operations = [op["operationId"] for methods in description["paths"].values() for op in methods.values()]
    assert len(operations) == len(set(operations))
    for schema in description["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_what_takes_a_key_is_refused_without_one_and_nothing_else(app: Starlette) -> None:
    client = TestClient(app)
    for path, methods in described(app)["paths"].items():
        for method, operation in methods.items():
            status = client.request(method, path.replace("{id}", "x").replace("{token}", "x"), json={}).status_code
            assert (status == 401) == (operation.get("security") != []), (method, path, status)
