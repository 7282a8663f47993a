"""The range coder (constriction's; Bamler, 2022) that weights and latents share: how a stream begins and ends.

All integers of a file go through one coder, so that the bytes that end a stream are spent once.
"""

from typing import Any

import constriction
import numpy as np

# constriction is a compiled module without type stubs.
_queue: Any = constriction.stream.queue  # pyright: ignore[reportAttributeAccessIssue]
_WORD_BYTES = 4


def new_encoder() -> Any:
    """An encoder of an empty stream."""
    return _queue.RangeEncoder()


def new_decoder(stream: bytes) -> Any:
    """A decoder at the beginning of a stream; after the stream's end it reads zeros without end."""
    # constriction's words are consumed most significant bit first.
    padded = stream + bytes(-len(stream) % _WORD_BYTES + _WORD_BYTES)
    return _queue.RangeDecoder(np.frombuffer(padded, ">u4").astype(np.uint32))


def finish(encoder: Any) -> bytes:
    """The shortest stream that decodes to what was coded when zeros follow.

    The encoder's last words are more precise than the final interval needs. Prefixes of the stream are therefore tried,
    each as it is and increased by one in its last byte: zeros after it must give a point inside the interval.
    """
    n_words, (lower, size) = encoder.pos()
    n_bytes = _WORD_BYTES * (n_words + 2)
    stream = np.asarray(encoder.get_compressed()).astype(">u4").tobytes()
    point = int.from_bytes(stream.ljust(n_bytes, b"\0"), "big")
    # The points first, ..., first + size - 1 decode to the same symbols. `lower` is exact modulo 2^64.
    first = point - (point - lower) % (1 << 64)
    best = stream.rstrip(b"\0")
    for length in range(len(best) - 1, max(len(best) - 8, -1), -1):
        prefix = best[:length]
        above = (int.from_bytes(prefix, "big") + 1).to_bytes(length + 1, "big")[1:] if length else b""
        for candidate in (prefix, above):
            if first <= int.from_bytes(candidate.ljust(n_bytes, b"\0"), "big") < first + size:
                best = candidate.rstrip(b"\0")
                break
        else:
            break
    return best
