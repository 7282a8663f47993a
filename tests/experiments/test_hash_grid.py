"""What the experiment on hash grids says of a file's integers without an entropy coder."""

from pathlib import Path

from experiments.hash_grid import storage_bytes, table
from inrc.evaluate.records import load

FOLDER = Path(__file__).parents[2]


def test_sizes_of_the_golden_file_by_hand():
    sizes = storage_bytes((FOLDER / "tests" / "golden" / "v1" / "codec-hash-grid.inr").read_bytes())
    # Tables of 63, 64, 64 and 64 entries of two features; layers of 8 x 9, 8 x 9 and 3 x 9.
    n_in_tables, n_in_layers = 2 * (63 + 3 * 64), 2 * 8 * 9 + 3 * 9
    assert sizes["n_in_tables"] == n_in_tables
    assert sizes["half_bytes"] - sizes["byte_bytes"] == n_in_tables + n_in_layers
    assert 0 < sizes["table_bytes"] < sizes["range_bytes"] < sizes["byte_bytes"]
    assert 0 < sizes["zeros_in_tables"] < n_in_tables


def test_the_table_has_a_row_for_every_record():
    records = load(FOLDER / "experiments" / "results" / "hash_grid.jsonl")
    lines = table(list(records)).splitlines()
    assert len(lines) == 2 + len(records)
    assert len({line.count("|") for line in lines}) == 1
