"""What a page is made of: data, no behaviour. `write_page` turns it into one HTML file.

Every string is plain text: it is escaped when the page is written, so that a file name, a note
or an error message can hold anything. Units are written as people write them: GPa, Å³, g/cm³.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from zifglass.core import InputError, Quantity

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Tone = Literal["good", "bad", "caution", "plain"]


@dataclass(frozen=True)
class Text:
    """Paragraphs of plain text, parted by empty lines."""

    text: str


@dataclass(frozen=True)
class Notice:
    """A verdict or warning in a box: one word, then sentences.

    tone: ``good``, ``bad``, ``caution`` or ``plain``; it is shown by a sign and by colour.
    """

    word: str
    text: str
    tone: Tone = "plain"


@dataclass(frozen=True)
class Facts:
    """Names and values side by side: settings, versions, checksums."""

    items: Mapping[str, Any]


@dataclass(frozen=True)
class Mark:
    """A verdict inside a table: ``Mark("agrees", "good")``."""

    word: str
    tone: Tone = "plain"


@dataclass(frozen=True)
class Column:
    """Title and unit of a column; the unit stands once, in the head."""

    title: str
    unit: str = ""


Cell = str | int | float | Quantity | Mark | None


@dataclass(frozen=True)
class Table:
    """Columns and rows, with a download as CSV.

    rows: a cell is text, a number, a `Quantity` (value ± std; its unit is shown where the column
    has none), a `Mark` or None (empty). name: of the CSV file, without suffix; None offers no
    download. In the CSV a column that holds quantities becomes two: value and std. Numbers
    there keep every digit. Raises InputError on a row of another length.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    name: str | None = None

    def __post_init__(self) -> None:
        for index, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise InputError(
                    f"row {index} of table {self.caption or self.name!r} has {len(row)} cells for "
                    f"{len(self.columns)} columns"
                )


@dataclass(frozen=True)
class Download:
    """A file that the page carries: its name, content and what it is called on the page."""

    name: str
    content: str | bytes
    label: str = ""


@dataclass(frozen=True)
class Figure:
    """A vector picture that can be enlarged.

    svg: a whole SVG document; it is shown as an image, so that nothing in it runs. alt: what it
    shows, for those who do not see it. downloads: its numbers, as CSV.
    """

    svg: str
    caption: str
    alt: str = ""
    downloads: Sequence[Download] = ()


@dataclass(frozen=True)
class Line:
    """One curve of a panel: y (points,), with the extremes of what lies between the points."""

    title: str
    y: Array
    low: Array | None = None
    high: Array | None = None
    dashed: bool = False


@dataclass(frozen=True)
class Panel:
    """Curves on one vertical axis."""

    title: str
    unit: str
    lines: Sequence[Line]


@dataclass(frozen=True)
class Span:
    """A named stretch of the horizontal axis, such as a segment of a protocol."""

    title: str
    start: float
    end: float


@dataclass(frozen=True)
class Chart:
    """Panels above one horizontal axis, drawn as vectors; a cursor reads off the values.

    x (points,), ascending, in `unit`. At most a few hundred points: see `thermo_chart`, which
    thins a thermo table and keeps its extremes.
    """

    title: str
    unit: str
    x: Array
    panels: Sequence[Panel]
    caption: str = ""
    spans: Sequence[Span] = ()
    downloads: Sequence[Download] = ()


@dataclass(frozen=True, eq=False)
class Overlay:
    """What is highlighted in one frame of a model.

    broken (k,): atoms of broken linkers. rings: for each ring of the network its metal atoms'
    places (metals, 3), Å, as one closed way through the images. pores: the free distance to the
    nearest atom's surface on a grid, see `Pore`.
    """

    broken: Indices = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    rings: Sequence[Array] | None = None
    pore: Pore | None = None


@dataclass(frozen=True, eq=False)
class Pore:
    """Clearance (na, nb, nc) in Å on a grid that spans the cell, both ends included: how far a
    point is from the nearest atom's sphere. A probe of radius `probe` fits where it is larger.
    radii: of the spheres, {element: Å}."""

    clearance: Array
    probe: float
    radii: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Model:
    """A structure or a trajectory to look at, as `model_of` makes it.

    numbers (atoms,); positions (frames, atoms, 3) Å; cells (frames, 3, 3) Å; labels: what each
    frame is called; overlays: one per frame; metal: the centre of the tetrahedra, donor: their
    corners, cutoff: of a metal–donor bond, Å; left_out: a sentence on what was thinned out.
    """

    name: str
    numbers: Indices
    positions: Array
    cells: Array
    labels: Sequence[str]
    overlays: Sequence[Overlay]
    metal: str = "Zn"
    donor: str = "N"
    cutoff: float = 2.5
    left_out: str = ""


@dataclass(frozen=True)
class Viewer3D:
    """Models in 3D; with several a list chooses. Only one viewer is alive at a time."""

    models: Sequence[Model]
    caption: str = ""


@dataclass(frozen=True)
class Fold:
    """Parts behind a title that opens; closed at first and open in print.

    long: kept packed until it is opened, so that a page of many stays small and opens at once; in
    print only if the reader had opened it.
    """

    title: str
    parts: Sequence[Part]
    long: bool = False


@dataclass(frozen=True)
class Grid:
    """Parts side by side where the screen is wide enough, such as figures."""

    parts: Sequence[Part]


Part = Text | Notice | Facts | Table | Figure | Chart | Viewer3D | Fold | Grid | Download


@dataclass(frozen=True)
class Section:
    """A heading and its parts; the headings make the page's table of contents."""

    title: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Page:
    """title: the page's name. subtitle: one line below. sections: in their order."""

    title: str
    sections: Sequence[Section]
    subtitle: str = ""
