from pathlib import Path

from experiments import rd_check

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_table_of_the_readme_is_that_of_the_records():
    records = rd_check.load()
    assert len(records) == len(rd_check.PICTURES) * len(rd_check.RATES)
    assert rd_check.markdown(records) in README
