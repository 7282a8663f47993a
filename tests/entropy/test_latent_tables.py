"""The integer tables of latents: they are part of the format, so every one of their counts is frozen."""

import hashlib

import numpy as np
import pytest

from inrc.entropy import latent_tables as tables

DIFFERENCES = np.arange(-tables.LARGEST, tables.LARGEST + 1)


def laplace(edges: np.ndarray, scale: float) -> np.ndarray:
    """Distribution function of a Laplace distribution."""
    tail = 0.5 * np.exp(-np.abs(edges) / scale)
    return np.where(edges < 0, tail, 1 - tail)


def scale_of(index: int) -> float:
    return float(np.exp(index / tables.SCALES_PER_UNIT - tables.LOG_SCALE_LIMIT))


def test_the_tables_never_change():
    content = tables.counts().astype("<u4").tobytes()
    assert hashlib.sha256(content).hexdigest() == "edaaeb3fdf39f3e9fd830831d3b339f273cd0841e8c7f573f82936c61ecdf8e7"


def test_counts_add_up_and_all_symbols_can_be_coded():
    counts = tables.counts()
    assert counts.shape == (5476, 27) == (tables.N_ROWS, tables.N_SYMBOLS)
    assert (counts.sum(1) == 1 << 24).all()
    assert counts.min() == 4


def test_weights_for_the_coder_are_the_counts_less_one_and_exact():
    weights = tables.coder_weights()
    assert weights.dtype == np.float32
    np.testing.assert_array_equal(weights.astype(np.int64) + 1, tables.counts())
    # Partial sums in float32 are exact, and w of section 4 is 1.
    np.testing.assert_array_equal(np.cumsum(weights, axis=1), np.cumsum(weights.astype(np.float64), axis=1))
    assert (weights.sum(1) == (1 << 24) - tables.N_SYMBOLS).all()


def test_scales_span_ten_units_of_the_logarithm_in_sixteenths():
    assert scale_of(0) == pytest.approx(np.exp(-5))
    assert scale_of(80) == 1.0
    assert scale_of(tables.N_SCALES - 1) == pytest.approx(np.exp(5))


@pytest.mark.parametrize("scale_index", [24, 48, 80, 100, 120, 160])
@pytest.mark.parametrize("fraction", [0, 5, 16, 31])
def test_counts_are_the_mass_of_a_laplace_distribution(scale_index, fraction):
    scale, mean = scale_of(scale_index), fraction / 32 - 0.5
    edges = laplace(np.append(DIFFERENCES - 0.5, tables.LARGEST + 0.5) - mean, scale)
    expected = np.concatenate([np.diff(edges), edges[:1], 1 - edges[-1:]])
    counts = tables.counts()[(scale_index << tables.FRACTION_BITS) + fraction]
    # Every symbol is given four counts, and the rest is shared out and rounded.
    np.testing.assert_allclose(counts / 2**24, expected, atol=8 / 2**24, rtol=8e-6)


@pytest.mark.parametrize("scale_index", [0, 40, 80, 160])
def test_a_mean_on_the_other_side_mirrors_the_table(scale_index):
    rows = tables.counts()[(scale_index << tables.FRACTION_BITS) + np.arange(tables.N_FRACTIONS)]
    for fraction in range(1, tables.N_FRACTIONS):
        mirrored = rows[tables.N_FRACTIONS - fraction]
        np.testing.assert_array_equal(rows[fraction, : tables.BELOW], mirrored[: tables.BELOW][::-1])
        assert rows[fraction, tables.BELOW] == mirrored[tables.ABOVE]


@pytest.mark.parametrize("scale_index", [60, 80, 110, 130])
def test_an_escape_costs_what_a_table_without_end_would_ask(scale_index):
    # Beyond the table, mass falls by exp(-1 / b) from one integer to the next: digits of the excess are independent.
    bits, scale = tables.bits(), scale_of(scale_index)
    for excess in (0, 1, 15, 16, 40, 100):
        mean = 3 / 32
        distance = tables.LARGEST + 1 + excess
        exact = -np.log2(0.5 * np.exp(-(distance - 0.5 - mean) / scale) * -np.expm1(-1 / scale))
        if exact > 19:
            continue  # there the four counts that every symbol has are felt
        row = (scale_index << tables.FRACTION_BITS) + 19
        high, low = divmod(excess, tables.BASE)
        coded = bits[row, tables.ABOVE] + bits[tables.FIRST_HIGH + scale_index, high]
        coded += bits[tables.FIRST_LOW + scale_index, low]
        assert coded == pytest.approx(exact, abs=0.2 if exact > 16 else 0.02)


def test_digits_of_which_nothing_is_known_cost_four_bits_and_flags_little():
    bits = tables.bits()
    np.testing.assert_allclose(bits[tables.DIGIT, : tables.BASE], 4.0, atol=1e-4)
    np.testing.assert_allclose(bits[tables.FLAG, :2], [-np.log2(15 / 16), 4.0], atol=1e-4)


@pytest.mark.parametrize(("scale", "most"), [(0.1, 0.0015), (0.2, 0.001), (0.5, 0.0004), (2.0, 0.0002), (20.0, 0.0002)])
def test_rounding_means_and_scales_costs_next_to_nothing(scale, most):
    generator = np.random.default_rng(0)
    integers = np.arange(-400, 401)
    bits, excess, total = tables.bits(), 0.0, 0.0
    for _ in range(100):
        b, mean = scale * np.exp(generator.uniform(-0.1, 0.1)), generator.uniform(-0.5, 0.5) * min(1, 2 * scale)
        mass = np.diff(laplace(np.append(integers - 0.5, 400.5) - mean, b))
        entropy = -(mass[mass > 0] * np.log2(mass[mass > 0])).sum()
        position = int(np.floor(32 * mean + 0.5)) + 16
        scale_index = int(np.floor(16 * (np.log(b) + 5) + 0.5))
        row = (scale_index << 5) + position % 32
        difference = integers - position // 32
        distance = np.abs(difference) - 13
        high, low = np.clip(distance, 0, None) // 16, np.clip(distance, 0, None) % 16
        escape = np.where(difference < 0, bits[row, tables.BELOW], bits[row, tables.ABOVE])
        escape = escape + bits[tables.FIRST_HIGH + scale_index, high] + bits[tables.FIRST_LOW + scale_index, low]
        coded = np.where(distance < 0, bits[row, np.clip(difference, -12, 12) + 12], escape)
        excess += mass @ coded - entropy
        total += entropy
    assert 0 < excess < most * total
