"""From the files of nequip to a `Network`. See the README of the room."""

from .run import import_model, kind_of
from .torchscript import read_torchscript

__all__ = ["import_model", "kind_of", "read_torchscript"]
