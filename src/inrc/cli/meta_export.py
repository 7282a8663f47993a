"""`inrc meta export`: writes the shared init of a finished run, and its card."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional

from inrc.cli.argument_checks import InputFile, Place
from inrc.cli.arguments import value
from inrc.cli.inputs import read_file
from inrc.cli.outputs import unwritable
from inrc.cli.streams import answer
from inrc.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Export:
    """Write the shared init of a finished run as <id>.npz, named by its hash, and its card as <id>.json.

    Attributes:
      run: The folder of the run.
      output: The folder for the files. It is made if it does not exist.
      gains: The file compare.json of an `inrc meta compare` of this init, for the card.
    """

    run: Annotated[Positional[Path], value("RUN_FOLDER"), Place()]
    output: Annotated[Path, value("FOLDER", "-o", hint=None), Place()] = Path("meta_init/exported")
    gains: Annotated[Path | None, value("COMPARE.json"), InputFile()] = None


def export_command(arguments: Export) -> None:
    """Writes the two files and prints their paths.

    Raises:
      InrcError: The folder holds no finished run, or the files cannot be read or written.
    """
    from inrc.meta.export import export
    from inrc.meta.run import load_run

    done = load_run(arguments.run)
    gains = None
    if arguments.gains is not None:
        gains = _gains(arguments.gains, done.init.id.hex())
    try:
        init_path, card_path = export(done, arguments.output, gains=gains)
    except OSError as error:
        raise unwritable(arguments.output, error.strerror or str(error)) from error
    answer(f"{init_path}: {init_path.stat().st_size:,} bytes, {done.init.n_weights:,} weights")
    answer(str(card_path))


def _gains(path: Path, init_id: str) -> dict[str, Any]:
    """Returns the results of an init and of random weights in a comparison.

    Raises:
      InrcError: The file cannot be read, or is no comparison of that init.
    """
    data = read_file(path)
    try:
        comparison = json.loads(data)
        names = [name for name, other in comparison["inits"].items() if other == init_id]
        starts = [start for start in comparison["starts"] if start["start"] in names or start["is_random"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} is no comparison; give a compare.json of `inrc meta compare`") from error
    if not names:
        raise ConfigError(f"{path} does not compare the init {init_id}; give a comparison that does")
    return {"starts": starts}
