"""An experiment is a frozen value in a Python file: codecs, the pictures to measure them on, and a file of records."""

import dataclasses
from pathlib import Path

from inrc.baselines.interface import MeasuredCodec
from inrc.errors import ExperimentError
from inrc.evaluate.pictures import PictureSet
from inrc.python_file import load_value


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Codecs that are measured on pictures.

    Attributes:
      name: a short name.
      pictures: the pictures that are encoded.
      codecs: the codecs that encode them.
      results: name of the file of records, without ".jsonl". Experiments with the same name of results share records:
        a point that one of them has measured, the other skips.

    Raises:
      ExperimentError: Two codecs have the same name, or there are no pictures or no codecs.
    """

    name: str
    pictures: PictureSet
    codecs: tuple[MeasuredCodec, ...]
    results: str

    def __post_init__(self) -> None:
        names = [codec.name for codec in self.codecs]
        if len(set(names)) < len(names):
            raise ExperimentError(f"{self.name}: codecs have the same name ({', '.join(names)}); name each differently")
        if not names or not self.pictures.names:
            raise ExperimentError(f"{self.name}: there is nothing to measure; give pictures and codecs")

    @property
    def n_points(self) -> int:
        """Number of records of a whole run."""
        return len(self.pictures.names) * sum(len(codec.points) for codec in self.codecs)


def load_experiment(path: Path, *, smoke: bool = False) -> Experiment:
    """Loads the value EXPERIMENT, or SMOKE, of a Python file, which is run as a module.

    Raises:
      ExperimentError: There is no such file or no such value in it.
    """
    name = "SMOKE" if smoke else "EXPERIMENT"
    return load_value(path, name, Experiment, error=ExperimentError, example="experiments/smoke.py")
