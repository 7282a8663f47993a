"""What the number of channels of a picture means."""


def has_alpha(n_channels: int) -> bool:
    """Whether the last channel is alpha: of gray and alpha (2), and of RGB and alpha (4)."""
    return n_channels in (2, 4)
