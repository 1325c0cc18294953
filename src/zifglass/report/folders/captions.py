"""What the figures of this project show, by the name of their file."""

from __future__ import annotations

CAPTIONS = {
    "melting": "Melting: the three clocks (coordination, mean square displacement, rings) with "
    "their solid (dotted) and liquid (dashed) levels.",
    "rdf": "Radial distribution function of every pair of elements.",
    "measured": "Measured scattering and the model, one scale fitted; below, what is left.",
    "scattering": "X-ray structure factor F(Q) and its transform D(r).",
    "coordination": "Coordination of the metal: how many neighbours, and their mean in time.",
    "angles": "Angles between two neighbours of one metal; dotted line: the tetrahedral angle.",
    "rings": "Primitive rings of the metal–linker network per metal atom, by their size in metals.",
    "pores": "Porous volume for the probe of the settings.",
    "linkers": "Broken linkers, as a fraction of those that the composition asks for.",
    "pmf": "Potential of mean force between metal and donor.",
    "msd": "Mean square displacement of each element.",
    "bonds": "Metal–donor bonds that survive: never broken, and there again.",
    "pressure_volume": "Total pressure against volume with the Birch–Murnaghan fit. Filled points "
    "are fitted, open ones left out.",
    "running": "Bulk modulus and elastic constants as the run grows longer.",
    "melt-quench": "Temperature, total pressure, volume and density along the run.",
    "timeline": "The protocol as planned.",
}
ORDER = {name: place for place, name in enumerate(CAPTIONS)}

_band = " Bands and bars are one standard error."
_with_band = ("rdf", "scattering", "coordination", "angles", "rings", "pores", "pmf", "msd")


def caption_of(stem: str) -> str:
    """A sentence; the file's own name in words where it is not known."""
    if stem not in CAPTIONS:
        words = stem.replace("_", " ").replace("-", " ")
        return f"{words[:1].upper()}{words[1:]}."
    return CAPTIONS[stem] + (_band if stem in _with_band else "")
