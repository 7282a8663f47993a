"""What the coordinate networks of all papers have in common."""

import flax.linen as nn

from inrc.config import ModelConfig


class CoordinateNetwork(nn.Module):
    """A network from coordinates to values; its subclasses are final, one for each paper.

    Attributes:
      config: the network.
      shape: samples per axis of the signal's native grid.
      n_outputs: channels.
    """

    config: ModelConfig
    shape: tuple[int, ...]
    n_outputs: int
