"""Writes the golden files of format v1. A file is written once and never changed; see v1/README.md.

python -m tests.golden.make [--add | --force] [--out FOLDER]
"""

import argparse
import dataclasses
import hashlib
import json
import platform
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
import numpy as np
from PIL import ImageCms

import inrc
from inrc import presets, shared_init
from inrc.bitstream import container
from inrc.bitstream.container import Container
from inrc.codec import file as files
from inrc.codec.encode import encode
from inrc.codec.file import File
from inrc.codec.options import EncodeOptions
from inrc.config import EncodingConfig, EncodingKind, LatentGridConfig, ModelConfig, ModelFamily
from inrc.fit.coordinate.config import CoordinateFitConfig
from inrc.fit.coordinate.schedule import Schedule
from inrc.fit.latent.config import LatentFitConfig
from inrc.fit.optimiser import OptimiserConfig
from inrc.shared_init import SharedInit
from inrc.signal.colour import ColourTransform
from inrc.signal.image import Image, encode_image, read_image
from tests.shared_init.inits import random_init

FOLDER = Path(__file__).parent / "v1"
PHOTOGRAPH = Path(__file__).parents[2] / "experiments" / "assets" / "coffee_small.png"
INIT = "init.npz"
EXIF = bytes.fromhex(  # Make "golden", and orientation 1
    "4d4d002a000000080002010f0002000000070000002601120003000000010001000000000000676f6c64656e00"
)
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
_FIRST_CODECS = ("siren", "siren-plain", "siren-nerf", "fourier", "hash-grid")
"""Codecs with larger pictures than those that came later."""
MAX_BYTES = 110_000

_ADAM = OptimiserConfig(preconditioned=False)  # compiles in half the time
_FIT = CoordinateFitConfig(n_passes=60, phase_factor=2, steps_per_group=10, groups_per_chunk=2, optimiser=_ADAM)
_HASH_FIT = dataclasses.replace(_FIT, lambda_rd=3e-4, schedule=Schedule(learning_rate=2e-2))
_LATENT_FIT = LatentFitConfig(n_steps=120, lambda_rd=2e-4, groups_per_chunk=3, optimiser=_ADAM)
_SMALL_GRIDS = LatentGridConfig(
    n_grids=4, n_hyper=2, n_spatial=6, n_cross=3, n_cross_levels=2, context_layers=1, synthesis_width=6, n_residual=1
)
_LARGE_GRIDS = LatentGridConfig(
    n_grids=8, n_hyper=5, n_spatial=14, n_cross=9, n_cross_levels=4, context_layers=3, synthesis_width=130, n_residual=3
)
_README = """# Golden files of format v1

Every release decodes these files: their integers exactly, their pixels within 1 of those beside them (16 bits: 4)
(`tests/golden/test_golden.py`). They are never rewritten; a new feature adds a file.

Written by `python -m tests.golden.make` from `experiments/assets/coffee_small.png` (its provenance is in the README
beside it), cut as `make.py` says, with {versions}.

| file | what it holds | bytes |
|---|---|---|
{rows}

- `NAME.inr` is the file, `NAME.png` what the release that wrote it decoded it to.
- `init.npz` is the shared init that files called `init-...` need, random weights and scales.
- `golden.json` has the SHA-256 of every file and of its integers: the step indices, then all matrices and
  then all grids of latents in the order of the file, row by row, and then powers and tails where there are any, each
  integer as four bytes, little-endian, two's complement.
"""


@dataclasses.dataclass(frozen=True)
class Golden:
    """One file to write."""

    name: str
    about: str
    image: Image
    options: EncodeOptions
    unknown_sections: Mapping[int, bytes] = dataclasses.field(default_factory=dict)
    has_init: bool = False
    has_spikes: bool = False


def new_init() -> SharedInit:
    """The init as it was first made; the golden files need the one in the folder."""
    model = ModelConfig(widths=(10, 8), encoding=EncodingConfig(EncodingKind.LOG_SPACED, 9))
    return random_init(model, (24, 36))


def integers_hash(file: File) -> str:
    """SHA-256 of step indices, matrices, latents, powers and tails."""
    digest = hashlib.sha256(np.array(file.weights.step_indices, "<i4").tobytes())
    for matrix in (*file.weights.integers, *file.latents, np.array(file.weights.powers), *file.weights.tails):
        digest.update(np.ascontiguousarray(matrix, "<i4").tobytes())
    return digest.hexdigest()


