"""Records for tests, of curves that are known exactly."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from inrc.evaluate.records import Record, settings_digest

BPP = (0.1, 0.2, 0.4, 0.8, 1.6)
PICTURES = ("kodim01", "kodim02", "kodim03")
N_PIXELS = 768 * 512


def make_record(**changes: Any) -> Record:
    """Returns a record in which everything agrees: bytes and rate, error and PSNR.

    Args:
      **changes: fields of `Record`. The rate decides the bytes and the PSNR the mean squared error, and codec and point
        the settings, unless these are given.
    """
    values: dict[str, Any] = {
        "picture": "kodim01",
        "picture_digest": f"digest-{changes.get('picture', 'kodim01')}",
        "width": 768,
        "height": 512,
        "codec": "jpeg_444",
        "point": 50.0,
        "bpp": 0.4,
        "psnr_db": 30.0,
        "ssim": 0.9,
        "ms_ssim": 0.95,
        "encode_seconds": 2.0,
        "decode_seconds": 0.25,
        "encode_cpu_seconds": 3.0,
        "file_digest": "0123456789abcdef",
        "extension": "jpg",
        "device": "2 x cpu x86_64",
        "versions": {"inrc": "0.1.0"},
        "commit": "f09d35f123",
        "measured_at": "2025-01-01T00:00:00+00:00",
    } | changes
    values.setdefault("n_bytes", round(values["bpp"] * N_PIXELS / 8))
    values.setdefault("mse", 10 ** (-values["psnr_db"] / 10))
    settings = {"codec": values["codec"], "point": values["point"]}
    if values["codec"] == "jpeg_444":
        settings |= {"format": "JPEG", "subsampling": "4:4:4"}
    values.setdefault("settings", settings)
    return Record(**{"settings_digest": settings_digest(values["settings"]), **values})


def make_curve_records(
    codec: str = "jpeg_444",
    *,
    rate_factor: float = 1.0,
    psnr_shift: float = 0.0,
    bpp: Sequence[float] = BPP,
    pictures: Iterable[str] = PICTURES,
    **changes: Any,
) -> list[Record]:
    """Returns records of one codec whose PSNR is 32 dB at 0.8 bpp and 3 dB more at every doubling of the rate.

    The MS-SSIM is 10 dB at 0.8 bpp on the scale -10 log10(1 - MS-SSIM) and rises by 2 dB.

    Args:
      codec: its name.
      rate_factor: rate at equal quality, as a multiple. BD-rates against the codec with 1 are 100 (factor - 1) %.
      psnr_shift: added to every PSNR, in dB.
      bpp: rates of a codec with the factor 1; also the points.
      pictures: names. The n-th has a PSNR n dB lower than the first, from n = 0 on.
      **changes: fields of `Record`, the same for all.
    """
    records = []
    for lower, picture in enumerate(pictures):
        for rate in bpp:
            doublings = math.log2(rate / 0.8)
            values: dict[str, Any] = {
                "picture": picture,
                "codec": codec,
                "point": rate,
                "bpp": rate_factor * rate,
                "psnr_db": 32 + 3 * doublings - lower + psnr_shift,
                "ssim": 0.9 + 0.02 * doublings,
                "ms_ssim": 1 - 10 ** (-(10 + 2 * doublings) / 10),
            }
            records.append(make_record(**{**values, **changes}))
    return records
