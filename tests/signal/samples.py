"""Small picture files for the tests, by hand and by other programs."""

import io
import struct
import zlib

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image as PillowImage
from PIL import ImageCms

SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def random_pixels(height, width, channels, dtype: npt.DTypeLike = np.uint8, seed=0):
    high = 256 ** np.dtype(dtype).itemsize
    return np.random.default_rng(seed).integers(0, high, (height, width, channels)).astype(dtype)


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def hand_made_png(width, height, bits, colour_type, rows, extra=b""):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\x00" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + header + extra + pixels + chunk(b"IEND", b"")


def pillow_bytes(picture, format_name, **options):
    stream = io.BytesIO()
    picture.save(stream, format_name, **options)
    return stream.getvalue()


def tiff_bytes(samples, **options):
    stream = io.BytesIO()
    tifffile.imwrite(stream, samples, metadata=None, **options)
    return stream.getvalue()


def exif_bytes(orientation):
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()
