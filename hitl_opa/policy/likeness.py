"""Whether settings are of the shape that the shipped policies were compared with on both of regorus' engines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from hitl_opa.engines.compiled import CUSTOM, plain

_SIMPLE_PATTERN = re.compile(r"[A-Za-z0-9_.*-]*")
_STEP = {"after": 1, "to": [""]}
_MAY_BE = {"approvers": [""], "channels": [""], "escalation": [_STEP, {**_STEP, "channel": ""}]}


def alike(shipped: Mapping[str, Any], data: Mapping[str, Any]) -> bool:
    """True where ``data`` has what ``shipped`` has, each of its type, whatever the values; both lie below `hitl`.

    A setting that is missing or of another type is undefined to one engine where it is an error to the other. What
    users keep below `custom` is for their own rules, unless it stands for one.
    """
    own = data.get("custom", {})
    ours = {key: value for key, value in data.items() if key != "custom"}
    if not isinstance(own, Mapping) or own.keys() & set(CUSTOM) or ours.keys() != shipped.keys():
        return False
    return (
        all(_same(shipped[key], ours[key]) for key in shipped)
        and all(_SIMPLE_PATTERN.fullmatch(pattern) for pattern in ours["tiers"]["patterns"])  # or the matchers differ
        and plain(msgspec.json.encode(ours).decode())
    )


def _same(shipped: Any, mine: Any) -> bool:
    """A value of the type of the shipped one. What is added to an object is of the type of something in it, an
    element of a list of the type of one of its elements, or a string where it ships empty."""
    if isinstance(shipped, Mapping):
        if not isinstance(mine, Mapping) or not shipped.keys() <= mine.keys():
            return False
        kinds = list(shipped.values())
        optional = _MAY_BE if "quorum" in shipped else {}
        return all(_same(shipped[key], mine[key]) for key in shipped) and all(
            any(_same(kind, mine[key]) for kind in ([optional[key]] if key in optional else kinds))
            for key in mine.keys() - shipped.keys()
        )
    if isinstance(shipped, list):
        return isinstance(mine, list) and all(any(_same(kind, item) for kind in shipped or [""]) for item in mine)
    if isinstance(shipped, bool) or isinstance(mine, bool):
        return isinstance(shipped, bool) and isinstance(mine, bool)
    return isinstance(mine, (int, float) if isinstance(shipped, (int, float)) else type(shipped))
