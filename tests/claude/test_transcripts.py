"""Transcripts in the database and in a directory: the SDK's own contract, and what a crash leaves."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from claude_agent_sdk import ClaudeAgentOptions
from claude_agent_sdk.testing.session_store_conformance import run_session_store_conformance

from hitl_opa.claude import DatabaseSessionStore, FileSessionStore
from hitl_opa.errors import ApprovalError
from hitl_opa.guard import Guard

KEY: Any = {"project_key": "-home-p", "session_id": "s"}


async def test_it_keeps_the_sdks_contract(tmp_path: Path) -> None:
    folders = (tmp_path / str(n) for n in itertools.count())
    await run_session_store_conformance(lambda: FileSessionStore(next(folders)))  # type: ignore[arg-type, return-value]


@pytest.fixture
async def guard(database: str) -> AsyncIterator[Guard]:
    where = {"database": database} if "://" in database else {"audit": database}
    async with Guard.open(durable=True, **where) as guard:
        yield guard


class Apart(DatabaseSessionStore):
    """One of several stores in one database: its projects are nobody else's."""

    numbers = itertools.count()

    def __init__(self, guard: Guard) -> None:
        super().__init__(guard)
        self._mine = f"{next(self.numbers)}:"

    def _keyed(self, key: Any) -> Any:
        return {**key, "project_key": self._mine + key["project_key"]}

    async def append(self, key: Any, entries: Any) -> None:
        await super().append(self._keyed(key), entries)

    async def load(self, key: Any) -> Any:
        return await super().load(self._keyed(key))

    async def list_sessions(self, project_key: str) -> Any:
        return await super().list_sessions(self._mine + project_key)

    async def list_subkeys(self, key: Any) -> Any:
        return await super().list_subkeys(self._keyed(key))

    async def delete(self, key: Any) -> None:
        await super().delete(self._keyed(key))


async def test_the_database_keeps_the_sdks_contract(guard: Guard) -> None:
    await run_session_store_conformance(lambda: Apart(guard))  # type: ignore[arg-type, return-value]


async def test_the_database_keeps_a_batch_that_is_sent_again_once(guard: Guard) -> None:
    store = DatabaseSessionStore(guard)
    for _ in range(2):
        await store.append(KEY, [{"type": "user", "uuid": "1"}, {"type": "user", "uuid": "1"}, {"type": "mode"}])
    assert await store.load(KEY) == [{"type": "user", "uuid": "1"}, {"type": "mode"}, {"type": "mode"}]


async def test_the_database_keeps_any_text(guard: Guard) -> None:
    store = DatabaseSessionStore(guard)
    said: Any = {"type": "user", "uuid": "1", "text": "\x00 \ud800 \u202e ' ? % :x", "n": 1e300, "deep": [[{}]] * 50}
    many: Any = [{"type": "user", "uuid": f"u{n}", "text": "x" * 1000} for n in range(1200)]
    await store.append(KEY, [said, *many])
    assert await store.load(KEY) == [said, *many]


async def test_batches_of_two_processes_at_once_are_each_kept_once(guard: Guard) -> None:
    store = DatabaseSessionStore(guard)

    async def sends(_: int) -> None:
        await store.append(KEY, [{"type": "user", "uuid": f"{m}"} for m in range(50)])

    await asyncio.gather(*map(sends, range(4)))
    loaded = await store.load(KEY)
    assert sorted(int(e["uuid"]) for e in loaded or []) == list(range(50))


async def test_it_is_the_default_where_machines_share_the_database(guard: Guard, tmp_path: Path) -> None:
    kept = guard.protect(ClaudeAgentOptions(cwd=tmp_path)).session_store
    assert isinstance(kept, DatabaseSessionStore) is bool(guard.config.database)
    own: Any = FileSessionStore(tmp_path)
    assert guard.protect(ClaudeAgentOptions(cwd=tmp_path, session_store=own)).session_store is own
    checkpoints = guard.protect(ClaudeAgentOptions(cwd=tmp_path, enable_file_checkpointing=True))
    assert checkpoints.session_store is None  # the SDK takes one of the two


def test_a_guard_without_approvals_keeps_no_transcripts() -> None:
    guard = Guard.open(audit=":memory:")
    with pytest.raises(ApprovalError, match="durable: true"):
        DatabaseSessionStore(guard)
    guard.close_sync()


def cut_off(folder: Path) -> None:
    (file,) = folder.rglob("*.jsonl")
    with file.open("a") as out:
        out.write('{"type": "user", "uu')


async def test_an_entry_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    store = FileSessionStore(tmp_path)
    await store.append(KEY, [{"type": "user", "uuid": "1"}])
    cut_off(tmp_path)
    assert [e["uuid"] for e in await store.load(KEY) or []] == ["1"]
    await store.append(KEY, [{"type": "user", "uuid": "2"}])
    assert [e["uuid"] for e in await FileSessionStore(tmp_path).load(KEY) or []] == ["1", "2"]


async def test_a_batch_that_is_sent_again_is_kept_once(tmp_path: Path) -> None:
    store = FileSessionStore(tmp_path)
    for _ in range(2):
        await store.append(KEY, [{"type": "user", "uuid": "1"}, {"type": "mode"}])
    assert await store.load(KEY) == [{"type": "user", "uuid": "1"}, {"type": "mode"}, {"type": "mode"}]


def inside_only(folder: Path) -> None:
    assert [path.name for path in folder.iterdir()] == ["in"]
    assert (folder / "in").stat().st_mode & 0o077 == 0


async def test_no_key_leads_out_of_the_directory(tmp_path: Path) -> None:
    store = FileSessionStore(tmp_path / "in")
    for name in ("..", "../../x", "/etc/x", "."):
        for key in ({"project_key": name, "session_id": name}, {**KEY, "subpath": name}):
            await store.append(key, [{"type": "user"}])  # type: ignore[arg-type]
            assert await store.load(key) == [{"type": "user"}]  # type: ignore[arg-type]
    inside_only(tmp_path)
