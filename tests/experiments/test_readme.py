"""Every number of the tables of README.md and docs/measurements.md comes from the records."""

from pathlib import Path

from experiments import headline, kodak_quick, latent_rd
from inrc.evaluate import records, tables
from inrc.evaluate.curves import mean_curve
from inrc.evaluate.published import choose, load_published
from inrc.evaluate.records import Record
from inrc.metrics.bdrate import bd_rate

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.md").read_text()
MEASUREMENTS = (REPOSITORY / "docs" / "measurements.md").read_text()
RESULTS = REPOSITORY / "experiments" / "results"
PUBLISHED = REPOSITORY / "experiments" / "published" / "kodak"
QUICK = set(kodak_quick.PICTURES.names)


def kodak() -> list[Record]:
    return records.load_all([RESULTS / "kodak.jsonl"])


def body(table: tables.Table) -> str:
    """Returns a table in Markdown without its title and its note."""
    return "\n".join(line for line in tables.to_markdown(table).splitlines() if line.startswith("|"))


def test_the_headline_is_that_of_the_records():
    assert headline.table() in README


def test_the_means_of_coordinate_networks_are_those_of_the_records():
    ours = [record for record in kodak() if record.codec == "inrc" and record.picture in QUICK]
    assert len(ours) == 4 * len(QUICK)
    assert not any(record.failure for record in ours)
    assert body(tables.rate_distortion_table(ours)) in MEASUREMENTS


def test_the_bd_rates_are_those_of_the_records():
    drawn = choose(load_published(PUBLISHED))
    assert body(tables.bd_rate_table(kodak(), "jpeg_444", drawn)) in MEASUREMENTS


def test_latent_grids_are_those_of_the_records():
    found = records.load_all([RESULTS / "latent_rd.jsonl"])
    assert not any(record.failure for record in found)
    for lines in latent_rd.tables(found).values():
        assert lines in MEASUREMENTS


def test_what_priors_are_worth_to_small_pictures_is_in_the_records():
    found = records.load_all([RESULTS / "small_pictures.jsonl"])
    assert len(found) == 2 * 4 * 24
    assert body(tables.rate_distortion_table(found)) in MEASUREMENTS
    assert body(tables.bd_rate_table(found, "no prior")) in MEASUREMENTS


def test_anchors_were_measured_on_all_of_kodak_without_a_failure():
    found = kodak()
    for codec in ("jpeg_444", "jpeg_420", "jpeg2000", "webp", "avif_444", "jxl"):
        of_codec = [record for record in found if record.codec == codec]
        assert len({record.picture for record in of_codec}) == 24
        assert not any(record.failure for record in of_codec)


JPEG_MEASURED_ELSEWHERE = (
    (0.145555, 21.54877), (0.179855, 22.93094), (0.276947, 26.07848), (0.434258, 28.46432), (0.678318, 30.68217),
    (0.971330, 32.52374), (1.329532, 34.28979), (1.971039, 36.81912), (2.954711, 40.15426), (4.336282, 43.38403),
)  # fmt: skip
"""(bpp, PSNR in dB), means over Kodak of progressive, optimised JPEG 4:4:4 as another program measured them."""


def test_jpeg_agrees_with_another_measurement_within_one_percent():
    ours = mean_curve(kodak(), "jpeg_444").points
    assert abs(bd_rate(JPEG_MEASURED_ELSEWHERE, ours)) < 1.0
