"""The watchdog's second opinions: other members of the potential's committee."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from zifglass.core import Frame, Potential, Prediction, Verdict
from zifglass.core.structure import symbols_of
from zifglass.potentials.committee import disagreement

from .watchdog import LastLook

agreed: Final = Verdict("ok", "the committee agrees")


@dataclass
class CommitteeAgreement(LastLook):
    """Members (trained alike from other seeds) whose forces, with those of the potential that
    drives the run, spread by more than `limit` (eV/Å, standard deviation of the vector) on some
    atom: the run has left what the training covers."""

    members: Sequence[Potential]
    limit: float
    name: str = "committee"

    def update(self, frame: Frame) -> None:
        assert frame.forces is not None and frame.energy is not None and frame.stress is not None
        own = Prediction(frame.energy, frame.forces, frame.stress)
        spread = disagreement([own, *(member(frame.structure) for member in self.members)]).forces
        atom = int(np.argmax(spread))
        if spread[atom] > self.limit:
            symbol = symbols_of(frame.structure.numbers[[atom]])[0]
            self._verdict = Verdict(
                "disagreement",
                f"the committee disagrees on the force on {symbol} {atom} by {spread[atom]:.2f} "
                f"eV/Å (limit {self.limit:g} eV/Å): this is not what it was trained on",
            )
        else:
            self._verdict = agreed
