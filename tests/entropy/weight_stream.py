"""Step deltas and matrices in a stream of their own, where a test needs no more."""

from collections.abc import Sequence

import numpy as np

from inrc.entropy import coder, stream


def encode(
    step_deltas: Sequence[tuple[int, int]],
    matrices: Sequence[np.ndarray],
    exponents: Sequence[np.ndarray] | None = None,
) -> bytes:
    encoder = stream.new_encoder()
    coder.encode_weights(encoder, step_deltas, matrices, exponents)
    return stream.finish(encoder)


def decode(
    data: bytes,
    scale_indices: Sequence[int],
    shapes: Sequence[tuple[int, int]],
    exponents: Sequence[np.ndarray] | None = None,
) -> tuple[list[int], list[np.ndarray]]:
    decoder = stream.new_decoder(data)
    return coder.decode_step_deltas(decoder, scale_indices), coder.decode_matrices(decoder, shapes, exponents)
