"""The page in a browser, opened from a file: it shows what the package decodes, and asks nobody for anything."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import inrc
from inrc import shared_init
from inrc.viewer.files import embedded_inr, embedded_picture
from inrc.viewer.page import page
from tests.golden.make import FOLDER
from tests.viewer.tab import Tab

INIT = FOLDER / "init.npz"
NAMES = sorted(path.stem for path in FOLDER.glob("*.inr"))


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("viewer") / "page.html"
    path.write_text(page())
    return path


@pytest.fixture
def tab(browser, path):
    """The empty page; the test fails afterwards if it logged anything or requested what is not its own."""
    tab = Tab(browser, path)
    yield tab
    tab.close()


def golden(name: str) -> Path:
    return FOLDER / f"{name}.inr"


def expected(name: str, **view: Any) -> np.ndarray:
    """The package's pixels [height, width, 4], of 8 bits."""
    pixels = inrc.decode(golden(name), init=INIT if name.startswith("init-") else None, **view).pixels
    if pixels.dtype == np.uint16:
        pixels = np.floor(pixels / 65535 * 255 + 0.5).astype(np.uint8)
    alpha = pixels[..., -1:] if pixels.shape[2] in (2, 4) else np.full_like(pixels[..., :1], 255)
    colours = pixels[..., : 1 if pixels.shape[2] < 3 else 3]
    return np.concatenate([np.broadcast_to(colours, (*colours.shape[:2], 3)), alpha], axis=2)


def assert_same(found: np.ndarray, wanted: np.ndarray, tolerance: float = 1) -> None:
    """A canvas holds colours times alpha in 8 bits, so that only their product can be compared where alpha is low."""
    assert found.shape == wanted.shape
    difference = np.abs(found.astype(int) - wanted.astype(int))
    assert difference[..., 3].max() <= tolerance
    share = wanted[..., 3:] / 255
    rounding = np.where(share < 1, 1.5, 0)
    assert np.all(difference[..., :3] * share <= tolerance + rounding)


@pytest.mark.parametrize("name", ["codec-siren", "latent-portrait", "rgba"])
def test_native_pixels_a_zoom_and_the_whole(tab, name):
    tab.drop(golden(name))
    tab.shows(f"{name}.inr")
    _, _, width, height = tab.raster()
    assert_same(tab.pixels(), expected(name, size=(width, height)))
    tab.press("1")
    assert_same(tab.pixels(), expected(name))
    tab.press("+", "+")
    assert tab.page.locator("#scale").inner_text() == "200 %"
    assert_same(tab.pixels(), expected(name, scale=2))


@pytest.mark.slow
def test_every_golden_file(tab):
    for name in NAMES:
        files = [golden(name), INIT] if name.startswith("init-") else [golden(name)]
        tab.drop(*files)
        tab.shows(f"{name}.inr")
        tab.press("1")
        assert_same(tab.pixels(), expected(name))


def test_lanczos_while_a_key_is_held(tab):
    name = "codec-latent-grid"
    tab.drop(golden(name))
    tab.shows(f"{name}.inr")
    tab.press("1", "+", "+")
    by_network = tab.pixels()
    tab.page.keyboard.down("l")
    tab.is_sharp()
    assert tab.page.locator("#badge").is_visible()
    native = expected(name)[..., :3].astype(np.float32)
    size = 2 * native.shape[1], 2 * native.shape[0]
    planes = [Image.fromarray(native[..., c]).resize(size, Image.Resampling.LANCZOS) for c in range(3)]
    wanted = np.clip(np.stack([np.asarray(plane) for plane in planes], axis=-1), 0, 255)
    found = tab.pixels()[..., :3]
    assert found.shape == wanted.shape
    # Pillow cuts its kernel at edges, where the page repeats them.
    assert np.abs(found - wanted)[8:-8, 8:-8].max() <= 1
    assert np.mean(found != by_network[..., :3]) > 0.5
    tab.page.keyboard.up("l")
    tab.is_sharp()
    assert not tab.page.locator("#badge").is_visible()
    assert np.array_equal(tab.pixels(), by_network)


def test_damaged_files_say_so(tab, tmp_path):
    cut = tmp_path / "cut.inr"
    cut.write_bytes(golden("gray").read_bytes()[:-5])
    tab.drop(cut)
    tab.page.wait_for_selector("#message:visible")
    assert tab.page.locator("#message-headline").inner_text() == "The file is damaged"
    assert "The checksum of bytes" in tab.page.locator("#message-text").inner_text()
    tab.page.keyboard.press("Escape")
    assert tab.page.locator("#start").is_visible()
    other = tmp_path / "notes.txt"
    other.write_text("nothing")
    tab.drop(other)
    tab.page.wait_for_selector("#message:visible")
    assert "does not begin with 'inr'" in tab.page.locator("#message-text").inner_text()
    tab.drop(golden("gray"))  # the page goes on
    tab.shows("gray.inr")
    assert not tab.page.locator("#message").is_visible()


def test_a_missing_init_is_named_and_may_come_later(tab):
    tab.drop(golden("init-gray"))
    tab.page.wait_for_selector("#message:visible")
    assert tab.page.locator("#message-headline").inner_text() == "A shared init is missing"
    init_id = inrc.info(golden("init-gray"), init=INIT).init
    assert f"needs the shared init {init_id}, which is not here" in tab.page.locator("#message-text").inner_text()
    tab.drop(INIT)
    tab.shows("init-gray.inr")
    tab.press("1")
    assert_same(tab.pixels(), expected("init-gray"))


