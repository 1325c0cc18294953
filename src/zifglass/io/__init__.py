"""One file per format, the same verbs everywhere. See README.md in this folder."""

from .chunks import ChunkFolder, ChunkWriter, join
from .formats import FORMATS, InputWarning, format_to_write, read, write
from .native import NativeTrajectory
from .options import NoCellError, cell_from_text, species_map_from_text

__all__ = [
    "FORMATS",
    "ChunkFolder",
    "ChunkWriter",
    "InputWarning",
    "NativeTrajectory",
    "NoCellError",
    "cell_from_text",
    "format_to_write",
    "join",
    "read",
    "species_map_from_text",
    "write",
]
