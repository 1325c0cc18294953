"""X-ray and neutron F(Q) and D(r), and measured ones to compare with. See README.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ..core import Frame, InputError, as_trajectory
from ..core.settings import Settings, settings_from
from ..core.statistics import mean_of_blocks
from ..core.structure import number_of
from .accumulate import accumulate
from .rdf import Rdf, RdfAccumulator, RdfSettings

Array = NDArray[np.float64]
Radiation = Literal["xray", "neutron"]
Normalisation = Literal["faber-ziman", "mean-square"]
Kind = Literal["F(Q)", "D(r)"]
_kinds: dict[str, Kind] = {".int01": "F(Q)", ".dofr": "D(r)"}


class ScatteringSettings(Settings):
    """Ranges, windows and normalisation of F(Q) and D(r)."""

    q_min: float = Field(default=0.6125, gt=0, description="Å⁻¹; start of the Q range")
    q_max: float = Field(default=23.9875, gt=0, description="Å⁻¹; end of the Q range")
    q_step: float = Field(default=0.025, gt=0, description="Å⁻¹; spacing in Q")
    r_max: float = Field(default=24.0, gt=0, description="Å; pairs count up to here")
    r_bin: float = Field(default=0.01, gt=0, le=0.05, description="Å; width of the bins of g(r)")
    taper_from: float = Field(
        default=12.0, ge=0, description="Å; from here to r_max g(r) - 1 is faded out (Hann)"
    )
    d_max: float = Field(default=20.0, gt=0, description="Å; D(r) is given up to here")
    d_step: float = Field(default=0.02, gt=0, description="Å; spacing of D(r)")
    broadening: float = Field(
        default=0.1, ge=0, description="Å; half width of the sphere that smooths D(r); 0: none"
    )
    normalisation: Normalisation = Field(
        default="mean-square",
        description="F(Q) is divided by ⟨f²⟩ (mean-square, as in the published files) or by ⟨f⟩² "
        "(faber-ziman)",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.q_min < self.q_max:
            raise ValueError("q_min must be below q_max")
        if not self.taper_from < self.r_max:
            raise ValueError("taper_from must be below r_max")
        return self

    def q(self) -> Array:
        """The Q grid, Å⁻¹."""
        steps = int(np.floor((self.q_max - self.q_min) / self.q_step + 1e-9))
        return np.asarray(self.q_min + self.q_step * np.arange(steps + 1))

    def r(self) -> Array:
        """The r grid of D(r), Å."""
        return np.asarray(self.d_step * np.arange(1, round(self.d_max / self.d_step) + 1))


@dataclass(frozen=True, eq=False)
class Scattering:
    """Total scattering of a model.

    q (n,): Å⁻¹; f, f_std (n,): F(Q), dimensionless (divided as `normalisation` says). r (m,):
    Å; d, d_std (m,): D(r), Å⁻², the transform of F over the range of q with the window of
    `broadening`. radiation: "xray" or "neutron". std from blocks of frames; NaN for one frame.
    """

    q: Array
    f: Array
    f_std: Array
    r: Array
    d: Array
    d_std: Array
    radiation: Radiation
    normalisation: Normalisation


@dataclass(frozen=True, eq=False)
class Measured:
    """Two columns of a measured file and their errors: F(Q) against Å⁻¹ or D(r) against Å."""

    x: Array
    y: Array
    y_std: Array
    source: str

    @property
    def kind(self) -> Kind:
        """F(Q) or D(r), told by the suffix of the file; InputError for any other."""
        suffix = Path(self.source).suffix.lower()
        if suffix not in _kinds:
            raise InputError(
                "cannot tell F(Q) from D(r): expected a file name that ends in "
                f"{' or '.join(_kinds)}, got {suffix or 'no suffix'}",
                self.source,
            )
        return _kinds[suffix]


class ComparisonSettings(Settings):
    """Over what a model is compared with a measurement, and its one scale fitted."""

    q_start: float = Field(default=1.0, ge=0, description="Å⁻¹; F(Q) is compared from here")
    q_stop: float = Field(default=20.0, gt=0, description="Å⁻¹; F(Q) is compared up to here")
    r_start: float = Field(default=1.0, ge=0, description="Å; D(r) is compared from here")
    r_stop: float = Field(
        default=12.0,
        gt=0,
        description="Å; D(r) is compared up to here: stay below the cell length, where a "
        "periodic model sees itself",
    )


@dataclass(frozen=True, eq=False)
class Comparison:
    """A model beside a measurement: ``measured ≈ scale * model``.

    x (n,): the measured points in the range compared. measured, model (n,): the model
    interpolated to x and multiplied by `scale`; model_std (n,): its error, so treated, NaN where
    none was given. scale: the one number fitted, by least squares.
    residual: ``sqrt(Σ (measured - model)² / Σ measured²)``.
    """

    x: Array
    measured: Array
    model: Array
    model_std: Array
    scale: float
    residual: float


class ScatteringAccumulator:
    """Fine pair histograms of all species. Memory: one set of histograms per block."""

    def __init__(
        self, numbers: NDArray[np.int64], settings: ScatteringSettings | None = None
    ) -> None:
        self.settings = settings or ScatteringSettings()
        bins = round(self.settings.r_max / self.settings.r_bin)
        self._pairs = RdfAccumulator(numbers, RdfSettings(r_max=self.settings.r_max, bins=bins))

    def update(self, frame: Frame) -> None:
        self._pairs.update(frame)

    def merge(self, later: Self) -> None:
        self._pairs.merge(later._pairs)

    def finalise(
        self, radiation: Radiation = "xray", lengths: Mapping[str, float] | None = None
    ) -> Scattering:
        return scattering_of_rdf(
            self._pairs.finalise(), radiation, settings=self.settings, lengths=lengths
        )


def xray(trajectory: Any, *, settings: ScatteringSettings | None = None) -> Scattering:
    """X-ray F(Q) and D(r); form factors of neutral atoms (Waasmaier and Kirfel 1995)."""
    return _of_trajectory(trajectory, settings).finalise("xray")


def neutron(
    trajectory: Any,
    *,
    settings: ScatteringSettings | None = None,
    lengths: Mapping[str, float] | None = None,
) -> Scattering:
    """Neutron F(Q) and D(r); bound coherent lengths of the natural elements (fm).

    lengths: other ones by element, such as ``{"H": 6.671}`` for a deuterated sample.
    """
    return _of_trajectory(trajectory, settings).finalise("neutron", lengths)


def scattering_of_rdf(
    result: Rdf,
    radiation: Radiation = "xray",
    *,
    settings: ScatteringSettings | None = None,
    lengths: Mapping[str, float] | None = None,
) -> Scattering:
    """F(Q) and D(r) from an `Rdf` of all pairs in fine bins (0.05 Å or less)."""
    settings = settings or ScatteringSettings()
    q, r = settings.q(), settings.r()
    weights = pair_weights(result, q, radiation, lengths, settings.normalisation)
    partials = partial_structure_factors(result, q, taper_from=settings.taper_from)
    f_blocks = np.einsum("pq,bpq->bq", weights, partials - 1.0)
    d_blocks = distribution_of(q, f_blocks, r, broadening=settings.broadening)
    f, f_std = mean_of_blocks(f_blocks, result.block_weights)
    d, d_std = mean_of_blocks(d_blocks, result.block_weights)
    return Scattering(q, f, f_std, r, d, d_std, radiation, settings.normalisation)


def partial_structure_factors(result: Rdf, q: Array, *, taper_from: float) -> Array:
    """Faber–Ziman S_AB(Q) of each block (blocks, pairs, q).

    ``S_AB(Q) = 1 + 4πρ ∫ (g_AB - 1) w(r) r² sin(Qr)/(Qr) dr``; w is 1 up to `taper_from` (Å)
    and falls to 0 at the end of g as a Hann window.
    """
    edge = result.edges[-1]
    if not taper_from < edge:
        raise InputError(f"the taper must start below {edge:g} Å, the end of g; got {taper_from}")
    if np.diff(result.edges).max() > 0.0501:
        raise InputError("a structure factor needs g(r) in bins of 0.05 Å or less")
    fade = np.clip((result.r - taper_from) / (edge - taper_from), 0.0, 1.0)
    window = 0.5 * (1.0 + np.cos(np.pi * fade))
    kernel = result.density * np.sinc(np.outer(result.r, q) / np.pi)
    kernel *= (result.shells() * window)[:, None]
    return np.asarray(1.0 + (result.blocks - 1.0) @ kernel)


def pair_weights(
    result: Rdf,
    q: Array,
    radiation: Radiation,
    lengths: Mapping[str, float] | None = None,
    normalisation: Normalisation = "faber-ziman",
) -> Array:
    """(pairs, q): ``(2 - δ_AB) c_A c_B f_A f_B`` over ⟨f⟩² (faber-ziman) or ⟨f²⟩."""
    needed = len(result.species) * (len(result.species) + 1) // 2
    if len(result.pairs) != needed:
        raise InputError(f"total scattering needs the g(r) of all {needed} pairs of elements")
    total = sum(result.counts)
    share = {s: n / total for s, n in zip(result.species, result.counts, strict=True)}
    power = {s: _scattering_power(s, q, radiation, lengths) for s in result.species}
    mean = sum(share[s] * power[s] for s in result.species)
    square = sum(share[s] * power[s] ** 2 for s in result.species)
    norm = np.square(mean) if normalisation == "faber-ziman" else np.asarray(square)
    return np.array(
        [
            (1 if a == b else 2) * share[a] * share[b] * power[a] * power[b] / norm
            for a, b in result.pairs
        ]
    )


def distribution_of(q: Array, f: Array, r: Array, *, broadening: float = 0.0) -> Array:
    """``D(r) = (2/π) ∫ Q F(Q) M(Q) sin(Qr) dQ`` (..., r), Å⁻², over the range of q (n,), Å⁻¹.

    f (..., n). M is the transform of a sphere of radius `broadening` (Å),
    ``3 (sin x - x cos x)/x³`` with x = Q·broadening: it damps the ripples of the cut at the end
    of q (Soper and Barney, DOI 10.1107/S0021889811021455); 1 for 0. Trapezoidal rule.
    """
    q, f = np.asarray(q, dtype=np.float64), np.asarray(f, dtype=np.float64)
    steps = np.diff(q)
    share = np.concatenate([steps[:1] / 2, (steps[1:] + steps[:-1]) / 2, steps[-1:] / 2])
    kernel = np.sin(np.outer(q, r)) * (2 / np.pi * q * _sphere(q * broadening) * share)[:, None]
    return np.asarray(f @ kernel)


def read_measured(path: str | Path) -> Measured:
    """A measured F(Q) (`.int01`) or D(r) (`.dofr`): columns x, y, error; # starts a comment."""
    path = Path(path)
    rows = []
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise InputError(f"cannot read this file: {error.strerror}", path) from error
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.split("#")[0].split()
        if not content:
            continue
        try:
            row = [float(value) for value in content[:3]]
        except ValueError:
            raise InputError(
                f"expected numbers, found {line.strip()!r}", path, line=number
            ) from None
        if len(row) < 2 or not np.isfinite(row).all():
            raise InputError("expected two or three finite numbers", path, line=number)
        rows.append([*row, np.nan][:3])
    if len(rows) < 2:
        raise InputError("expected rows of numbers, found fewer than two", path)
    table = np.array(rows)
    backwards = np.nonzero(np.diff(table[:, 0]) <= 0)[0]
    if len(backwards):
        raise InputError(
            f"the first column must grow; it does not after row {backwards[0] + 1}", path
        )
    return Measured(table[:, 0], table[:, 1], table[:, 2], str(path))