def test_a_file_that_is_opened_meanwhile_is_the_one_that_is_shown(tab):
    for name in ("latent-large", "codec-coin", "codec-latent-grid", "gray"):
        tab.drop(golden(name))
    tab.shows("gray.inr")
    tab.press("1")
    assert_same(tab.pixels(), expected("gray"))


def test_two_sides_share_a_view_and_a_line(browser, tmp_path):
    name, other = "init-landscape", FOLDER / "init-landscape.png"
    file, inits = embedded_inr(f"{name}.inr", golden(name).read_bytes(), shared_init.lookup_of(shared_init.load(INIT)))
    path = tmp_path / "page.html"
    path.write_text(page([file, embedded_picture(other.name, other.read_bytes())], inits))
    tab = Tab(browser, path)
    tab.shows(f"{name}.inr", other.name)
    tab.page.locator("#divider").focus()
    tab.press("End")
    tab.press("1")
    assert_same(tab.pixels("a"), expected(name))
    tab.page.locator("#divider").focus()
    tab.press("Home", *["ArrowRight"] * 2)
    assert tab.page.locator("#divider").get_attribute("aria-valuenow") == "4"
    assert "4%" in tab.page.locator("#canvas-b").evaluate("canvas => canvas.style.clipPath")
    with Image.open(other) as picture:
        wanted = np.asarray(picture.convert("RGBA"))
    assert_same(tab.pixels("b"), wanted, tolerance=0)
    labels = tab.page.locator(".label:visible").all_inner_texts()
    assert labels == [f"{name}.inr · {golden(name).stat().st_size} bytes", f"{other.name} · 2,444 bytes"]
    tab.close()


def test_wheel_drag_and_keys_move_the_view(tab):
    tab.drop(golden("codec-latent-grid"))
    tab.shows("codec-latent-grid.inr")

    def under(x: float, y: float) -> tuple[float, float]:
        """The place of the picture, from 0 to 1, under a place of the stage."""
        left, top, width, height = tab.raster()
        return (x - left) / width, (y - top) / height

    box = tab.page.locator("#stage").bounding_box()
    x, y = 320.0, 250.0
    tab.page.mouse.move(box["x"] + x, box["y"] + y)
    before, width = under(x, y), tab.raster()[2]
    raster = ",".join(map(str, tab.raster()))
    tab.page.mouse.wheel(0, -900)
    tab.page.wait_for_selector(f"body:not([data-raster='{raster}'])")
    tab.is_sharp()
    assert tab.raster()[2] > 2 * width
    assert under(x, y) == pytest.approx(before, abs=1e-3)
    left, top, *_ = tab.raster()
    tab.page.mouse.down()
    tab.page.mouse.move(box["x"] + x - 70, box["y"] + y + 30, steps=5)
    tab.page.mouse.up()
    tab.is_sharp()
    assert tab.raster()[:2] == (left - 70, top + 30)
    tab.press("ArrowRight")
    assert tab.raster()[0] == left - 150
    tab.press("0")
    assert tab.raster()[2] == width


def test_two_fingers_pinch(browser, path):
    tab = Tab(browser, path, has_touch=True)
    tab.drop(golden("codec-siren"))
    tab.shows("codec-siren.inr")
    box, width = tab.page.locator("#stage").bounding_box(), tab.raster()[2]
    raster = ",".join(map(str, tab.raster()))
    touch = tab.context.new_cdp_session(tab.page)
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for kind, reach in [("touchStart", 50), ("touchMove", 75), ("touchMove", 100), ("touchEnd", None)]:
        sides = () if reach is None else (-reach, reach)
        points = [{"x": middle[0] + dx, "y": middle[1], "id": i} for i, dx in enumerate(sides)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    tab.page.wait_for_selector(f"body:not([data-raster='{raster}'])")
    tab.is_sharp()
    assert tab.raster()[2] == pytest.approx(2 * width, abs=2)
    tab.close()


def test_details_tell_what_the_file_holds(tab):
    name = "latent-large"
    tab.drop(golden(name))
    tab.shows(f"{name}.inr")
    tab.press("i")
    info = inrc.info(golden(name))
    text = tab.page.locator("#details").inner_text()
    assert f"{info.n_bytes} bytes, {info.bpp:.4g} bpp" in text
    assert f"{info.width} × {info.height}" in text
    assert f"about {info.latent_bytes:,.0f} bytes" in text
    assert "LATENT_GRID" in text
    # 13 grids, and every matrix.
    assert tab.page.locator("#details figure").count() == 13 + len(info.steps)


@pytest.mark.parametrize("width", [400, 1280])
def test_it_fits_its_window(tab, width):
    tab.page.set_viewport_size({"width": width, "height": 800})
    tab.drop(golden("codec-siren"))
    tab.shows("codec-siren.inr")
    tab.press("i")
    assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    x, y, columns, rows = tab.raster()
    stage = tab.page.locator("#stage").bounding_box()
    assert min(x, y) >= 0
    assert x + columns <= stage["width"]
    assert y + rows <= stage["height"]


def test_pixels_of_dense_screens_are_whole(browser, path):
    tab = Tab(browser, path, device_scale_factor=1.25)
    tab.drop(golden("codec-siren"))
    tab.shows("codec-siren.inr")
    tab.press("1")
    assert_same(tab.pixels(), expected("codec-siren"))
    widths = tab.page.locator("#canvas-a").evaluate(
        "c => [c.width, c.getBoundingClientRect().width * devicePixelRatio]"
    )
    assert widths[0] == pytest.approx(widths[1], abs=0.02)
    tab.close()
