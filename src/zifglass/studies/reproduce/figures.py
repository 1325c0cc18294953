"""The counterparts of the figures, drawn from what the stages left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from zifglass.report.figures.style import COLOURS, band, figure

from .found import Array, Found, Missing, columns_of

Curves = Mapping[str, list[str]]
"""Label → the stages whose mean it is."""
_no_allegro: Final = "the Allegro potential was not deposited; its curve is missing here"


@dataclass(frozen=True)
class Drawn:
    """A counterpart. path: without suffix (.svg and .png there), None where it was not drawn.
    remark: what is missing in it, or why there is none."""

    name: str
    title: str
    path: Path | None
    remark: str


def draw_all(titles: Mapping[str, str], found: Found, folder: Path) -> list[Drawn]:
    """Every figure: name → what the published one shows."""
    return [_draw(name, title, found, folder) for name, title in titles.items()]


def _draw(name: str, title: str, found: Found, folder: Path) -> Drawn:
    if f"figure-{name}" not in found.plan.only:
        return Drawn(name, title, None, "not asked for (--only)")
    path = folder / f"figure-{name}"
    try:
        remark = _drawings[name](found, path)
    except Missing as error:
        return Drawn(name, title, None, str(error))
    return Drawn(name, title, path, remark)


# --- curves ----------------------------------------------------------------------------------


def _some(found: Found, wanted: Mapping[str, str]) -> tuple[Curves, str]:
    """Label → stages of a pattern, those that are there; what is missing. Raises Missing where
    nothing is."""
    curves, missing = {}, []
    for label, pattern in wanted.items():
        try:
            look = found.molten if pattern.endswith(("/liquid", "/glass")) else found.all_of
            stages, remark = look(pattern)
        except Missing as error:
            missing.append(f"without {label}: {error}")
            continue
        curves[label if len(stages) == 1 else f"{label}, mean of {len(stages)}"] = stages
        missing += [remark] if remark else []
    if not curves:
        raise Missing("; ".join(missing))
    return curves, "; ".join(missing)


def _mean(found: Found, stages: list[str], file: str, x: str, y: str) -> tuple[Array, Array, Any]:
    """(x, mean of y, its standard deviation over stages or None)."""
    tables = [found.columns(stage, file) for stage in stages]
    y = next((name for name in (y, _turned(y)) if name in tables[0]), y)
    if y not in tables[0]:
        raise Missing(f"stage {stages[0]} left no {y} in {file}")
    values = np.array([table[y] for table in tables])
    spread = values.std(axis=0, ddof=1) if len(values) > 1 else None
    return tables[0][x], values.mean(axis=0), spread


def _turned(name: str) -> str:
    """ "g Zn-N" → "g N-Zn"."""
    head, _, pair = name.rpartition(" ")
    return f"{head} {'-'.join(reversed(pair.split('-')))}"


def _curve(axes: Any, found: Found, curves: Curves, file: str, x: str, y: str) -> None:
    for label, stages in curves.items():
        at, mean, spread = _mean(found, stages, file, x, y)
        if spread is None:
            axes.plot(at, mean, label=label)
        else:
            band(axes, at, mean, spread, label=label)


def _distributions(found: Found, path: Path, wanted: Mapping[str, str]) -> str:
    """RDF and PMF of Zn–N and the N–Zn–N angle side by side."""
    curves, remark = _some(found, wanted)
    with figure(path, columns=3, size=(3.6, 3.0)) as (_, (left, middle, right)):
        _curve(left, found, curves, "rdf.csv", "r (Å)", "g Zn-N")
        left.set(xlabel="r (Å)", ylabel="g(r), Zn–N", xlim=(1.5, 8.0), ylim=(0, None))
        _curve(middle, found, curves, "pmf.csv", "r (Å)", "PMF (kJ/mol)")
        middle.set(xlabel="r (Å)", ylabel="PMF, Zn–N (kJ/mol)", xlim=(1.7, 5.0), ylim=(0, None))
        _curve(right, found, curves, "angles.csv", "angle (degree)", "density (1/degree)")
        right.set(xlabel="N–Zn–N (degree)", ylabel="density (1/degree)", xlim=(60, 180))
        left.legend(fontsize=7)
    return remark


def _in_time(axes: Any, found: Found, stages: Mapping[str, str], file: str, y: str) -> None:
    for label, stage in stages.items():
        table = found.columns(stage, file)
        x = "lag (ps)" if "lag (ps)" in table else "time (ps)"
        begin = 0.0 if x == "lag (ps)" else table[x][0]
        axes.plot(table[x] - begin, table[y], label=label, linewidth=1.2)


# --- figures ---------------------------------------------------------------------------------

_volumes: Final = {"−4 %": "m4", "−2 %": "m2", "0 %": "p0", "+2 %": "p2"}


def _heated(found: Found, file: str) -> dict[str, str]:
    stages = {label: f"heated/{key}/plateau" for label, key in _volumes.items()}
    finished = found.stages("heated/*/plateau")
    chosen = {label: stage for label, stage in stages.items() if stage in finished}
    for stage in chosen.values():
        found.columns(stage, file)
    return chosen


def _s1(found: Found, path: Path) -> str:
    stages = _heated(found, "msd.csv")
    with figure(path, columns=2) as (_, (left, right)):
        _in_time(left, found, stages, "msd.csv", "MSD Zn (Å²)")
        left.set(xlabel="time at 1500 K (ps)", ylabel="MSD of Zn (Å²)")
        left.legend()
        table = found.columns(stages.get("+2 %", next(iter(stages.values()))), "rings.csv")
        for size in range(4, 12):
            if f"rings of {size}" in table:
                begin = table["time (ps)"][0]
                right.plot(
                    table["time (ps)"] - begin, table[f"rings of {size}"], label=f"{2 * size}",
                    linewidth=1.0,
                )  # fmt: skip
        right.set(xlabel="time at 1500 K (ps)", ylabel="rings per cell, +2 %")
        right.legend(title="nodes", ncols=2, fontsize=7)
    return "by the potential; published: ab initio"


def _s2(found: Found, path: Path) -> str:
    wanted = {"λσ = 0": "sweep/single", "λσ = 1": "sweep/l1", "λσ = 100": "sweep/l100"}
    curves, remark = _some(found, wanted)
    with figure(path) as (_, axes):
        _pressures(axes, found, {label: stages[0] for label, stages in curves.items()})
    return remark


def _pressures(axes: Any, found: Found, sweeps: Mapping[str, str]) -> None:
    for label, stage in sweeps.items():
        table = found.columns(stage, "pressure_volume.csv")
        used = table["fitted"] > 0
        volume, pressure = table["volume_A3"], table["pressure_total_GPa"]
        line = axes.plot(volume[used], table["fit_GPa"][used], label=label)[0]
        for chosen, face in ((used, line.get_color()), (~used, "none")):
            axes.errorbar(
                volume[chosen], pressure[chosen], table["pressure_std_GPa"][chosen],
                fmt="o", color=line.get_color(), mfc=face, ms=5,
            )  # fmt: skip
    axes.axhline(0.0, color="0.6", linewidth=0.8)
    axes.set(xlabel="volume (Å³)", ylabel="total pressure (GPa)")
    axes.legend()


def _s3(found: Found, path: Path) -> str:
    aimd = "aimd/glass*" if found.plan.names("aimd/glass*") else "as-published/*"
    wanted = {"300 K dynamics, MLP": "ab-initio-glass/*/structure", "ab initio": aimd}
    return _distributions(found, path, wanted)


def _s4(found: Found, path: Path) -> str:
    melts = {name.split("/")[1]: name for name in found.stages("melt-quench/*/melt")}
    courses = {name.split("/")[1]: name for name in found.stages("melt-quench/*/course")}
    with figure(path, columns=2) as (_, (left, right)):
        _in_time(left, found, melts, "msd.csv", "MSD Zn (Å²)")
        left.set(xlabel="time at 1500 K (ps)", ylabel="MSD of Zn (Å²)")
        _in_time(right, found, courses, "coordination.csv", "coordination")
        right.set(xlabel="time (ps)", ylabel="Zn–N coordination")
        if len(melts) > 1:
            left.legend(title="glass")
    return "single cells; published: a 2×2×2 supercell"


_glass_and_crystal: Final = {
    "MLP glass": "melt-quench/*/glass",
    "ab initio glass": "as-published/*",
    "crystal": "crystal/structure",
}


def _s5(found: Found, path: Path) -> str:
    curves, remark = _some(found, _glass_and_crystal)
    with figure(path) as (_, axes):
        _curve(axes, found, curves, "rdf.csv", "r (Å)", "g Zn-Zn")
        axes.set(xlabel="r (Å)", ylabel="g(r), Zn–Zn", xlim=(3, 12), ylim=(0, None))
        axes.legend(fontsize=8)
    return _with(remark, "crystal: by the potential at 300 K; published: ab initio")


def _s6(found: Found, path: Path) -> str:
    curves, remark = _some(found, _glass_and_crystal)
    with figure(path) as (_, axes):
        for index, (_, stages) in enumerate(curves.items()):
            numbers = [found.quantity(stage, "porous_volume") for stage in stages]
            values = np.array([number.value for number in numbers])
            own = float(numbers[0].std or 0.0)
            error = values.std(ddof=1) if len(values) > 1 else own
            axes.bar(index, values.mean(), 0.6, yerr=error, color=COLOURS[index], capsize=4)
            axes.plot(np.full(len(values), index), values, "o", color="black", ms=3)
        axes.set_xticks(range(len(curves)), [label.partition(",")[0] for label in curves])
        axes.set_ylabel("total porous volume (cm³/kg)")
    return remark


def _s7(found: Found, path: Path) -> str:
    wanted = {"single cell": "melt-quench/*/glass", "2×2×2": "large-glass/glass"}
    return _distributions(found, path, wanted)


def _s8(found: Found, path: Path) -> str:
    place = found.folder("sweep/single")
    with figure(path, columns=2) as (_, (left, right)):
        for run in sorted(place.glob("*/thermo.csv")):
            table = columns_of(run)
            last = table["segment"] == table["segment"][-1]
            time, pressure = table["time_ps"][last], table["pressure_total_GPa"][last]
            width = max(1, min(len(time) // 3, int(5.0 / max(time[1] - time[0], 1e-9))))
            kernel = np.ones(width) / width
            left.plot(
                np.convolve(time - time[0], kernel, "valid"),
                np.convolve(pressure, kernel, "valid"),
                label=run.parent.name, linewidth=1.0,
            )  # fmt: skip
        left.set(xlabel="time of the hold (ps)", ylabel="total pressure, moving mean (GPa)")
        left.legend(fontsize=6, ncols=2)
        _pressures(right, found, {"second-order Birch–Murnaghan": "sweep/single"})
    return ""


def _s9(found: Found, path: Path) -> str:
    table = found.columns("npt/crystal/run", "thermo.csv")
    with figure(path) as (_, axes):
        time, volume = table["time_ps"], table["volume_A3"]
        every = max(1, len(time) // 4000)
        axes.plot(time[::every], volume[::every], color="0.75", linewidth=0.6)
        width = max(1, int(100.0 / (time[1] - time[0])))
        if width < len(time):
            kernel = np.ones(width) / width
            axes.plot(
                np.convolve(time, kernel, "valid"), np.convolve(volume, kernel, "valid"),
                color=COLOURS[1], label="mean over 100 ps",
            )  # fmt: skip
            axes.legend()
        axes.set(xlabel="time (ps)", ylabel="volume (Å³)")
    return ""


def _s10(found: Found, path: Path) -> str:
    table = found.columns("npt/crystal/moduli", "running.csv")
    with figure(path) as (_, axes):
        for index, name in enumerate(("11", "22", "33", "44", "55", "66", "12", "13", "23")):
            style = "-" if name[0] == name[1] else "--"
            axes.plot(
                table["time_ps"], table[f"C{name}_GPa"], style,
                color=COLOURS[index % len(COLOURS)], label=f"C{name}", linewidth=1.2,
            )  # fmt: skip
        axes.set(xlabel="time (ps)", ylabel="elastic constant (GPa)")
        axes.legend(ncols=3, fontsize=7)
    return "running estimates from the start of what is kept"


def _s11(found: Found, path: Path) -> str:
    raise Missing("training curves come from a training (zifglass train); neither was deposited")


def _s12(found: Found, path: Path) -> str:
    wanted = {"liquid, MLP": "melt-quench/*/liquid", "liquid, ab initio": "aimd/liquid*"}
    return _with(_no_allegro, _distributions(found, path, wanted))


def _s13(found: Found, path: Path) -> str:
    stages = _heated(found, "msd.csv")
    with figure(path, columns=2) as (_, (left, right)):
        _in_time(left, found, stages, "msd.csv", "MSD Zn (Å²)")
        left.set(xlabel="time at 1500 K (ps)", ylabel="MSD of Zn (Å²)")
        _in_time(right, found, stages, "coordination.csv", "coordination")
        right.set(xlabel="time at 1500 K (ps)", ylabel="Zn–N coordination")
        left.legend()
    return f"by our potential: {_no_allegro}"


def _s14(found: Found, path: Path) -> str:
    stages = _heated(found, "linkers.csv")
    with figure(path) as (_, axes):
        _in_time(axes, found, stages, "linkers.csv", "broken fraction")
        axes.set(xlabel="time at 1500 K (ps)", ylabel="broken imidazolates (fraction)")
        axes.set_ylim(bottom=-0.005)
        axes.legend()
    return f"by our potential: {_no_allegro}"


def _s15(found: Found, path: Path) -> str:
    wanted = {"MLP glass": "melt-quench/*/glass", "ab initio glass": "as-published/*"}
    return _with(_no_allegro, _distributions(found, path, wanted))


def _s16(found: Found, path: Path) -> str:
    wanted = {"MLP glass": "melt-quench/*/glass", "ab initio glass": "as-published/*"}
    curves, remark = _some(found, wanted)
    sizes = np.arange(3, 17)
    with figure(path) as (_, axes):
        for index, (label, stages) in enumerate(curves.items()):
            counts = np.array(
                [
                    [found.results(stage).get(f"rings_of_{n}", {}).get("value", 0) for n in sizes]
                    for stage in stages
                ],
                dtype=float,
            )
            error = counts.std(axis=0, ddof=1) if len(counts) > 1 else None
            axes.bar(
                2 * sizes + (index - 0.5) * 0.8, counts.mean(axis=0), 0.8, yerr=error,
                color=COLOURS[index], label=label,
            )  # fmt: skip
        axes.set(xlabel="nodes of the ring (Zn and imidazolate)", ylabel="rings per cell")
        axes.legend()
    return _with(_no_allegro, remark)


def _s17(found: Found, path: Path) -> str:
    wanted = {
        "crystal, MLP": "crystal/structure",
        "liquid, MLP": "melt-quench/*/liquid",
        "crystal, ab initio": "aimd/crystal*",
        "liquid, ab initio": "aimd/liquid*",
    }
    return _with(_no_allegro, _distributions(found, path, wanted))


def _with(*remarks: str) -> str:
    return "; ".join(remark for remark in remarks if remark)


_drawings: Final[dict[str, Callable[[Found, Path], str]]] = {
    "S1": _s1, "S2": _s2, "S3": _s3, "S4": _s4, "S5": _s5, "S6": _s6, "S7": _s7, "S8": _s8,
    "S9": _s9, "S10": _s10, "S11": _s11, "S12": _s12, "S13": _s13, "S14": _s14, "S15": _s15,
    "S16": _s16, "S17": _s17,
}  # fmt: skip
