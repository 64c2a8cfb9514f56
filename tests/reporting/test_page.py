"""The page is one sound file: nothing from elsewhere, nothing that runs, no names that clash, however hostile."""

import json
import re
from collections import Counter
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from featx import report
from featx.errors import DuplicateWarning
from featx.images import synthetic
from featx.reporting.charts import charts
from featx.reporting.embedding_map import embedding_map
from featx.reporting.page import GALLERY, render
from featx.reporting.setup import diagram

from .conftest import HOSTILE, pipeline

VOID = {"meta", "link", "img", "input", "br", "hr", "line", "circle", "path", "rect", "image", "polyline"}


class Page(HTMLParser):
    """What is on a page: tags with their attributes, text, and tags that are closed out of turn."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text, self.astray = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):  # noqa: D102
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):  # noqa: D102
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):  # noqa: D102
        if tag in VOID:
            return
        if self.open and self.open[-1] == tag:
            self.open.pop()
        else:
            self.astray.append(tag)

    def handle_data(self, data):  # noqa: D102
        self.text.append(data)

    def all(self, tag):
        """Give the attributes of each tag of a kind."""
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module", params=["classes", "labels", "numbers"])
def page(request):
    """Give the page of each kind of report, taken apart."""
    return Page(request.getfixturevalue(request.param).to_html())


def test_nothing_comes_from_elsewhere(page):
    """Pictures are in the page, links lead within it, and the browser is told to load nothing."""
    addresses = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in {"src", "href", "srcset", "data", "action", "poster", "xlink:href"}
    ]
    assert addresses
    assert [one for one in addresses if not one.startswith(("#", "data:"))] == []
    assert "default-src 'none'" in page.all("meta")[1]["content"]
    assert not re.search(r"""url\((?!["']?data:)|@import""", "".join(page.text))


def test_nothing_runs_but_the_script_that_sorts(page):
    """One script, whose digest the policy names; no handler in any attribute."""
    assert len(page.all("script")) == 1
    assert [name for _, attributes in page.tags for name in attributes if name.startswith("on")] == []
    assert [tag for tag, _ in page.tags if tag in {"iframe", "object", "embed", "form", "base"}] == []


def test_the_page_is_well_formed(page):
    """Every tag is closed in its turn, each id is there once, and what refers to one finds it."""
    ids = Counter(attributes["id"] for _, attributes in page.tags if "id" in attributes)
    assert page.open == page.astray == []
    assert [name for name, count in ids.items() if count > 1] == []
    wanted = [one["href"][1:] for one in page.all("a")]
    wanted += [name for _, a in page.tags for name in a.get("aria-labelledby", "").split()]
    wanted += [one["for"] for one in page.all("label")]
    assert set(wanted) <= set(ids)


def test_a_screen_reader_can_read_it(page):
    """Pictures and charts have a text, tables a caption and the scope of each head, buttons an order."""
    assert all(one.get("alt") for one in page.all("img"))
    assert all(one.get("role") == "img" or one.get("aria-hidden") for one in page.all("svg"))
    ours = [one for one in page.all("table") if one.get("class") in {None, "sortable", "matrix"}]
    assert 0 < len(ours) == len(page.all("caption"))
    assert all("scope" in one for one in page.all("th"))
    assert {one["aria-sort"] for one in page.all("th") if "aria-sort" in one} == {"none"}
    assert page.all("html") == [{"lang": "en"}]


def test_hostile_names_are_shown_and_do_nothing(classes):
    """As text on one line, in the title, tables, charts and pictures."""
    html = classes.to_html()
    page = Page(html)
    shown = r"<script>alert('\"&')</script>\n".replace('\\"', '"')

    assert HOSTILE not in html
    assert "<script>alert" not in html
    assert "\x1b" not in html
    assert shown in "".join(page.text)
    assert any(one["alt"].endswith(".png") and "<b onclick=x>" in one["alt"] for one in page.all("img"))
    assert page.all("b")
    assert all(not attributes for attributes in page.all("b"))


def test_a_notebook_shows_the_page_in_a_frame(classes):
    """So that its styles and the notebook's do not meet."""
    frame = classes._repr_html_()
    (tag, attributes), *others = Page(frame).tags

    assert (tag, others) == ("iframe", [])
    assert attributes["sandbox"] == "allow-scripts"
    assert attributes["srcdoc"] == classes.to_html()


def test_a_thousand_classes_and_long_names_make_no_larger_page():
    """The weakest classes are listed; the matrix is left out; names are cut in the middle."""
    rng = np.random.default_rng(0)
    names = [f"{'x' * 300}{number}{'y' * 300}" for number in range(1200)]
    y = np.repeat(names, 6)
    X = np.repeat(rng.normal(size=(1200, 4)), 6, axis=0)
    told = report(KNeighborsClassifier(1), X, y, cv=2)
    html = told.to_html()

    assert len(html) < 500_000
    assert "The 200 weakest of 1,200 classes" in html
    assert "x" * 81 not in html
    assert len(told.to_dict()["classes"]) == 1200
    assert told.to_dict()["confusion"]["counts"] is None


def test_the_page_is_small_whatever_the_number_of_images():
    """Noise, which no JPEG can shrink, all of it mistaken and doubted."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (200, 128, 128, 3), dtype=np.uint8)
    images[100:] = images[:100]
    with pytest.warns(DuplicateWarning, match="are tested on although"):
        told = report(pipeline(), images, rng.permutation(np.arange(200) % 2), cv=2)
    html = told.to_html()

    assert len(told.to_dict()["mistakes"]) > GALLERY
    assert len(Page(html).all("img")) > 2 * GALLERY
    assert len(html) < 5_000_000


def test_a_diagram_is_scikit_learn_s(classes):
    """All its parts and parameters, without its script, its links and its buttons."""
    html = diagram(pipeline())
    page = Page(html)

    assert "FeatureExtractor" in "".join(page.text)
    assert "input_size" in "".join(page.text)
    assert page.all("a") == page.all("script") == page.all("button") == []
    assert page.open == page.astray == []
    assert "http" not in re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    assert html.split("<style>")[1][:100] in classes.to_html()


def test_a_page_can_be_made_of_its_values(labels):
    """What to_dict gives, by way of a file, is all that the text of the page needs."""
    facts = json.loads(json.dumps(labels.to_dict()))

    text = unescape(render(facts, {}, ""))
    assert facts["summary"][0] in text
    assert "no picture" in text


def test_charts_stay_within_their_frame(classes, numbers):
    """No point lies outside, and the map has a point for each image and pictures apart."""
    for told in (classes, numbers):
        drawn = charts(told.facts, told.pictures["map"])
        every = [drawn["learning"], drawn["calibration"], drawn["depths"], drawn["map"]["chart"]]
        every += [chart for pair in drawn["numbers"] for chart in pair]
        for chart in filter(None, every):
            left, top, right, bottom = chart.frame
            assert all(left <= dot["x"] <= right and top <= dot["y"] <= bottom for dot in chart.dots), (
                chart.title
            )
    assert len(drawn["map"]["chart"].dots) == 40
    assert 5 < len(drawn["map"]["chart"].pictures) <= 40


@pytest.mark.parametrize("embeddings", [np.ones((9, 4)), np.ones((2, 4)), np.ones((9, 1))])
def test_what_has_no_map_has_none(embeddings):
    """Images that are all alike, too few of them, or one column."""
    assert embedding_map(embeddings) is None


def test_a_perfect_model_and_one_without_probabilities_have_a_page():
    """Nothing to list, nothing to calibrate."""
    images, kinds = synthetic(n=24, classes=2, size=16, random_state=0)
    X = (np.unique(kinds, return_inverse=True)[1] * 2.0 - 1)[:, None]
    perfect = report(LogisticRegression(), X, kinds, cv=2)
    assert "None: every held-out answer is right." in perfect.to_html()
    assert "No image was taken for another class." in perfect.to_html()

    ridge = report(pipeline("ridge-classifier"), images, kinds, cv=2)
    assert "gives no probabilities" in ridge.to_html()
    assert ridge.to_dict()["calibration"] is None
