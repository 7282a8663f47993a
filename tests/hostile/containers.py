"""Hostile containers: tar shards, manifests and archives of shared inits, damaged at random or on purpose."""

import dataclasses
import functools
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import inrc
from inrc import shared_init
from inrc.dataset.items import read_item
from inrc.dataset.manifest import OK, Manifest, Row, load_manifest, to_json
from inrc.dataset.sources import INR_FILES, list_items
from inrc.errors import InitMismatchError, InrcError, RecordError
from tests.hostile import mutations
from tests.hostile.mutations import Hostile

_BLOCK = 512
_ODD_VALUES: list[Any] = [
    None, True, -1, 0, 1e400, 10**30, "", "x", "..", "a/../../b", "\x00", "\ud800", [], {}, [1], {"a": [None]}, "inf",
]  # fmt: skip


@functools.cache
def sound_shard() -> bytes:
    """A tar archive of three files, with a hard link and a symbolic link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for number, data in enumerate(mutations.sound()[::5]):
            member = tarfile.TarInfo(f"folder/{number}-{'ü' * 40 * number}.inr")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for kind, name, target in ((tarfile.LNKTYPE, "hard", "folder/0-.inr"), (tarfile.SYMTYPE, "soft", "hard.inr")):
            link = tarfile.TarInfo(f"{name}.inr")
            link.type, link.linkname = kind, target
            archive.addfile(link)
    return buffer.getvalue()


@functools.cache
def sound_manifest() -> bytes:
    """Three rows: of a picture, of a failure, and of the same picture in a shard."""
    row = Row("a.png", OK, input_hash="0" * 64, output="a.inr", n_bytes=100, width=4, height=5, bpp=0.5, psnr_db=31.0)
    rows = [row, Row("b.png", "UnreadableImageError", "cannot read b.png"), dataclasses.replace(row, shard="0.tar")]
    return "".join(to_json(row) + "\n" for row in rows).encode()


@functools.cache
def sound_init(folder: Path) -> bytes:
    """The archive of a shared init, written and read by way of a folder."""
    path = folder / "sound.npz"
    shared_init.save(mutations.INIT, path)
    return path.read_bytes()


def shards(seed: int, n: int) -> Iterator[Hostile]:
    """`n` tar archives, a pure function of the seed."""
    generator = np.random.default_rng(seed)
    for _ in range(n):
        data = bytearray(sound_shard())
        match int(generator.integers(5)):
            case 0:
                yield Hostile("shard truncated", bytes(data[: generator.integers(0, len(data))]))
            case 1:
                yield Hostile("shard flipped", _flipped(generator, bytes(data)))
            case 2:
                start, stop = np.sort(generator.integers(0, len(data) // _BLOCK, 2)) * _BLOCK
                yield Hostile("shard without blocks", bytes(data[:start] + data[stop:]))
            case 3:
                start, stop = np.sort(generator.integers(0, len(data) // _BLOCK, 2)) * _BLOCK
                yield Hostile("shard with blocks twice", bytes(data[:stop] + data[start:]))
            case _:
                block = int(generator.choice(_headers(bytes(data))))
                field = int(generator.choice([0, 100, 124, 156, 157, 257, 345]))
                escapes = field in (0, 157) and generator.random() < 0.5
                data[block + field : block + field + 8] = b"../../x/" if escapes else generator.bytes(8)
                checksum = sum(data[block : block + 148]) + 8 * 32 + sum(data[block + 156 : block + _BLOCK])
                data[block + 148 : block + 156] = b"%06o\0 " % checksum
                yield Hostile("shard with another header, mended", bytes(data))


def manifests(seed: int, n: int) -> Iterator[Hostile]:
    """`n` manifests, a pure function of the seed."""
    generator = np.random.default_rng(seed)
    names = [field.name for field in dataclasses.fields(Row)]
    for _ in range(n):
        data = sound_manifest()
        match int(generator.integers(4)):
            case 0:
                yield Hostile("manifest truncated", data[: generator.integers(0, len(data))] + b"\n")
            case 1:
                yield Hostile("manifest flipped", _flipped(generator, data))
            case 2:
                row = json.loads(data.splitlines()[0])
                for name in generator.choice(names, int(generator.integers(1, 4))):
                    row[name] = _ODD_VALUES[generator.integers(len(_ODD_VALUES))]
                yield Hostile("manifest with odd values", data + json.dumps(row).encode() + b"\n")
            case _:
                odd = [b"[" * 100_000, b"9" * 5000, b"null", b"[]", b'"x"', b"{}", b"\xff\xfe", b'{"name": {}}', b"NaN"]
                yield Hostile("manifest with odd lines", data + odd[generator.integers(len(odd))] + b"\n")


def inits(seed: int, n: int, folder: Path) -> Iterator[Hostile]:
    """`n` archives of a shared init, a pure function of the seed."""
    generator = np.random.default_rng(seed)
    for _ in range(n):
        data = sound_init(folder)
        if generator.random() < 0.3:
            yield Hostile("init truncated", data[: generator.integers(0, len(data))])
        else:
            yield Hostile("init flipped", _flipped(generator, data))


def spend_shard(data: bytes, folder: Path) -> str:
    """Lists and reads an archive; returns "read" or the error. An error that is not typed is raised."""
    path = folder / "shard.tar"
    path.write_bytes(data)
    try:
        items = list_items(path, INR_FILES)
    except InrcError as error:
        return _outcome(error)
    outcome = "read"
    for item in items:
        assert item.refusal or not item.name.startswith("/")
        assert item.refusal or ".." not in item.name.split("/")
        try:
            inrc.info(read_item(item), init=mutations.INIT, limits=mutations.LIMITS)
        except InrcError as error:
            outcome = _outcome(error)
    return outcome


def spend_manifest(data: bytes, folder: Path) -> str:
    """Loads a manifest, and opens it for a further run; returns "read" or the error."""
    (folder / "manifest.jsonl").write_bytes(data)
    try:
        for row in load_manifest(folder):
            assert isinstance(row.name, str)
            assert to_json(row)
        with Manifest(str(folder)) as manifest:
            manifest.stale()
    except RecordError as error:
        return _outcome(error)
    return "read"


def spend_init(data: bytes, folder: Path) -> str:
    """Loads an archive of a shared init; returns "read" or the error."""
    path = folder / "init.npz"
    path.write_bytes(data)
    try:
        shared_init.load(path)
    except InitMismatchError as error:
        return _outcome(error)
    return "read"


def _outcome(error: InrcError) -> str:
    assert str(error)
    assert "\n" not in str(error)
    return type(error).__name__


def _flipped(generator: np.random.Generator, data: bytes) -> bytes:
    return mutations.flip(generator, data, int(generator.integers(1, 9)), 0, len(data))


def _headers(data: bytes) -> list[int]:
    """Where the headers of members begin, extended ones included."""
    return [start for start in range(0, len(data), _BLOCK) if data[start + 257 : start + 262] == b"ustar"]
