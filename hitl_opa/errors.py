"""Everything hitl-opa raises on purpose.

    HitlError
    ├── ConfigError          hitl.yaml, data or arguments are wrong; nothing was started
    ├── CallRefused          a tool call that cannot become an input document
    ├── PolicyError          a policy file that cannot be loaded
    ├── EngineError          the engine gave no usable decision
    │   ├── Undefined        the policy left the decision undefined
    │   ├── EngineTimeout    no answer within the deadline
    │   └── EngineUnavailable   no answer at all
    ├── AuditError           the record could not be written or does not verify
    │   └── AuditBusy        another process is writing to it
    ├── ApprovalError        a durable approval that cannot be asked, given or used so
    │   ├── NoSuchApproval   there is none
    │   └── VoteRefused      policy does not count this person's word
    ├── NotifyError          a notification could not be sent, or what came back is not genuine
    ├── UnsafeOptions        Claude Agent SDK options that would bypass the guard
    └── Denied               a guarded Python callable was not allowed to run

Callers that enforce never let one of these mean "allow".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hitl_opa.model import Decision


class HitlError(Exception):
    """Base of the tree above."""


class ConfigError(HitlError):
    """Configuration or arguments are wrong."""


class CallRefused(HitlError):
    """The tool call is malformed or too large to be understood; ``str(e)`` says where."""


class PolicyError(HitlError):
    """A policy file cannot be loaded; ``str(e)`` has file:line:column where known."""


class EngineError(HitlError):
    """The engine gave no usable decision."""


class Undefined(EngineError):
    """The policy left the decision undefined."""


class EngineTimeout(EngineError):
    """The engine did not answer within its deadline."""


class EngineUnavailable(EngineError):
    """The engine cannot be reached or has died."""


class AuditError(HitlError):
    """The record could not be written, or does not verify."""


class AuditBusy(AuditError):
    """Another process is writing to the record and did not let go in time."""


class ApprovalError(HitlError):
    """A durable approval cannot be asked, given or used so; ``str(e)`` says why."""


class NoSuchApproval(ApprovalError):
    """There is no approval with this id, or more than one whose id starts so."""


class VoteRefused(ApprovalError):
    """Policy does not count this person's word, or denies what they want to run instead."""


class NotifyError(HitlError):
    """A notification could not be sent, or a link, button or webhook is not genuine; ``str(e)`` says why.

    ``retry_after``: seconds that the receiver asks to be left alone, 0 where it does not say.
    """

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnsafeOptions(HitlError):
    """Claude Agent SDK options that would let calls bypass the guard; names each of them."""


class Denied(HitlError):
    """A guarded callable was not allowed to run; ``decision`` says why."""

    def __init__(self, message: str, decision: Decision) -> None:
        super().__init__(message)
        self.decision = decision
