"""A browser shows the page: everything is there, nothing complains, and it fits a telephone, a dark room and paper."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

WIDTHS = (1200, 390)
KINDS = ("classes", "labels", "numbers")


@pytest.fixture(scope="module")
def show(browser, request, tmp_path_factory):
    """Give a function that shows a report at some width, in some medium and colours."""
    folder = tmp_path_factory.mktemp("pages")

    def show(kind, width=1200, medium="screen", scheme="light"):
        path = folder / f"{kind}.html"
        if not path.exists():
            request.getfixturevalue(kind).save(path)
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        colours = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": medium, "features": colours})
        browser.get(path.as_uri())
        return browser

    return show


def picture_of(browser):
    """Give the whole page as pixels."""
    taken = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(taken["data"]))).convert("RGB"), int)


def brightness(browser, selector, name):
    """Give the mean of red, green and blue of a colour."""
    colour = browser.execute_script(
        "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]", selector, name
    )
    return np.mean([float(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]])


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_whole_at_any_width(show, kind, width):
    """No word on the console, all pictures loaded, all charts of some size, and nothing to scroll sideways to."""
    browser = show(kind, width)
    pictures = browser.execute_script(
        "return [...document.images].map(one => [one.complete, one.naturalWidth, one.width])"
    )
    charts = browser.execute_script(
        "return [...document.querySelectorAll('svg.chart')].map(one => {const box = one.getBoundingClientRect();"
        "return [box.left, box.right, box.height]})"
    )

    assert browser.get_log("browser") == []
    assert pictures
    assert all(complete and natural == 112 and shown >= 100 for complete, natural, shown in pictures)
    assert charts
    assert all(left >= 0 and right <= width and height > 150 for left, right, height in charts)
    assert browser.execute_script("return document.documentElement.scrollWidth") == width
    assert len(np.unique(picture_of(browser)[::4, ::4].mean(axis=2))) > 50


def test_tables_sort_by_click_and_by_key(show):
    """Up, down, by numbers and by names; the head says which."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    browser = show("classes")
    table = browser.find_element(By.CSS_SELECTOR, "table.sortable")

    def column(number):
        return [
            row.find_elements(By.XPATH, "*")[number].text
            for row in table.find_elements(By.CSS_SELECTOR, "tbody tr")
        ]

    def orders():
        return [head.get_attribute("aria-sort") for head in table.find_elements(By.CSS_SELECTOR, "thead th")]

    buttons = table.find_elements(By.CSS_SELECTOR, "thead button")
    assert orders() == ["none"] * 5
    buttons[4].click()
    numbers = list(map(int, column(4)))
    assert numbers == sorted(numbers)
    assert orders() == ["none"] * 4 + ["ascending"]
    buttons[4].click()
    assert list(map(int, column(4))) == numbers[::-1]
    assert orders() == ["none"] * 4 + ["descending"]
    buttons[0].send_keys(Keys.ENTER)
    names = column(0)
    buttons[0].send_keys(Keys.SPACE)
    assert column(0) == names[::-1]
    assert orders() == ["descending"] + ["none"] * 4


def test_a_page_follows_the_dark_mode(show):
    """Light on dark, or dark on light, with enough between them."""
    for scheme, dark in (("dark", True), ("light", False)):
        browser = show("numbers", scheme=scheme)
        paper, ink = (brightness(browser, "body", name) for name in ("backgroundColor", "color"))
        label = brightness(browser, "svg.chart text", "fill")
        assert (paper < ink) == dark
        assert abs(paper - ink) > 180
        assert abs(paper - label) > 90
        assert (picture_of(browser).mean() < 100) == dark


def test_a_printed_page_has_no_controls(show):
    """Nothing to click on, dark on light whatever the device says."""
    browser = show("classes", medium="print", scheme="dark")
    hidden = browser.execute_script("return getComputedStyle(document.querySelector('nav')).display")

    assert hidden == "none"
    assert brightness(browser, "body", "backgroundColor") == 255
    assert brightness(browser, "body", "color") == 0


def test_a_page_is_walked_through_with_the_keyboard(show):
    """The first stop leads to the summary; every button, link and wide table can be reached."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    browser = show("classes")
    body = browser.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB)
    assert browser.switch_to.active_element.text == "Skip to the summary"
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert browser.current_url.endswith("#summary")
    stops = browser.execute_script(
        "return [...document.querySelectorAll('a, button, summary, .scroll')].map(e => e.tabIndex)"
    )
    assert set(stops) == {0}


def test_a_page_loads_nothing_and_runs_nothing_else(show, classes):
    """Even if something got in: the policy stops a picture from elsewhere, and a script that is not the page's."""
    browser = show("classes")
    stopped = browser.execute_async_script("""
        const done = arguments[0], seen = [];
        document.addEventListener("securitypolicyviolation", event => {
          seen.push(event.effectiveDirective);
          if (seen.length == 2) done(seen.sort());
        });
        document.body.insertAdjacentHTML("beforeend", '<img src="http://127.0.0.1:9/x.png">');
        const script = document.createElement("script");
        script.textContent = "window.ran = true";
        document.body.append(script);
    """)

    assert [one.split("-")[0] for one in stopped] == ["img", "script"]
    assert browser.execute_script("return window.ran") is None


def test_a_notebook_s_frame_shows_the_page(browser, classes, tmp_path):
    """The page stands in the frame, and its tables sort there."""
    from selenium.webdriver.common.by import By

    path = tmp_path / "notebook.html"
    browser.get_log("browser")  # what earlier pages left
    path.write_text(f"<!doctype html><meta charset=utf-8><body>{classes._repr_html_()}")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "screen"})
    browser.get(path.as_uri())
    browser.switch_to.frame(browser.find_element(By.TAG_NAME, "iframe"))
    assert browser.find_element(By.TAG_NAME, "h1").text.startswith("Shapes")
    browser.find_element(By.CSS_SELECTOR, "thead button").click()
    assert browser.find_element(By.CSS_SELECTOR, "thead th").get_attribute("aria-sort") == "ascending"
    browser.switch_to.default_content()
    assert browser.get_log("browser") == []
