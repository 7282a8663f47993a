"""The page in a browser: it draws, reacts to pointer and keyboard, requests nothing and logs no error."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inrc.evaluate import comparison, report
from inrc.evaluate.comparison import Comparison, Comparisons, Side
from inrc.evaluate.pictures import kodak
from tests.evaluate.samples import make_curve_records, make_record
from tests.evaluate.test_report import HOSTILE, PUBLISHED

pytestmark = pytest.mark.slow

N_PIXELS = 64 * 48


KODAK = kodak().names
RATES = (0.1, 0.2)  # few enough that the page shows all rows


def sides(seed: int) -> tuple[Side, ...]:
    """Returns three versions of one small picture."""
    pixels = np.random.default_rng(seed).integers(0, 256, (48, 64, 3), np.uint8)
    pixels[8:40, 8:56] = 60
    images = [comparison._lossless(pixels), comparison._lossless(pixels // 2), comparison._lossless(255 - pixels)]
    named = [("original", np.inf, 1.0), ("inrc", 25.0, 0.75), ("JPEG 4:4:4", 24.0, 0.5)]
    rows = zip(named, images, strict=True)
    return tuple(Side(name, image, 480, 8 * 480 / N_PIXELS, psnr, ssim) for (name, psnr, ssim), image in rows)


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """A page with hostile names, an exact copy and a failure."""
    found = [
        *make_curve_records(
            "inrc", rate_factor=0.7, bpp=RATES, pictures=KODAK, extension="inr", details={"bits_per_weight": 4.0}
        ),
        *make_curve_records("jpeg_444", bpp=RATES, pictures=KODAK),
        *make_curve_records(HOSTILE, bpp=RATES, pictures=KODAK),
        *(make_record(picture=name, codec="exact", psnr_db=np.inf, mse=0.0, ssim=1.0, ms_ssim=1.0) for name in KODAK),
        make_record(codec="inrc", point=9.0, extension="inr", failure=HOSTILE),
    ]
    pairs = tuple(Comparison(name, 64, 48, sides(seed)) for seed, name in enumerate(("kodim01", "kodim02")))
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(report.page(found, comparisons=Comparisons(pairs, (HOSTILE,)), published=[PUBLISHED]))
    return path


@pytest.fixture
def tab(browser, path, request):
    """The open page; the test fails afterwards if the page logged or requested anything."""
    options = {"viewport": {"width": 1280, "height": 900}, **getattr(request, "param", {})}
    context = browser.new_context(**options)
    tab = context.new_page()
    complaints = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("request", lambda asked: complaints.append(asked.url) if not asked.url.startswith("data:") else None)
    tab.goto(path.as_uri())
    tab.wait_for_selector("#chart .curve")
    assert complaints.pop(0) == path.as_uri()
    yield tab
    context.close()
    assert complaints == []


def first_column(tab, table: str, column: int) -> list[str]:
    return tab.locator(f"{table} tbody td:nth-child({column})").all_inner_texts()


def test_the_metric_and_the_picture_change_the_chart(tab):
    shape = "#chart .curve:last-of-type > path:first-child"
    assert tab.locator("#chart .curve").count() == 4  # three codecs and the published curve; an exact copy has no PSNR
    by_psnr = tab.locator(shape).get_attribute("d")
    tab.get_by_role("button", name="MS-SSIM", exact=True).first.click()
    assert tab.locator("#chart .title").first.text_content() == "MS-SSIM, dB"
    assert tab.locator(shape).get_attribute("d") != by_psnr
    assert tab.locator("#chart .curve").count() == 3  # the paper gives no MS-SSIM
    tab.select_option("#chart-picture", label="kodim02")
    assert tab.locator("#chart .curve").count() == 3


def test_the_legend_switches_curves(tab):
    n_curves = tab.locator("#chart .curve").count()
    button = tab.locator("#legend button", has_text="Paper")
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert tab.locator("#chart .curve").count() == n_curves - 1


def test_points_react_to_pointer_and_keyboard(tab):
    tab.locator("#chart").focus()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowRight")
    assert "0.1400 bpp" in tab.locator("#tip").inner_text()  # 0.7 times the second of the rates
    assert tab.locator("#spoken").text_content().startswith("inrc, ")
    tab.keyboard.press("ArrowUp")
    assert PUBLISHED.citation in tab.locator("#tip").inner_text()
    tab.keyboard.press("Escape")
    assert tab.locator("#tip").is_hidden()
    box = tab.locator("#chart .ring").evaluate("ring => ({x: +ring.getAttribute('cx'), y: +ring.getAttribute('cy')})")
    frame = tab.locator("#chart").bounding_box()
    tab.mouse.move(frame["x"] + box["x"] + 3, frame["y"] + box["y"])
    assert tab.locator("#tip").is_visible()


def test_tables_sort_and_filter(tab):
    assert tab.locator("#row-count").inner_text() == "168 files"
    tab.get_by_role("region", name="Every measurement").get_by_role("button", name="Bytes").click()
    n_bytes = [int(text.replace(",", "")) for text in first_column(tab, "#rows", 4)]
    assert n_bytes == sorted(n_bytes)
    tab.get_by_role("region", name="Every measurement").get_by_role("button", name="Bytes").click()
    assert [int(text.replace(",", "")) for text in first_column(tab, "#rows", 4)] == n_bytes[::-1]
    assert tab.locator("#rows th").nth(3).get_attribute("aria-sort") == "descending"
    tab.select_option("#row-picture", label="kodim03")
    tab.select_option("#row-codec", label="inrc")
    assert first_column(tab, "#rows", 1) == ["kodim03"] * 2
    assert "∞" not in first_column(tab, "#rows", 6)
    assert first_column(tab, "#bd", 2)[0] == "−30.0 %"


def test_hostile_names_are_text(tab):
    assert HOSTILE in tab.locator("#failures").inner_text()
    assert HOSTILE in tab.locator("#notes").inner_text()
    assert tab.locator("img").count() == 2  # the two sides of the comparison


def test_the_divider_moves_by_keyboard_and_pointer(tab):
    tab.locator("#split").focus()
    for _ in range(10):
        tab.keyboard.press("ArrowLeft")
    assert tab.locator("#split").input_value() == "40"
    assert "60%" in tab.locator("#left-layer").evaluate("layer => layer.style.clipPath")
    tab.locator("#stage").scroll_into_view_if_needed()
    handle, frame = tab.locator("#divider").bounding_box(), tab.locator("#stage").bounding_box()
    tab.mouse.move(handle["x"] + 16, handle["y"] + 100)
    tab.mouse.down()
    tab.mouse.move(frame["x"] + 0.8 * frame["width"], handle["y"] + 120, steps=5)
    tab.mouse.up()
    assert float(tab.locator("#split").input_value()) == pytest.approx(80, abs=1)


def test_the_wheel_keeps_what_is_under_the_pointer_and_dragging_moves_it(tab):
    def under(x: float) -> float:
        """Returns the column of the picture at a place on the screen."""
        box = tab.locator("#left-image").bounding_box()
        return (x - box["x"]) / box["width"] * 64

    tab.locator("#zoom button", has_text="fit").scroll_into_view_if_needed()
    tab.locator("#stage").click(position={"x": 300, "y": 200})
    frame = tab.locator("#stage").bounding_box()
    x, y = frame["x"] + 300, frame["y"] + 200
    tab.mouse.move(x, y)
    before, width = under(x), tab.locator("#left-image").bounding_box()["width"]
    scroll = tab.evaluate("scrollY")
    tab.mouse.wheel(0, -600)
    tab.wait_for_function(f"document.getElementById('left-image').getBoundingClientRect().width > {width + 1}")
    assert under(x) == pytest.approx(before, abs=0.05)
    assert tab.evaluate("scrollY") == scroll
    left = tab.locator("#left-image").bounding_box()["x"]
    tab.mouse.move(x + 200, y)  # beside the divider, which the click has set
    tab.mouse.down()
    tab.mouse.move(x + 160, y, steps=4)
    tab.mouse.up()
    assert tab.locator("#left-image").bounding_box()["x"] == pytest.approx(left - 40, abs=1)
    assert tab.locator("#right-image").bounding_box() == tab.locator("#left-image").bounding_box()
    tab.keyboard.press("0")
    assert tab.locator("#zoom button").first.get_attribute("aria-pressed") == "true"


def test_sides_and_pictures_can_be_chosen(tab):
    assert tab.locator("#left-tag").inner_text() == "inrc"
    assert "PSNR 25.00 dB" in tab.locator("#left-numbers").inner_text()
    first = tab.locator("#left-image").get_attribute("src")
    tab.select_option("#left", label="original")
    assert tab.locator("#left-numbers").inner_text().split() == ["480", "bytes", "1.250", "bpp"]
    tab.select_option("#left", label="inrc")
    tab.select_option("#eye-picture", label="kodim02")
    assert tab.locator("#left-image").get_attribute("src") != first
    assert tab.locator("#left-image").evaluate("image => image.decode().then(() => image.naturalWidth)") == 64


@pytest.mark.parametrize(
    "tab",
    [
        {"color_scheme": "light"},
        {"color_scheme": "dark"},
        {"viewport": {"width": 400, "height": 800}, "has_touch": True},
    ],
    indirect=True,
    ids=["light", "dark", "narrow"],
)
def test_it_fits_its_window(tab, tmp_path):
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    tab.screenshot(path=tmp_path / "page.png", full_page=True)
    with Image.open(tmp_path / "page.png") as picture:
        assert picture.width == tab.viewport_size["width"]
        brightness = np.median(np.asarray(picture.convert("L")))
    dark = tab.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert brightness < 40 if dark else brightness > 240