def crop(height: int, width: int, channels: int, bit_depth: int = 8, icc: bytes = b"") -> Image:
    """A cut of the photograph's middle; gray is its green, alpha an ellipse, 16 bits are filled by smooth sums."""
    colour = read_image(PHOTOGRAPH).pixels.astype(np.float64)
    top, left = (colour.shape[0] - height) // 2, (colour.shape[1] - width) // 2
    colour = colour[top : top + height, left : left + width]
    if channels < 3:
        colour = colour[..., 1:2]
    if channels in (2, 4):
        y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
        alpha = np.clip(400 * (1.1 - np.hypot(x, y)), 0, 255)
        colour = np.concatenate([colour, alpha[..., None]], axis=2)
    if bit_depth == 8:
        return Image(colour.astype(np.uint8), icc)
    return Image((colour * 257 + np.linspace(0, 200, width)[None, :, None]).clip(0, 65535).astype(np.uint16), icc)


def _preset(name: str, image: Image, n_weights: int) -> EncodeOptions:
    codec = presets.COORDINATE_CODECS[name]
    model = presets.model_for(codec, n_weights=n_weights, shape=(image.height, image.width), n_outputs=image.channels)
    return EncodeOptions(codec=name, model=model, fit=_HASH_FIT if codec.family is ModelFamily.HASH_GRID else _FIT)


def _latent_files() -> list[Golden]:
    landscape = crop(32, 48, 3)

    def grids(model: LatentGridConfig = _SMALL_GRIDS, **fit) -> EncodeOptions:
        return EncodeOptions(model=model, fit=dataclasses.replace(_LATENT_FIT, **fit))

    goldens = [
        Golden(f"codec-{name}", f"the codec `{name}`, 48x32", landscape, grids(codec.model))
        for name, codec in presets.LATENT_CODECS.items()
    ]
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return [
        *goldens,
        Golden("latent-gray", "latents, gray, odd sizes", crop(17, 31, 1), grids()),
        Golden("latent-gray-16", "latents, gray, 16 bit, one row", crop(1, 40, 1, 16), grids()),
        Golden("latent-gray-alpha", "latents, gray and alpha", crop(20, 28, 2), grids()),
        Golden("latent-large", "latents, networks above the usual sizes", crop(16, 24, 3), grids(_LARGE_GRIDS)),
        Golden("latent-loud", "latents beyond their tables", crop(16, 24, 3), grids(), has_spikes=True),
        Golden("latent-portrait", "latents, transposed, with an ICC profile", crop(29, 18, 3, icc=profile), grids()),
        Golden("latent-rgba-16", "latents, RGBA, 16 bit", crop(15, 22, 4, 16), grids()),
        Golden(
            "latent-single",
            "one grid, one neighbour, nothing else",
            crop(9, 13, 3),
            grids(LatentGridConfig(1, 0, 1, 0, 0, 0, synthesis_width=3, n_residual=0)),
        ),
        Golden("latent-tiny", "latents, 1x1", crop(1, 1, 3), grids()),
        Golden("latent-zero", "all latents are 0", crop(16, 24, 3), grids(lambda_rd=0.3)),
    ]


