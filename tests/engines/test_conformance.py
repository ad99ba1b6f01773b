"""One suite for every engine: embedded, the real OPA server, and the official image where Docker runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dockers import REQUIRED, docker_runs

from hitl_opa.engines import open_embedded, open_isolated, open_opa
from hitl_opa.testing.conformance.engine import DATA, POLICY, EngineConformance


class TestEmbedded(EngineConformance):
    @pytest.fixture
    async def engine(self) -> Any:
        engine = open_embedded({"policy.rego": POLICY}, json.dumps(DATA).encode(), revision="r1")
        yield engine
        await engine.close()

    def test_revision_is_the_bundles(self, engine: Any) -> None:
        assert engine.describe()["revision"] == "r1"


class TestIsolated(EngineConformance):
    @pytest.fixture
    async def engine(self) -> Any:
        engine = open_isolated({"policy.rego": POLICY}, json.dumps(DATA).encode(), timeout=10)
        yield engine
        await engine.close()


class TestOpaServer(EngineConformance):
    @pytest.fixture
    async def engine(self, opa_server: Callable[[str, object], str]) -> Any:
        engine = open_opa(opa_server(POLICY, DATA), timeout=10)
        yield engine
        await engine.close()

    async def test_reports_the_servers_version(self, engine: Any) -> None:
        await self.ask(engine, "data")
        assert engine.describe()["version"] == "1.22.2"


@pytest.mark.docker
@pytest.mark.skipif(
    not REQUIRED and not docker_runs(), reason="no Docker engine; the suite ran on the local opa binary"
)
class TestOpaImage(EngineConformance):
    """The same on the official image. HITL_REQUIRE_DOCKER=1 makes it fail where Docker does not run."""

    @pytest.fixture(scope="class")
    def url(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
        assert docker_runs(), "HITL_REQUIRE_DOCKER=1, and there is no Docker engine"
        from testcontainers.core.container import DockerContainer
        from testcontainers.core.wait_strategies import HttpWaitStrategy

        folder: Path = tmp_path_factory.mktemp("policies")
        folder.chmod(0o755)
        (folder / "policy.rego").write_text(POLICY)
        (folder / "data.json").write_text(json.dumps(DATA))
        container = (
            DockerContainer("openpolicyagent/opa:1.22.2")
            .with_command("run --server --addr=0.0.0.0:8181 --log-level=error /policies")
            .with_volume_mapping(str(folder), "/policies", "ro")
            .with_exposed_ports(8181)
            .waiting_for(HttpWaitStrategy(8181, "/health"))
        )
        with container:
            yield f"http://{container.get_container_host_ip()}:{container.get_exposed_port(8181)}"

    @pytest.fixture
    async def engine(self, url: str) -> Any:
        engine = open_opa(url, timeout=10)
        yield engine
        await engine.close()
