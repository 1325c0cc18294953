"""A number of ours beside a published one: the difference, its error, a verdict.

The difference is judged against the errors of both sides, added in quadrature:

* ours: the standard error that comes with our number;
* rounding: the published digits, ±½ of the last, uniform: unit/√12;
* the published number's own sampling. Where it was averaged over a stated time, it is taken to
  scatter as ours does, σ √(t_ours/t_published); where no time is stated, none is counted, and
  the verdict says that it is too hard;
* glasses. A mean over m glasses, of the very n that the published mean is over, differs from it
  by s √(1/m − 1/n), s the standard deviation between glasses (printed, else ours); over m other
  glasses by s √(1/m + 1/n). What is left of each glass's own error comes on top.

*agrees*: a difference as large is to be expected in at least 1 % of cases (Student's t where an
error rests on few glasses). Otherwise *differs*. A setting (rule ``exact``) agrees when it is
the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, isfinite, sqrt
from typing import Final, Literal

from zifglass.core import InputError

from .reader import PublishedValue

Word = Literal["agrees", "differs", "not run", "no verdict"]
LEVEL: Final = 0.01


@dataclass(frozen=True)
class Glasses:
    """count: how many glasses a mean is over. spread: their standard deviation (n − 1), in the
    unit of the mean; None of a single one. same: whether they are among the published ones."""

    count: int
    spread: float | None
    same: bool


@dataclass(frozen=True)
class Ours:
    """Our number: value ± std (its standard error; of glasses, from each glass's own error
    alone) in the published unit. sampled: ps it was averaged over. by: what it was computed
    with. note: what must be said beside it."""

    value: float
    std: float | None
    by: str
    sampled: float | None = None
    glasses: Glasses | None = None
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """difference: ours − published, std: its standard error, both in the published unit; z:
    their ratio; probability: of a difference as large by chance. parts: what std is made of.
    visible: the smallest difference that would have been called one. reason: why there is no
    number or no verdict; remarks: what the verdict rests on."""

    published: PublishedValue
    ours: Ours | None
    word: Word
    difference: float | None = None
    std: float | None = None
    probability: float | None = None
    visible: float | None = None
    parts: dict[str, float] = field(default_factory=dict)
    reason: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def z(self) -> float | None:
        """The difference in standard errors."""
        if self.difference is None or not self.std:
            return None
        return self.difference / self.std


def not_run(published: PublishedValue, reason: str) -> Comparison:
    """There is no number of ours, and why."""
    if not reason:
        raise InputError(f"{published.key} was not run: say why")
    return Comparison(published, None, "not run", reason=reason)


def compare(published: PublishedValue, ours: Ours) -> Comparison:
    """The verdict on one number. Raises InputError on a value that is not finite."""
    if not isfinite(ours.value):
        raise InputError(f"our value for {published.key} is {ours.value}")
    difference = ours.value - published.value
    remarks = [ours.note] if ours.note else []
    if ours.by != published.by and published.rule != "exact":
        remarks.append(f"published: {published.by}, ours: {ours.by}")
    if published.rule == "exact":
        word: Word = "agrees" if difference == 0 else "differs"
        return Comparison(published, ours, word, difference, remarks=tuple(remarks))
    if ours.std is None or not isfinite(ours.std):
        return Comparison(
            published, ours, "no verdict", difference,
            reason="our number has no standard error", remarks=tuple(remarks),
        )  # fmt: skip
    parts = {"ours": ours.std, "rounding": published.rounding}
    freedom = inf
    if ours.glasses is not None and published.glasses is not None:
        try:
            parts["glasses"], few = _of_glasses(published, ours.glasses)
        except InputError as error:
            return Comparison(
                published, ours, "no verdict", difference,
                reason=error.message, remarks=tuple(remarks),
            )  # fmt: skip
        remarks.append(_sentence_on_glasses(ours.glasses, published.glasses))
        freedom = few
    if published.rule == "one-run":
        if published.sampled is not None and ours.sampled is not None:
            parts["published"] = ours.std * sqrt(ours.sampled / published.sampled)
        else:
            remarks.append("the published number's own sampling error is not known, none counted")
    std = sqrt(sum(part**2 for part in parts.values()))
    # Welch and Satterthwaite: only the spread of few glasses is itself uncertain.
    effective = inf if freedom == inf else freedom * (std / parts["glasses"]) ** 4
    probability, limit = _student(difference / std, effective)
    return Comparison(
        published,
        ours,
        "agrees" if probability >= LEVEL else "differs",
        difference,
        std,
        probability,
        limit * std,
        parts,
        remarks=tuple(remarks),
    )


def _of_glasses(published: PublishedValue, ours: Glasses) -> tuple[float, float]:
    """(error of the difference of the two means, degrees of freedom of the spread)."""
    n, m = published.glasses, ours.count
    assert n is not None
    if m > n and ours.same:
        raise InputError(f"{m} glasses cannot be among the {n} published ones")
    if m == n and ours.same:
        return 0.0, inf
    share = 1.0 / m - 1.0 / n if ours.same else 1.0 / m + 1.0 / n
    if published.spread is not None:
        return published.spread * sqrt(share), n - 1.0
    if ours.spread is None:
        raise InputError("one glass says nothing of how much glasses differ, and no ± is printed")
    return ours.spread * sqrt(share), m - 1.0


def _sentence_on_glasses(ours: Glasses, published: int) -> str:
    if ours.same and ours.count == published:
        return f"the same {published} glasses"
    if ours.same:
        return f"{ours.count} of the {published} published glasses; which ones, counts as chance"
    return f"{ours.count} glasses of our own beside {published}"


def _student(score: float, freedom: float) -> tuple[float, float]:
    """(two-sided probability, the score at `LEVEL`)."""
    from scipy.special import ndtr, ndtri, stdtr, stdtrit

    if freedom == inf:
        return 2.0 * float(ndtr(-abs(score))), -float(ndtri(LEVEL / 2.0))
    return 2.0 * float(stdtr(freedom, -abs(score))), -float(stdtrit(freedom, LEVEL / 2.0))
