"""How long and how large the studies are: minutes, hours, full. Full is what was published."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from zifglass.core import InputError
from zifglass.core.settings import Settings

BudgetName = Literal["minutes", "hours", "full"]


class Budget(Settings):
    """Durations in ps, 0 leaves the run out; what the paper does not state is our default."""

    timestep: float = Field(default=0.5, gt=0, description="time step, fs")
    deuterium: float | None = Field(
        default=None, gt=0, description="mass of hydrogen where it is not its own, amu"
    )
    crystal_equilibration: float = Field(
        default=20.0, gt=0, description="crystal at 300 K, before frames count, ps"
    )
    crystal: float = Field(default=100.0, gt=0, description="crystal at 300 K, kept, ps")
    volume_equilibration: float = Field(
        default=10.0, gt=0, description="crystal after each change of volume by 2 %, ps"
    )
    heating_rate: float = Field(default=5.0, gt=0, description="heating, K/ps")
    cooling_rate: float = Field(default=5.0, gt=0, description="cooling, K/ps")
    heated: float = Field(default=100.0, ge=10.5, description="each strained crystal at 1500 K, ps")
    hotter: float = Field(
        default=100.0, ge=0, description="the same at 1750 K where it has not melted, ps"
    )
    melt: float = Field(
        default=50.0, gt=0, description="glasses: time at 1500 K of all of them, ps"
    )
    melt_step: float = Field(
        default=20.0, ge=0, description="glasses: more of it for each, counted from one, ps"
    )
    glasses: int = Field(default=10, ge=1, description="MLP glasses of one cell")
    glass: float = Field(default=50.0, gt=0, description="MLP glass at 300 K, ps")
    large_melt: float = Field(
        default=300.0, ge=0, description="2×2×2 MLP glass: time at 1500 K, ps"
    )
    ab_initio_equilibration: float = Field(
        default=20.0, gt=0, description="ab initio glass at 300 K, before frames count, ps"
    )
    ab_initio: float = Field(default=100.0, gt=0, description="ab initio glass at 300 K, kept, ps")
    prepare: float = Field(default=100.0, gt=0, description="sweep: NVT before the first hold, ps")
    ramp: float = Field(default=100.0, gt=0, description="sweep: each change of volume, ps")
    hold: float = Field(default=100.0, gt=0, description="sweep: each pressure, ps")
    steps: int = Field(default=8, ge=2, description="sweep: most steps in each direction")
    large_prepare: float = Field(
        default=100.0, gt=0, description="2×2×2 sweep: NVT before the first hold, ps"
    )
    large_ramp: float = Field(default=50.0, gt=0, description="2×2×2 sweep: each change, ps")
    large_hold: float = Field(default=50.0, gt=0, description="2×2×2 sweep: each pressure, ps")
    npt_crystal: float = Field(default=5000.0, ge=0, description="crystal in flexible NPT, ps")
    npt_glass: float = Field(
        default=7500.0, ge=0, description="each ab initio glass in flexible NPT, ps"
    )
    pore_frames: int = Field(default=20, ge=2, description="frames whose pores are measured")
    frames_every: float = Field(default=0.1, gt=0, description="time between frames, ps")


FULL: Final = Budget()

BUDGETS: Final[dict[str, Budget]] = {
    "minutes": Budget(
        timestep=1.0,
        deuterium=2.0141,
        crystal_equilibration=2.0,
        crystal=8.0,
        volume_equilibration=1.0,
        heating_rate=200.0,
        cooling_rate=150.0,
        heated=14.0,
        hotter=0.0,
        melt=20.0,
        melt_step=0.0,
        glasses=1,
        glass=4.0,
        large_melt=0.0,
        ab_initio_equilibration=1.0,
        ab_initio=4.0,
        prepare=2.0,
        ramp=1.0,
        hold=10.0,
        steps=3,
        large_prepare=0.5,
        large_ramp=0.5,
        large_hold=2.5,
        npt_crystal=0.0,
        npt_glass=0.0,
        pore_frames=4,
    ),
    "hours": Budget(
        timestep=1.0,
        deuterium=2.0141,
        crystal_equilibration=5.0,
        crystal=30.0,
        volume_equilibration=3.0,
        heating_rate=50.0,
        cooling_rate=25.0,
        heated=30.0,
        hotter=20.0,
        melt=30.0,
        glasses=2,
        glass=12.0,
        large_melt=0.0,
        ab_initio_equilibration=5.0,
        ab_initio=20.0,
        prepare=5.0,
        ramp=3.0,
        hold=16.0,
        steps=5,
        large_prepare=2.0,
        large_ramp=1.5,
        large_hold=4.0,
        npt_crystal=80.0,
        npt_glass=80.0,
        pore_frames=10,
    ),
    "full": FULL,
}


def budget_called(name: str) -> Budget:
    """Raises InputError naming those that exist."""
    if name not in BUDGETS:
        raise InputError(f"no budget {name!r}; there are {', '.join(BUDGETS)}")
    return BUDGETS[name]


def shortened(budget: Budget) -> list[tuple[str, str, str]]:
    """(what, ours, full) of every setting that is not the full one."""
    rows = []
    for name, field in Budget.model_fields.items():
        ours, full = getattr(budget, name), getattr(FULL, name)
        if ours != full:
            rows.append((str(field.description), _text(ours), _text(full)))
    return rows


def _text(value: float | int | None) -> str:
    if value is None:
        return "its own"
    return "left out" if value == 0 else f"{value:g}"
