"""Named models: where they come from, under which licence, how to cite them, how to get them."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zifglass.core import InputError, ZifglassError
from zifglass.core.files import atomic_path, sha256_of


@dataclass(frozen=True)
class Entry:
    """One published model. file: below a data folder, or, of an embedded model, below this
    package's ``models``. url: where to download it; empty for an embedded one. sha256: of the
    file; a copy with another checksum is never used."""

    name: str
    summary: str
    file: str
    url: str
    sha256: str
    size: int
    origin: str
    licence: str
    citation: str
    doi: str

    @property
    def is_embedded(self) -> bool:
        """Whether the file ships with the package."""
        return not self.url


_embedded = Path(__file__).parent / "models"

_CATALOGUE = (
    Entry(
        name="zif4-fast",
        summary="ZIF-4, crystal, liquid and glass (H, C, N, Zn); NequIP, l = 1, 3 layers, cutoff "
        "5 Å, distilled from castel2024-nequip; ships with zifglass",
        file="zif4-fast.safetensors",
        url="",
        sha256="a2da99fdf048f5f5cd4232867a4af799a271706cd8949a0155b54b83eca71b45",
        size=412096,
        origin="distilled by recipes/zif4_fast of this project",
        licence="CC-BY-4.0",
        citation="the zifglass developers; its teacher: N. Castel, D. André, C. Edwards, J. D. "
        "Evans and F.-X. Coudert, Machine learning interatomic potentials for amorphous zeolitic "
        "imidazolate frameworks, Digital Discovery, 2024",
        doi="10.1039/D3DD00236E",
    ),
    Entry(
        name="castel2024-nequip",
        summary="ZIF-4, crystal and melt-quenched glass (H, C, N, Zn); PBE-D3; NequIP, l = 2, "
        "5 layers, cutoff 6 Å, trained on forces and energies",
        file="citable-data/mlp/nequip_l2r6stress0.pth",
        url="https://raw.githubusercontent.com/fxcoudert/citable-data/86fa8c2/"
        "162-Castel_DigitalDiscovery_2024/nequip_l2r6stress0.pth",
        sha256="adfec32fbca65e276dae58912a658d3d108372946fd6c60c0ec571bf62e8a1f0",
        size=2058674,
        origin="fxcoudert/citable-data at commit 86fa8c2, deployed by nequip 0.5.6",
        licence="CC-BY-4.0",
        citation="N. Castel, D. André, C. Edwards, J. D. Evans and F.-X. Coudert, Machine "
        "learning interatomic potentials for amorphous zeolitic imidazolate frameworks, Digital "
        "Discovery, 2024",
        doi="10.1039/D3DD00236E",
    ),
)


def entries() -> tuple[Entry, ...]:
    """Every named model."""
    return _CATALOGUE


def entry(name: str) -> Entry:
    """The model called `name`. Raises InputError naming those that exist."""
    for item in _CATALOGUE:
        if item.name == name:
            return item
    raise InputError(
        f"no model is called {name!r}; the named models are "
        f"{', '.join(item.name for item in _CATALOGUE)}, anything else is a path to a file"
    )


def cache_folder() -> Path:
    """Where downloads and imported networks are kept: $XDG_CACHE_HOME/zifglass, else
    ~/.cache/zifglass."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "zifglass"


def data_folders() -> list[Path]:
    """Where published data is looked for, in order: $ZIFGLASS_DATA, ../shared/data seen from a
    source checkout, the user's cache."""
    named = os.environ.get("ZIFGLASS_DATA")
    result = [Path(named)] if named else []
    root = Path(__file__).resolve().parents[3]
    if (root / "pyproject.toml").is_file():
        result.append(root.parent / "shared" / "data")
    return [*result, cache_folder() / "data"]


def locate(item: Entry) -> Path | None:
    """The local copy of a model's file, its checksum verified; None if there is none.

    Raises InputError on a copy with another checksum.
    """
    if item.is_embedded:
        path = _embedded / item.file
        _verify(item, path)
        return path
    for folder in data_folders():
        path = folder / item.file
        if path.is_file():
            _verify(item, path)
            return path
    return None


def fetch(name: str, *, from_dir: str | Path | None = None) -> Path:
    """The file of model `name`: found, copied from `from_dir` (a machine without network), or
    downloaded into the cache. A broken download goes on where it stopped; HTTP(S)_PROXY are
    honoured; the checksum decides.

    Raises InputError on a wrong checksum, ZifglassError when nothing can be downloaded.
    """
    item = entry(name)
    if item.is_embedded:
        return _embedded / item.file
    target = cache_folder() / "data" / item.file
    if from_dir is not None:
        source = _find_in(Path(from_dir), item)
        _verify(item, source)
        with atomic_path(target) as temporary:
            shutil.copyfile(source, temporary)
        return target
    return locate(item) or _download(item, target)


def _find_in(folder: Path, item: Entry) -> Path:
    for path in (folder, folder / item.file, folder / Path(item.file).name):
        if path.is_file():
            return path
    raise InputError(f"no {Path(item.file).name} here", folder)


def _verify(item: Entry, path: Path) -> None:
    found = sha256_of(path)
    if found != item.sha256:
        raise InputError(
            f"this file is not the published {item.name}: its SHA-256 is {found[:12]}…, "
            f"{item.sha256[:12]}… is expected; delete it and fetch it again",
            path,
        )


def _download(item: Entry, target: Path) -> Path:
    import pooch
    import requests

    try:
        path = pooch.retrieve(
            item.url,
            known_hash=f"sha256:{item.sha256}",
            fname=target.name,
            path=target.parent,
            downloader=_Resuming(target.with_name(target.name + ".part"), item.size),
        )
    except (requests.RequestException, OSError) as error:
        raise ZifglassError(
            f"could not download {item.name} from {item.url} ({_reason(error)}); try again to go "
            f"on where it stopped, or get the file elsewhere and run: zifglass potential fetch "
            f"{item.name} --from-dir FOLDER"
        ) from error
    except ValueError as error:  # pooch's word for a wrong checksum
        raise InputError(
            f"the download of {item.name} from {item.url} has a wrong checksum and was thrown away"
        ) from error
    return Path(path)


def _reason(error: Exception) -> str:
    text = str(error.__cause__ or error).splitlines() or [""]
    return f"{type(error).__name__}: {text[0][:200]}"


class _Resuming:
    """A pooch downloader that keeps what it got in `part` and asks for the rest."""

    def __init__(self, part: Path, size: int) -> None:
        self.part, self.size = part, size

    def __call__(self, url: str, output_file: str, pooch: Any, check_only: bool = False) -> None:
        import requests

        have = self.part.stat().st_size if self.part.is_file() else 0
        if have > self.size:
            self.part.unlink()
            have = 0
        if have < self.size:
            headers = {"Range": f"bytes={have}-"} if have else {}
            with requests.get(url, headers=headers, stream=True, timeout=30) as response:
                response.raise_for_status()
                # A server that knows no ranges answers 200 with the whole file.
                mode = "ab" if response.status_code == 206 else "wb"
                with self.part.open(mode) as file:
                    for block in response.iter_content(1 << 16):
                        file.write(block)
        shutil.move(self.part, output_file)
