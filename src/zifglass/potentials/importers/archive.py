"""A TorchScript archive read without torch and without running anything in it.

The file is a zip of ``<name>/data.pkl`` (the module tree), ``<name>/data/<n>`` (tensor
storages), ``<name>/code/…`` (its source, here only text) and ``<name>/extra/…``. The pickle is
read by an unpickler that knows a closed list of names: tensors, plain containers, and the
classes of the archive itself (``__torch__.…``), which become inert records of attributes.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
import zlib
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zifglass.core import InputError

_DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "BoolStorage": "?",
    "ByteStorage": "u1",
}

_LARGEST = 2 << 30
"""Bytes an archive may unpack to; a NequIP model has a few million."""


@dataclass
class Record:
    """One module of the archive: the name of its class, the attributes it was saved with."""

    kind: str
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The class's own name: 'nequip.nn._rescale.RescaleOutput'."""
        parts = self.kind.removeprefix("__torch__.").split(".")
        return ".".join(p for p in parts if not p.startswith("___torch_mangle"))

    @property
    def short(self) -> str:
        """The last part of `name`."""
        return self.name.rpartition(".")[2]

    def __getitem__(self, name: str) -> Any:
        try:
            return self.attributes[name]
        except KeyError:
            raise InputError(
                f"the module {self.name} of this model has no {name!r}: it was not made by "
                "nequip 0.5 or 0.6"
            ) from None

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute that older or newer releases lack."""
        return self.attributes.get(name, default)


@dataclass(frozen=True)
class Archive:
    """root: the module tree. extra: the files beside it (metadata of nequip-deploy), as text.
    code: the source of each class, by 'package/module.py'. constants: what the code names
    CONSTANTS.c0, c1…"""

    root: Record
    extra: dict[str, str]
    code: dict[str, str]
    constants: tuple[Any, ...]


def read_archive(path: str | Path) -> Archive:
    """Read a TorchScript file. Raises InputError if it is cut, damaged or something else."""
    try:
        return _read(Path(path))
    except InputError as error:
        raise InputError(error.message, path) from error
    except FileNotFoundError:
        raise InputError("no such model file", path) from None
    except zipfile.BadZipFile as error:
        raise InputError(
            f"this is no whole TorchScript archive: cut, damaged or another format ({error})", path
        ) from error
    except (
        OSError, EOFError, KeyError, IndexError, ValueError, TypeError, AttributeError,
        RecursionError, MemoryError, NotImplementedError, pickle.UnpicklingError, zlib.error,
    ) as error:  # fmt: skip
        raise InputError(
            f"this TorchScript archive is damaged ({type(error).__name__}: {error})", path
        ) from error


def _read(path: Path) -> Archive:
    with zipfile.ZipFile(path) as file:
        names = file.namelist()
        if sum(item.file_size for item in file.infolist()) > _LARGEST:
            raise InputError("this archive unpacks to more than 2 GiB: no NequIP model does")
        pickles = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(pickles) != 1 or not any("/code/" in name for name in names):
            raise InputError(
                "this zip file holds no TorchScript model: a deployed model was expected, "
                "as nequip-deploy of nequip 0.5 or 0.6 writes it"
            )
        prefix = pickles[0].removesuffix("data.pkl")
        if prefix + "byteorder" in names and file.read(prefix + "byteorder").strip() != b"little":
            raise InputError("this archive was written on a big-endian machine; expected little")
        root = _Unpickler(file, prefix, "data").load()
        if not isinstance(root, Record):
            raise InputError("this TorchScript archive holds no module")
        constants: Any = ()
        if prefix + "constants.pkl" in names:
            constants = _Unpickler(file, prefix, "constants").load()
        return Archive(
            root=root,
            extra={
                name.removeprefix(prefix + "extra/"): file.read(name).decode("utf-8", "replace")
                for name in names
                if name.startswith(prefix + "extra/")
            },
            code={
                name.removeprefix(prefix + "code/"): file.read(name).decode("utf-8", "replace")
                for name in names
                if name.startswith(prefix + "code/") and name.endswith(".py")
            },
            constants=tuple(constants),
        )


class _Storage:
    """The name of a storage type; never called."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype


class _Unpickler(pickle.Unpickler):
    """Knows a closed list of names; everything else is refused by name."""

    def __init__(self, file: zipfile.ZipFile, prefix: str, folder: str) -> None:
        super().__init__(io.BytesIO(file.read(f"{prefix}{folder}.pkl")))
        self._file, self._folder = file, f"{prefix}{folder}/"
        self._storages: dict[str, NDArray[Any]] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("__torch__.") or module == "__torch__":
            return _record_class(f"{module}.{name}")
        if module == "torch" and name in _DTYPES:
            return _Storage(_DTYPES[name])
        known = {
            ("torch._utils", "_rebuild_tensor_v2"): _tensor,
            ("torch._utils", "_rebuild_parameter"): lambda data, *_: data,
            ("collections", "OrderedDict"): OrderedDict,
            ("torch.jit._pickle", "restore_type_tag"): lambda value, _: value,
            ("torch.jit._pickle", "build_intlist"): list,
            ("torch.jit._pickle", "build_doublelist"): list,
            ("torch.jit._pickle", "build_boollist"): list,
            ("torch.jit._pickle", "build_tensorlist"): list,
        }
        if (module, name) in known:
            return known[module, name]
        raise InputError(
            f"this archive names {module}.{name}, which is not on the list of what may be read "
            "(tensors, containers, the archive's own modules)"
        )

    def persistent_load(self, pid: Any) -> NDArray[Any]:
        _, storage, key, _, count = pid
        if key not in self._storages:
            self._storages[key] = np.frombuffer(
                self._file.read(self._folder + key), dtype=storage.dtype
            )
        if len(self._storages[key]) < count:
            raise InputError(f"tensor {key} of this archive is cut")
        return self._storages[key]


def _tensor(
    storage: NDArray[Any], offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> NDArray[Any]:
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    # More elements than the storage has would be a small file that unpacks to any size.
    outside = 0 not in size and (last >= len(storage) or math.prod(size) > len(storage))
    if offset < 0 or min((*size, *stride, 0)) < 0 or outside:
        raise InputError("a tensor of this archive reaches beyond its storage")
    view = np.lib.stride_tricks.as_strided(
        storage[offset:], size, [s * storage.itemsize for s in stride], writeable=False
    )
    return view.copy()


def _record_class(kind: str) -> type:
    def new(cls: type, *_: Any) -> Record:
        return _Pending(kind)

    return type("Inert", (), {"__new__": new})


class _Pending(Record):
    """A record while the pickle still fills it."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)

    def __setstate__(self, state: Any) -> None:
        self.attributes = dict(state)
