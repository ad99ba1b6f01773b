"""A hook that is decided in its own process, by the settings in a directory: no server, and no memory of sessions."""

from __future__ import annotations

import asyncio
import os

import msgspec

from hitl_opa.claude.code.hooks import CodeHooks


def answer(folder: str, hook: bytes) -> tuple[str, bytes]:
    """The answer to a hook's input, and its word where it is a plain one. Raises HitlError, or what else goes wrong."""
    return asyncio.run(_answer(folder, hook))


async def _answer(folder: str, hook: bytes) -> tuple[str, bytes]:
    from hitl_opa.config import load_config
    from hitl_opa.guard import Guard

    os.chdir(folder)
    async with Guard.open(load_config()) as guard:
        hooks = CodeHooks(guard)
        answered = await hooks.said(msgspec.json.decode(hook), None, None)
        await hooks.settle()
        return answered
