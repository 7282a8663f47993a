"""Limits on what decoding a file may cost, checked before anything is allocated."""

import dataclasses

from inrc.errors import ConfigError, LimitExceededError


@dataclasses.dataclass(frozen=True)
class DecodeLimits:
    """Upper bounds of one decode; the defaults admit every file that this package's encoder writes.

    Attributes:
      max_pixels: pixels of the native picture and of a render (268 megapixels).
      max_parameters: weights of the network (2^19 take about 1.5 s to range-decode).
      max_multiplications: multiply-accumulates of a render, pixels times weights (35 trillion take minutes on a
        laptop).
      max_section_bytes: bytes of one optional section, such as an ICC profile.
      max_latents: integers of all grids together (pictures of 50 megapixels; they take a few minutes to range-decode).
      max_context_multiplications: multiplications of the context network for all latents together.
    """

    max_pixels: int = 1 << 28
    max_parameters: int = 1 << 19
    max_multiplications: int = 1 << 45
    max_section_bytes: int = 1 << 24
    max_latents: int = 1 << 26
    max_context_multiplications: int = 1 << 36

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            limit = getattr(self, field.name)
            if not limit >= 0:  # NaN would grant everything
                raise ConfigError(f"{field.name} is {limit}; it must be a number of 0 or more")

    def check_pixels(self, width: int, height: int) -> None:
        """Refuses pictures of more than `max_pixels`."""
        _check("pixels", width * height, self.max_pixels, "max_pixels")

    def check_parameters(self, n_parameters: int) -> None:
        """Refuses networks of more than `max_parameters` weights."""
        _check("weights", n_parameters, self.max_parameters, "max_parameters")

    def check_latents(self, n_latents: int, n_multiplications: int) -> None:
        """Refuses more than `max_latents` latents, or more than `max_context_multiplications` multiplications.

        Args:
          n_latents: number of latents of all grids together.
          n_multiplications: multiplications of the context network for one latent.
        """
        _check("latents", n_latents, self.max_latents, "max_latents")
        product, limit = n_latents * n_multiplications, self.max_context_multiplications
        _check("multiplications to predict latents", product, limit, "max_context_multiplications")

    def check_render(self, n_pixels: int, n_parameters: int) -> None:
        """Refuses renders of more than `max_pixels` pixels or `max_multiplications` multiplications."""
        _check("pixels", n_pixels, self.max_pixels, "max_pixels")
        _check("multiplications", n_pixels * n_parameters, self.max_multiplications, "max_multiplications")

    def check_section(self, n_bytes: int) -> None:
        """Refuses optional sections of more than `max_section_bytes`."""
        _check("bytes in a section", n_bytes, self.max_section_bytes, "max_section_bytes")


def _check(what: str, value: int, limit: int, name: str) -> None:
    if value > limit:
        raise LimitExceededError(
            f"the file asks for {value} {what}; the limit is {limit}: raise {name} in DecodeLimits if you trust it"
        )
