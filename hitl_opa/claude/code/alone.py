"""A hook that is decided in its own process, by the settings in a directory: no server, and no memory of sessions."""

from __future__ import annotations

import asyncio
import getpass
import os

import msgspec

from hitl_opa.claude.code.hooks import Caller, CodeHooks, encode


def answer(folder: str, hook: bytes) -> tuple[str, bytes]:
    """The answer to a hook's input, and its word where it is a plain one. Raises HitlError, or what else goes wrong."""
    return asyncio.run(_answer(folder, hook))


async def _answer(folder: str, hook: bytes) -> tuple[str, bytes]:
    from hitl_opa.config import load_config
    from hitl_opa.guard import Guard

    os.chdir(folder)
    async with Guard.open(load_config()) as guard:
        hooks = CodeHooks(guard)
        word, reply = await hooks.answer(msgspec.json.decode(hook), Caller(principal=getpass.getuser()))
        await hooks.settle()
        return word, encode(reply)
