"""The reference decoder: format v1 decoded from FORMAT.md alone, in plain Python and float64, with no code of inrc.

Where it and the package disagree, one of them or the document is wrong.
"""

import bisect
import dataclasses
import decimal
import functools
import hashlib
import io
import itertools
import json
import statistics
import zlib

import numpy as np

from tests.bitstream import reference_grids, reference_tables
from tests.entropy import latent_reference_decoder

COLOUR = {
    0: np.eye(3),
    1: np.array([[1, 0, 1.402], [1, -0.114 * 1.772 / 0.587, -0.299 * 1.402 / 0.587], [1, 1.772, 0]]),
    2: np.array([[1, 1, -1], [1, 0, 1], [1, -1, -1]]),
    3: np.array([[1, 1, -1], [1, 0, 2], [1, -1, -1]]) / np.sqrt([3, 2, 6]),
}
SIREN, FOURIER, LATENT_GRID, HASH_GRID = 0, 1, 2, 3
NONE, NERF, LOG_SPACED, GAUSSIAN = 0, 1, 2, 3
INTEGERS, HALF, COMPANDED = 0, 1, 2
FAMILIES, ENCODINGS = ["SIREN", "FOURIER"], ["NONE", "NERF", "LOG_SPACED", "GAUSSIAN"]


@dataclasses.dataclass
class File:
    """Fields of the header by the names of FORMAT.md, and what follows them."""

    fields: dict[str, int]
    widths: list[int]
    stream: bytes
    crc32: int
    sections: dict[int, bytes]
    step_indices: list[int]
    matrices: list[np.ndarray]
    means: list[np.ndarray] | None
    powers: list[int]
    tails: list[np.ndarray]
    grids: list[np.ndarray]

    @property
    def icc_profile(self) -> bytes:
        return self.inflated(1)

    @property
    def exif(self) -> bytes:
        return self.inflated(2)

    @property
    def xmp(self) -> bytes:
        return self.inflated(3)

    def inflated(self, tag: int) -> bytes:
        return zlib.decompress(self.sections[tag]) if self.sections.get(tag) else b""


# Container and header (sections 1 and 2) -------------------------------------------------------------------------


class Bytes:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def take(self, n: int) -> bytes:
        assert self.position + n <= len(self.data), "truncated"
        self.position += n
        return self.data[self.position - n : self.position]

    def byte(self) -> int:
        return self.take(1)[0]

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def check(self, start: int) -> int:
        """Verifies the checksum that stands here against the bytes from `start` on."""
        actual = zlib.crc32(self.data[start : self.position])
        stated = int.from_bytes(self.take(4), "little")
        assert actual == stated, "checksum"
        return stated


def read(data: bytes, init_archive: bytes = b"") -> File:
    """A file, and the bytes of the shared init's archive where it needs one."""
    reader = Bytes(data)
    assert reader.take(3) == b"inr"
    f = {"version": reader.byte()}
    assert f["version"] == 1
    flags = reader.byte()
    f["channels"] = (flags & 3) + 1
    f["bit_depth"] = 16 if flags & 4 else 8
    f["colour"] = flags >> 3 & 3
    f["has_sections"] = flags >> 5 & 1
    f["has_init"] = flags >> 6 & 1
    f["transposed"] = flags >> 7
    f["width"], f["height"] = reader.varint(), reader.varint()
    init = None
    if f["has_init"]:
        init = read_init(init_archive)
        assert init.sha256[:8] == reader.take(8), "another init"
        f |= init.fields
        widths = init.widths
    else:
        network = reader.byte()
        f["family"] = network & 3 if network & 3 < 3 else reader.byte()
        widths = []
        if f["family"] == LATENT_GRID:
            read_grids(reader, network, f)
        else:
            widths = read_layers(reader, network, f)
    assert f["transposed"] <= (f["has_init"] or f["family"] == LATENT_GRID)
    n_bytes = reader.varint() if f["has_sections"] else len(data) - 4 - reader.position
    n_sections = reader.varint() if f["has_sections"] else 0
    stream = reader.take(n_bytes)
    crc32 = reader.check(0)
    sections = {}
    for _ in range(n_sections):
        start = reader.position
        tag = reader.varint()
        sections[tag] = reader.take(reader.varint())
        reader.check(start)
    assert reader.position == len(data), "bytes after the end"
    means, scale_indices = (None, None) if init is None else for_picture(init, f)
    decoder = RangeDecoder(stream)
    steps, powers, matrices = weights(decoder, shapes(f, widths), scale_indices, f.get("storage", INTEGERS))
    tails = read_tails(decoder, matrices) if f.get("storage") == HALF else []
    file = File(f, widths, stream, crc32, sections, steps, matrices, means, powers, tails, [])
    if f["family"] == LATENT_GRID:
        named = {name: m.tolist() for name, m in zip(reference_grids.shapes(f), dequantised(file), strict=True)}
        found = latent_reference_decoder.decode(
            decoder.symbol, named, seen_size(f), reference_grids.kinds(f), n_spatial=f["n_spatial"]
        )
        file.grids = [np.array(grid) for grid in found]
    return file


