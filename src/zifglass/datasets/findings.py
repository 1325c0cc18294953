"""What lint says: typed findings and the report that holds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning", "info"]
_order = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True)
class Finding:
    """code: stable, ``group.word``. what: one sentence with the numbers. where: file, frames.
    mend: what to do. values: the numbers behind it, for programs."""

    code: str
    severity: Severity
    what: str
    where: str
    mend: str
    values: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        mend = f" → {self.mend}" if self.mend else ""
        return f"{self.severity}: {self.what} [{self.code}] ({self.where}){mend}"


@dataclass(frozen=True)
class LintReport:
    """findings: the gravest first. frames: looked at, per part. notes: what could not be judged
    and why, and what was found in order."""

    findings: tuple[Finding, ...]
    frames: dict[str, int]
    notes: tuple[str, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that must stop a training."""
        return tuple(item for item in self.findings if item.severity == "error")

    def codes(self) -> list[str]:
        """The code of every finding, in order."""
        return [item.code for item in self.findings]

    def as_dict(self) -> dict[str, Any]:
        """The JSON report."""
        return {
            "errors": len(self.errors),
            "frames": self.frames,
            "findings": [vars(item) for item in self.findings],
            "notes": list(self.notes),
        }


def sorted_findings(findings: list[Finding]) -> tuple[Finding, ...]:
    """Errors, then warnings, then infos; otherwise in the order found."""
    return tuple(sorted(findings, key=lambda item: _order[item.severity]))


def frames_text(indices: Any, *, most: int = 8) -> str:
    """``frames 3, 4, 9 and 12 more``."""
    listed = [str(int(index)) for index in indices]
    text = ", ".join(listed[:most])
    if len(listed) > most:
        text += f" and {len(listed) - most} more"
    return f"frame{'s' if len(listed) > 1 else ''} {text}"
