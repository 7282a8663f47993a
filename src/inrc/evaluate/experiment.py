"""An experiment is a frozen value in a Python file: which codecs measure which pictures, and where records go."""

import dataclasses
import importlib.util
import sys
from pathlib import Path

from inrc.baselines.interface import MeasuredCodec
from inrc.errors import ExperimentError
from inrc.evaluate.pictures import PictureSet


@dataclasses.dataclass(frozen=True)
class Experiment:
    """What is measured.

    Attributes:
      name: in a word.
      pictures: what is encoded.
      codecs: by what.
      results: name of the file of records, without ".jsonl". Experiments that share it share its records: what one has
        measured the other skips.
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
        """Records of a whole run."""
        return len(self.pictures.names) * sum(len(codec.points) for codec in self.codecs)


def load_experiment(path: Path, *, smoke: bool = False) -> Experiment:
    """The value EXPERIMENT, or SMOKE, of a Python file, which is run as a module.

    Raises:
      ExperimentError: There is no such file or no such value in it.
    """
    name = "SMOKE" if smoke else "EXPERIMENT"
    spec = importlib.util.spec_from_file_location(f"_experiment_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ExperimentError(f"{path} is not a Python file; name one like experiments/smoke.py")
    module = importlib.util.module_from_spec(spec)
    # Experiments import what they share from their own package.
    sys.path.insert(0, str(path.resolve().parent.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.pop(0)
    value = getattr(module, name, None)
    if not isinstance(value, Experiment):
        raise ExperimentError(f"{path} has no Experiment called {name}; give it one")
    return value