def golden_files() -> list[Golden]:
    """All files, in the order of their names."""
    rgb = crop(48, 64, 3)
    goldens = [
        Golden(f"codec-{name}", f"the codec `{name}`, 64x48", rgb, _preset(name, rgb, 900)) for name in _FIRST_CODECS
    ]
    small_rgb = crop(24, 32, 3)
    goldens += [
        Golden(f"codec-{name}", f"the codec `{name}`, 32x24", small_rgb, _preset(name, small_rgb, 400))
        for name in presets.COORDINATE_CODECS
        if name not in _FIRST_CODECS
    ]
    nerf, log = EncodingConfig(EncodingKind.NERF, 4), EncodingConfig(EncodingKind.LOG_SPACED, 8)

    def small(*widths: int, encoding: EncodingConfig = nerf, **options) -> EncodeOptions:
        model = {k: options.pop(k) for k in ("family", "omega_0", "bias") if k in options}
        return EncodeOptions(model=ModelConfig(widths=widths, encoding=encoding, **model), fit=_FIT, **options)

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    gaussian = EncodingConfig(EncodingKind.GAUSSIAN, 12, sigma=4.25)
    goldens += [
        Golden("colour-rgb", "no colour transform", crop(16, 24, 3), small(8, 6, colour=ColourTransform.RGB)),
        Golden("colour-ycocg", "YCoCg", crop(16, 24, 3), small(8, 6, colour=ColourTransform.YCOCG)),
        Golden(
            "colour-ycocg-orthonormal",
            "orthonormal YCoCg",
            crop(16, 24, 3),
            small(8, 6, colour=ColourTransform.YCOCG_ORTHONORMAL),
        ),
        Golden("gray", "gray, odd sizes", crop(31, 17, 1), small(8, 6)),
        Golden("gray-16", "gray, 16 bit", crop(20, 20, 1, 16), small(8, 6, encoding=log)),
        Golden("gray-alpha", "gray and alpha, portrait", crop(24, 13, 2), small(8, 6)),
        Golden("gray-alpha-16", "gray and alpha, 16 bit, one row", crop(1, 33, 2, 16), small(8)),
        Golden(
            "metadata",
            "EXIF and XMP, beside an ICC profile",
            dataclasses.replace(crop(16, 12, 3, icc=profile), exif=EXIF, xmp=XMP),
            dataclasses.replace(small(8), metadata="keep"),
        ),
        Golden("no-bias", "no biases, omega_0 = 17", crop(18, 18, 3), small(9, 7, omega_0=17, bias=False)),
        Golden("one-pixel", "1x1", crop(1, 1, 3), small(3)),
        Golden("profile", "an ICC profile", crop(16, 24, 3, icc=profile), small(8, 6)),
        Golden("rgb-16", "RGB, 16 bit, with an ICC profile", crop(15, 22, 3, 16, profile), small(8, 6)),
        Golden("rgba", "RGBA, odd sizes", crop(23, 29, 4), small(10, 8, encoding=log)),
        Golden("rgba-16", "RGBA, 16 bit", crop(12, 16, 4, 16), small(10, 8)),
        Golden(
            "sigma",
            "Gaussian features, sigma = 4.25, no bias",
            crop(16, 16, 3),
            small(10, encoding=gaussian, family=ModelFamily.FOURIER, bias=False),
        ),
        Golden(
            "unknown-sections",
            "sections that no decoder knows",
            crop(8, 12, 3, icc=profile),
            small(5),
            {99: b"", 123456789: bytes(range(200))},
        ),
        Golden(
            "wide",
            "a width of two varint bytes",
            crop(8, 8, 1),
            small(130, 2, encoding=EncodingConfig(EncodingKind.NONE)),
        ),
    ]
    with_init = EncodeOptions(fit=_FIT)
    goldens += [
        Golden("init-gray", "a shared init, gray, square", crop(20, 20, 1), with_init, has_init=True),
        Golden("init-landscape", "a shared init, of the canvas's size", crop(24, 36, 3), with_init, has_init=True),
        Golden(
            "init-portrait-16",
            "a shared init, transposed, 16 bit, with an ICC profile",
            crop(27, 13, 3, 16, profile),
            with_init,
            has_init=True,
        ),
    ]
    goldens += _latent_files()
    return sorted(goldens, key=lambda f: f.name)


