"""How ``hitl-opa worker --resume FILE.py:FUNCTION`` comes to the sessions of an application."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hitl_opa.config import Config
from hitl_opa.errors import ConfigError

if TYPE_CHECKING:
    from hitl_opa.claude.resume import Resumer


@contextmanager
def resuming(config: Config, target: str | None) -> Iterator[Resumer | None]:
    """What goes on with sessions, as long as the context lasts; None without a target. Raises ConfigError."""
    if target is None:
        yield None
        return
    from hitl_opa.claude.resume import Resumer
    from hitl_opa.guard import Guard

    options = load(target)
    guard = Guard.open(config)
    try:
        yield Resumer(guard, options)
    finally:
        guard.close_sync()


def load(target: str) -> Callable[[str], Any]:
    """The function that ``FILE.py:FUNCTION`` names. Raises ConfigError."""
    path, _, name = target.rpartition(":")
    file = Path(path)
    if not path or not file.is_file():
        raise ConfigError(f"--resume {target!r}: there is no file {path!r}; write FILE.py:FUNCTION")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise ConfigError(f"--resume {target!r}: {path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigError(f"--resume {target!r}: {path} fails: {type(error).__name__}: {error}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise ConfigError(f"--resume {target!r}: there is no function {name!r} in {path}")
    return function  # type: ignore[no-any-return]
