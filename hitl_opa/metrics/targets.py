"""Where the numbers should be, and what to say where they are not."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from hitl_opa.config import Target
from hitl_opa.errors import ConfigError
from hitl_opa.metrics.measures import Measures, Ratio

TARGETS: Mapping[str, Target] = {
    # 10-15 % is a rule of thumb that its source has withdrawn; derive your own from your tasks
    "escalation": Target(low=0.10, high=0.15),
    "override": Target(low=0.02, high=0.30),
    "expiry": Target(low=0.0, high=0.05, needs=20),
    "rubber_stamp": Target(low=0.0, high=0.25, needs=20),
    "agreement": Target(low=0.4, high=1.0, needs=0),
    "utilisation": Target(low=0.2, high=1.0, needs=20),
    "canaries": Target(low=0.8, high=1.0, needs=5),
    "resolution_p95": Target(low=0.0, high=86_400.0, needs=20),
}
"""The defaults; ``targets`` in hitl.yaml replaces them one by one."""

_SAYS = {
    "escalation": ("people see too few calls", "people see too many calls"),
    "override": (
        "people approve nearly everything: the gate may be useless, or rubber-stamped",
        "people refuse a lot: the agent or the policy is wrong",
    ),
    "expiry": ("", "too many approvals run out unanswered"),
    "rubber_stamp": ("", "approvals come faster than anybody reads"),
    "agreement": ("reviewers disagree about the same calls", ""),
    "utilisation": ("corrections change nothing", ""),
    "canaries": ("planted bad requests get approved", ""),
    "resolution_p95": ("", "answers take too long"),
}


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """A number outside its target."""

    name: str
    value: float
    target: Target
    message: str


def alerts(measures: Measures, targets: Mapping[str, Target] | None = None) -> list[Alert]:
    """What is outside its target, where there are enough cases to say so.

    ``targets`` replace the defaults of their names. Raises ConfigError for a name that is none.
    """
    if unknown := sorted(set(targets or {}) - set(TARGETS)):
        raise ConfigError(f"targets: there is no {unknown[0]!r}; known are {', '.join(TARGETS)}")
    found = []
    for name, target in {**TARGETS, **(targets or {})}.items():
        value, cases = _number(measures, name)
        if value is None or cases < target.needs or target.low <= value <= target.high:
            continue
        message = _SAYS[name][value > target.high] or f"{name} is outside its target"
        found.append(Alert(name=name, value=value, target=target, message=message))
    return found


def _number(measures: Measures, name: str) -> tuple[float | None, int]:
    if name == "resolution_p95":
        return (measures.resolution.p95 if measures.resolution.n else None), measures.resolution.n
    value = getattr(measures, name)
    return (value.value, value.of) if isinstance(value, Ratio) else (value, 0)
