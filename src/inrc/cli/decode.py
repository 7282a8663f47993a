"""`inrc decode`: an `.inr` file to a picture, whole or in part, at any size."""

import dataclasses
import sys
import time
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, create_mutex_group

from inrc.cli.arguments import FLAG, REGION, SIZE, as_json, output_path, read_file, value

_DENSITY = create_mutex_group(required=False, title="size")


@dataclasses.dataclass(frozen=True)
class Decode:
    """Decode an .inr file to a picture, at its own size or at any other.

    Attributes:
      input: The .inr file.
      output: Where to write, overwritten if it exists: .png, .tif, .jpg, .webp, .ppm or .pgm. By default IN with
        .png, which is not overwritten.
      scale: Pixels per native pixel: 2 doubles width and height.
      size: Width and height in pixels, of the region where one is given.
      region: The part to render, in native pixels: left, top, width, height.
      antialias: For renders below the native size: supersample evaluates every native pixel and averages, damp
        weakens high frequencies and is faster.
      quality: 1..100, of JPEG (95 by default) and WebP (lossless by default).
      force: Overwrite the default output.
      init: The shared init that the file needs: the path of its .npz file, or digits of its id. By default it is looked
        for in the folders of INRC_INIT_PATH and in the package.
      json: Print one JSON object on stdout.
      quiet: No summary on stderr.
    """

    input: Annotated[Positional[Path], value("IN.inr")]
    output: Annotated[Path | None, value("OUT", "-o")] = None
    scale: Annotated[float | None, value("S"), _DENSITY] = None
    size: Annotated[tuple[int, int] | None, SIZE, value("WxH"), _DENSITY] = None
    region: Annotated[tuple[float, float, float, float] | None, REGION, value("X,Y,W,H")] = None
    antialias: Literal["supersample", "damp", "none"] = "supersample"
    quality: Annotated[int | None, value("1..100", "-q")] = None
    init: Annotated[str | None, value("ID|PATH")] = None
    force: Annotated[bool, FLAG] = False
    json: Annotated[bool, FLAG] = False
    quiet: Annotated[bool, FLAG] = False


def run(arguments: Decode) -> None:
    """Decodes and writes the picture.

    Raises:
      InrcError: As `inrc.decode` and `inrc.write_image`.
    """
    began = time.monotonic()
    data = read_file(arguments.input)
    output = output_path(arguments.input, arguments.output, ".png", force=arguments.force)
    from inrc.cli.jax_setup import jax_set_up
    from inrc.codec.decode import decode
    from inrc.models.render import Antialias
    from inrc.signal.image import write_image

    with jax_set_up():
        image = decode(
            data,
            size=arguments.size,
            scale=arguments.scale,
            region=arguments.region,
            antialias=Antialias(arguments.antialias),
            init=arguments.init,
        )
    write_image(output, image, quality=arguments.quality)

    seconds = time.monotonic() - began
    if not arguments.quiet:
        print(f"{output}: {image.width} x {image.height}, {seconds:.2f} s", file=sys.stderr)
    if arguments.json:
        values = {
            "input": arguments.input,
            "output": output,
            "width": image.width,
            "height": image.height,
            "channels": image.channels,
            "bit_depth": image.bit_depth,
            "decode_seconds": seconds,
        }
        print(as_json(values))
