"""Frames that should not be there: unlabelled, repeated, far off, overlapping, broken, solid."""

from __future__ import annotations

import numpy as np
from ase.data import covalent_radii
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from zifglass.core import InputError
from zifglass.core.neighbors import neighbor_list

from .findings import Finding, frames_text
from .labelled import Indices, LabelledSet
from .settings import LintSettings

Array = NDArray[np.float64]


def lint_labels(data: LabelledSet) -> list[Finding]:
    """Missing or non-finite energies and forces; a constant force on all atoms."""
    findings = []
    for name in ("energies", "forces"):
        values = getattr(data, name)
        bad = (
            np.arange(len(data))
            if values is None
            else np.flatnonzero(~np.isfinite(values.reshape(len(data), -1)).all(axis=1))
        )
        if len(bad):
            what = f"{len(bad)} of {len(data)} frames have no finite {name}"
            where = f"{data.source}, {frames_text(bad)}"
            mend = "label them (zifglass label) or leave them out"
            findings.append(Finding("labels.missing", "error", what, where, mend))
    return findings


def lint_net_force(data: LabelledSet, settings: LintSettings) -> list[Finding]:
    """The sum of all forces is zero by translation; on a real-space grid nearly so."""
    if data.forces is None or len(data.numbers) < 2:
        return []
    net = data.forces.mean(axis=1)
    ratio = float(np.sqrt(np.nanmean(net**2) / max(np.nanmean(data.forces**2), 1e-300)))
    if not ratio > settings.net_force:
        return []
    what = f"the mean force on an atom is {ratio:.2g} of the rms force, and should vanish"
    mend = "look for frozen atoms or lost columns at the source"
    return [Finding("forces.net", "warning", what, data.source, mend, {"ratio": ratio})]


def lint_outliers(data: LabelledSet, settings: LintSettings) -> list[Finding]:
    """Energies and largest forces far from the median of their run, in robust deviations."""
    findings = []
    for name, series in _series(data).items():
        far = [run[_far(series[run], settings.outlier)] for run in data.runs() if len(run) >= 8]
        frames = np.concatenate(far) if far else np.empty(0, dtype=np.int64)
        if len(frames):
            what = (
                f"{len(frames)} frames have {name} more than {settings.outlier:g} robust standard "
                "deviations from the rest of their run"
            )
            where = f"{data.source}, {frames_text(frames)}"
            mend = "look at them: unconverged, exploded, or from another run"
            values = {"frames": frames.tolist()}
            findings.append(Finding("frames.outlier", "warning", what, where, mend, values))
    return findings


def lint_overlaps(data: LabelledSet, settings: LintSettings) -> list[Finding]:
    """Atoms closer than `settings.too_close` of the sum of their covalent radii."""
    radii = covalent_radii[data.numbers]
    limit = 2 * settings.too_close * float(radii.max())
    bad = []
    for index in range(len(data)):
        pairs = neighbor_list(data.structure(index), limit)
        reach = settings.too_close * (radii[pairs.i] + radii[pairs.j])
        if (pairs.distances < reach).any():
            bad.append(index)
    if not bad:
        return []
    what = f"{len(bad)} frames hold atoms that overlap"
    where = f"{data.source}, {frames_text(bad)}"
    mend = "leave them out"
    return [Finding("frames.overlap", "error", what, where, mend, {"frames": bad})]


def lint_duplicates(sets: list[LabelledSet], settings: LintSettings) -> list[Finding]:
    """The same structure twice, within or across files; with other labels it is an error."""
    findings = []
    for a, b in _pairs_of_sets(sets):
        same = _same_frames(a, b, settings.same_structure)
        if not len(same):
            continue
        where = a.source if a is b else f"{a.source} and {b.source}"
        conflict = _conflicting(a, b, same)
        if conflict.any():
            what = f"{conflict.sum()} structures occur twice with different labels"
            frames = f"{where}, {frames_text(same[conflict][:, 0])}"
            mend = "find out which calculation is right, and keep that"
            findings.append(Finding("frames.contradiction", "error", what, frames, mend))
        if not conflict.all():
            what = f"{(~conflict).sum()} structures occur twice"
            frames = f"{where}, {frames_text(same[~conflict][:, 1])}"
            findings.append(
                Finding("frames.duplicate", "warning", what, frames, "leave the copies out")
            )
    return findings


