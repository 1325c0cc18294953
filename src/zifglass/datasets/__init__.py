"""From trajectories to a training set: lint, select, split. See README.md in this folder."""

from .archive import AIMD_RECORD, ZENODO, RemoteFile, fetch, record_files
from .findings import Finding, LintReport
from .kinetic import (
    KineticPart,
    corrected,
    hydrogen_mass_of,
    kinetic_share,
    without_kinetic_part,
)
from .labelled import LabelledSet, labelled_set
from .lint import lint
from .select import (
    Selection,
    pair_descriptor,
    potential_energy_per_atom,
    scalar_of,
    select_farthest,
    select_flat,
    share_out,
)
from .settings import LintSettings
from .split import PAPER_SIZES, split_blocks, split_sequential

__all__ = [
    "AIMD_RECORD",
    "PAPER_SIZES",
    "ZENODO",
    "Finding",
    "KineticPart",
    "LabelledSet",
    "LintReport",
    "LintSettings",
    "RemoteFile",
    "Selection",
    "corrected",
    "fetch",
    "hydrogen_mass_of",
    "kinetic_share",
    "labelled_set",
    "lint",
    "pair_descriptor",
    "potential_energy_per_atom",
    "record_files",
    "scalar_of",
    "select_farthest",
    "select_flat",
    "share_out",
    "split_blocks",
    "split_sequential",
    "without_kinetic_part",
]
