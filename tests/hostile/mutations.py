"""Hostile files: sound files, damaged so that checksums fail, or with checksums that fit the damage."""

import dataclasses
import functools
import zlib
from collections.abc import Iterator

import numpy as np

import inrc
from inrc.bitstream import container
from inrc.bitstream.container import ICC_PROFILE, Container
from inrc.bitstream.header import Header
from inrc.bitstream.io import write_varint
from inrc.codec import file as files
from inrc.codec.file import File
from inrc.codec.formats import reference_of
from inrc.codec.weights import QuantisedWeights
from inrc.config import EncodingConfig, EncodingKind, LatentGridConfig, ModelConfig, ModelFamily
from inrc.shared_init import lookup_of
from inrc.signal.colour import ColourTransform
from tests.bitstream import latent_files
from tests.shared_init.inits import MODEL, random_init

INIT = random_init(shape=(16, 16))
"""The init of the files that name one; its canvas is so small that larger pictures keep more frequencies."""
LIMITS = inrc.DecodeLimits(
    max_pixels=1 << 20,
    max_parameters=1 << 16,
    max_multiplications=1 << 32,
    max_section_bytes=4096,
    max_latents=1 << 16,
    max_context_multiplications=1 << 25,
)
_ABSURD = [0, 1, 2, 3, 5, 127, 128, 255, 256, 1000, 1023, 1024, 1025, 4096, 4097, 65535, 2**20, 2**28, 2**31, 2**32 - 1]


@dataclasses.dataclass(frozen=True)
class Hostile:
    """One input and how it was made."""

    kind: str
    data: bytes


def _contents(header: Header, seed: int) -> File:
    if isinstance(header.model, LatentGridConfig):
        return latent_files.random_contents(header, seed)
    generator = np.random.default_rng(seed)
    shapes = [shape for _, shape in files.layout_of(header)]
    integers = tuple(np.rint(generator.laplace(0, 3, shape)).astype(np.int32) for shape in shapes)
    reference = reference_of(INIT, header.shape, header.channels) if header.init_id else None
    steps = tuple(generator.integers(90, 140, len(shapes)).tolist())
    return files.make(header, QuantisedWeights(steps, integers, reference))


@functools.cache
def sound() -> tuple[bytes, ...]:
    """Files of every family and encoding, with and without a shared init and sections."""
    none, nerf = EncodingConfig(EncodingKind.NONE), EncodingConfig(EncodingKind.NERF, 3)
    headers = [
        Header(19, 13, 3, 8, ColourTransform.YCBCR, ModelConfig(widths=(6, 5), encoding=none)),
        Header(40, 33, 4, 16, ColourTransform.YCOCG, ModelConfig(widths=(9, 130), encoding=nerf, omega_0=20)),
        Header(7, 300, 1, 8, ColourTransform.RGB, ModelConfig(ModelFamily.FOURIER, (8,), nerf, bias=False)),
        Header(
            25, 25, 2, 8, ColourTransform.RGB,
            ModelConfig(ModelFamily.FOURIER, (6, 6), EncodingConfig(EncodingKind.GAUSSIAN, 5, sigma=2.5)),
        ),
        latent_files.header_of((21, 13), 3, transposed=True),
        latent_files.header_of((9, 30), 1, 16, LatentGridConfig(7, 3, 3, 2, 2, 1, 4, 1)),
        Header(31, 15, 3, 8, ColourTransform.YCBCR, MODEL, INIT.id),
        Header(7, 16, 1, 16, ColourTransform.RGB, MODEL, INIT.id, transposed=True),
    ]  # fmt: skip
    sound_files = []
    for seed, header in enumerate(headers):
        plain = files.pack(_contents(header, seed))
        stream = container.unpack(plain, LIMITS, lookup_of(INIT)).weights
        sections = {ICC_PROFILE: zlib.compress(b"profile" * 30), 77: b"unknown"}
        sound_files += [plain, container.pack(Container(header, stream, sections))]
    return tuple(sound_files)


def _section_sizes(data: bytes) -> list[int]:
    """Bytes that every section of a sound file takes, tag to checksum."""
    sections = container.unpack(data, LIMITS, lookup_of(INIT)).sections.items()
    return [len(write_varint(tag)) + len(write_varint(len(c))) + len(c) + 4 for tag, c in sections]


def mend(data: bytes, sizes: list[int]) -> bytes:
    """Corrects the checksums at the ends of the core and of sections of these sizes."""
    ends = np.cumsum([len(data) - sum(sizes), *sizes]).tolist()
    out, start = b"", 0
    for end in ends:
        content = data[start : max(start, end - 4)]
        out += content + zlib.crc32(content).to_bytes(4, "little")
        start = end
    return out


