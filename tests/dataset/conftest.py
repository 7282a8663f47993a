import io
import os
import re
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import fsspec
import pytest
from fsspec.registry import _registry
from fsspec.spec import AbstractFileSystem

from inrc.dataset import pipeline
from tests.dataset.samples import FakeEncoder


@pytest.fixture
def memory():
    """An empty file system in memory."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pseudo_dirs[:] = [""]
    yield files
    files.store.clear()


class Web(AbstractFileSystem):
    """Takes whole URLs for paths, as the file system of web servers does, and answers by their part before a query."""

    protocol = ("http", "https")
    cachable = False
    pages: ClassVar[dict[str, bytes | Exception]] = {}

    @classmethod
    def _strip_protocol(cls, path):
        return path

    def _page(self, url: str) -> bytes:
        url = re.sub(r"//[^/]*@", "//", url.partition("#")[0].partition("?")[0])
        page = self.pages.get(url)
        if page is None:
            raise FileNotFoundError(url)
        if isinstance(page, Exception):
            raise page
        return page

    def isdir(self, path):
        return False

    def info(self, path, **_):
        page = self._page(path)
        return {"name": path, "size": len(page), "type": "file", "ETag": f'"tag of {page[:1].decode()}"'}

    def cat_file(self, path, start=None, end=None, **_):
        return self._page(path)[start:end]

    def _open(self, path, mode="rb", **_):  # pyright: ignore[reportIncompatibleMethodOverride]
        return io.BytesIO(self._page(path))


@pytest.fixture
def web():
    """{URL without a query: bytes, or an error} of web servers."""
    before = dict(_registry)
    fsspec.register_implementation("http", Web, clobber=True)
    Web.pages.clear()
    yield Web.pages
    Web.pages.clear()
    _registry.pop("http")
    _registry.update(before)


@pytest.fixture
def special_file(tmp_path: Path) -> Callable[[str], Path]:
    """Makes what is no regular file: a "named pipe" without a writer, a "socket", a "device" or a "folder"."""

    def make(kind: str) -> Path:
        path = tmp_path / f"{kind}.png"
        if kind == "named pipe":
            os.mkfifo(path)
        elif kind == "socket":
            with tempfile.TemporaryDirectory() as short, socket.socket(socket.AF_UNIX) as server:
                server.bind(f"{short}/s")  # the path of a socket is short
                Path(short, "s").rename(path)
        elif kind == "device":
            path.symlink_to("/dev/zero")
        else:
            path.mkdir()
        return path

    return make


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Path]:
    """Closes a file or a folder; by a replacement of what opens it, since nothing is closed to root."""
    paths: set[str] = set()

    def refuse(function: Callable) -> Callable:
        def checked(path, *arguments, **options):
            if str(path) in paths:
                raise PermissionError(13, "Permission denied", str(path))
            return function(path, *arguments, **options)

        return checked

    monkeypatch.setattr(os, "open", refuse(os.open))
    monkeypatch.setattr(os, "scandir", refuse(os.scandir))

    def close(path: Path) -> Path:
        paths.add(str(path))
        return path

    return close


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeEncoder:
    """Replaces the encoder of every run."""
    encoder = FakeEncoder()
    monkeypatch.setattr(pipeline, "BatchEncoder", lambda *_, **__: encoder)
    return encoder
