"""Transcripts of sessions where another machine finds them: beside the approvals, or in a directory that is shared."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from hitl_opa.errors import ApprovalError

if TYPE_CHECKING:
    from claude_agent_sdk.types import (
        SessionKey,
        SessionListSubkeysKey,
        SessionStoreEntry,
        SessionStoreListEntry,
    )

    from hitl_opa.approvals.transcripts import Place
    from hitl_opa.guard import Guard

MAIN = "main.jsonl"
_SUB = "sub"


class DatabaseSessionStore:
    """The Claude Agent SDK's ``session_store`` in the database that keeps the guard's approvals.

    What `append` has returned from is on the disk. Transcripts hold whatever the agent read, as it was: whoever
    may read the database may read that. One process at a time should go on with a session. Raises ApprovalError
    where the guard keeps no approvals.
    """

    def __init__(self, guard: Guard) -> None:
        if guard.approvals is None:
            raise ApprovalError("this guard keeps neither approvals nor transcripts: set `durable: true` in hitl.yaml")
        from hitl_opa.approvals.transcripts import Transcripts

        self._transcripts = Transcripts(guard.approvals.store)

    async def append(self, key: SessionKey, entries: list[SessionStoreEntry]) -> None:
        """Add entries to a transcript; one that is sent again is kept once. Raises ApprovalError or AuditError."""
        new = [(str(entry.get("uuid") or ""), json.dumps(entry)) for entry in entries]
        if new:
            await asyncio.to_thread(self._transcripts.append, _place(key), new, time.time())

    async def load(self, key: SessionKey) -> list[SessionStoreEntry] | None:
        """A transcript, None where there is none. Raises ApprovalError or AuditError."""
        texts = await asyncio.to_thread(self._transcripts.load, _place(key))
        return [json.loads(text) for text in texts] or None

    async def list_sessions(self, project_key: str) -> list[SessionStoreListEntry]:
        """The sessions of a project, and when each was written to."""
        found = await asyncio.to_thread(self._transcripts.sessions, project_key)
        return [{"session_id": session, "mtime": int(at * 1000)} for session, at in found.items()]

    async def list_subkeys(self, key: SessionListSubkeysKey) -> list[str]:
        """The transcripts of a session's subagents."""
        return await asyncio.to_thread(self._transcripts.agents, _place(key))

    async def delete(self, key: SessionKey) -> None:
        """Remove one transcript; that of a main agent with all of its subagents'."""
        await asyncio.to_thread(self._transcripts.delete, _place(key))


class FileSessionStore:
    """The Claude Agent SDK's ``session_store`` as JSON lines: ``directory/project/session/…``, one file a transcript.

    What `append` has returned from is on the disk. Transcripts hold whatever the agent read: the directory is
    made for this user only. One process at a time should go on with a session.
    """

    def __init__(self, directory: str | Path) -> None:
        self._directory = Path(directory)

    async def append(self, key: SessionKey, entries: list[SessionStoreEntry]) -> None:
        """Add entries to a transcript. Raises OSError."""
        if entries:
            await asyncio.to_thread(self._append, self._file(key), entries)

    async def load(self, key: SessionKey) -> list[SessionStoreEntry] | None:
        """A transcript, None where there is none. Raises OSError; what a crash cut off is left out."""
        return await asyncio.to_thread(_load, self._file(key))

    async def list_sessions(self, project_key: str) -> list[SessionStoreListEntry]:
        """The sessions of a project, and when each was written to."""
        files = (self._directory / _name(project_key)).glob(f"*/{MAIN}")
        return [
            {"session_id": unquote(file.parent.name), "mtime": file.stat().st_mtime_ns // 1_000_000} for file in files
        ]

    async def list_subkeys(self, key: SessionListSubkeysKey) -> list[str]:
        """The transcripts of a session's subagents."""
        folder = self._session(key) / _SUB
        return sorted(unquote(file.stem) for file in folder.glob("*.jsonl"))

    async def delete(self, key: SessionKey) -> None:
        """Remove one transcript; that of a main agent with all of its subagents'."""
        if key.get("subpath"):
            self._file(key).unlink(missing_ok=True)
        else:
            await asyncio.to_thread(shutil.rmtree, self._session(key), ignore_errors=True)

    def _session(self, key: Any) -> Path:
        return self._directory / _name(key["project_key"]) / _name(key["session_id"])

    def _file(self, key: Any) -> Path:
        subpath = key.get("subpath")
        return self._session(key) / (Path(_SUB) / f"{_name(subpath)}.jsonl" if subpath else MAIN)

    def _append(self, file: Path, entries: list[SessionStoreEntry]) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lines = "".join(json.dumps(entry) + "\n" for entry in entries).encode()
        with file.open("a+b") as out:
            if out.seek(0, os.SEEK_END):
                out.seek(-1, os.SEEK_END)
                lines = (b"" if out.read(1) == b"\n" else b"\n") + lines  # behind an entry that was cut off
            out.write(lines)
            out.flush()
            os.fsync(out.fileno())


def _place(key: Any) -> Place:
    from hitl_opa.approvals.transcripts import Place

    return Place(project=key["project_key"], session=key["session_id"], agent=key.get("subpath") or "")


def _name(value: str) -> str:
    """A file name for whatever there is in it; never a way out of the directory."""
    quoted = quote(value, safe="")
    return re.sub(r"^\.", "%2E", quoted)


def _load(file: Path) -> list[SessionStoreEntry] | None:
    try:
        lines = file.read_bytes().split(b"\n")
    except FileNotFoundError:
        return None
    entries: dict[Any, SessionStoreEntry] = {}
    for number, line in enumerate(lines):
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # cut off when its writer died, who then never was told that it is stored
        entries.setdefault(entry.get("uuid") or number, entry)  # a batch that is sent again is stored once
    return list(entries.values())
