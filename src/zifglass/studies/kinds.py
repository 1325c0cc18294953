"""The kinds of work of a study. Importing this module makes them known."""

from __future__ import annotations
