"""`inrc info`: what an `.inr` file says of itself."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional

from inrc.cli.argument_checks import InputFile
from inrc.cli.arguments import FLAG, Maybe, as_json, value
from inrc.cli.inputs import read_file
from inrc.cli.streams import answer

if TYPE_CHECKING:
    from inrc.codec.decode import Info as FileInfo

_SECTIONS = {"icc_profile": ("profile", "ICC, "), "exif": ("EXIF", ""), "xmp": ("XMP", "")}
_CHANNELS = {1: "gray", 2: "gray and alpha", 3: "RGB", 4: "RGBA"}


@dataclasses.dataclass(frozen=True)
class Info:
    """Show what an .inr file says of itself: picture, network and how the bytes are spent.

    Attributes:
      input: The .inr file, or - for stdin.
      init: The shared init that the file needs: the path of its .npz file, or digits of its id. By default it is looked
        for in the folders of INRC_INIT_PATH and in the package.
      json: Print one JSON object on stdout.
    """

    input: Annotated[Positional[Path], value("IN.inr"), InputFile(or_stdin=True, remedy="name an .inr file")]
    init: Annotated[Maybe[str], value("ID|PATH")] = None
    json: Annotated[bool, FLAG] = False


def info_command(arguments: Info) -> None:
    """Prints a table, or JSON.

    Raises:
      InrcError: As `inrc.info`.
    """
    data = read_file(arguments.input)
    from inrc.codec.decode import info

    found = info(data, init=arguments.init)
    if arguments.json:
        answer(as_json({"input": arguments.input, **_values(found)}))
    else:
        answer(str(arguments.input))
        for name, content in _rows(found):
            answer(f"  {name:<9}{content}")


def _rows(found: "FileInfo") -> list[tuple[str, str]]:
    header = found.header
    kind = _CHANNELS[header.channels]
    colour = f" as {header.colour.name}" if header.channels >= 3 else ""
    transposed = ", sees the picture transposed" if header.transposed else ""
    rows = [
        ("file", f"{found.n_bytes:,} bytes, {found.bpp:.4g} bits per pixel"),
        ("picture", f"{header.width} x {header.height}, {kind}{colour}, {header.bit_depth} bits"),
        ("network", found.network.words + transposed),
        ("weights", f"{found.n_weights:,} of {found.bits_per_weight:.2f} bits each"),
    ]
    if found.n_latents:
        rows.append(("latents", f"{found.n_latents:,} in {found.latent_bytes:,.0f} bytes"))
    rows.append(("steps", " ".join(f"{step:.3g}" for step in found.steps)))
    if header.init_id:
        rows.append(("init", header.init_id.hex()))
    sizes = {"icc_profile": found.icc_profile_bytes, "exif": found.exif_bytes, "xmp": found.xmp_bytes}
    for name, n_bytes in found.section_bytes.items():
        title, kind = _SECTIONS.get(name, (name, ""))
        inflated = f"{kind}{sizes[name]:,} bytes, " if name in sizes else "sections of another release, "
        rows.append((title, f"{inflated}{n_bytes:,} in the file"))
    return rows


def _values(found: "FileInfo") -> dict[str, Any]:
    header = found.header
    return {
        "n_bytes": found.n_bytes,
        "bpp": found.bpp,
        "width": header.width,
        "height": header.height,
        "channels": header.channels,
        "bit_depth": header.bit_depth,
        "colour": header.colour.name.lower(),
        "family": found.network.family,
        **found.network.values,
        "init_id": header.init_id.hex() or None,
        "transposed": header.transposed,
        "n_weights": found.n_weights,
        "bits_per_weight": found.bits_per_weight,
        **({"n_latents": found.n_latents, "latent_bytes": found.latent_bytes} if found.n_latents else {}),
        "steps": found.steps,
        "icc_profile_bytes": found.icc_profile_bytes,
        "exif_bytes": found.exif_bytes,
        "xmp_bytes": found.xmp_bytes,
        "section_bytes": dict(found.section_bytes),
    }