def read_grids(reader: Bytes, network: int, f: dict[str, int]) -> None:
    f["refinement"] = network >> 2 & 1
    f["context_layers"] = network >> 3
    grids, context = reader.byte(), reader.byte()
    f["n_grids"], f["n_hyper"] = grids & 15, grids >> 4
    f["n_spatial"], f["n_cross_levels"] = context & 15, context >> 4
    f["n_cross"], f["n_residual"] = reader.byte(), reader.byte()
    f["synthesis_width"] = reader.varint()


def read_layers(reader: Bytes, network: int, f: dict[str, int]) -> list[int]:
    f["bias"] = network >> 2 & 1
    f["encoding"] = network >> 3 & 3
    f["n_layers"] = reader.byte()
    widths = [reader.varint() for _ in range(f["n_layers"])]
    if f["family"] == HASH_GRID:
        assert f["encoding"] == NONE, "corrupt: encoding"
        f |= {name: reader.byte() for name in ("n_levels", "n_features", "log2_entries", "growth")}
        f["coarsest"] = reader.varint()
    f["n_frequencies"] = reader.varint() if f["encoding"] != NONE else 0
    f["omega_0"] = reader.byte() if network >> 5 & 1 else 30
    f["quarter_sigma"] = reader.varint() if network >> 6 & 1 else 40
    variant = reader.byte() if network >> 7 else 0
    f["storage"], f["sampled_phases"], n_modulator = variant & 3, variant >> 2 & 1, variant >> 3
    # The modulator's widths are a field of one number: digits to the base 2^16, the first lowest.
    f["modulator"] = sum(reader.varint() << 16 * i for i in range(n_modulator))
    return widths


def modulator_widths(f: dict[str, int]) -> list[int]:
    rest, widths = f.get("modulator", 0), []
    while rest:
        widths.append(rest & 0xFFFF)
        rest >>= 16
    return widths


def seen_size(fields: dict[str, int]) -> tuple[int, int]:
    """Samples along axis 0 and axis 1 of the picture as the network sees it."""
    size = fields["height"], fields["width"]
    return (size[1], size[0]) if fields["transposed"] else size


# Shared inits (section 13) ---------------------------------------------------------------------------------------


@dataclasses.dataclass
class Init:
    fields: dict[str, int]
    widths: list[int]
    canvas: tuple[int, int]
    n_outputs: int
    means: list[np.ndarray]
    scale_indices: list[np.ndarray]
    sha256: bytes


def read_init(archive: bytes) -> Init:
    arrays = dict(np.load(io.BytesIO(archive), allow_pickle=False))
    about = json.loads(str(arrays.pop("about")))
    encoding = about["encoding"]
    fields = {
        "family": FAMILIES.index(about["family"]),
        "bias": int(about["bias"]),
        "encoding": ENCODINGS.index(encoding["kind"]),
        "n_layers": len(about["widths"]),
        "n_frequencies": encoding["n_frequencies"],
        "omega_0": about["omega_0"],
        "quarter_sigma": round(4 * encoding["sigma"]),
    }
    members = ("bias", "encoding", "family", "n_outputs", "omega_0", "shape", "widths")
    hashed = json.dumps({name: about[name] for name in members}, sort_keys=True).encode("ascii")
    n_matrices = len(about["widths"]) + 1
    assert len(arrays) == 2 * n_matrices
    means, scale_indices = (
        [arrays[f"{what}/layer_{i}"] for i in range(n_matrices)] for what in ("mean", "scale")
    )  # fmt: skip
    for i, (mean, indices) in enumerate(zip(means, scale_indices, strict=True)):
        rows, columns = mean.shape
        assert indices.shape == mean.shape
        assert np.isfinite(mean).all()
        hashed += f"layer_{i} ({rows}, {columns}) <f2".encode() + mean.astype("<f2").tobytes()
        hashed += f"layer_{i} ({rows}, {columns}) u1".encode() + indices.astype("u1").tobytes()
    canvas = (about["shape"][0], about["shape"][1])
    sha256 = hashlib.sha256(hashed).digest()
    return Init(fields, about["widths"], canvas, about["n_outputs"], means, scale_indices, sha256)


