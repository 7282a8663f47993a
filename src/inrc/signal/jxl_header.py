"""The header of a JPEG XL codestream (ISO/IEC 18181-1, annexes B to E) up to its colours, which imagecodecs leaves out.

It is read so that the size is known before a pixel is decoded, and so that colours become a profile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from inrc.errors import UnreadableImageError, UnsupportedImageError
from inrc.signal.icc import D65, SRGB_CHROMATICITIES, Chromaticities

_Value = TypeVar("_Value")
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_SIDES = ((9, 1), (13, 1), (18, 1), (30, 1))
_ENUM = ((0, 0), (0, 1), (4, 2), (6, 18))
_ALPHA, _BLACK = 0, 4
_RGB, _GRAY = 0, 1
_D65, _CUSTOM, _WHITES = 1, 2, {10: (1 / 3, 1 / 3), 11: (0.314, 0.351)}
_PRIMARIES = {
    1: SRGB_CHROMATICITIES,
    9: Chromaticities((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65),
    11: Chromaticities((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65),
}


@dataclass(frozen=True)
class JxlHeader:
    """What the header says.

    Attributes:
        width: In pixels, before the picture is turned.
        height: Likewise.
        bits: Of a sample.
        is_float: Whether samples are floating-point numbers.
        is_animated: Whether there are several frames.
        extra_kinds: Kinds of channels beside colours; 0 is alpha.
        is_premultiplied: Whether alpha is multiplied into the colours.
        is_gray: Whether there is one channel of colour.
        has_profile: Whether colours are an ICC profile, which is coded in the codestream and not read here.
        chromaticities: Of primaries and white; those of sRGB for gray.
        gamma: The exponent from light to samples; None where `transfer` says it.
        transfer: TransferCharacteristics of ITU-T H.273.
    """

    width: int
    height: int
    bits: int = 8
    is_float: bool = False
    is_animated: bool = False
    extra_kinds: tuple[int, ...] = ()
    is_premultiplied: bool = False
    is_gray: bool = False
    has_profile: bool = False
    chromaticities: Chromaticities = SRGB_CHROMATICITIES
    gamma: float | None = None
    transfer: int = 13


class _Bits:
    """Reads fields of bits, least significant first (18181-1, annex B)."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "little")
        self._left = 8 * len(data)

    def number(self, n_bits: int) -> int:
        if n_bits > self._left:
            raise UnreadableImageError("the JPEG XL header is truncated; copy or download it again")
        value = self._value & ((1 << n_bits) - 1)
        self._value >>= n_bits
        self._left -= n_bits
        return value

    def flag(self) -> bool:
        return bool(self.number(1))

    def choice(self, *choices: tuple[int, int]) -> int:
        """U32: two bits choose (number of bits, offset)."""
        n_bits, offset = choices[self.number(2)]
        return self.number(n_bits) + offset

    def signed(self, *choices: tuple[int, int]) -> int:
        value = self.choice(*choices)
        return -(value + 1) // 2 if value & 1 else value // 2


def read_header(codestream: bytes) -> JxlHeader:
    """Reads the header of a codestream.

    Args:
        codestream: From its two bytes of signature on; what follows the header may be missing.

    Raises:
        UnreadableImageError: If it is truncated or damaged.
        UnsupportedImageError: If its colours are neither gray nor RGB.
    """
    bits = _Bits(codestream[2:4096])
    width, height = _size(bits)
    if bits.flag():  # everything is the default
        return JxlHeader(width, height)
    is_animated = _extra_fields(bits) if bits.flag() else False
    n_bits, is_float = _depth(bits)
    bits.flag()  # whether 16-bit buffers suffice
    n_extra = bits.choice((0, 0), (0, 1), (4, 2), (12, 1))
    extra = [_extra_channel(bits) for _ in range(n_extra)]
    bits.flag()  # whether it is coded as XYB
    is_premultiplied = any(kind == _ALPHA and associated for kind, associated in extra)
    kinds = tuple(kind for kind, _ in extra)
    plain = JxlHeader(width, height, n_bits, is_float, is_animated, kinds, is_premultiplied)
    return _with_colours(bits, plain)