def compare(
    measured: Measured,
    x: Array,
    model: Array,
    model_std: Array | None = None,
    *,
    start: float,
    stop: float,
) -> Comparison:
    """`model` (n,) at `x` beside a measurement over start … stop (Å or Å⁻¹), one scale fitted."""
    chosen = (measured.x >= max(start, x[0])) & (measured.x <= min(stop, x[-1]))
    if chosen.sum() < 2:
        raise InputError(f"no measured points between {start:g} and {stop:g}", measured.source)
    points, values = measured.x[chosen], measured.y[chosen]
    at_points = np.interp(points, x, model)
    std = np.full(len(x), np.nan) if model_std is None else model_std
    scale = float(values @ at_points / (at_points @ at_points))
    residual = float(np.sqrt(np.square(values - scale * at_points).sum() / np.square(values).sum()))
    return Comparison(
        x=points,
        measured=values,
        model=scale * at_points,
        model_std=abs(scale) * np.interp(points, x, std),
        scale=scale,
        residual=residual,
    )


def compare_scattering(
    measured: Measured, model: Scattering, *, settings: ComparisonSettings | None = None
) -> Comparison:
    """F(Q) or D(r) of `model`, whichever `measured` is (its `kind`), beside it."""
    s = settings or ComparisonSettings()
    if measured.kind == "F(Q)":
        return compare(measured, model.q, model.f, model.f_std, start=s.q_start, stop=s.q_stop)
    return compare(measured, model.r, model.d, model.d_std, start=s.r_start, stop=s.r_stop)


