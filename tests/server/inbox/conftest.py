"""An inbox over approvals that wait, and people who look at it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from starlette.applications import Starlette

from hitl_opa import Guard, ToolCall
from hitl_opa.approvals import Approval
from hitl_opa.approvals.accounts import Accounts
from hitl_opa.approvals.store import Store
from hitl_opa.config import load_config
from hitl_opa.model import Session
from hitl_opa.server.inbox import inbox_routes
from hitl_opa.server.inbox.passwords import hashed

PASSWORD = "correct horse battery"
HASH = hashed(PASSWORD)


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def seconds(self) -> float:
        return self.now.timestamp()

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Office:
    """A guard that keeps approvals, the accounts, and the application."""

    def __init__(self, folder: Path, settings: str | None = "level: 1\ndurable: true\n") -> None:
        if settings is not None:
            (folder / "hitl.yaml").write_text(settings)
        self.folder = folder
        self.clock = Clock()
        self.guard = Guard.open(load_config(folder / "hitl.yaml"))
        assert self.guard.approvals is not None
        self.approvals = self.guard.approvals
        self.approvals._clock = self.clock
        self.accounts = Accounts(Store(self.guard.audit))
        routes = inbox_routes(self.approvals, self.accounts, self.guard.audit, self.guard.config, self.clock.seconds)
        self.app = Starlette(routes=routes)

    async def ask(self, tool: str = "Bash", principal: str = "anna", session: str = "s1", **input: Any) -> Approval:
        """A call that policy asks about; the approval that waits for it."""
        call = ToolCall(
            tool=tool,
            input=input or {"command": "make deploy"},
            cwd=str(self.folder),
            session=Session(id=session, principal=principal),
        )
        before = {a.id for a in self.approvals.search()}
        await self.guard.resolve(await self.guard.rule(call), None, "Because the tests passed.")
        (new,) = [a for a in self.approvals.search() if a.id not in before]
        return new

    def add(self, name: str, role: str = "reviewer", *groups: str) -> None:
        self.accounts.add(name, role, groups, self.clock.seconds(), password=HASH)


class Browser:
    """Somebody with cookies, who posts the forms that pages show."""

    def __init__(self, app: Starlette, scheme: str = "http") -> None:
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=f"{scheme}://inbox.test")

    async def log_in(self, name: str, password: str = PASSWORD) -> httpx.Response:
        page = await self.http.get("/inbox/login")
        return await self.http.post(
            "/inbox/login",
            data={"token": field(page.text, "token"), "next": "/inbox", "name": name, "password": password},
        )

    async def get(self, path: str) -> httpx.Response:
        return await self.http.get(path)

    async def form(self, page: str, action: str) -> dict[str, str]:
        """The hidden fields of the form of ``page`` that goes to ``action``."""
        text = (await self.http.get(page)).text
        form = next(f for f in re.findall(r"<form[^>]*>.*?</form>", text, re.DOTALL) if f'action="{action}"' in f)
        return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))

    async def post(self, page: str, action: str, **values: Any) -> httpx.Response:
        """Post that form."""
        return await self.http.post(action, data={**await self.form(page, action), **values})

    async def decide(self, id: str, choice: str, **values: Any) -> httpx.Response:
        at = f"/inbox/approvals/{id}"
        return await self.post(at, f"{at}/decide", choice=choice, **values)


def field(text: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', text)
    assert found, f"no field {name}"
    return found[1]


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    office = Office(tmp_path)
    office.add("rita", "reviewer", "sre")
    office.add("vera", "viewer")
    yield office
    await office.guard.close()


@pytest.fixture
async def browser(office: Office) -> AsyncIterator[Callable[..., Browser]]:
    opened: list[Browser] = []

    def make(scheme: str = "http", app: Starlette | None = None) -> Browser:
        opened.append(Browser(app or office.app, scheme))
        return opened[-1]

    yield make
    for one in opened:
        await one.http.aclose()


@pytest.fixture
async def rita(browser: Callable[..., Browser]) -> Browser:
    one = browser()
    assert (await one.log_in("rita")).status_code == 303
    return one
