"""The decision point: facts, engine, record, and the human where policy asks for one."""

from hitl_opa.guard.guard import Guard
from hitl_opa.guard.ruling import ActionResult, Outcome, Ruling

__all__ = ["ActionResult", "Guard", "Outcome", "Ruling"]
