"""Whether moduli from fluctuations have settled, judged by number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zifglass.core.monitor import Verdict
from zifglass.core.units import ps

from .elasticity import Averages

Array = NDArray[np.float64]

_judged = ("bulk_voigt", "bulk_reuss", "shear_voigt", "shear_reuss")


@dataclass(frozen=True, eq=False)
class RunningModuli:
    """Moduli from the equilibrated run up to each of its points in time (Figs. S9, S10).

    frames (points,): frames used. times (points,): fs since equilibration, None without a
    clock. bulk_volume (points,), stiffness (points, 6, 6): eV/Å³. averages: arrays (points,).
    """

    frames: NDArray[np.int64]
    times: Array | None
    bulk_volume: Array
    stiffness: Array
    averages: Averages


def running_moduli(
    sums: Array,
    moduli: Callable[[Array], tuple[Array, Array, Averages]],
    *,
    points: int,
    inefficiency: float,
    frame_interval: float | None,
) -> RunningModuli:
    """`moduli` of the first k blocks, for `points` values of k spread evenly to the end.

    sums (blocks, 39). The first point holds at least 16 independent samples: before that a
    6 × 6 covariance says nothing. frame_interval: fs.
    """
    cumulative = np.cumsum(sums, axis=0)
    usable = np.nonzero(cumulative[:, 0] >= 16 * inefficiency)[0]
    chosen = np.unique(np.linspace(usable[0], len(sums) - 1, points).round().astype(int))
    bulk, stiffness, averages = moduli(cumulative[chosen])
    frames = cumulative[chosen, 0].astype(np.int64)
    return RunningModuli(
        frames=frames,
        times=None if frame_interval is None else frames * frame_interval,
        bulk_volume=bulk,
        stiffness=stiffness,
        averages=averages,
    )


def convergence_verdict(
    running: RunningModuli,
    *,
    bulk_volume_std: float,
    averages_std: Averages,
    identity: tuple[float, float],
    tolerance: float,
) -> Verdict:
    """``converged`` if K is known to `tolerance` and nothing moved in the second half.

    Nor where K from volume and Reuss K, equal for small strains, differ by more than 5 % and
    three standard errors; identity: (K_volume/K_Reuss, its standard error).

    Two numbers: the relative standard error of K (volume and Reuss, the larger), and the
    largest move of K (volume), K and G (Voigt, Reuss) away from its final value during the
    second half of the run, in standard errors; 3 is the limit (a stationary run moves by about
    one between half time and the end).
    """
    half = running.frames >= 0.5 * running.frames[-1]
    series = [("K from volume", running.bulk_volume, bulk_volume_std)]
    series += [
        (name.replace("_", " "), getattr(running.averages, name), getattr(averages_std, name))
        for name in _judged
    ]
    moves = {n: float(np.max(np.abs(x[half] - x[-1])) / std) for n, x, std in series}
    mover = max(moves, key=lambda name: moves[name])
    relative = max(
        float(bulk_volume_std / running.bulk_volume[-1]),
        float(averages_std.bulk_reuss / running.averages.bulk_reuss[-1]),
    )
    ratio, ratio_std = identity
    nonlinear = abs(ratio - 1.0) > max(0.05, 3.0 * ratio_std)
    converged = relative <= tolerance and moves[mover] <= 3.0 and not nonlinear
    length = (
        f"{running.frames[-1]} frames"
        if running.times is None
        else f"{running.times[-1] / ps:.4g} ps"
    )
    return Verdict(
        "converged" if converged else "not converged",
        f"after {length} the relative standard error of K is {relative:.1%} (limit "
        f"{tolerance:.0%}); in the second half {mover} moved by {moves[mover]:.1f} standard "
        "errors, the most of all (limit 3)"
        + (
            f"; K from volume is {ratio:.2f} ± {ratio_std:.2f} of the Reuss K it should equal: the "
            "strains are too large for linear elasticity, this cell is close to an instability"
            if nonlinear
            else ""
        ),
    )