def lint_linkers(data: LabelledSet, settings: LintSettings) -> tuple[list[Finding], list[str]]:
    """Frames in which a linker is broken."""
    broken = []
    for index in range(len(data)):
        try:
            found = settings.linkers.find(data.structure(index))
        except InputError as error:
            return [], [f"{data.source}: linkers not judged ({error.message})"]
        if found.broken > 0:
            broken.append(index)
    if len(broken) <= settings.broken_linkers * len(data):
        return [], []
    what = f"{len(broken)} of {len(data)} frames hold broken linkers"
    where = f"{data.source}, {frames_text(broken)}"
    mend = "leave them out, or accept them by broken_linkers if the network is to know them"
    values = {"frames": broken}
    return [Finding("frames.broken-linkers", "warning", what, where, mend, values)], []


def _series(data: LabelledSet) -> dict[str, Array]:
    series = {}
    if data.energies is not None:
        series["an energy"] = data.energies
    if data.forces is not None:
        largest = np.linalg.norm(data.forces, axis=2).max(axis=1)
        # Largest of many forces: its logarithm has the short tails that a median test needs.
        series["a largest force"] = np.log(np.maximum(largest, 1e-12))
    return series


def _far(values: Array, limit: float) -> Indices:
    deviation = np.abs(values - np.nanmedian(values))
    scale = 1.4826 * float(np.nanmedian(deviation))
    floor = 1e-9 * float(np.nanmax(np.abs(values), initial=1.0))
    return np.flatnonzero(deviation > limit * max(scale, floor))


def _pairs_of_sets(sets: list[LabelledSet]) -> list[tuple[LabelledSet, LabelledSet]]:
    return [
        (a, b) for k, a in enumerate(sets) for b in sets[k:] if np.array_equal(a.numbers, b.numbers)
    ]


def _same_frames(a: LabelledSet, b: LabelledSet, tolerance: float) -> NDArray[np.int64]:
    """(pairs, 2): frames of `a` and `b` whose atoms all agree, whatever image they are in."""
    left, right = _fingerprints(a), _fingerprints(b)
    # |∂f/∂s| ≤ 2π √atoms for unit weights, and s moves by tolerance / shortest edge.
    edge = min(float(np.linalg.norm(x.cells, axis=2).min()) for x in (a, b))
    reach = 2 * np.pi * np.sqrt(len(a.numbers)) * max(tolerance / edge, 1e-9) * 2
    near = cKDTree(left).query_ball_tree(cKDTree(right), reach)
    pairs = [(i, j) for i, found in enumerate(near) for j in found if a is not b or j > i]
    return np.array(
        [(i, j) for i, j in pairs if _agree(a, i, b, j, tolerance)], dtype=np.int64
    ).reshape(-1, 2)


def _fingerprints(data: LabelledSet) -> Array:
    """(n, 12): projections of exp(2πi s) on fixed random vectors; the same for every image."""
    rng = np.random.default_rng(20240215)
    weights = rng.normal(size=(6, len(data.numbers), 3)) / np.sqrt(3 * len(data.numbers))
    fractional = np.einsum("fai,fij->faj", data.positions, np.linalg.inv(data.cells))
    waves = np.exp(2j * np.pi * fractional)
    projected = np.einsum("kai,fai->fk", weights, waves)
    return np.concatenate([projected.real, projected.imag], axis=1)


def _agree(a: LabelledSet, i: int, b: LabelledSet, j: int, tolerance: float) -> bool:
    if np.abs(a.cells[i] - b.cells[j]).max() > tolerance:
        return False
    step = (a.positions[i] - b.positions[j]) @ np.linalg.inv(a.cells[i])
    return bool(np.abs((step - np.round(step)) @ a.cells[i]).max() < tolerance)


def _conflicting(a: LabelledSet, b: LabelledSet, same: NDArray[np.int64]) -> NDArray[np.bool_]:
    conflict = np.zeros(len(same), dtype=bool)
    if a.energies is not None and b.energies is not None:
        apart = np.abs(a.energies[same[:, 0]] - b.energies[same[:, 1]])
        conflict |= apart > 1e-3 * len(a.numbers)  # 1 meV per atom
    if a.forces is not None and b.forces is not None:
        apart = np.abs(a.forces[same[:, 0]] - b.forces[same[:, 1]]).max(axis=(1, 2))
        conflict |= apart > 0.05
    return conflict
