"""The places where inits are looked for, and their order."""

import dataclasses
import os
import tomllib
from pathlib import Path

import pytest

import inrc
from inrc import shared_init
from inrc.errors import InitMismatchError
from inrc.shared_init import library
from tests.shared_init.inits import random_init

FIRST, SECOND, THIRD = (random_init(seed=seed) for seed in range(3))


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Two folders of the user, and that of the package."""
    paths = [tmp_path / name for name in ("a", "b", "package")]
    for path in paths:
        path.mkdir()
    monkeypatch.setenv(shared_init.PATH_VARIABLE, os.pathsep.join(map(str, paths[:2])))
    monkeypatch.setattr(library, "_shipped_folders", lambda: [paths[2]])
    return paths


def missing(call, *arguments) -> str:
    with pytest.raises(InitMismatchError) as raised:
        call(*arguments)
    return str(raised.value)


def test_inits_are_found_by_their_content_whatever_their_name(folders):
    shared_init.save(FIRST, folders[1] / f"{SECOND.id.hex()}.npz")
    shared_init.save(SECOND, folders[2] / "z.npz")
    assert shared_init.find(FIRST.id).sha256 == FIRST.sha256
    assert shared_init.find(SECOND.id).sha256 == SECOND.sha256
    message = missing(shared_init.find, THIRD.id)
    assert THIRD.id.hex() in message
    assert "INRC_INIT_PATH" in message
    assert "--init" in message


def test_damaged_files_are_skipped(folders):
    (folders[0] / f"{FIRST.id.hex()}.npz").write_bytes(b"damaged")
    (folders[0] / "a folder.npz").mkdir()
    missing(shared_init.find, FIRST.id)
    shared_init.save(FIRST, folders[2] / "first.npz")
    assert shared_init.find(FIRST.id).sha256 == FIRST.sha256


def test_the_users_folders_come_first_and_in_each_the_file_of_the_ids_name(folders, monkeypatch):
    for folder in folders:
        shared_init.save(FIRST, folder / "first.npz")
    shared_init.save(FIRST, folders[0] / f"{FIRST.id.hex()}.npz")
    shared_init.save(SECOND, folders[0] / "0.npz")
    loaded = []

    def load(path, *_):
        loaded.append(path)
        return shared_init.load(path)

    monkeypatch.setattr(library, "_load_once", load)
    shared_init.find(FIRST.id)
    assert loaded == [folders[0] / f"{FIRST.id.hex()}.npz"]
    loaded.clear()
    missing(shared_init.find, THIRD.id)
    assert [path.parent for path in loaded] == [*[folders[0]] * 3, folders[1], folders[2]]


def test_a_file_that_changes_is_read_again(folders):
    path = folders[0] / "init.npz"
    shared_init.save(FIRST, path)
    assert shared_init.find(FIRST.id).sha256 == FIRST.sha256
    shared_init.save(SECOND, path)
    os.utime(path, ns=(1, 1))
    assert shared_init.find(SECOND.id).sha256 == SECOND.sha256
    missing(shared_init.find, FIRST.id)


def test_without_the_variable_there_are_those_of_the_package(folders, monkeypatch):
    shared_init.save(FIRST, folders[0] / "first.npz")
    monkeypatch.delenv(shared_init.PATH_VARIABLE)
    missing(shared_init.find, FIRST.id)


def test_a_lookup_of_one_knows_no_other():
    assert shared_init.lookup_of(FIRST)(FIRST.id) is FIRST
    message = missing(shared_init.lookup_of(FIRST), SECOND.id)
    assert FIRST.id.hex() in message
    assert SECOND.id.hex() in message


class TestNames:
    def test_paths(self, folders):
        path = folders[0] / "first.npz"
        shared_init.save(FIRST, path)
        assert shared_init.by_name(str(path)).sha256 == FIRST.sha256
        assert "No such file" in missing(shared_init.by_name, str(folders[0] / "no.npz"))

    def test_digits_of_a_hash(self, folders):
        shared_init.save(FIRST, folders[1] / "first.npz")
        shared_init.save(FIRST, folders[2] / "the same.npz")
        shared_init.save(SECOND, folders[2] / "second.npz")
        for name in (FIRST.sha256, FIRST.id.hex(), FIRST.sha256[:4], FIRST.sha256[:6].upper()):
            assert shared_init.by_name(name).sha256 == FIRST.sha256
        assert "no shared inits" in missing(shared_init.by_name, THIRD.id.hex())
        assert "No such file" in missing(shared_init.by_name, FIRST.sha256[:3])  # too short for an id: a path

    def test_a_file_in_the_way_is_what_its_name_says(self, folders, monkeypatch):
        shared_init.save(FIRST, folders[1] / "first.npz")
        monkeypatch.chdir(folders[0])
        shared_init.save(SECOND, folders[0] / FIRST.id.hex())
        assert shared_init.by_name(FIRST.id.hex()).sha256 == SECOND.sha256

    def test_an_ambiguous_beginning(self, folders, monkeypatch):
        shared_init.save(FIRST, folders[1] / "first.npz")
        shared_init.save(SECOND, folders[1] / "second.npz")
        inits = list(library._inits(folders[1:2]))  # the very objects that later look-ups find
        for init, end in zip(inits, "ab", strict=True):
            monkeypatch.setitem(init.__dict__, "sha256", "beef" + end * 60)
        assert "2 shared inits" in missing(shared_init.by_name, "beef")
        assert shared_init.by_name("beefa") is inits[0]


def test_a_wheel_has_the_exported_inits_where_they_are_looked_for():
    root = Path(inrc.__file__).parents[2]
    included = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    (source, target), *others = included["force-include"].items()
    assert not others
    folder = Path(inrc.__file__).parents[1] / target
    assert [folder, root / source] == library._shipped_folders()
    assert (root / source).is_dir()


def test_the_hashes_of_the_shipped_inits_never_change():
    folder = Path(inrc.__file__).parents[2] / "meta_init" / "exported"
    names = ("14ca69de07028866", "18ac7aac8c065fdf", "202c70e814fac9f4", "34098079054b385e", "5084ee8465e3d554",
             "60217105f8c3c4a4", "623f5d3cb959b7d0", "c5851304e4115932", "cdbc49330a66a333")  # fmt: skip
    for name in names:
        assert shared_init.load(folder / f"{name}.npz").id.hex() == name
    assert {path.stem for path in folder.glob("*.npz")} >= set(names)
    for path in folder.glob("*.npz"):
        assert shared_init.load(path).id.hex() == path.stem


def test_those_that_are_shipped_come_in_the_order_of_their_hashes(folders):
    for name, init in (("a", FIRST), ("b", SECOND), ("c", THIRD)):
        shared_init.save(init, folders[2] / f"{name}.npz")
    shared_init.save(random_init(seed=9), folders[0] / "mine.npz")
    assert [i.sha256 for i in shared_init.shipped("siren")] == sorted(i.sha256 for i in (FIRST, SECOND, THIRD))


def test_those_that_are_for_one_codec_are_taken_by_no_other(folders):
    for name, init in (("a", FIRST), ("b", dataclasses.replace(SECOND, codec="mine"))):
        shared_init.save(init, folders[2] / f"{name}.npz")
    assert {i.sha256 for i in shared_init.shipped("siren")} == {FIRST.sha256}
    assert {i.sha256 for i in shared_init.shipped("mine")} == {FIRST.sha256, SECOND.sha256}
    assert shared_init.find(SECOND.id).codec == "mine"


@pytest.mark.parametrize(("name", "canvas"), [("18ac7aac8c065fdf", (512, 768)), ("34098079054b385e", (64, 64))])
def test_the_starts_of_strumpler_meta_have_inner_steps_and_are_for_it_alone(name, canvas):
    init = shared_init.by_name(name)
    assert (init.codec, init.n_inner_steps, init.shape) == ("strumpler-meta", 3, canvas)
    assert init.sha256 in {each.sha256 for each in shared_init.shipped("strumpler-meta")}
    for codec in ("siren", "strumpler"):
        assert init.sha256 not in {each.sha256 for each in shared_init.shipped(codec)}
