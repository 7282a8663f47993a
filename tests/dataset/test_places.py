import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractFileSystem

from inrc.dataset.manifest import Row
from inrc.dataset.places import (
    filesystem,
    is_pattern,
    public,
    reason_of,
    stamp_of,
    url_of,
    without_query,
    without_secrets,
)
from inrc.dataset.rows import row_of_failure
from inrc.errors import UnreadableImageError


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("https://h/a.png?X-Amz-Signature=S", "https://h/a.png"),
        ("HTTP://me:S@h:8080/a b.png#S", "HTTP://h:8080/a b.png"),
        ("https://h?S", "https://h"),
        ("https://me:p@ss@h/a@b.png", "https://h/a@b.png"),
        ("sftp://me:S@h/dir/*.png", "sftp://h/dir/*.png"),
        ("s3://bucket/a?.png", "s3://bucket/a?.png"),  # a glob
        ("s3://bucket/a#1.png", "s3://bucket/a#1.png"),
        ("az://box/a.png?sv=1&sig=S", "az://box/a.png"),
        ("simplecache::https://me:S@h/a.png?S", "simplecache::https://h/a.png"),
        ("zip://a.png::https://h/x.zip?S::more", "zip://a.png::https://h/x.zip"),
        ("http://[::1]:80/a.png?S", "http://[::1]:80/a.png"),
        ("folder/a?b=c#d.png", "folder/a?b=c#d.png"),  # a path
    ],
)
def test_what_people_may_see(place, expected):
    assert public(place) == expected
    assert public(expected) == expected


def test_urls_in_messages():
    text = "403, url='https://me:S@h/a.png?sig=S' (and \"http://h/b?S\"), s3://bucket/c.png: denied"
    assert without_secrets(text) == '403, url=\'https://h/a.png (and "http://h/b"), s3://bucket/c.png: denied'
    url = "https://h/a b.png?sig=S S"
    assert reason_of(ValueError(f"no  {url}\nhere"), url) == "no https://h/a b.png here"
    assert reason_of(FileNotFoundError(url), url) == "No such file or directory"
    assert reason_of(PermissionError(13, "Permission denied", url), url) == "Permission denied"
    assert reason_of(TimeoutError()) == "TimeoutError"
    row = row_of_failure(Row("a", "ok"), UnreadableImageError("no https://h/a?sig=S"))
    assert row.message == "no https://h/a"


def test_queries_and_patterns():
    assert without_query("https://h/a.png?x=*") == "https://h/a.png"
    assert without_query("s3://b/a?.png") == "s3://b/a?.png"
    patterns = ["a*.png", "s3://b/?.png", "http://h/*.png?sig", "b/[ab].png"]
    others = ["http://h/a.png?x=[*]", "http://[::1]/a.png", "a.png", "https://h/a?b"]
    assert [is_pattern(path) for path in patterns + others] == [True] * 4 + [False] * 4


def test_urls_keep_host_user_and_chain():
    files = AbstractFileSystem()
    cases = [
        ("sftp://me:S@h/in", "/in", "/in/a.png", "sftp://me:S@h/in/a.png"),
        ("memory://in/", "/in", "/in/a.png", "memory://in/a.png"),
        ("s3://b/in/*.png", "b/in/*.png", "b/in/a.png", "s3://b/in/a.png"),
        ("zip://in::https://h/x.zip?sig", "in", "in/a.png", "zip://in/a.png::https://h/x.zip?sig"),
    ]
    for place, own, path, expected in cases:
        assert url_of(files, path, place, own) == expected
    assert url_of(LocalFileSystem(), "/in/a.png", "file:///in", "/in") == "/in/a.png"


@pytest.mark.parametrize(
    ("url", "is_kept"), [("http://h/a?s=%3A+b", True), ("http://h/a b", False), ("http://h/%", False)]
)
def test_urls_that_are_encoded_already_are_sent_as_they_are(web, url, is_kept):
    assert filesystem(url)[0].storage_options.get("encoded", False) is is_kept


def test_stamps_of_web_servers():
    assert stamp_of({"size": 3, "ETag": '"abc"', "Last-Modified": "now"}) == "3-abc"
    assert stamp_of({"size": 3, "Last-Modified": "now"}) == "3-now"
    assert stamp_of({"size": 3}) == "3"
