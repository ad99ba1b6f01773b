"""Both databases do what a database must do; PostgreSQL in its official image too, where Docker runs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from dockers import REQUIRED, docker_runs

from hitl_opa.testing.conformance.store import StoreConformance

if TYPE_CHECKING:
    from postgres import Server


class TestSqlite(StoreConformance):
    @pytest.fixture
    def database(self, tmp_path: Path) -> str:
        return str(tmp_path / "hitl.db")


class TestPostgres(StoreConformance):
    @pytest.fixture
    def database(self, postgres: Server) -> str:
        return postgres.create()


@pytest.mark.docker
@pytest.mark.skipif(
    not REQUIRED and not docker_runs(), reason="no Docker engine; the suite ran on the local PostgreSQL"
)
class TestPostgresImage(StoreConformance):
    """The same on the official image. HITL_REQUIRE_DOCKER=1 makes it fail where Docker does not run."""

    @pytest.fixture(scope="class")
    def image(self) -> Iterator[str]:
        from testcontainers.core.container import DockerContainer
        from testcontainers.core.wait_strategies import LogMessageWaitStrategy

        container = (
            DockerContainer("postgres:17-alpine")
            .with_env("POSTGRES_PASSWORD", "hitl")
            .with_exposed_ports(5432)
            # once while it is prepared, once when it is there
            .waiting_for(LogMessageWaitStrategy("ready to accept connections", times=2))
        )
        with container:
            place = f"{container.get_container_host_ip()}:{container.get_exposed_port(5432)}"
            yield f"postgresql://postgres:hitl@{place}/postgres"

    @pytest.fixture
    def database(self, image: str) -> str:
        name = f"t{uuid.uuid4().hex}"
        with psycopg.connect(image, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"{image.rpartition('/')[0]}/{name}"