def _size(bits: _Bits) -> tuple[int, int]:
    """Width and height (SizeHeader)."""
    is_small = bits.flag()

    def side() -> int:
        return 8 * (bits.number(5) + 1) if is_small else bits.choice(*_SIDES)

    height = side()
    ratio = bits.number(3)
    if ratio == 0:
        return side(), height
    numerator, denominator = _RATIOS[ratio]
    return height * numerator // denominator, height


def _extra_fields(bits: _Bits) -> bool:
    """Whether the picture is animated; the orientation is the decoder's business."""
    bits.number(3)
    if bits.flag():
        _size(bits)
    if bits.flag():
        raise UnsupportedImageError("it holds a preview, which inrc does not read; convert it to PNG first")
    return bits.flag()  # the fields of an animation are not read


def _depth(bits: _Bits) -> tuple[int, bool]:
    """Bits of a sample, and whether it is a floating-point number (BitDepth)."""
    if not bits.flag():
        return bits.choice((0, 8), (0, 10), (0, 12), (6, 1)), False
    n_bits = bits.choice((0, 32), (0, 16), (0, 24), (6, 1))
    bits.number(4)
    return n_bits, True


def _extra_channel(bits: _Bits) -> tuple[int, bool]:
    """The kind of a channel, and whether it is multiplied into the colours (ExtraChannelInfo)."""
    if bits.flag():
        return _ALPHA, False
    kind = bits.choice(*_ENUM)
    _depth(bits)
    bits.choice((0, 0), (0, 3), (0, 4), (3, 1))  # how much smaller it is
    for _ in range(bits.choice((0, 0), (4, 0), (5, 16), (10, 48))):
        bits.number(8)  # its name
    if kind == _ALPHA:
        return kind, bits.flag()
    if kind not in (1, 3, _BLACK):
        raise UnsupportedImageError("it has channels beside colours and alpha; keep gray or RGB and one alpha channel")
    return kind, False


def _with_colours(bits: _Bits, header: JxlHeader) -> JxlHeader:
    """Adds what ColourEncoding says."""
    values = vars(header)
    if header.is_animated or bits.flag():
        return header
    has_profile, space = bits.flag(), bits.choice(*_ENUM)
    if space not in (_RGB, _GRAY):
        raise UnsupportedImageError("its colours are neither gray nor RGB; convert it to PNG first")
    values |= {"is_gray": space == _GRAY, "has_profile": has_profile}
    if has_profile:
        return JxlHeader(**values)
    kind, white = bits.choice(*_ENUM), D65
    if kind != _D65:
        white = _xy(bits) if kind == _CUSTOM else _known(_WHITES, kind)
    chromaticities = SRGB_CHROMATICITIES
    if space == _RGB:
        kind = bits.choice(*_ENUM)
        chromaticities = (
            Chromaticities(_xy(bits), _xy(bits), _xy(bits), white) if kind == _CUSTOM else _known(_PRIMARIES, kind)
        )
    chromaticities = chromaticities._replace(white=white)
    if bits.flag():
        return JxlHeader(**values | {"chromaticities": chromaticities, "gamma": bits.number(24) / 1e7})
    return JxlHeader(**values | {"chromaticities": chromaticities, "transfer": bits.choice(*_ENUM)})


def _xy(bits: _Bits) -> tuple[float, float]:
    choices = ((19, 0), (19, 1 << 19), (20, 1 << 20), (21, 1 << 21))
    return bits.signed(*choices) / 1e6, bits.signed(*choices) / 1e6


def _known(table: dict[int, _Value], kind: int) -> _Value:
    if kind not in table:
        raise UnreadableImageError("the JPEG XL header is damaged; copy or download it again")
    return table[kind]
