from inrc.dataset.kinds import Kinds, skipped_in_words


def test_wanted_skipped_and_ignored():
    kinds = Kinds((".inr",), ("manifest.jsonl",))
    names = ["a.inr", "b/C.INR", ".a.inr", "b/.hidden", "manifest.jsonl", "x.jsonl", "a.png", "b.PNG", "tar", "x.y z"]
    assert [name for name in names if kinds.wants(name)] == ["a.inr", "b/C.INR"]
    assert kinds.skipped == {".jsonl": 1, ".png": 2, "other": 2}


def test_in_words():
    assert skipped_in_words({}) == ""
    assert skipped_in_words({"other": 1}) == "1 file skipped (1 other)"
    many = {".mov": 3, "other": 2, **{f".{letter}": 1 for letter in "abcdef"}, ".heic": 1200}
    assert skipped_in_words(many) == "1,211 files skipped (1,200 .heic, 3 .mov, 1 .a, 1 .b, 1 .c, 5 other)"


def test_a_million_suffixes_are_not_kept():
    kinds = Kinds((".png",))
    for i in range(3000):
        kinds.wants(f"a.{i}")
    assert len(kinds.skipped) <= 1001
    assert sum(kinds.skipped.values()) == 3000
