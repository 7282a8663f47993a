"""A decoder of latents written from section 14 of FORMAT.md alone, with Python's integers and no code of inrc.

The caller has the range decoder of section 5.
"""

import decimal
import functools
import itertools
import math
from collections.abc import Callable

NEIGHBOURS = [
    (0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-3, 0),
    (0, -3), (-1, -2), (-2, 1), (-2, -1), (-2, -2), (-1, -3), (-2, 2),
]  # fmt: skip
A = 2**24 - 108


def clip(x: int, m: int) -> int:
    return min(max(x, -m), m)


def ends(counts: list[int]) -> list[int]:
    assert sum(counts) == 2**24
    return [0, *itertools.accumulate(counts)]


def of_tails(tails: list[int]) -> list[int]:
    counts = [4 + a - b for a, b in itertools.pairwise(tails)]
    return ends(counts + [4] * (27 - len(counts)))


@functools.cache
def power(s: int, j: int) -> decimal.Decimal:
    """r^j."""
    with decimal.localcontext(decimal.Context(prec=50)):
        return (-j / (32 * (decimal.Decimal(s) / 16 - 5).exp())).exp()


@functools.cache
def difference(s: int, f: int) -> list[int]:
    upper, lower = (
        [math.floor(2**6 * A * power(s, j)) * math.floor(2**31 * power(s, 32 * k)) // 2**38 for k in range(13)]
        for j in (32 - f, f)
    )
    counts = [0] * 27
    for k in range(1, 13):
        counts[12 + k] = 4 + upper[k - 1] - upper[k]
        counts[12 - k] = 4 + lower[k - 1] - lower[k]
    counts[25], counts[26] = 4 + lower[12], 4 + upper[12]
    counts[12] = 2**24 - sum(counts)
    return ends(counts)


@functools.cache
def high(s: int) -> list[int]:
    return of_tails([math.floor(A * power(s, 512 * i)) for i in range(27)] + [0])


@functools.cache
def low(s: int) -> list[int]:
    with decimal.localcontext(decimal.Context(prec=50)):
        last = power(s, 512)
        inner = [math.floor(A * (power(s, 32 * i) - last) / (1 - last)) for i in range(1, 16)]
    return of_tails([A, *inner, 0])


DIGIT = of_tails([A * (16 - i) // 16 for i in range(17)])
FLAG = of_tails([A, A // 16, 0])


class Network:
    """The context network, from matrices by name as lists of rows of floats, which are rounded to whole numbers."""

    def __init__(self, matrices: dict[str, list[list[float]]]) -> None:
        def whole(row: list[float], bias: bool) -> list[int]:
            places = [8] * (len(row) - bias) + [13] * bias
            return [math.floor(2**p * w + 0.5) for p, w in zip(places, row, strict=True)]

        self.m = {name: [whole(row, name != "context_skip") for row in rows] for name, rows in matrices.items()}
        self.n_inputs = len(self.m["context_skip"][0])

    def table(self, c: list[int]) -> tuple[int, int, int]:
        """(s, centre, fraction)."""
        h, layer = c, 0
        while (name := f"context_{layer}") in self.m:
            sums = [dot(row, h) + 2**8 * h_i + row[-1] + 2**7 for row, h_i in zip(self.m[name], h, strict=True)]
            h = [min(max(x // 2**8, 0), 2047) for x in sums]
            layer += 1
        mean, scale = (
            dot(w, h) + dot(v, c) + w[-1] for w, v in zip(self.m["context_out"], self.m["context_skip"], strict=True)
        )
        m = (mean + 2**7) // 2**8 + 16
        return min(max((scale + 2**8) // 2**9 + 16, 0), 160), m // 32, m % 32


def dot(weights: list[int], values: list[int]) -> int:
    return sum(w * v for w, v in zip(weights, values, strict=False))


def decode(
    symbol: Callable[[list[int]], int],
    matrices: dict[str, list[list[float]]],
    size: tuple[int, int],
    kinds: list[tuple[int, bool]],
    n_spatial: int,
) -> list[list[list[int]]]:
    """All grids; `symbol` decodes a symbol by the ends of its intervals, `kinds` are (level, hyper) in coding order."""
    network = Network(matrices)
    neighbours = NEIGHBOURS[:n_spatial]
    g = max([0] + [dx // -dy + 1 for dy, dx in neighbours if dy < 0])
    grids: dict[tuple[int, bool], list[list[int]]] = {}
    for k, hyper in kinds:
        n_rows, n_columns = (-(-n // 2**k) for n in size)
        grid = grids[k, hyper] = [[0] * n_columns for _ in range(n_rows)]
        if symbol(FLAG):
            continue
        cross = None if hyper else network.m.get(f"cross_{k}")
        # Finest level first, latents (False) before hyper-latents (True).
        references = sorted(kind for kind in grids if kind[0] > k)

        def inputs(y: int, x: int) -> list[int]:
            c = []
            for dy, dx in neighbours:
                inside = y + dy >= 0 and 0 <= x + dx < n_columns  # noqa: B023
                c.append(32 * clip(grid[y + dy][x + dx], 63) if inside else 0)  # noqa: B023
            if cross is None:  # noqa: B023
                return c + [0] * (network.n_inputs - len(c))
            v = [grids[kind][y // 2 ** (kind[0] - k)][x // 2 ** (kind[0] - k)] for kind in references]  # noqa: B023
            for row in cross:  # noqa: B023
                total = sum(32 * w * clip(value, 63) for w, value in zip(row, v, strict=False))
                c.append(clip((total + row[-1] + 2**7) // 2**8, 2047))
            return c

        for t in range(n_columns + g * (n_rows - 1)):
            places = [(y, t - g * y) for y in range(n_rows) if 0 <= t - g * y < n_columns]
            chosen = [network.table(inputs(y, x)) for y, x in places]
            symbols = [symbol(difference(s, f)) for s, _, f in chosen]
            values = [centre + j - 12 for (_, centre, _), j in zip(chosen, symbols, strict=True)]
            outside = [i for i, j in enumerate(symbols) if j > 24]
            highs = {i: symbol(high(chosen[i][0])) for i in outside}
            lows = {i: symbol(low(chosen[i][0])) for i in outside}
            more = [i for i in outside if highs[i] == 26]
            digits = [[symbol(DIGIT) for _ in more] for _ in range(3)]
            for i, *hexadecimal in zip(more, *digits, strict=True):
                highs[i] += int("".join(f"{digit:x}" for digit in hexadecimal), 16)
            for i in outside:
                e = 16 * highs[i] + lows[i]
                values[i] = chosen[i][1] + (-(13 + e) if symbols[i] == 25 else 13 + e)
            for (y, x), value in zip(places, values, strict=True):
                grid[y][x] = value
    return [grids[kind] for kind in kinds]
