"""The page and the documentation in a real browser, at the width of a phone and of a desk."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from browser import Page, browser, chromium, tab

from load_tests.running import Server, running_server

pytestmark = pytest.mark.skipif(
    chromium() is None, reason="no Chromium on this machine (Debian: chromium)"
)
WIDTHS = (390, 1280)
KEY = "a-key-for-the-test"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("server") / "server.log"
    settings = {
        "MFN_API_KEY": KEY,
        "MFN_API_KEY_REQUIRED": "true",
        "MFN_WARM_GRID_SIZES": "32",
        "MFN_MAX_CELL_STEPS": str(2**30),  # for a run that is long enough to be stopped
    }
    with running_server(environment=settings, log=log) as running:
        yield running


@pytest.fixture(scope="module")
def chrome() -> Iterator[str]:
    with browser() as address:
        yield address


@pytest.fixture
def page(server: Server, chrome: str) -> Iterator[Page]:
    """A tab that has complained of nothing, and asked no other host, when the test is over."""
    with tab(chrome) as opened:
        yield opened
        assert opened.complaints == []
        others = [url for url in opened.requested if not url.startswith((server.url, "data:"))]
        assert others == []


def keep_the_key(page: Page, server: Server) -> None:
    page.open(f"{server.url}/docs", WIDTHS[0])  # the storage of this origin
    page.run(f"sessionStorage.setItem('mfnjax-api-key', {KEY!r})")


def open_page(page: Page, server: Server, width: int) -> None:
    keep_the_key(page, server)
    page.open(f"{server.url}/", width)
    page.wait("!document.getElementById('run').disabled")


def choose(page: Page, **numbers: float) -> None:
    for name, value in numbers.items():
        page.write(f"#field-{name}", str(value))


def picture(page: Page) -> str:
    return page.run("document.getElementById('canvas').toDataURL()")


def run_to_the_end(page: Page) -> None:
    page.click("#run")
    page.wait(r"/\d+ steps in/.test(document.getElementById('status').textContent)")


def feature(page: Page, name: str) -> float:
    rows = page.run("[...document.querySelectorAll('#features tbody tr')].map(r => r.textContent)")
    (found,) = [row for row in rows if row.startswith(name)]
    return float(found.removeprefix(name))


@pytest.mark.parametrize("width", WIDTHS)
def test_a_run_shows_its_field_and_features(page: Page, server: Server, width: int) -> None:
    open_page(page, server, width)
    assert page.run("document.documentElement.scrollWidth <= innerWidth")  # nothing sticks out
    choose(page, grid_size=32, steps=60)
    run_to_the_end(page)
    assert page.run("document.getElementById('canvas').width") == 32
    assert page.run("document.querySelectorAll('#features tbody tr:not(.group)').length") == 18
    assert -95 <= feature(page, "V_min") <= feature(page, "V_mean") <= feature(page, "V_max") <= 40
    told = page.run("document.getElementById('canvas').getAttribute('aria-label')")
    assert re.fullmatch(r"potential at step 60: from .* mV to .* mV, on 32 by 32 cells", told)


def test_a_slider_changes_the_result_and_frames_can_be_seen_again(
    page: Page, server: Server
) -> None:
    open_page(page, server, WIDTHS[1])
    choose(page, grid_size=32, steps=60)
    run_to_the_end(page)
    last, spread = picture(page), feature(page, "V_std")
    run_to_the_end(page)
    assert picture(page) == last  # the same seed, the same field

    before = page.run("document.getElementById('field-alpha').value")
    page.run("document.getElementById('field-alpha-range').focus()")
    page.press("ArrowRight", 12)
    assert float(page.run("document.getElementById('field-alpha').value")) > float(before)
    run_to_the_end(page)
    assert picture(page) != last
    assert feature(page, "V_std") != spread

    last = picture(page)
    page.run("document.getElementById('scrub').focus()")
    page.run("(s => { s.value = 0; s.dispatchEvent(new Event('input')) })(scrub)")
    assert picture(page) != last
    assert "step 1:" in page.run("document.getElementById('canvas').getAttribute('aria-label')")


def test_other_models_run_and_stop(page: Page, server: Server) -> None:
    open_page(page, server, WIDTHS[0])
    page.run(
        "(m => { m.value = 'gray-scott'; m.dispatchEvent(new Event('change')) })"
        "(document.getElementById('model'))"
    )
    assert page.run("document.getElementById('preset').options.length") > 3
    choose(page, grid_size=128, steps=20000)
    page.click("#run")
    page.wait("/Step [1-9]/.test(document.getElementById('status').textContent)")
    page.click("#stop")
    stopped = page.wait("document.getElementById('status').textContent.startsWith('Stopped')")
    assert stopped
    assert page.run(
        "!document.getElementById('run').disabled && !document.getElementById('scrub').disabled"
    )
    choose(page, grid_size=32, steps=50)
    run_to_the_end(page)


def test_a_link_brings_a_run_back(page: Page, server: Server) -> None:
    open_page(page, server, WIDTHS[1])
    choose(page, grid_size=32, steps=40, seed=7, alpha=0.11)
    run_to_the_end(page)
    link, seen = page.run("location.href"), picture(page)
    page.open(f"{server.url}/docs", WIDTHS[1])
    page.open(link, WIDTHS[1])
    page.wait("!document.getElementById('run').disabled")
    assert page.run("document.getElementById('field-alpha').value") == "0.11"
    run_to_the_end(page)
    assert picture(page) == seen


def test_a_bad_value_is_named(page: Page, server: Server) -> None:
    open_page(page, server, WIDTHS[0])
    choose(page, grid_size=4)
    page.press("Enter")
    page.wait("!document.getElementById('error').hidden")
    assert (
        page.run("document.getElementById('field-grid_size').getAttribute('aria-invalid')")
        == "true"
    )
    why = page.run("document.getElementById('field-grid_size-why').textContent")
    assert re.search(r"8.*got 4", why)
    assert page.run("document.activeElement.id") == "field-grid_size"
    choose(page, grid_size=32, steps=20)
    assert page.run("document.getElementById('error').hidden")
    run_to_the_end(page)
    assert any("400" in complaint for complaint in page.complaints)  # the browser logs the status
    page.complaints.clear()


def test_the_page_asks_for_a_key(page: Page, server: Server) -> None:
    page.open(f"{server.url}/", WIDTHS[1])  # even the models are asked for with a key
    page.wait("document.getElementById('key-dialog').open")
    page.write("#key", "wrong")
    page.press("Enter")
    page.wait("document.getElementById('error').textContent.includes('not accepted')")
    page.wait("document.getElementById('key-dialog').open")
    page.write("#key", KEY)
    page.press("Enter")
    page.wait("!document.getElementById('run').disabled")
    choose(page, grid_size=32, steps=20)
    page.click("#run")
    page.wait(r"/\d+ steps in/.test(document.getElementById('status').textContent)")
    assert page.run("document.getElementById('error').hidden")
    page.complaints.clear()  # the browser logs the two 401


@pytest.mark.parametrize("width", WIDTHS)
def test_the_documentation_is_whole_without_a_network(
    page: Page, server: Server, width: int
) -> None:
    page.open(f"{server.url}/docs", width)
    page.wait("document.querySelectorAll('.opblock').length > 5")
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    described = page.run(
        "fetch('openapi.json').then(r => r.json()).then(api => Object.entries(api.paths)"
        ".flatMap(([path, item]) => Object.keys(item).map(m => m.toUpperCase() + ' ' + path)))"
    )
    parts = "['method', 'path'].map(p => o.querySelector('.opblock-summary-' + p).textContent)"
    shown = page.run(f"[...document.querySelectorAll('.opblock')].map(o => {parts}.join(' '))")
    assert [text.replace("\u200b", "") for text in sorted(shown)] == sorted(described)


def test_the_documentation_sends_what_it_describes(page: Page, server: Server) -> None:
    assert re.search(r'200.*"potential_mV": -89\.0', try_it(page, server, "membrane/nernst"), re.S)
    lines = try_it(page, server, "simulation/stream")
    assert re.search('"header".*"frame".*"end"', lines, re.S)


def try_it(page: Page, server: Server, operation: str) -> str:
    """Send the example of an endpoint with the key of the tab; returns what is shown."""
    keep_the_key(page, server)
    page.open(f"{server.url}/docs?anew#/{operation}", WIDTHS[1])
    for button in (".try-out__btn", ".execute"):
        page.wait(f"!!document.querySelector('{button}')")
        page.click(button)
    return page.wait("document.querySelector('.live-responses-table .response')?.textContent")


def test_colour_maps_are_those_of_matplotlib(page: Page, server: Server) -> None:
    page.open(f"{server.url}/docs", WIDTHS[1])
    for name in ("viridis", "magma"):
        pixels = page.run(
            f"import('{server.url}/static/colours.js').then(m => "
            f"[...new Uint8Array(m.palette('{name}').buffer)])"
        )
        ours = np.array(pixels).reshape(256, 4)
        theirs = 255 * matplotlib.colormaps[name](np.arange(256))
        assert np.abs(ours - theirs).max() <= 3.5  # 33 of the colours are kept, in whole numbers


def test_nothing_names_another_host() -> None:
    folder = Path(__file__).parents[2] / "serve" / "static"
    for path in folder.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "://" not in text, path.name
        assert "innerHTML" not in text, path.name


def test_equations_of_ones_own_with_sides_and_a_hole(page: Page, server: Server) -> None:
    open_page(page, server, WIDTHS[1])
    page.run("(m => { m.value = 'equations'; m.dispatchEvent(new Event('change')) })(model)")
    page.write("#domain-equation", "u_t = D*lap(u)")
    page.write("#domain-values", "D = 0.2")
    page.write("#domain-start", "u = 0")
    page.write("[id='domain-x-']", "dirichlet 1")
    page.write("[id='domain-x+']", "neumann")
    page.click("#mask")
    choose(page, grid_size=32, steps=400)
    run_to_the_end(page)
    told = page.run("document.getElementById('canvas').getAttribute('aria-label')")
    assert re.fullmatch(r"u at step 400: from 0\.\d+ to 0\.9\d*, on 32 by 32 cells", told)

    page.write("#domain-equation", "u_t = D*lap(w)")
    page.click("#run")
    page.wait("!document.getElementById('error').hidden")
    assert "'w'" in page.run("document.getElementById('error').textContent")
    assert page.run("document.activeElement.id") == "domain-equation"
    page.complaints.clear()  # the browser tells of the answer 400
