import math
from typing import Any

import bjontegaard
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inrc.errors import ConfigError, OverlapError
from inrc.metrics.bdrate import bd_psnr, bd_rate

Curve = list[tuple[float, float]]

# Means over Kodak of two published codecs and of one with a shorter range: (bpp, PSNR in dB).
VTM: Curve = [
    (0.0482, 26.145),
    (0.1125, 28.493),
    (0.2458, 31.200),
    (0.4905, 34.262),
    (0.8748, 37.420),
    (1.4308, 40.424),
]
ELIC: Curve = [
    (0.1235, 29.113),
    (0.1965, 30.698),
    (0.3337, 32.784),
    (0.4908, 34.577),
    (0.7041, 36.488),
    (0.8573, 37.624),
]
COIN: Curve = [
    (0.0368, 22.408),
    (0.0736, 23.205),
    (0.1604, 24.641),
    (0.3074, 26.412),
    (0.6109, 28.408),
    (1.209, 30.644),
]
TWO: Curve = [(0.2, 29.0), (0.9, 36.0)]


def scaled(curve: Curve, rate: float = 1.0, quality: float = 0.0) -> Curve:
    return [(bpp * rate, psnr + quality) for bpp, psnr in curve]


def reference(anchor: Curve, test: Curve) -> tuple[Any, Any]:
    """BD-rate in percent and BD-PSNR in dB by the package of Herglotz et al."""
    rate_a, quality_a, rate_b, quality_b = (
        np.array(column) for curve in (anchor, test) for column in zip(*sorted(curve), strict=True)
    )
    measures = [
        measure(rate_a, quality_a, rate_b, quality_b, "pchip", require_matching_points=False, min_overlap=0)
        for measure in (bjontegaard.bd_rate, bjontegaard.bd_psnr)
    ]
    return measures[0], measures[1]


@pytest.mark.parametrize(("anchor", "test"), [(VTM, ELIC), (ELIC, VTM), (VTM, TWO), (COIN, TWO), (TWO, ELIC)])
def test_both_deltas_agree_with_the_reference_package(anchor: Curve, test: Curve) -> None:
    rate, quality = reference(anchor, test)
    assert bd_rate(anchor, test, min_overlap=0) == pytest.approx(rate, rel=1e-9)
    assert bd_psnr(anchor, test, min_overlap=0) == pytest.approx(quality, rel=1e-9)


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    """Rates from 0.05 on by factors of 1.1..3, qualities from 24..28 on by steps of 0.2..4."""
    n_steps = draw(st.integers(1, 8))
    factors = draw(st.lists(st.floats(1.1, 3), min_size=n_steps, max_size=n_steps))
    steps = draw(st.lists(st.floats(0.2, 4), min_size=n_steps, max_size=n_steps))
    rates = draw(st.floats(0.05, 0.2)) * np.cumprod([1.0, *factors])
    qualities = draw(st.floats(24, 28)) + np.cumsum([0.0, *steps])
    return draw(st.permutations(list(zip(rates.tolist(), qualities.tolist(), strict=True))))


@pytest.mark.filterwarnings("ignore:Curves do not overlap")
@settings(max_examples=60, deadline=None)
@given(curves(), curves())
def test_any_two_curves_agree_with_the_reference_package(anchor: Curve, test: Curve) -> None:
    for ours, axis, expected in zip((bd_rate, bd_psnr), (1, 0), reference(anchor, test), strict=True):
        ends = [[ends(point[axis] for point in curve) for ends in (min, max)] for curve in (anchor, test)]
        if min(ends[0][1], ends[1][1]) - max(ends[0][0], ends[1][0]) < 1e-3:
            continue  # The mean over a tiny interval is dominated by rounding.
        # Where two curves cross, a delta near 0 is a difference of integrals: their rounding is the floor.
        assert ours(anchor, test, min_overlap=0) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_a_curve_against_itself_is_0() -> None:
    assert bd_rate(VTM, VTM) == 0
    assert bd_psnr(VTM, VTM) == 0


def test_a_tenth_fewer_bits_at_each_quality_is_minus_10_percent() -> None:
    assert bd_rate(VTM, scaled(VTM, rate=0.9)) == pytest.approx(-10, rel=1e-12)


def test_a_quarter_of_a_decibel_at_each_rate_is_a_quarter_of_a_decibel() -> None:
    assert bd_psnr(VTM, scaled(VTM, quality=0.25)) == pytest.approx(0.25, rel=1e-12)


