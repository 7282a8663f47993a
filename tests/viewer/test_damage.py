"""Damaged and hostile files lead to a typed error or to a picture, never to another exception or a long wait."""

import zlib

import numpy as np
import pytest

from tests.golden.make import FOLDER
from tests.viewer import node

KINDS = {"not-inr", "unsupported", "truncated", "corrupt", "limit", "init", "decoded"}
NAMES = ("codec-siren", "codec-nif25", "codec-coin", "codec-hash-grid", "codec-latent-grid", "latent-tiny", "profile")


def signed(core: bytes) -> bytes:
    return core + zlib.crc32(core).to_bytes(4, "little")


def outcomes_of(inputs: list[bytes]) -> list[str]:
    found = node.run("damage", inputs=[data.hex() for data in inputs], init=str(FOLDER / "init.npz"))
    assert max(milliseconds for _, milliseconds in found) < 3000
    strange = [outcome for outcome, _ in found if outcome not in KINDS]
    assert strange == []
    return [outcome for outcome, _ in found]


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files(name):
    whole = (FOLDER / f"{name}.inr").read_bytes()
    cuts = [whole[:n] for n in range(0, len(whole), max(1, len(whole) // 40))]
    assert "decoded" not in outcomes_of(cuts)
    generator = np.random.default_rng(5)
    flipped = []
    for position in generator.integers(0, len(whole), 40):
        data = bytearray(whole)
        data[position] ^= 1 << int(generator.integers(8))
        flipped.append(bytes(data))
    assert "decoded" not in outcomes_of(flipped)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "profile"])
def test_damage_under_a_sound_checksum(name):
    core = (FOLDER / f"{name}.inr").read_bytes()[:-4]
    generator = np.random.default_rng(6)
    inputs = [signed(core[:n]) for n in range(3, len(core), max(1, len(core) // 20))]
    for _ in range(60):
        data = bytearray(core)
        for position in generator.integers(3, len(core) if generator.random() < 0.5 else 20, 2):
            data[position] = int(generator.integers(256))
        inputs.append(signed(bytes(data)))
    found = outcomes_of(inputs)
    assert len(set(found)) >= 3  # the stream is reached, and so are checks of the header


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "not-inr"),
        (b"\x89PNG\r\n", "not-inr"),
        (b"inr", "truncated"),
        (b"inr\x02\x00\x01\x01", "unsupported"),
        (signed(b"inr\x01\x00\x01\x01\x03\x04"), "unsupported"),
        (signed(b"inr\x01\x00\x01\x01\x03\x02"), "corrupt"),  # a family in its long form
        (signed(b"inr\x01\x00\x00\x01\x00\x01\x01"), "corrupt"),  # no pixels
        (signed(b"inr\x01\x00\x81\x00\x01\x00\x01\x01"), "corrupt"),  # a varint that is too long
        (signed(b"inr\x01\x00" + 2 * b"\xff\xff\xff\xff\x0f" + b"\x00\x01\x01"), "limit"),
        (signed(b"inr\x01\x40\x01\x01" + bytes(8)), "init"),
        (signed(b"inr\x01\x80\x01\x01\x00\x01\x01"), "corrupt"),  # transposed without an init
        (signed(b"inr\x01\x08\x01\x01\x00\x01\x01"), "corrupt"),  # colours of a gray picture
        (signed(b"inr\x01\x00\x01\x01\x02\x0d\x01\x00\x00\x01"), "corrupt"),  # 13 grids
        (signed(b"inr\x01\x02\x08\x08\x00\x02\xff\x1f\xff\x1f"), "limit"),  # 16 million weights
    ],
)
def test_headers_that_are_refused(data, kind):
    assert outcomes_of([data])[0] == kind
