"""How long bonds live and how often partners are exchanged. See README.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..core import Frame, InputError, as_trajectory
from ..core.neighbors import neighbor_list
from ..core.settings import Settings, settings_from
from ..core.statistics import mean_of_blocks
from ..core.structure import Structure
from .accumulate import accumulate, block_ranges, present
from .frame_times import frame_spacing

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


class BondsSettings(Settings):
    """What counts as a bond."""

    centre: str = Field(default="Zn", description="element of the centres")
    neighbour: str = Field(default="N", description="element of the neighbours")
    cutoff: float = Field(
        default=2.5, gt=0, allow_inf_nan=False, description="Å; bonds are shorter than this"
    )


_defaults = BondsSettings()


@dataclass(frozen=True, eq=False)
class BondLifetimes:
    """Lifetimes of centre–neighbour bonds.

    lags (lags,): fs. continuous, continuous_std (lags,): the probability that a bond that is
    there has not been broken in any frame up to the lag. intermittent, intermittent_std
    (lags,): that it is there at the lag, broken in between or not. bonds: their mean number per
    frame. breakings: bonds seen to break; breaking_rate, breaking_rate_std: per bond and fs;
    lifetime, lifetime_std: its inverse, fs. exchanges: neighbours that went from one centre to
    another; exchange_rate, exchange_rate_std: per neighbour and fs. std: over centres for
    the survival and the breaking rate, over blocks of frames for the exchange rate. A rate of
    zero has the std of one event; a lifetime without a breaking is inf with std NaN.
    """

    lags: Array
    continuous: Array
    continuous_std: Array
    intermittent: Array
    intermittent_std: Array
    bonds: float
    breakings: int
    breaking_rate: float
    breaking_rate_std: float
    lifetime: float
    lifetime_std: float
    exchanges: int
    exchange_rate: float
    exchange_rate_std: float


class BondsAccumulator:
    """The bonds of every frame, which are `step` fs apart. Memory: 16 bytes per bond and frame."""

    def __init__(
        self, numbers: NDArray[np.int64], step: float, settings: BondsSettings | None = None
    ) -> None:
        self.settings = settings or BondsSettings()
        self._step = step
        self._centres = np.nonzero(numbers == present(numbers, self.settings.centre))[0]
        self._neighbours = np.nonzero(numbers == present(numbers, self.settings.neighbour))[0]
        if self.settings.centre == self.settings.neighbour:
            raise InputError("bond lifetimes are of bonds between two different elements")
        self._bonds: list[Indices] = []
        self._lengths: list[Array] = []

    def update(self, frame: Frame) -> None:
        """Keep the bonds of this frame as centre · neighbours + neighbour, with their lengths."""
        codes, lengths = self._bonds_of(frame.structure)
        self._bonds.append(codes)
        self._lengths.append(lengths)

    def merge(self, later: Self) -> None:
        self._bonds += later._bonds
        self._lengths += later._lengths

    def finalise(self) -> BondLifetimes:
        step = self._step
        if len(self._bonds) < 2:
            raise InputError(f"lifetimes need at least two frames; got {len(self._bonds)}")
        table, centre_of = self._table()
        if not len(table):
            raise InputError(
                f"no {self.settings.centre}-{self.settings.neighbour} bond shorter than "
                f"{self.settings.cutoff:g} Å in any frame"
            )
        sums = _CentreSums(table, centre_of)
        continuous = _ratio(sums.survived, sums.started)
        intermittent = _ratio(sums.there, sums.started)
        rate, rate_std = (float(x[0]) for x in _ratio(sums.lost, sums.kept * step))
        exchanges = self._exchanges()
        exchange_rate, exchange_std = _rate(exchanges, len(self._neighbours) * step)
        breakings = int(sums.lost.sum())
        return BondLifetimes(
            lags=step * np.arange(table.shape[1], dtype=np.float64),
            continuous=continuous[0],
            continuous_std=continuous[1],
            intermittent=intermittent[0],
            intermittent_std=intermittent[1],
            bonds=float(table.sum(axis=0).mean()),
            breakings=breakings,
            breaking_rate=rate,
            breaking_rate_std=rate_std if breakings else 1.0 / float(sums.kept.sum() * step),
            lifetime=1.0 / rate if breakings else float("inf"),
            lifetime_std=rate_std / rate**2 if breakings else float("nan"),
            exchanges=int(exchanges.sum()),
            exchange_rate=exchange_rate,
            exchange_rate_std=exchange_std,
        )

    def _bonds_of(self, structure: Structure) -> tuple[Indices, Array]:
        ends = np.concatenate([self._centres, self._neighbours])
        few = Structure(
            structure.numbers[ends], structure.positions[ends], structure.cell, structure.pbc
        )
        pairs = neighbor_list(few, self.settings.cutoff)
        count = len(self._centres)
        chosen = (pairs.i < count) & (pairs.j >= count)
        codes = pairs.i[chosen] * len(self._neighbours) + pairs.j[chosen] - count
        # A neighbour may be within reach through two images: one bond, the shorter.
        order = np.lexsort((pairs.distances[chosen], codes))
        codes, first = np.unique(codes[order], return_index=True)
        return codes, pairs.distances[chosen][order][first]

    def _table(self) -> tuple[NDArray[np.bool_], Indices]:
        """Who is there when (bonds, frames), and the centre of each bond (bonds,)."""
        codes = np.unique(np.concatenate(self._bonds))
        table = np.zeros((len(codes), len(self._bonds)), dtype=bool)
        for frame, bonds in enumerate(self._bonds):
            table[np.searchsorted(codes, bonds), frame] = True
        return table, codes // len(self._neighbours)

    def _exchanges(self) -> Indices:
        """Between each frame and the next (frames - 1,): neighbours found at a new centre.

        A neighbour belongs to the centre it was last bonded to, however long it has been free;
        bonded to several, it stays where it was, else it goes to the nearest.
        """
        count = len(self._neighbours)
        partner = np.full(count, -1)
        moves = np.zeros(len(self._bonds), dtype=np.int64)
        for frame, (codes, lengths) in enumerate(zip(self._bonds, self._lengths, strict=True)):
            centre, neighbour = codes // count, codes % count
            far_first = np.argsort(-lengths, kind="stable")
            found = partner.copy()
            found[neighbour[far_first]] = centre[far_first]
            stays = centre == partner[neighbour]
            found[neighbour[stays]] = centre[stays]
            moves[frame] = ((found != partner) & (partner >= 0)).sum()
            partner = found
        return moves[1:]


def bonds(
    trajectory: Any,
    *,
    timestep: float | None = None,
    centre: str = _defaults.centre,
    neighbour: str = _defaults.neighbour,
    cutoff: float = _defaults.cutoff,
) -> BondLifetimes:
    """Survival, breaking rate and partner exchange of the bonds shorter than `cutoff` (Å).

    timestep: fs between frames, for a source without times. Breakings shorter than the spacing
    of frames are not seen: the continuous survival and the breaking rate depend on it, the
    exchange rate does not as long as a neighbour changes partner less than once per frame.
    Raises InputError on fewer than two frames, no times, an absent element, no bond at all.
    """
    trajectory = as_trajectory(trajectory)
    settings = settings_from(
        BondsSettings, {"centre": centre, "neighbour": neighbour, "cutoff": cutoff}
    )
    step = frame_spacing(trajectory, timestep)
    return accumulate(
        trajectory, lambda: BondsAccumulator(trajectory.numbers, step, settings)
    ).finalise()


class _CentreSums:
    """Sums over the bonds of each centre: survived, there again and started (centres, lags);
    lost and kept (centres, 1), bonds that the next frame has lost and frames followed by one."""

    def __init__(self, table: NDArray[np.bool_], centre_of: Indices) -> None:
        centres = np.unique(centre_of)
        shape = (len(centres), table.shape[1])
        self.survived, self.there, self.started = np.empty(shape), np.empty(shape), np.empty(shape)
        self.lost, self.kept = np.empty((len(centres), 1)), np.empty((len(centres), 1))
        for row, centre in enumerate(centres):
            own = table[centre_of == centre]
            self.survived[row] = _survived(own)
            self.there[row] = _there_again(own)
            self.started[row] = np.cumsum(own.sum(axis=0))[::-1]
            self.lost[row] = (own[:, :-1] & ~own[:, 1:]).sum()
            self.kept[row] = own[:, :-1].sum()


def _survived(table: NDArray[np.bool_]) -> Array:
    """Time origins (lags,) from which a bond of `table` (bonds, frames) has lived on unbroken.

    A stretch of L frames in which the bond is there lets L - k origins survive lag k.
    """
    count, frames = table.shape
    padded = np.zeros((count, frames + 2), dtype=np.int8)
    padded[:, 1:-1] = table
    edges = np.diff(padded, axis=1)
    lengths = np.nonzero(edges == -1)[1] - np.nonzero(edges == 1)[1]
    # Stretches longer than k, summed from k on: Σ max(L - k, 0).
    longer = np.cumsum(np.bincount(lengths, minlength=frames + 1)[::-1])[::-1]
    return np.asarray(np.cumsum(longer[:0:-1])[::-1], dtype=np.float64)


def _there_again(table: NDArray[np.bool_]) -> Array:
    """Time origins (lags,) after which a bond of `table` is there, broken or not; by FFT."""
    frames = table.shape[1]
    from scipy import fft  # a quarter of a second to import

    length = fft.next_fast_len(2 * frames - 1, real=True)
    power = np.square(np.abs(fft.rfft(table.astype(np.float64), n=length, axis=1))).sum(axis=0)
    return np.asarray(np.rint(fft.irfft(power, n=length)[:frames]))


def _ratio(above: Array, below: Array) -> tuple[Array, Array]:
    """Σ above / Σ below over centres and its standard error (linearised ratio of sums)."""
    count = len(above)
    total = below.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = above.sum(axis=0) / total
        spread = np.square(above - ratio * below).sum(axis=0)
        std = np.sqrt(count / (count - 1) * spread) / total if count > 1 else total * np.nan
    return ratio, std


def _rate(events: Indices, exposure: float) -> tuple[float, float]:
    """Events per unit of `exposure` a step, from counts (steps,), and the standard error."""
    if not events.any():
        return 0.0, 1.0 / (exposure * len(events))
    parts = block_ranges(len(events))
    blocks = [float(events[part.start : part.stop].mean()) / exposure for part in parts]
    rate, std = mean_of_blocks(blocks, [len(part) for part in parts])
    return float(rate), float(std)
