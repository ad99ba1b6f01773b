"""One thing that the linter found."""

from __future__ import annotations

import msgspec


class Finding(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Where (``line`` and ``column`` count from 1), which lint rule, what is wrong and how to fix it."""

    file: str
    line: int
    column: int
    rule: str
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.rule}: {self.message}. {self.fix}."
