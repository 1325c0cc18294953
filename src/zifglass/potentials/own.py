"""``python:WHERE:FUNCTION``: a potential, or any ASE calculator, that a user's own code makes."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from zifglass.core import InputError, Potential
from zifglass.core.files import sha256_of

from .calculator import AseCalculatorPotential

PREFIX = "python:"


def own_potential(name: str) -> Potential:
    """The potential of ``python:FILE.py:FUNCTION`` or ``python:MODULE:FUNCTION``.

    The function takes nothing and returns a `Potential` or an ASE calculator with energy (eV),
    forces (eV/Å) and stress (eV/Å³, tension positive); a calculator from a file goes by the name
    of the function and the SHA-256 of that file, so that a run notices when the file changes.
    This executes the code. Raises InputError where it cannot be found or returns something else.
    """
    where, colon, function = name.removeprefix(PREFIX).rpartition(":")
    if not colon or not where or not function:
        raise InputError(
            f"a potential of your own is written {PREFIX}FILE.py:FUNCTION or "
            f"{PREFIX}MODULE:FUNCTION; got {name!r}"
        )
    is_file = where.endswith(".py")
    make = getattr(
        _module_of_file(Path(where)) if is_file else _module(where, name), function, None
    )
    if not callable(make):
        raise InputError(f"there is no function {function!r}", where)
    made = make()
    if _is_calculator(made):
        return AseCalculatorPotential(
            made, name=function, sha256=sha256_of(Path(where)) if is_file else None
        )
    if not isinstance(made, Potential):
        raise InputError(
            f"{function} gives {type(made).__name__}, which is neither a potential nor an ASE "
            "calculator",
            where,
        )
    return made


def _module(where: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(where)
    except ImportError as error:
        raise InputError(f"cannot make the potential {name!r}: {error}") from error


def _module_of_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise InputError("no such file", path)
    # A name of its own: a file called ase.py must not stand for the package.
    title = f"zifglass_own_{sha256_of(path)[:16]}"
    if title in sys.modules:
        return sys.modules[title]
    spec = importlib.util.spec_from_file_location(title, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[title] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[title]
        raise InputError(f"cannot run it: {type(error).__name__}: {error}", path) from error
    return module


def _is_calculator(made: Any) -> bool:
    from ase.calculators.calculator import BaseCalculator

    return isinstance(made, BaseCalculator)
