"""Moments of a fluctuating cell, block by block, in one pass and bounded memory.

With rows as vectors, cell h and reference cell H, the deformation is h = H Fᵀ, and the Lagrange
strain η = ½(FᵀF − 1) = ½(H⁻¹ h hᵀ H⁻ᵀ − 1) knows the cell only through its metric h hᵀ: how a
cell is turned in space does not enter. Renaming the lattice vectors (h → M h, M of whole
numbers) renames H alike and leaves η as it is.

η of one reference is an affine function of η of any other, so the first and second moments
against the first cell are enough to give those against the mean cell, of all frames or of any
selection of blocks, exactly. That is what makes a bootstrap of a million frames cheap.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from zifglass.core.errors import InputError

from .elasticity import strain_matrix, strain_vector, voigt_pairs

Array = NDArray[np.float64]

_upper = np.triu_indices(6)
_square = np.zeros((6, 6), dtype=int)
_square[_upper] = np.arange(21)
_square.T[_upper] = np.arange(21)
_columns = 1 + 6 + 21 + 2 + 9  # frames, η, ηη, (v, v²), F


class CellMoments:
    """Sums over blocks of frames of: 1, η (6), η η (21), v, v², F (9).

    η is the Lagrange strain six-vector (shears doubled) against the first cell, v = V/V₁ − 1
    its relative volume. When `max_blocks` are full, neighbours are merged and blocks become
    twice as long: memory does not grow with the trajectory. The last block may be shorter.
    """

    def __init__(self, *, max_blocks: int = 4096, source: str = "cells") -> None:
        self.source = source
        self.first_cell: Array | None = None
        self.block_frames = 1
        self._max_blocks = max_blocks
        self._sums = np.zeros((max_blocks, _columns))
        self._full = 0
        self._rest = np.zeros(_columns)
        self._frames = 0

    @property
    def n_frames(self) -> int:
        return self._frames

    @property
    def n_blocks(self) -> int:
        """Full blocks."""
        return self._full

    def update(self, cells: Array) -> None:
        """Add cells (n, 3, 3), Å, rows are the vectors."""
        cells = self._checked(cells)
        position = 0
        while position < len(cells):
            if self._full == self._max_blocks:
                self._merge()
            # Frames that complete the open block, then as many whole blocks as there is room for.
            open_frames = int(self._rest[0])
            room = (self._max_blocks - self._full) * self.block_frames - open_frames
            part = cells[position : position + min(room, 1 << 16)]
            self._add(self._rows(part))
            position += len(part)

    def blocks(self) -> Array:
        """(blocks, 39): the sums, a partly filled last block included."""
        rest = self._rest[None] if self._rest[0] else np.zeros((0, _columns))
        return np.concatenate([self._sums[: self._full], rest])

    def _checked(self, cells: Array) -> Array:
        cells = np.asarray(cells, dtype=np.float64)
        if cells.ndim != 3 or cells.shape[1:] != (3, 3):
            raise InputError(
                "fluctuations need the full cell of every frame, (frames, 3, 3) in Å; got shape "
                f"{cells.shape}",
                self.source,
            )
        finite = np.isfinite(cells).all(axis=(1, 2), keepdims=True)
        bad = ~(np.linalg.det(np.where(finite, cells, 0.0)) > 0)
        if bad.any():
            raise InputError(
                "a cell has no volume, is left-handed or holds values that are not finite",
                self.source,
                frame=self._frames + int(np.argmax(bad)),
            )
        if self.first_cell is None and len(cells):
            self.first_cell = cells[0].copy()
        return cells

    def _rows(self, cells: Array) -> Array:
        """(39, n): the quantities whose sums are kept, one column per frame."""
        first = self.first_cell
        assert first is not None
        f = np.ascontiguousarray((np.linalg.inv(first) @ cells).reshape(-1, 9).T)
        rows = np.empty((_columns, f.shape[1]))
        rows[0] = 1.0
        f3 = f.reshape(3, 3, -1)  # f3[i] is row i of Fᵀ: Fᵀ F = f3 · f3
        for k, (i, j) in enumerate(voigt_pairs):
            product = (f3[i] * f3[j]).sum(axis=0)
            rows[1 + k] = 0.5 * (product - 1.0) if i == j else product
        for k, (a, b) in enumerate(zip(*_upper, strict=True)):
            np.multiply(rows[1 + a], rows[1 + b], out=rows[7 + k])
        rows[28] = np.linalg.det(np.moveaxis(f3, 2, 0)) - 1.0
        np.multiply(rows[28], rows[28], out=rows[29])
        rows[30:] = f
        return rows

    def _add(self, rows: Array) -> None:
        self._frames += rows.shape[1]
        missing = self.block_frames - int(self._rest[0])
        self._rest += rows[:, :missing].sum(axis=1)
        if int(self._rest[0]) == self.block_frames:
            self._push(self._rest[None])
            self._rest = np.zeros(_columns)
        rows = rows[:, missing:]
        whole = rows.shape[1] // self.block_frames
        if whole:
            used = rows[:, : whole * self.block_frames]
            self._push(used.reshape(_columns, whole, self.block_frames).sum(axis=2).T)
        self._rest += rows[:, whole * self.block_frames :].sum(axis=1)

    def _push(self, sums: Array) -> None:
        self._sums[self._full : self._full + len(sums)] = sums
        self._full += len(sums)

    def _merge(self) -> None:
        half = self._max_blocks // 2
        self._sums[:half] = self._sums.reshape(half, 2, _columns).sum(axis=1)
        self._full = half
        self.block_frames *= 2


def moments_of(
    chunks: Iterable[Array], *, source: str = "cells", max_blocks: int = 4096
) -> CellMoments:
    """`CellMoments` of cells that come as arrays (n, 3, 3)."""
    moments = CellMoments(source=source, max_blocks=max_blocks)
    for cells in chunks:
        moments.update(cells)
    return moments


def mean_strain(sums: Array) -> Array:
    """⟨η⟩ (..., 6) against the FIRST cell, from summed rows (..., 39)."""
    return np.asarray(sums[..., 1:7] / sums[..., :1])


def second_moments(sums: Array) -> Array:
    """⟨η η⟩ (..., 6, 6) against the first cell, from summed rows (..., 39)."""
    return np.asarray(sums[..., 7:28][..., _square] / sums[..., :1, None])


def strain_covariance(sums: Array) -> Array:
    """cov(η, η) (..., 6, 6) against the MEAN cell, from summed rows (..., 39).

    The mean cell is the one whose metric is the mean metric, H Hᵀ = ⟨h hᵀ⟩, turned so that it
    is a pure stretch of the first cell; against it ⟨η⟩ is zero.
    """
    mean = mean_strain(sums)
    covariance = second_moments(sums) - mean[..., :, None] * mean[..., None, :]
    change = change_of_reference(stretch_of(mean))
    return np.asarray(change @ covariance @ np.swapaxes(change, -1, -2))


def stretch_of(strain: Array) -> Array:
    """U = (1 + 2η)^½ (..., 3, 3) of a Lagrange strain six-vector (..., 6)."""
    values, vectors = np.linalg.eigh(np.eye(3) + 2 * strain_matrix(strain))
    return np.asarray((vectors * np.sqrt(values)[..., None, :]) @ np.swapaxes(vectors, -1, -2))


def change_of_reference(stretch: Array) -> Array:
    """(..., 6, 6): takes strain differences against H to those against the cell H·U.

    η' = U⁻¹ η U⁻¹ + constant, for six-vectors with doubled shears.
    """
    u = np.linalg.inv(stretch)
    turned = np.einsum("...ij,ajk,...kl->...ail", u, strain_matrix(np.eye(6)), u)
    return np.swapaxes(strain_vector(turned), -1, -2)


def volume_moments(sums: Array) -> tuple[Array, Array]:
    """(⟨v⟩, var v) (...,) of v = V/V₁ − 1, from summed rows (..., 39)."""
    mean = sums[..., 28] / sums[..., 0]
    return mean, sums[..., 29] / sums[..., 0] - mean**2


def orientation(sums: Array) -> tuple[Array, str]:
    """(R, words): R (3, 3) turns the mean cell into the axes the tensor is reported in.

    Those of the average of the cells as they were given, ⟨h⟩, where that has a meaning; if the
    cell turns so far that ⟨h⟩ shrinks by 2 % (some 14° rms), those of the first cell.
    """
    mean_deformation = (sums[30:] / sums[0]).reshape(3, 3)
    stretch = stretch_of(mean_strain(sums))
    left, singular, right = np.linalg.svd(np.linalg.inv(stretch) @ mean_deformation)
    if singular.min() < 0.98:
        return np.eye(3), (
            "of the first cell (the cell turns during the run, so the average of its vectors has "
            "no meaning)"
        )
    return np.asarray(left @ right), "of the mean cell, as the trajectory has it"


def strain_modes(sums: Array) -> tuple[Array, Array]:
    """(variances (6,) ascending, modes (6, 6) in columns) of the strain as a symmetric tensor.

    Invariant under turning and renaming, which those of the six-vector are not: the modes are
    in Mandel's basis, shears times √2. Multiply a six-vector by `mandel_of_strain` to enter it.
    """
    weights = np.outer(mandel_of_strain, mandel_of_strain)
    values, modes = np.linalg.eigh(strain_covariance(sums) * weights)
    return values, modes


mandel_of_strain = np.array([1.0, 1.0, 1.0, np.sqrt(0.5), np.sqrt(0.5), np.sqrt(0.5)])