def test_exchanging_the_curves_inverts_the_ratio_and_the_sign() -> None:
    ratio, inverse = 1 + bd_rate(VTM, ELIC) / 100, 1 + bd_rate(ELIC, VTM) / 100
    assert ratio * inverse == pytest.approx(1, rel=1e-12)
    assert bd_psnr(VTM, ELIC) == pytest.approx(-bd_psnr(ELIC, VTM), rel=1e-12)


def test_two_straight_lines_by_hand() -> None:
    # In log rate the lines are parallel, ln 2 apart; 3 dB per factor of 2 makes that 3 dB.
    anchor, test = [(1.0, 30.0), (2.0, 33.0), (4.0, 36.0)], [(2.0, 30.0), (8.0, 36.0)]
    assert bd_rate(anchor, test) == pytest.approx(100, rel=1e-12)
    assert bd_psnr(anchor, test) == pytest.approx(-3, rel=1e-12)


def test_points_come_in_any_order_and_as_any_sequence() -> None:
    shuffled = np.array([ELIC[i] for i in (3, 0, 5, 1, 4, 2)])
    assert bd_rate(tuple(VTM[::-1]), shuffled) == bd_rate(VTM, ELIC)


def test_the_overlap_is_a_fraction_of_the_shorter_interval() -> None:
    # COIN spans 8.236 dB, of which 4.499 dB (54.6 %) lie above VTM's lowest point. VTM spans 14.3 dB.
    assert bd_rate(VTM, COIN) == bd_rate(VTM, COIN, min_overlap=0.54)
    with pytest.raises(OverlapError, match=r"54.6 % of the shorter one's qualities, less than 56 %"):
        bd_rate(VTM, COIN, min_overlap=0.56)
    assert bd_rate(scaled(VTM, quality=-1), VTM, min_overlap=0.9) < 0
    assert math.isfinite(bd_rate(VTM, TWO, min_overlap=1))


@pytest.mark.parametrize("gap", [0.0, 1.0])
def test_curves_without_a_common_interval_are_refused_even_at_an_overlap_of_0(gap: float) -> None:
    with pytest.raises(OverlapError, match=r"share 0\.0 %"):
        bd_rate([(0.1, 20.0), (0.2, 25.0)], [(0.1, 25.0 + gap), (0.2, 30.0 + gap)], min_overlap=0)
    with pytest.raises(OverlapError, match="log rates"):
        bd_psnr([(0.1, 20.0), (0.2, 25.0)], [(0.2 + gap, 20.0), (3.0, 25.0)], min_overlap=0)


@pytest.mark.parametrize(
    ("curve", "message"),
    [
        ([(0.1, 30.0)], r"shape \(1, 2\)"),
        ([0.1, 30.0], r"shape \(2,\)"),
        ([(0.1, 30.0, 1.0), (0.2, 31.0, 1.0)], r"shape \(2, 3\)"),
        ([(0.1, 30.0), (0.2,)], "not an array"),
        ([(0.0, 30.0), (0.2, 31.0)], "positive rates"),
        ([(0.1, 30.0), (0.2, math.inf)], "finite"),
        ([(0.1, math.nan), (0.2, 31.0)], "finite"),
        ([(0.3, 32.0), (0.1, 30.0), (0.2, 33.0)], r"from \(rate, quality\) \(0.2, 33.0\) to \(0.3, 32.0\)"),
        ([(0.1, 30.0), (0.2, 30.0)], r"\(0.1, 30.0\) to \(0.2, 30.0\)"),
        ([(0.1, 30.0), (0.1, 31.0)], r"\(0.1, 30.0\) to \(0.1, 31.0\)"),
    ],
)
def test_what_is_not_a_curve_is_refused(curve: list, message: str) -> None:
    for measure in (bd_rate, bd_psnr):
        with pytest.raises(ConfigError, match=f"test curve.*{message}"):
            measure(VTM, curve)
        with pytest.raises(ConfigError, match=f"anchor curve.*{message}"):
            measure(curve, VTM)


@pytest.mark.parametrize("min_overlap", [-0.1, 1.1, math.nan])
def test_an_overlap_is_a_fraction(min_overlap: float) -> None:
    with pytest.raises(ConfigError, match=r"0\.\.1"):
        bd_rate(VTM, ELIC, min_overlap=min_overlap)
