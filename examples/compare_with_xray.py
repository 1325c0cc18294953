"""Does the model of a ZIF-4 glass look like the glass in the X-ray beam?

Measured F(Q) and D(r) of the glass at 31 °C beside the mean of the four published glass models,
the crystal for contrast. Writes compare_with_xray.png and .svg into the folder given (default:
here) and ends in assertions on the first peaks. Less than a minute.

    python examples/compare_with_xray.py [FOLDER]

Needs the published data: a folder with citable-data/ in ZIFGLASS_DATA, or at ../shared/data.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
from scipy.signal import find_peaks

import zifglass
from zifglass.analysis import compare_scattering, mean_scattering, read_measured, xray
from zifglass.report.figures.measured import draw_measured

# Å: C–C and C–N, Zn–N, Zn–Zn; how far off a first peak may be.
PEAKS = {"C–C/C–N": (1.35, 0.05), "Zn–N": (2.0, 0.05), "Zn–Zn": (5.9, 0.15)}


def peak_near(r: np.ndarray, d: np.ndarray, where: float) -> float:
    """Position of the clear peak of D(r) nearest to `where`, Å."""
    found, _ = find_peaks(d, prominence=0.25 * d[(r > 1.0) & (r < 12.0)].max())
    return float(r[found][np.argmin(np.abs(r[found] - where))])


def main(folder: Path) -> None:
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    published = Path(os.environ.get("ZIFGLASS_DATA", beside)) / "citable-data"
    glasses = sorted((published / "glasses").glob("*.cif"))
    glass = mean_scattering([xray(zifglass.read(path)) for path in glasses])
    crystal = xray(zifglass.read(published / "mlp" / "crystal.lmp"))
    measured = {
        name: read_measured(published / "xray" / name)
        for name in ("ZIF4glassa_31.dofr", "ZIF4glassa_31.int01")
    }
    compared, contrast = (
        {name: compare_scattering(one, model) for name, one in measured.items()}
        for model in (glass, crystal)
    )
    draw_measured(
        measured, compared, folder / "compare_with_xray",
        model=f"mean of {len(glasses)} glasses", contrast=("crystal", contrast),
    )  # fmt: skip
    for name, fit in compared.items():
        print(
            f"{name}: scale {fit.scale:.3f}, residual {fit.residual:.3f}; "
            f"crystal {contrast[name].scale:.3f}, {contrast[name].residual:.3f}"
        )
        assert fit.residual < contrast[name].residual, "the crystal fits better than the glasses"
    seen = measured["ZIF4glassa_31.dofr"]
    for bond, (where, tolerance) in PEAKS.items():
        there, here = peak_near(seen.x, seen.y, where), peak_near(glass.r, glass.d, where)
        print(f"{bond}: measured {there:.2f} Å, model {here:.2f} Å")
        assert abs(there - where) <= tolerance, f"measured {bond} peak at {there:.3f} Å"
        assert abs(here - where) <= tolerance, f"model {bond} peak at {here:.3f} Å"


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
    target.mkdir(parents=True, exist_ok=True)
    main(target)
