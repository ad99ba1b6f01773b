"""Databases of each kind for those who need one.

CI draws the same examples in every run, so that what is red there is red everywhere; developers draw new ones.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from postgres import Server

settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server that the tests of this process share; it fails where there is none to start."""
    from postgres import Server

    server = Server()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The name of an empty database, of each kind."""
    if request.param == "sqlite":
        return str(tmp_path / "hitl.db")
    server: Server = request.getfixturevalue("postgres")
    return server.create()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What one process has to run by itself comes first: at the end the others would wait for it."""
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)