def _with_spikes(latents: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Latents of which some lie outside of their tables: just, far, and as far as the format allows."""
    spikes = np.array([13, -13, -40, 500, 7000, -7000, 32768, -32768], np.int32)
    spiked = []
    for grid in latents:
        flat = grid.ravel().copy()
        flat[::7] = np.resize(spikes, len(flat[::7]))
        spiked.append(flat.reshape(grid.shape))
    return tuple(spiked)


def _data(golden: Golden, init: Path) -> bytes:
    options = dataclasses.replace(golden.options, init=str(init)) if golden.has_init else golden.options
    data = encode(golden.image, options).data
    if golden.has_spikes:
        file = files.unpack(data, inrc.DecodeLimits())
        return files.pack(dataclasses.replace(file, latents=_with_spikes(file.latents)))
    if not golden.unknown_sections:
        return data
    parsed = container.unpack(data, inrc.DecodeLimits())
    return container.pack(Container(parsed.header, parsed.weights, {**parsed.sections, **golden.unknown_sections}))


def write(folder: Path, *, missing_only: bool) -> None:
    """Writes files with their pictures, golden.json and the README: everything or, if an encode fails, nothing.

    Args:
      folder: where.
      missing_only: leaves the files as they are that the folder has, and writes the others.
    """
    contents: dict[str, bytes] = {}
    record, rows = {}, []
    with tempfile.TemporaryDirectory() as temporary:
        init_path = folder / INIT
        if not (missing_only and init_path.exists()):
            init_path = Path(temporary) / INIT
            shared_init.save(new_init(), init_path)
            contents[INIT] = init_path.read_bytes()
        init = shared_init.load(init_path)
        for golden in golden_files():
            if missing_only and (folder / f"{golden.name}.inr").exists():
                continue
            data = _data(golden, init_path)
            file = files.unpack(data, inrc.DecodeLimits(), shared_init.lookup_of(init))
            decoded, profile = inrc.decode(data, init=init), file.sections.icc_profile
            contents[f"{golden.name}.inr"] = data
            # The profile is checked by its hash; in every picture it would only take place.
            contents[f"{golden.name}.png"] = encode_image(Image(decoded.pixels), "png")
            record[golden.name] = {
                "about": golden.about,
                "file_sha256": hashlib.sha256(data).hexdigest(),
                "integers_sha256": integers_hash(file),
                "icc_profile_sha256": hashlib.sha256(profile).hexdigest() if profile else None,
                "shape": list(decoded.pixels.shape),
                "bit_depth": decoded.bit_depth,
            }
            rows.append(f"| {golden.name} | {golden.about} | {len(data)} |")
            print(rows[-1])
    if not rows:
        sys.exit(f"nothing is missing in {folder}")
    versions = (
        f"inrc {inrc.__version__}, jax {jax.__version__}, NumPy {np.__version__}, Python {platform.python_version()}"
    )
    readme = _README.format(versions=versions, rows="\n".join(rows))
    if missing_only:
        record = dict(sorted({**json.loads((folder / "golden.json").read_text()), **record}.items()))
        readme = _extended((folder / "README.md").read_text(), rows, f"{', '.join(_names(rows))} with {versions}")
    kept = [path for path in folder.glob("*.*") if missing_only and path.suffix in (".inr", ".png", ".npz")]
    total = sum(map(len, contents.values())) + sum(path.stat().st_size for path in kept)
    print(f"{total} bytes of files and pictures for {folder}")
    if total > MAX_BYTES:
        sys.exit(f"{total} bytes are more than the {MAX_BYTES} that a repository should carry: cut the pictures")
    folder.mkdir(parents=True, exist_ok=True)
    if not missing_only:
        for old in [*folder.glob("*.inr"), *folder.glob("*.png")]:
            old.unlink()
    contents["golden.json"] = (json.dumps(record, indent=1) + "\n").encode()
    contents["README.md"] = readme.encode()
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def _names(rows: list[str]) -> list[str]:
    return [row.split(" ")[1] for row in rows]


def _extended(readme: str, rows: list[str], added: str) -> str:
    """A README with more rows in its table, in their order, and a line on their making."""
    old = re.findall(r"^\| [\w-]+ \|.*\| \d+ \|$", readme, re.MULTILINE)
    table = sorted([*old, *rows], key=lambda row: row.split(" ")[1])
    notes = [line for line in _README.splitlines() if line.startswith(f"- `{INIT}`") and line not in readme]
    return "\n".join(
        [readme.replace("\n".join(old), "\n".join(table)).rstrip(), *notes, f"- Added later: {added}.", ""]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--add", action="store_true", help="write the files that are missing, and touch no other")
    parser.add_argument("--force", action="store_true", help="overwrite files that older releases must decode")
    parser.add_argument("--out", type=Path, default=FOLDER, help="where to write")
    arguments = parser.parse_args()
    present = sorted(arguments.out.glob("*.inr"))
    if present and not (arguments.force or arguments.add):
        sys.exit(
            f"{len(present)} golden files are in {arguments.out}; they must never change: --add writes those that are "
            "missing, --force overwrites them all"
        )
    write(arguments.out, missing_only=arguments.add)


if __name__ == "__main__":
    main()
