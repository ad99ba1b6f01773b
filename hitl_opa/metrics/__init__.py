"""How well humans and agents work together, measured from the record alone.

`Trails` ties the records of each call together, `measure` counts over them, `alerts` says what is
outside its target.
"""

from __future__ import annotations

from hitl_opa.metrics.measures import Measures, Ratio, Spread, measure
from hitl_opa.metrics.targets import TARGETS, Alert, alerts
from hitl_opa.metrics.trail import Act, Look, Trail, Trails

__all__ = ["TARGETS", "Act", "Alert", "Look", "Measures", "Ratio", "Spread", "Trail", "Trails", "alerts", "measure"]