def for_picture(init: Init, fields: dict[str, int]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Means and scale indices of the picture's weights."""
    assert fields["channels"] in (1, init.n_outputs), "corrupt: channels"
    encoding, n_frequencies = fields["encoding"], fields["n_frequencies"]
    kept: list[int] = []
    if encoding in (NONE, GAUSSIAN):
        kept = list(range(n_features(encoding, n_frequencies, init.canvas)))
    else:
        for of_canvas, of_picture in zip(init.canvas, seen_size(fields), strict=True):
            have, need = (len(axis_frequencies(encoding, n_frequencies, n)) for n in (of_canvas, of_picture))
            assert need <= have, "corrupt: frequencies"
            first = n_features(encoding, n_frequencies, init.canvas[:1]) if kept else 0
            kept += [first, *range(first + 1, first + 1 + need), *range(first + 1 + have, first + 1 + have + need)]
    if fields["bias"]:
        kept.append(init.means[0].shape[1] - 1)

    def adapted(matrices: list[np.ndarray]) -> list[np.ndarray]:
        matrices = [matrices[0][:, kept], *matrices[1:]]
        return [*matrices[:-1], matrices[-1][: fields["channels"]]]

    return adapted(init.means), adapted(init.scale_indices)


# Tables, scale context and range coder (sections 4 to 6) ---------------------------------------------------------


def scale(index: float) -> decimal.Decimal:
    return (decimal.Decimal(2).ln() * (decimal.Decimal(index) / 4 - 4)).exp()


def max_magnitude(index: int) -> int:
    # The exact product is a whole number where index is a multiple of 4; rounding may leave it just below.
    return min(1023, 4 + int(scale(index) * 14 + decimal.Decimal("1e-12")))


@functools.cache
def frequencies(index: int) -> list[int]:
    largest = max_magnitude(index)
    ratio = (-1 / scale(index)).exp()
    available = 2**24 - (2 * largest + 2)
    tail = [1 + int(ratio ** (k - decimal.Decimal("0.5")) * (1 - ratio) / 2 * available) for k in range(1, largest + 1)]
    escape = 1 + int(ratio ** (largest + decimal.Decimal("0.5")) * available)
    return [*reversed(tail), 2**24 - 2 * sum(tail) - escape, *tail, escape]


@functools.cache
def table(index: int) -> list[int]:
    return [0, *itertools.accumulate(frequencies(index))]


@functools.cache
def thresholds() -> list[int]:
    return [int(scale(i + 0.5) * 2**16) for i in range(63)]


class RangeDecoder:
    def __init__(self, stream: bytes) -> None:
        self.stream = Bytes(stream + bytes(-len(stream) % 4))
        self.lower, self.range = 0, 2**64 - 1
        self.point = self.word() << 32
        self.point |= self.word()

    def word(self) -> int:
        left = len(self.stream.data) - self.stream.position
        return int.from_bytes(self.stream.take(4), "big") if left else 0

    def symbol(self, ends: list[int]) -> int:
        unit = self.range >> 24
        quantile = (self.point - self.lower) % 2**64 // unit
        assert quantile < 2**24
        found = bisect.bisect_right(ends, quantile) - 1
        self.lower = (self.lower + unit * ends[found]) % 2**64
        self.range = unit * (ends[found + 1] - ends[found])
        if self.range < 2**32:
            self.lower = (self.lower << 32) % 2**64
            self.range <<= 32
            self.point = (self.point << 32) % 2**64 | self.word()
        return found

    def bit(self) -> int:
        return self.symbol([0, 2**23, 2**24])

    def integer(self, index: int) -> int:
        largest = max_magnitude(index)
        symbol = self.symbol(table(index))
        if symbol <= 2 * largest:
            return symbol - largest
        n_bits = 1
        while self.bit():
            n_bits += 1
        excess = 1
        for _ in range(n_bits - 1):
            excess = 2 * excess + self.bit()
        return -(largest + excess) if self.bit() else largest + excess


@dataclasses.dataclass
class Constants:
    """The numbers in which the two algorithms of section 6 differ."""

    p: int
    q: int
    first: int
    k: int
    u: int
    h: int


WITHOUT, WITH = Constants(0, 8, 3, 4, 4, 4), Constants(16, 16, 1, 64, 16, 16)


@functools.cache
def eighths(exponent: int, places: int) -> int:
    """floor(2^(places + exponent / 8))."""
    with decimal.localcontext(decimal.Context(prec=60)):
        power = (decimal.Decimal(2).ln() * (decimal.Decimal(exponent) / 8 + places)).exp()
        # Where the exponent is a multiple of 8 the power is whole; rounding may leave it just below.
        return int(power + decimal.Decimal("1e-30"))


@functools.cache
def expected(exponent: int) -> tuple[int, int, int]:
    """(w, n, b) of an integer with a prior."""
    b, w = eighths(exponent, 24), eighths(-max(exponent, 0), 16)
    s = bisect.bisect_left(thresholds(), eighths(exponent, 16))
    largest = max_magnitude(s)
    counts = frequencies(s)
    a = sum(abs(j - largest) * counts[j] for j in range(2 * largest + 1)) // 2**8
    return w, a * w // 2**16, b


def read_tails(decoder: RangeDecoder, matrices: list[np.ndarray]) -> list[np.ndarray]:
    """The tails of binary16 numbers with these exponent offsets."""
    tails = []
    for offsets in matrices:
        tail = np.zeros(offsets.shape, int)
        for j, i in np.ndindex(offsets.T.shape):
            n_bits = 11 if offsets[i, j] == 0 else 10
            tail[i, j] = decoder.symbol([k << 24 - n_bits for k in range(2**n_bits + 1)])
        tails.append(tail)
    return tails


def other_lines(decoder: RangeDecoder, n_lines: int, length: int) -> list[int]:
    """Numbers of the rows or columns of a matrix that are no zero lines."""
    if length < 3:
        return list(range(n_lines))
    others, n_zeros = [], 1
    for i in range(n_lines):
        zero = 2**24 * n_zeros // (4 + i)
        if decoder.symbol([0, 2**24 - zero, 2**24]):
            n_zeros += 1
        else:
            others.append(i)
    return others


def weights(
    decoder: RangeDecoder,
    shape_list: list[tuple[int, int]],
    scale_indices: list[np.ndarray] | None = None,
    storage: int = 0,
) -> tuple[list[int], list[int], list[np.ndarray]]:
    steps, powers = [], []
    for i in range(len(shape_list)):
        steps.append(steps[-1] + decoder.integer(28) if i else 128 + decoder.integer(32))
    if storage == COMPANDED:
        for _ in shape_list:
            powers.append((powers[-1] if powers else 24) + decoder.integer(28))
    matrices = []
    c = WITHOUT if scale_indices is None else WITH
    p, q = 2**c.p, 2**c.q
    total, count = c.first * c.k * p, c.k * p
    for l, (n_units, n_inputs) in enumerate(shape_list):  # noqa: E741
        total, count = max(1, total * c.k * p // count), c.k * p
        units, shares = [0] * n_units, [0] * n_units
        matrix = np.zeros((n_units, n_inputs))
        rows = other_lines(decoder, n_units, n_inputs)
        columns = other_lines(decoder, n_inputs, len(rows))
        for j in columns:
            observed = expected_sum = max(1, c.h * q // 2 * total // count)
            for i in rows:
                w, n, b = 1, 1, 2**24
                if scale_indices is not None:
                    w, n, b = expected(min(max(int(scale_indices[l][i, j]) - steps[l], -64), 64))
                mean = q * (units[i] * count + c.u * p * total) // ((shares[i] + c.u * p) * count)
                index = bisect.bisect_left(thresholds(), 2**16 // q * mean * observed // expected_sum * b // 2**24)
                value = decoder.integer(index)
                matrix[i, j] = value
                observed += q // p * w * abs(value)
                expected_sum += mean * n // p
                units[i] += w * abs(value)
                shares[i] += n
                total += w * abs(value)
                count += n
        matrices.append(matrix)
    return steps, powers, matrices


# Network and picture (sections 3, 7, 8 and 9) --------------------------------------------------------------------


def axis_frequencies(encoding: int, n_frequencies: int, n_samples: int) -> list[float]:
    base, numerator, denominator = (2.0, 2, 1) if encoding == NERF else (1.4, 7, 5)
    return [base**i for i in range(n_frequencies) if 2 * numerator**i <= n_samples * denominator**i]


def gaussian_frequencies(n_frequencies: int, quarter_sigma: int, shape: tuple[int, ...]) -> np.ndarray:
    n_axes = len(shape)
    phi = float(np.max(np.roots([1, *[0] * (n_axes - 1), -1, -1]).real))  # the positive root of x^(d + 1) = x + 1
    rows = np.empty((n_frequencies, n_axes))
    for i in range(n_frequencies):
        for axis in range(n_axes):
            u = (0.5 + (i + 1) * phi ** -(axis + 1)) % 1
            rows[i, axis] = statistics.NormalDist(0, quarter_sigma / 4).inv_cdf(min(max(u, 1e-9), 1 - 1e-9))
    half = np.asarray(shape) / 2
    return (np.abs((rows + half) % (4 * half) - 2 * half) - half).astype(np.float32)


def shapes(fields: dict[str, int], widths: list[int]) -> list[tuple[int, int]]:
    if fields["family"] == LATENT_GRID:
        return list(reference_grids.shapes(fields).values())
    channels, size, bias = fields["channels"], seen_size(fields), fields["bias"]
    fan_in = n_features(fields["encoding"], fields["n_frequencies"], size)
    out = []
    if fields["family"] == HASH_GRID:
        out = reference_tables.shapes(fields, size)
        fan_in = sum(rows for rows, _ in out)
    for width in [*widths, channels]:
        out.append((width, fan_in + bias))
        fan_in = width
    if fields.get("modulator"):
        fan_in = n_features(LOG_SPACED, 4, size)
        for width in [*modulator_widths(fields), 1]:
            out.append((width, fan_in + 1))
            fan_in = width
    return out


def n_features(encoding: int, n_frequencies: int, size: tuple[int, ...]) -> int:
    if encoding == NONE:
        return len(size)
    if encoding == GAUSSIAN:
        return 2 * n_frequencies
    return sum(1 + 2 * len(axis_frequencies(encoding, n_frequencies, n)) for n in size)


def features(encoding: int, n_frequencies: int, quarter_sigma: int, points: list[np.ndarray], size: tuple[int, ...]):
    """Features [n_features, n_points] at points, one float32 array [n_points] per axis."""
    single = np.float32
    pi = single(np.pi)
    if encoding == NONE:
        return np.array(points, np.float64)
    if encoding == GAUSSIAN:
        vectors = gaussian_frequencies(n_frequencies, quarter_sigma, size)
        products = [(pi * vectors[:, a : a + 1]) * p[None] for a, p in enumerate(points)]
        angles = np.sum(np.array(products, np.float64), axis=0)
        return np.concatenate([np.sin(angles), np.cos(angles)])
    groups = []
    for point, n_samples in zip(points, size, strict=True):
        frequencies_ = np.array(axis_frequencies(encoding, n_frequencies, n_samples), single)
        angles = ((pi * frequencies_)[:, None] * point[None]).astype(np.float64)
        groups += [point[None].astype(np.float64), np.sin(angles), np.cos(angles)]
    return np.concatenate(groups)


def network(
    family: int,
    omega_0: float | np.ndarray,
    bias: int,
    matrices: list[np.ndarray],
    x: np.ndarray,
    sampled_phases: int = 0,
) -> np.ndarray:
    """Outputs [n_outputs, n_points] of features [n_features, n_points], in float64."""
    for i, matrix in enumerate(matrices):
        x = matrix[:, :-1] @ x + matrix[:, -1:] if bias else matrix @ x
        if i < len(matrices) - 1 and sampled_phases:
            t = np.array([j / max(1, len(x) - 1) for j in range(len(x))])[:, None]
            x = np.sin(omega_0 * (1.2 - 0.4 * t) * x + np.pi * np.sin(2 * np.pi * (10 * t - 5)))
        elif i < len(matrices) - 1:
            x = np.sin(omega_0 * x) if family == SIREN else np.maximum(x, 0)
    return x


def outputs_at(
    f: dict[str, int], matrices: list[np.ndarray], points: list[np.ndarray], size: tuple[int, ...]
) -> np.ndarray:
    """Outputs [n_outputs, n_points] of a coordinate network with the header's fields f, in float64."""
    if f["family"] == HASH_GRID:
        n_tables = len(reference_tables.levels(f, size))
        x, matrices = reference_tables.features(f, matrices[:n_tables], points, size), matrices[n_tables:]
    else:
        x = features(f["encoding"], f["n_frequencies"], f["quarter_sigma"], points, size)
    omega = f["omega_0"]
    if f.get("modulator"):
        own, matrices = matrices[f["n_layers"] + 1 :], matrices[: f["n_layers"] + 1]
        omega = omega + 10 * network(SIREN, omega, 1, own, features(LOG_SPACED, 4, 0, points, size))
    return network(f["family"], omega, f["bias"], matrices, x, f.get("sampled_phases", 0))


def step(index: int) -> float:
    return float(np.float32(2.0 ** (index / 8 - 24)))


def dequantised(file: File) -> list[np.ndarray]:
    """All matrices as binary32 numbers, in float64."""
    if file.tails:
        return [
            half(largest, offsets, tails)
            for largest, offsets, tails in zip(file.step_indices, file.matrices, file.tails, strict=True)
        ]
    if file.powers:
        rows = zip(file.matrices, file.step_indices, file.powers, strict=True)
        return [
            np.sign(m) * ((np.abs(m) ** (1 + p / 64)).astype(np.float32) * np.float32(step(s))).astype(np.float64)
            for m, s, p in rows
        ]
    matrices = [
        m.astype(np.float32) * np.float32(step(s)) for m, s in zip(file.matrices, file.step_indices, strict=True)
    ]
    if file.means is not None:
        matrices = [mean.astype(np.float32) + m for mean, m in zip(file.means, matrices, strict=True)]
    return [m.astype(np.float64) for m in matrices]


def half(largest: int, offsets: np.ndarray, tails: np.ndarray) -> np.ndarray:
    out = np.empty(offsets.shape)
    for i, j in np.ndindex(offsets.shape):
        offset, tail = int(offsets[i, j]), int(tails[i, j])
        negative = tail >> 10 if offset == 0 else offset < 0
        exponent, significand = largest - abs(offset), tail & 1023
        magnitude = (1024 + significand) * 2.0 ** (exponent - 25) if exponent else significand * 2.0**-24
        out[i, j] = -magnitude if negative else magnitude
    return out


def values(file: File) -> np.ndarray:
    """Values [C, h, w] of the picture as the network sees it, neither clipped nor rounded."""
    f = file.fields
    size, matrices = seen_size(f), dequantised(file)
    if f["family"] == LATENT_GRID:
        grids = {k: grid for (k, hyper), grid in zip(reference_grids.kinds(f), file.grids, strict=True) if not hyper}
        return reference_grids.outputs(f, dict(zip(reference_grids.shapes(f), matrices, strict=True)), grids)
    centres = [((np.arange(n) + 0.5) / n * 2 - 1).astype(np.float32) for n in size]
    points = [a.ravel() for a in np.meshgrid(*centres, indexing="ij")]
    outputs = outputs_at(f, matrices, points, size)
    if f["channels"] >= 3:
        outputs[:3] = COLOUR[f["colour"]] @ outputs[:3]
    return (0.5 * outputs + 0.5).reshape(-1, *size)


def samples(file: File) -> np.ndarray:
    """Samples [H, W, C] as real numbers on the scale of the integers, clipped but not rounded."""
    f = file.fields
    unit = np.clip(np.nan_to_num(values(file)), 0, 1)
    picture = np.moveaxis(unit, 0, -1) * (2 ** f["bit_depth"] - 1)
    return picture.transpose(1, 0, 2) if f["transposed"] else picture


def pixels(file: File) -> np.ndarray:
    return np.floor(samples(file) + 0.5).astype(np.uint8 if file.fields["bit_depth"] == 8 else np.uint16)
