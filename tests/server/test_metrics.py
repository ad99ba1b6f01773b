from __future__ import annotations

from pathlib import Path

import httpx2 as httpx

from hitl_opa import Guard, ToolCall
from hitl_opa.config import Config, Key
from hitl_opa.server import create_app
from hitl_opa.server.keys import new_key

KEY, DIGEST = new_key()


async def test_prometheus_scrapes_with_a_key(tmp_path: Path) -> None:
    keys = [Key(name="prometheus", sha256=DIGEST, principal="prometheus")]
    async with Guard.open(Config(root=str(tmp_path), keys=keys)) as guard:
        transport = httpx.ASGITransport(app=create_app(guard))
        async with httpx.AsyncClient(transport=transport, base_url="http://guard") as http:
            assert (await http.get("/metrics")).status_code == 401
            authorized = {"authorization": f"Bearer {KEY}"}
            assert "hitl_policy_decisions_total{" not in (await http.get("/metrics", headers=authorized)).text
            await guard.decide(ToolCall(tool="Read", input={"file_path": "a"}, cwd=str(tmp_path)))
            answer = await http.get("/metrics", headers=authorized)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'outcome="ask"' in answer.text
