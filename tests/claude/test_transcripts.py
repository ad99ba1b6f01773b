"""Transcripts in a directory: the SDK's own contract, and what a crash leaves."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from claude_agent_sdk.testing.session_store_conformance import run_session_store_conformance

from hitl_opa.claude import FileSessionStore

KEY: Any = {"project_key": "-home-p", "session_id": "s"}


async def test_it_keeps_the_sdks_contract(tmp_path: Path) -> None:
    folders = (tmp_path / str(n) for n in itertools.count())
    await run_session_store_conformance(lambda: FileSessionStore(next(folders)))  # type: ignore[arg-type, return-value]


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
