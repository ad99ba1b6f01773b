"""Proof on this machine: the real CLI, offline, tries a call that is denied."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from hitl_opa.cli.checks import Check
from hitl_opa.cli.settings import ASIDE
from hitl_opa.config import Config
from hitl_opa.errors import EngineError, HitlError
from hitl_opa.guard import Guard
from hitl_opa.guard.opening import known, open_audit, open_engine
from hitl_opa.model import Engine

if TYPE_CHECKING:
    from hitl_opa.testing import Sandbox

GUARDED, FREE = "guarded.txt", "free.txt"


def prove(config: Config) -> Iterator[Check]:
    """Three sessions: an allowed call runs, a denied one does not, and neither does one whose engine fails."""
    from hitl_opa.testing import Sandbox

    with Sandbox() as sandbox:
        protected = str(sandbox.cwd / GUARDED)
        settings = msgspec.structs.replace(config, **ASIDE, level=4, protect=[*config.protect, protected])
        try:
            engine = open_engine(settings)
        except HitlError as error:
            yield Check(name="proof", status="fail", detail=str(error), remedy="hitl-opa policy lint shows where")
            return
        for name, path, wanted, used in (
            ("allow runs", FREE, True, engine),
            ("deny blocks", GUARDED, False, engine),
            ("error blocks", FREE, False, _Broken()),
        ):
            (sandbox.cwd / path).unlink(missing_ok=True)
            try:
                told = asyncio.run(_try(settings, used, sandbox, path))
            except Exception as error:  # noqa: BLE001 - a proof that could not be made proves nothing
                yield _failed(name, f"the session failed: {type(error).__name__}: {error}")
                continue
            ran = (sandbox.cwd / path).exists()
            if ran == wanted:
                outcome = "ran" if ran else f"did not run: {told}"
                yield Check(name=name, status="ok", detail=f"on the real CLI, the call {outcome}")
            else:
                yield _failed(name, f"on the real CLI, the call {'ran' if ran else 'did not run'}: {told}")


async def _try(config: Config, engine: Engine, sandbox: Sandbox, path: str) -> str:
    """One session whose model writes ``path``; what the model was told of it."""
    from hitl_opa.testing import run_agent, tool_use

    guard = Guard(engine=engine, audit=open_audit(config), config=config, known=known(config))
    call = tool_use("Bash", command=f"echo written > {path}")
    run = await run_agent([call, "done"], guard=guard, sandbox=sandbox, timeout=90)
    if run.error is not None:
        raise run.error
    if not run.calls:
        raise RuntimeError("the CLI never made the call")
    return " ".join(run.calls[0].told.split())[:200]


class _Broken:
    """An engine that fails, as an engine may."""

    async def evaluate(self, document: bytes, entrypoint: str = "") -> bytes:
        raise EngineError("broken on purpose, to see that this blocks")

    def evaluate_sync(self, document: bytes, entrypoint: str = "") -> bytes:
        raise EngineError("broken on purpose, to see that this blocks")

    def describe(self) -> dict[str, str]:
        return {"engine": "broken"}

    async def close(self) -> None:
        """There is nothing to close."""

    def close_sync(self) -> None:
        """Nor here."""


def _failed(name: str, detail: str) -> Check:
    return Check(name=name, status="fail", detail=detail, remedy="do not run agents behind this guard; report it")
