"""A browser shows every page of the site: whole, without a complaint, and without a request to anywhere else."""

import json
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest

from website import build

pytestmark = pytest.mark.slow

WIDTHS = (1200, 390)


class Quiet(SimpleHTTPRequestHandler):
    """A server that says nothing."""

    def log_message(self, *_):
        """Keep the log empty."""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the site and serve it here; give its folder and its address."""
    if not (Path(sys.executable).parent / "zensical").exists():
        pytest.skip("no zensical here: pip install --group docs")
    folder = tmp_path_factory.mktemp("site")
    assert build.main(folder) == 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder / "site")))
    Thread(target=server.serve_forever, daemon=True).start()
    yield folder / "site", f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def visit(browser):
    """Give a function that opens a page and gives what the browser complains of, and whom it asked for something."""

    def visit(address, width=1200):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        for kind in ("browser", "performance"):
            browser.get_log(kind)  # what earlier pages left
        browser.get(address)
        events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
        asked = [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]
        return browser.get_log("browser"), {
            urlsplit(one).netloc for one in asked if not one.startswith("data:")
        }

    return visit


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("where", ["disk", "server"])
def test_every_page_is_whole_at_any_width(site, visit, browser, where, width):
    """Read from the disk or from a server: no word on the console, all pictures there, nothing beside the page."""
    folder, address = site
    pages = sorted(path.relative_to(folder) for path in folder.rglob("*.html") if path.name != "404.html")
    assert len(pages) > 40
    for page in pages:
        home = f"{folder.as_uri()}/" if where == "disk" else address
        complaints, asked = visit(f"{home}{page.as_posix()}", width)
        pictures = browser.execute_script(
            "return [...document.images].map(one => [one.complete, one.naturalWidth])"
        )

        assert complaints == [], page
        assert asked == {urlsplit(home).netloc}, page
        assert all(complete and wide for complete, wide in pictures), page
        assert browser.find_elements("css selector", "h1"), page
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width, page


def test_the_search_finds_a_name(site, visit, browser):
    """What is typed leads to the page that describes it, where the site is served."""
    from selenium.webdriver.support.wait import WebDriverWait

    box = "[...document.querySelectorAll('*')].map(one => one.shadowRoot).find(Boolean)"
    visit(site[1])
    wait = WebDriverWait(browser, 60)
    wait.until(lambda _: browser.execute_script(f"return {box}?.querySelector('input') !== null"))
    browser.execute_script("document.querySelector('.md-search__button').click()")
    field = browser.execute_script(f"return {box}.querySelector('input')")
    wait.until(lambda _: field.is_displayed())
    field.send_keys("SteadyScaler")
    found = f"return [...{box}.querySelectorAll('ol a')].map(one => one.href)"

    wait.until(lambda _: any("reference/featx.heads" in one for one in browser.execute_script(found)))
