"""Means, BD-rates and interpolation of records whose curves are known exactly."""

import dataclasses
import math

import numpy as np
import pytest

from inrc.errors import RecordError
from inrc.evaluate import curves
from inrc.evaluate.records import Record
from tests.evaluate.samples import BPP, PICTURES, make_curve_records, make_record


def test_a_mean_curve_is_a_mean_over_pictures_at_each_point():
    curve = curves.mean_curve(make_curve_records(bpp=(0.8, 0.4)), "jpeg_444")
    assert np.allclose(curve.points, [(0.4, 28.0), (0.8, 31.0)], rtol=1e-12)  # 0, 1 and 2 dB lower
    assert (curve.n_pictures, curve.seconds) == (3, (2.0, 2.0))


def test_failed_records_do_not_count():
    good = make_curve_records(bpp=(0.4,))
    failed = dataclasses.replace(make_record(picture="kodim09", point=0.4), failure="boom", bpp=math.nan)
    assert curves.mean_curve([*good, failed], "jpeg_444") == curves.mean_curve(good, "jpeg_444")
    assert curves.measured([failed]) == []


def test_common_pictures_are_measured_at_every_point_of_every_codec():
    ours = make_curve_records("inrc", bpp=(0.1, 0.2), pictures=PICTURES)
    incomplete = [record for record in ours if (record.picture, record.point) != ("kodim02", 0.2)]
    records = [*make_curve_records(), *incomplete]
    assert curves.common_pictures(records) == ["kodim01", "kodim03"]
    assert curves.common_pictures(records, ("jpeg_444",)) == list(PICTURES)
    with pytest.raises(RecordError, match=r"no picture .* \(jpeg_444, inrc\)"):
        curves.shared_pictures([*make_curve_records(pictures=("a",)), *make_curve_records("inrc", pictures=("b",))])


def test_all_mean_curves_are_over_the_same_pictures():
    records = [*make_curve_records(), *make_curve_records("inrc", pictures=PICTURES[:1])]
    jpeg, ours = curves.mean_curves(records)
    assert (jpeg.n_pictures, ours.n_pictures) == (1, 1)
    assert np.allclose(jpeg.points, ours.points, rtol=1e-12)


def test_points_of_exact_copies_are_left_out():
    records = [*make_curve_records(bpp=(0.4,)), make_record(point=100.0, psnr_db=math.inf, mse=0.0)]
    assert len(curves.mean_curve(records, "jpeg_444").points) == 1
    with pytest.raises(RecordError, match="no record of jpeg_444 has a lpips"):
        curves.mean_curve(records, "jpeg_444", "lpips")


def test_ms_ssim_in_db():
    assert curves.ms_ssim_db(0.99) == pytest.approx(20)
    assert curves.ms_ssim_db(1.0) == math.inf
    records = [make_record(ms_ssim=0.98), make_record(ms_ssim=1.0)]
    assert curves.mean_quality(records, "ms_ssim_db") == pytest.approx(20)  # of the mean 0.99


def test_psnr_of_the_mean_error():
    records = [make_record(psnr_db=20.0), make_record(psnr_db=30.0)]
    assert curves.psnr_of_mean_mse(records) == pytest.approx(-10 * math.log10((0.01 + 0.001) / 2))


@pytest.mark.parametrize("metric", ["psnr_db", "ms_ssim_db"])
def test_a_fifth_fewer_bytes_is_a_bd_rate_of_minus_20_percent(metric):
    records = [*make_curve_records(), *make_curve_records("inrc", rate_factor=0.8)]
    (row,) = curves.bd_table(records, "jpeg_444", metric)
    assert (row.codec, row.n_pictures) == ("inrc", 3)
    assert row.of_means == pytest.approx(-20, abs=1e-6)
    assert dict(row.by_picture) == pytest.approx(dict.fromkeys(PICTURES, -20), abs=1e-6)
    assert row.mean_of_pictures == pytest.approx(-20, abs=1e-6)


def test_curves_without_overlap_have_no_bd_rate():
    records = [*make_curve_records(), *make_curve_records("inrc", psnr_shift=40)]
    (row,) = curves.bd_table(records, "jpeg_444")
    assert (row.of_means, row.mean_of_pictures, dict(row.by_picture)) == (None, None, {})
    with pytest.raises(RecordError, match="there is no record of avif; there are records of jpeg_444, inrc"):
        curves.bd_table(records, "avif")


def test_at_a_rate_between_points_quality_and_seconds_are_interpolated():
    curve = curves.Curve("a", ((0.1, 20.0), (0.4, 26.0)), (1.0, 100.0), 1)
    assert curves.at_rate(curve, 0.2) == ((pytest.approx(10.0), pytest.approx(23.0)),)
    assert curves.at_rate(curve, 0.41) == ()
    assert curves.at_rate(curves.Curve("c", ((0.186, 25.0),), (9.0,), 1), 0.2) == ()
    efforts = curves.Curve("b", ((0.182, 25.0), (0.2, 24.0)), (9.0, 3.0), 1)
    assert curves.at_rate(efforts, 0.2) == ((3.0, 24.0), (9.0, 25.0))


def test_the_common_rate_is_the_middle_of_what_curves_share():
    wide = curves.Curve("a", ((0.1, 20.0), (1.6, 40.0)), (1.0, 1.0), 1)
    narrow = curves.Curve("b", ((0.4, 20.0), (6.4, 40.0)), (1.0, 1.0), 1)
    apart = curves.Curve("c", ((9.0, 20.0), (16.0, 40.0)), (1.0, 1.0), 1)
    assert curves.common_rate([wide, narrow], [wide]) == pytest.approx(0.8)
    assert curves.common_rate([wide, narrow, apart], [apart]) == pytest.approx(12.0)
    assert curves.common_rate([wide, narrow, apart], [wide, apart]) == pytest.approx(0.4)


def test_mean_traces_meet_at_equal_fractions():
    fast = make_record(trace=((-0.5, 9.0, 1.0), (1.0, 20.0, 1.0), (10.0, 30.0, 1.0)))
    slow = make_record(trace=((6.0, 22.0, 1.0), (30.0, 32.0, 1.0)))
    trace = curves.mean_trace([fast, slow, make_record()])
    assert trace[0] == (pytest.approx(4.0), pytest.approx((20 + 10 / 9 + 22) / 2))  # a fifth of 10 s and of 30 s
    assert trace[-1] == (pytest.approx(20.0), pytest.approx(31.0))
    with pytest.raises(RecordError, match="no record has a trace"):
        curves.mean_trace([make_record()])


def test_gains_are_differences_at_equal_points():
    def other(record: Record) -> Record:
        return dataclasses.replace(
            record, codec="b", psnr_db=record.psnr_db + (1 if record.point < 0.3 else 2), n_bytes=record.n_bytes * 2
        )

    records = make_curve_records("a", bpp=(0.2, 0.4), pictures=("x", "y"))
    by_picture, more_bytes = curves.gains([*records, *map(other, records)], "a", "b")
    assert by_picture == {"x": pytest.approx(1.5), "y": pytest.approx(1.5)}
    assert more_bytes == pytest.approx(100)
    with pytest.raises(RecordError, match="a and c have no point"):
        curves.gains([*records, *make_curve_records("c", bpp=(BPP[-1],))], "a", "c")