def mean_scattering(models: Sequence[Scattering]) -> Scattering:
    """Mean of several models of the same settings; std is their standard deviation."""
    first, *others = models
    if not others:
        return first
    f, d = np.array([m.f for m in models]), np.array([m.d for m in models])
    return replace(
        first,
        f=f.mean(axis=0),
        f_std=f.std(axis=0, ddof=1),
        d=d.mean(axis=0),
        d_std=d.std(axis=0, ddof=1),
    )


def _of_trajectory(trajectory: Any, settings: ScatteringSettings | None) -> ScatteringAccumulator:
    trajectory = as_trajectory(trajectory)
    settings = settings or settings_from(ScatteringSettings)
    return accumulate(trajectory, lambda: ScatteringAccumulator(trajectory.numbers, settings))


def _scattering_power(
    symbol: str, q: Array, radiation: Radiation, lengths: Mapping[str, float] | None
) -> Array:
    """f(Q) in electrons, or the coherent length in fm, (q,)."""
    import periodictable

    if radiation == "neutron":
        if lengths is not None and symbol in lengths:
            return np.full(len(q), float(lengths[symbol]))
        length = periodictable.elements[number_of(symbol)].neutron.b_c
        if length is None:
            raise InputError(f"no neutron scattering length is tabulated for {symbol}")
        return np.full(len(q), float(length))
    from periodictable.cromermann import fxrayatq

    try:
        return np.asarray(fxrayatq(symbol, q), dtype=np.float64)
    except KeyError:
        raise InputError(f"no X-ray form factor is tabulated for {symbol}") from None


def _sphere(x: Array) -> Array:
    """Transform of a uniform sphere, 3 (sin x - x cos x) / x³, 1 at 0."""
    safe = np.where(np.abs(x) < 1e-2, 1.0, x)
    return np.where(
        np.abs(x) < 1e-2, 1.0 - x**2 / 10.0, 3.0 * (np.sin(safe) - safe * np.cos(safe)) / safe**3
    )
