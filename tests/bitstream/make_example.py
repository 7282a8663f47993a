"""Prints section 12 of FORMAT.md: a tiny file, annotated byte by byte. Needed again only if the format changes.

python -m tests.bitstream.make_example
"""

import numpy as np

from inrc.bitstream import container
from inrc.bitstream.io import ByteReader
from inrc.bitstream.limits import DecodeLimits
from inrc.codec import file as files
from inrc.codec.encode import encode
from inrc.codec.options import EncodeOptions
from inrc.config import EncodingConfig, EncodingKind, ModelConfig
from inrc.fit.coordinate.config import CoordinateFitConfig
from tests.bitstream import reference_decoder

MODEL = ModelConfig(widths=(4, 3), encoding=EncodingConfig(EncodingKind.NERF, 2))
FIT = CoordinateFitConfig(n_passes=400, phase_factor=1, lambda_rd=1e-3, steps_per_group=10, groups_per_chunk=4)
UNKNOWN_TAG, UNKNOWN_CONTENT = 200, b"skip me"


def picture() -> np.ndarray:
    """A sunset over the sea, [4, 6, 3]."""
    sky = np.linspace([40, 60, 120], [250, 160, 80], 3)
    rows = np.concatenate([sky, [[20, 40, 60]]])
    glow = np.array([0.5, 0.7, 0.9, 1.0, 0.9, 0.7])
    return np.clip(rows[:, None, :] * glow[None, :, None], 0, 255).astype(np.uint8)


def example() -> bytes:
    """The file, with an optional section that no decoder knows."""
    data = encode(picture(), EncodeOptions(model=MODEL, fit=FIT)).data
    parsed = container.unpack(data, DecodeLimits())
    return container.pack(container.Container(parsed.header, parsed.weights, {UNKNOWN_TAG: UNKNOWN_CONTENT}))


def dump(data: bytes) -> str:
    """The annotated bytes."""
    f = reference_decoder.read(data)
    fields = f.fields
    reader = ByteReader(data)
    lines = []

    def line(n: int, note: str) -> None:
        at = reader.position
        taken = reader.take(n)
        for start in range(0, n, 16):
            part = taken[start : start + 16].hex(" ")
            lines.append(f"{at + start:02x}  {part:<47}  {note if start == 0 else ''}".rstrip())

    def of(*names: str) -> str:
        return ", ".join(f"{name} = {fields[name]}" for name in names)

    def varint() -> int:
        return next(i for i in range(5) if data[reader.position + i] < 128) + 1

    line(3, 'magic = "inr"')
    line(1, of("version"))
    line(1, of("channels", "bit_depth", "colour", "has_sections", "has_init"))
    line(varint(), of("width"))
    line(varint(), of("height"))
    line(1, of("family", "bias", "encoding"))
    line(1, of("n_layers"))
    line(len(f.widths), f"widths = {' '.join(map(str, f.widths))}")
    line(varint(), of("n_frequencies"))
    line(varint(), f"n_stream = {len(f.stream)}")
    line(varint(), f"n_sections = {len(f.sections)}")
    line(len(f.stream), "stream")
    line(4, f"checksum = 0x{f.crc32:08x}")
    line(varint(), f"tag = {UNKNOWN_TAG}")
    line(varint(), f"n_content = {len(UNKNOWN_CONTENT)}")
    line(len(UNKNOWN_CONTENT), f'content = "{UNKNOWN_CONTENT.decode()}"')
    line(4, f"checksum = 0x{int.from_bytes(data[-4:], 'little'):08x}")
    assert reader.remaining == 0
    return "\n".join(lines)


def integers(data: bytes) -> str:
    """What the stream holds."""
    weights = files.unpack(data, DecodeLimits()).weights
    lines = [f"step indices: {' '.join(map(str, weights.step_indices))}"]
    for i, matrix in enumerate(weights.integers):
        lines.append(f"matrix {i}:")
        lines += ["".join(f"{value:5d}" for value in row) for row in matrix]
    return "\n".join(lines)


def rows(data: bytes) -> str:
    """The samples, one row of the picture a line."""
    pixels = reference_decoder.pixels(reference_decoder.read(data))
    return "\n".join("   ".join(" ".join(f"{v:3d}" for v in pixel) for pixel in row) for row in pixels)


def main() -> None:
    data = example()
    print(f"```\n{dump(data)}\n```\n\n```\n{integers(data)}\n```\n\n```\n{rows(data)}\n```")


if __name__ == "__main__":
    main()
