"""From the files of nequip to a `Network`. See the README of the room."""

from .torchscript import read_torchscript

__all__ = ["read_torchscript"]