def flip(generator: np.random.Generator, data: bytes, n: int, start: int, stop: int) -> bytes:
    """The data with `n` bits flipped at random between two bytes."""
    damaged = bytearray(data)
    for position in generator.integers(8 * start, 8 * stop, n):
        damaged[position // 8] ^= 1 << int(position % 8)
    return bytes(damaged)


def _random_bytes(generator: np.random.Generator, most: int) -> bytes:
    return generator.bytes(int(generator.integers(0, most)))


def _absurd_header(generator: np.random.Generator) -> bytes:
    def varint() -> bytes:
        return write_varint(int(generator.choice(_ABSURD)))

    def small() -> bytes:
        return write_varint(int(generator.choice([1, 2, 3, 7, 30, 100])))

    size = varint if generator.random() < 0.4 else small
    width = varint if generator.random() < 0.4 else small
    n_layers = int(generator.choice([0, 1, 2, 3, 31, 32, 255]))
    network = int(generator.choice([0x0C, 0x14, 0x04, 0x1C, 0x5C, 0x2C, 0x16, 0x02, int(generator.integers(0, 256))]))
    flags = int(generator.choice([0, 0x0A, 0x13, 0x06, 0x20, 0x40, 0xCA, int(generator.integers(0, 256))]))
    parts = [b"inr\x01", bytes([flags]), size(), size()]
    if flags & 0x40 and generator.random() < 0.8:
        return b"".join([*parts, INIT.id, _random_bytes(generator, 60)])
    if network & 3 == 2 and generator.random() < 0.9:
        grids, context = (
            [0x37, 0x04, 0xBC, 0x11, int(generator.integers(256))][i] for i in generator.integers(0, 5, 2)
        )
        few = [0, 1, 3, 32, 33, 255]
        parts.append(bytes([network & 0x3F, grids, context, int(generator.choice(few)), int(generator.choice(few))]))
        return b"".join([*parts, width(), _random_bytes(generator, 60)])
    parts.append(bytes([network, n_layers]))
    parts += [width() for _ in range(n_layers)]
    if network >> 3 & 3:
        parts.append(varint())
    parts += [_random_bytes(generator, 6) if generator.random() < 0.3 else b"", _random_bytes(generator, 60)]
    return b"".join(parts)


def inputs(seed: int, n: int) -> Iterator[Hostile]:
    """`n` inputs, a pure function of the seed."""
    generator = np.random.default_rng(seed)
    sound_files = sound()
    for _ in range(n):
        data = sound_files[generator.integers(len(sound_files))]
        sizes = _section_sizes(data)
        core = len(data) - sum(sizes)
        match int(generator.integers(9)):
            case 0:
                yield Hostile("truncated", data[: generator.integers(0, len(data))])
            case 1:
                yield Hostile("flipped", flip(generator, data, int(generator.integers(1, 9)), 0, len(data)))
            case 2:
                damaged = flip(generator, data, int(generator.integers(1, 4)), 4, 24)
                yield Hostile("header flipped and mended", mend(damaged, sizes))
            case 3:
                damaged = flip(generator, data, int(generator.integers(1, 30)), 12, core - 4)
                yield Hostile("flipped and mended", mend(damaged, sizes))
            case 4:
                cut = int(generator.integers(12, core - 4))
                garbage = data[:cut] + _random_bytes(generator, 200) + bytes(4)
                yield Hostile("random bytes after a header, mended", mend(garbage, []))
            case 5:
                other = sound_files[generator.integers(len(sound_files))]
                spliced = data[: generator.integers(0, len(data))] + other[generator.integers(0, len(other)) :]
                yield Hostile("spliced", spliced)
            case 6:
                sections = [
                    container._with_checksum(
                        write_varint(int(generator.choice([1, 1, 77, *_ABSURD])))
                        + write_varint(int(generator.choice([3, 3, *_ABSURD])))
                        + _random_bytes(generator, 12)
                    )
                    for _ in range(int(generator.integers(1, 4)))
                ]
                yield Hostile("sections spliced", data[:core] + b"".join(sections))
            case 7:
                parsed = container.unpack(data, LIMITS, lookup_of(INIT))
                tags = generator.choice([1, 2, 77, *_ABSURD], int(generator.integers(1, 4)))
                replaced = {int(tag): _random_bytes(generator, 300) for tag in tags}
                yield Hostile("sections replaced", container.pack(Container(parsed.header, parsed.weights, replaced)))
            case _:
                yield Hostile("absurd header, mended", mend(_absurd_header(generator) + bytes(4), []))
