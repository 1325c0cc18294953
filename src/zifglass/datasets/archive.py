"""Published archives on Zenodo: what the record says is what is checked, nothing is assumed.

Size and checksum come from the record at download time. The SHA-256 of each file is kept from
its first use; a file that later differs is refused. An interrupted download goes on where it
stopped.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zifglass.core import InputError, ZifglassError
from zifglass.core.files import sha256_of, sync_folder, write_json

AIMD_RECORD = "10015593"
"""Ab initio trajectories of ZIF-4 behind the published potential, DOI 10.5281/zenodo.10015593."""
ZENODO = "https://zenodo.org/api/records"

_manifest = "sha256.json"
_timeout = 60.0
_block = 1 << 20


@dataclass(frozen=True)
class RemoteFile:
    """A file as the record describes it. checksum: ``algorithm:hexadecimal``. size: bytes."""

    name: str
    size: int
    checksum: str
    url: str


def record_files(record: str = AIMD_RECORD, *, api: str = ZENODO) -> tuple[RemoteFile, ...]:
    """The files of a record, from the record itself.

    Raises ZifglassError if it cannot be reached or does not describe its files.
    """
    url = f"{api}/{record}"
    try:
        with _open(url) as answer:
            content = json.load(answer)
        return tuple(_remote(item) for item in content["files"])
    except (KeyError, TypeError, ValueError) as error:
        raise ZifglassError(f"the record at {url} does not describe its files: {error}") from error


def fetch(
    folder: str | Path,
    *,
    record: str = AIMD_RECORD,
    names: tuple[str, ...] = (),
    api: str = ZENODO,
    progress: Callable[[str, int, int], None] = lambda name, done, total: None,
) -> tuple[Path, ...]:
    """Download a record's files (or those in `names`) into ``folder/<record>``; returns them.

    progress: called with name, bytes so far, bytes in all. A file that is there already is
    checked against the SHA-256 kept from its first use. Raises ZifglassError if a file does not
    have the size or checksum of its record, or has changed since.
    """
    place = Path(folder) / record
    place.mkdir(parents=True, exist_ok=True)
    files = record_files(record, api=api)
    unknown = set(names) - {item.name for item in files}
    if unknown:
        known = ", ".join(item.name for item in files)
        raise InputError(f"record {record} has no file {sorted(unknown)[0]!r}; it has {known}")
    wanted = [item for item in files if not names or item.name in names]
    return tuple(_fetch_one(item, place, progress) for item in wanted)


def _fetch_one(item: RemoteFile, place: Path, progress: Callable[[str, int, int], None]) -> Path:
    target = place / item.name
    manifest = place / _manifest
    kept = json.loads(manifest.read_text(encoding="utf-8")) if manifest.is_file() else {}
    if target.is_file() and item.name in kept:
        if sha256_of(target) != kept[item.name]:
            raise ZifglassError(f"{target} has changed since it was downloaded: delete it")
        progress(item.name, item.size, item.size)
        return target
    partial = target.with_name(target.name + ".part")
    _download(item, partial, progress)
    _check(item, partial)
    kept[item.name] = sha256_of(partial)
    partial.replace(target)
    sync_folder(place)
    write_json(manifest, kept)
    return target


def _download(item: RemoteFile, partial: Path, progress: Callable[[str, int, int], None]) -> None:
    done = partial.stat().st_size if partial.is_file() else 0
    if done > item.size:
        partial.unlink()
        done = 0
    if done == item.size and done:
        return
    with _open(item.url, start=done) as answer:
        if done and answer.status != http.HTTPStatus.PARTIAL_CONTENT:
            done = 0  # the server sends the whole file again
        with partial.open("ab" if done else "wb") as file:
            try:
                while block := answer.read(_block):
                    file.write(block)
                    done += len(block)
                    progress(item.name, done, item.size)
            except (OSError, http.client.HTTPException) as error:
                raise ZifglassError(
                    f"the download of {item.name} broke off at {done} of {item.size} bytes: run "
                    "again to go on"
                ) from error
    if done < item.size:
        raise ZifglassError(
            f"the download of {item.name} ended at {done} of {item.size} bytes: run again to go on"
        )


def _check(item: RemoteFile, path: Path) -> None:
    algorithm, _, expected = item.checksum.partition(":")
    size = path.stat().st_size
    if algorithm not in hashlib.algorithms_available or not expected:
        raise ZifglassError(f"the record gives a checksum of unknown kind: {item.checksum!r}")
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_block):
            digest.update(block)
    if size != item.size or digest.hexdigest() != expected.lower():
        path.unlink()
        raise ZifglassError(
            f"{item.name} is not what its record says ({size} bytes, {algorithm} "
            f"{digest.hexdigest()}; the record: {item.size} bytes, {expected}): it was deleted, "
            "run again"
        )


def _remote(item: dict[str, Any]) -> RemoteFile:
    name = str(item["key"])
    if Path(name).name != name:
        raise ValueError(f"the file name {name!r} is not plain")
    links = item["links"]
    return RemoteFile(name, int(item["size"]), str(item["checksum"]), str(links["self"]))


def _open(url: str, *, start: int = 0) -> http.client.HTTPResponse:
    headers = {"User-Agent": "zifglass"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        answer: http.client.HTTPResponse = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=_timeout
        )
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise ZifglassError(f"cannot reach {url}: {reason}") from error
    return answer
