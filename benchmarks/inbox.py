"""How long the inbox's queue takes with many approvals waiting, beside with few.

    python benchmarks/inbox.py [--pending 10000] [--json]

Server time of a whole page, over the application in this process: login, query, template. The budget
is 200 ms with 10,000 waiting.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path

import httpx2 as httpx
import msgspec
from starlette.applications import Starlette

from hitl_opa.approvals.accounts import Accounts
from hitl_opa.approvals.events import changed
from hitl_opa.approvals.states import State
from hitl_opa.approvals.store import Store
from hitl_opa.config import Config
from hitl_opa.guard import Guard
from hitl_opa.model import Session, ToolCall
from hitl_opa.server.inbox import inbox_routes
from hitl_opa.server.inbox.passwords import hashed
from hitl_opa.server.inbox.visitor import COOKIE, key

BUDGET = 200.0  # milliseconds
FEW, ROUNDS = 50, 20
PAGES = ("/inbox", "/inbox?risk=medium", "/inbox?text=9999", "/inbox/history")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pending", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = asyncio.run(run(Path(folder), options.pending))
    if options.json:
        print(json.dumps(report))
        return
    print(f"{'page':24} {FEW:>8} waiting {options.pending:>8} waiting   ratio   budget {BUDGET:.0f} ms")
    for page, (few, many) in report.items():
        said = "met" if many <= BUDGET else "MISSED"
        print(f"{page:24} {few:13.1f} ms {many:13.1f} ms {many / few:7.1f}   {said}")


async def run(folder: Path, pending: int) -> dict[str, tuple[float, float]]:
    guard = Guard.open(Config(root=str(folder), durable=True, level=1))
    assert guard.approvals is not None
    store = Store(guard.audit)
    accounts = Accounts(store)
    accounts.add("rita", "reviewer", [], time.time(), password=hashed("a long password"))
    accounts.log_in(key("secret"), "rita", "password", time.time())
    app = Starlette(routes=inbox_routes(guard.approvals, accounts, guard.audit, guard.config))
    call = ToolCall(tool="Bash", input={"command": "make deploy-0"}, cwd=str(folder), session=Session(id="s"))
    ruling = guard.rule_sync(call)
    http = httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://inbox", cookies={COOKIE: "secret"}
    )
    template = guard.approvals.request("sha256:0", ruling.document, ruling.decision, "d")
    times: dict[str, list[float]] = {page: [] for page in PAGES}
    done = 0
    for goal in (FEW, pending):
        with store.begin() as transaction:  # as many as that, asked for one by one, take minutes
            for at in range(done, goal):
                asked = {**template.document["call"], "input": {"command": f"make {at}"}}
                document = {**template.document, "call": asked}
                one = msgspec.structs.replace(
                    template,
                    id=f"{at:08}",
                    digest=f"sha256:n{at}",
                    document=document,
                    requested_at=template.requested_at + at / 1000,
                )
                transaction.add(one, changed(one, State.PENDING))
        done = goal
        for page in PAGES:
            spent = []
            for _ in range(ROUNDS):
                started = time.perf_counter()
                answer = await http.get(page)
                spent.append((time.perf_counter() - started) * 1000)
                assert answer.status_code == 200
            times[page].append(statistics.median(spent))
    await http.aclose()
    await guard.close()
    return {page: (few, many) for page, (few, many) in times.items()}


if __name__ == "__main__":
    main()
