"""The Zenodo client against a local server with a record of this test's own making."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zifglass.core import InputError, ZifglassError
from zifglass.datasets import fetch, record_files


class Server:
    """Serves a record and its files; can break off, and can ignore ranges."""

    def __init__(self) -> None:
        self.content = np.random.default_rng(0).bytes(300_000)
        self.checksum = "md5:" + hashlib.md5(self.content).hexdigest()
        self.break_after: int | None = None
        self.ranges = True
        self.asked: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments: Any) -> None:
                pass

            def do_GET(self) -> None:
                server.asked.append(f"{self.path} {self.headers.get('Range', '')}".strip())
                if self.path == "/records/42":
                    self._send(200, json.dumps(server.record()).encode())
                elif self.path == "/file":
                    start = 0
                    if server.ranges and (wanted := self.headers.get("Range")):
                        start = int(wanted.removeprefix("bytes=").rstrip("-"))
                    self._send(206 if start else 200, server.content[start:])
                else:
                    self._send(404, b"")

            def _send(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if server.break_after is not None and len(body) > 1000:
                    body = body[: server.break_after]
                    self.close_connection = True
                self.wfile.write(body)

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        self._thread.start()

    def record(self) -> dict[str, Any]:
        return {
            "files": [
                {
                    "key": "made_up.bin",
                    "size": len(self.content),
                    "checksum": self.checksum,
                    "links": {"self": f"{self.url}/file"},
                }
            ]
        }

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def get(server: Server, folder: Path, **options: Any) -> tuple[Path, ...]:
    return fetch(folder, record="42", api=f"{server.url}/records", **options)


def test_a_file_is_what_its_record_says(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    (path,) = get(server, tmp_path, progress=lambda *a: seen.append(a))
    assert path == tmp_path / "42" / "made_up.bin" and path.read_bytes() == server.content
    kept = json.loads((tmp_path / "42" / "sha256.json").read_text())
    assert kept == {"made_up.bin": hashlib.sha256(server.content).hexdigest()}
    assert seen[-1] == ("made_up.bin", 300_000, 300_000)
    get(server, tmp_path)
    assert server.asked.count("/file") == 1  # not downloaded again


def test_a_broken_download_goes_on(server: Server, tmp_path: Path) -> None:
    server.break_after = 100_000
    with pytest.raises(ZifglassError, match=r"broke off|ended at 100000 of 300000"):
        get(server, tmp_path)
    assert not (tmp_path / "42" / "made_up.bin").exists()
    server.break_after = None
    (path,) = get(server, tmp_path)
    assert path.read_bytes() == server.content
    assert server.asked[-1] == "/file bytes=100000-"


def test_a_server_without_ranges_starts_over(server: Server, tmp_path: Path) -> None:
    server.break_after = 50_000
    with pytest.raises(ZifglassError):
        get(server, tmp_path)
    server.break_after, server.ranges = None, False
    assert get(server, tmp_path)[0].read_bytes() == server.content


def test_a_wrong_checksum_is_refused_and_deleted(server: Server, tmp_path: Path) -> None:
    server.checksum = "md5:" + "0" * 32
    with pytest.raises(ZifglassError, match="is not what its record says"):
        get(server, tmp_path)
    assert list((tmp_path / "42").iterdir()) == []


def test_a_file_that_changed_since_is_refused(server: Server, tmp_path: Path) -> None:
    (path,) = get(server, tmp_path)
    path.write_bytes(server.content[:-1] + b"x")
    with pytest.raises(ZifglassError, match="has changed since it was downloaded"):
        get(server, tmp_path)


def test_names_choose_files(server: Server, tmp_path: Path) -> None:
    assert record_files("42", api=f"{server.url}/records")[0].size == 300_000
    with pytest.raises(InputError, match=r"has no file 'other'; it has made_up\.bin"):
        get(server, tmp_path, names=("other",))


def test_no_network_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ZifglassError, match=r"cannot reach http://127\.0\.0\.1:9/42"):
        fetch(tmp_path, record="42", api="http://127.0.0.1:9")
