"""A saved model comes with a card for people, which no reader of the model depends on."""

import pytest
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from featx import load, report, save
from featx.heads import make_head

HOSTILE = "<script>x</script> | [a](http://b) `c` *d*\n# e"


@pytest.fixture
def head():
    """Give a classifier of three classes, one of them hostile."""
    return make_head("knn", n_neighbors=1).fit([[0, 1], [1, 0], [1, 1]], ["cat", HOSTILE, "dog"])


def test_a_card_says_what_a_model_is(head, tmp_path):
    """Its classes, how it is loaded, its parameters and versions; the folder loads with it and without."""
    save(head, tmp_path / "animals")
    text = (tmp_path / "animals" / "README.md").read_text()

    assert text.lstrip().startswith("# animals\n")
    assert "It answers with 3 classes: &lt;script" in text
    assert "featx.load('animals')" in text
    assert "kneighborsclassifier__n_neighbors" in text
    assert "## Parameters\n" in text
    assert "Not measured here" in text
    (tmp_path / "animals" / "README.md").write_text("mine")
    assert load(tmp_path / "animals").predict([[0, 1]]).tolist() == ["cat"]
    (tmp_path / "animals" / "README.md").unlink()
    assert load(tmp_path / "animals").predict([[0, 1]]).tolist() == ["cat"]


def test_no_name_acts_in_a_card(head, tmp_path):
    """Neither a class, nor the folder, nor a parameter is HTML, a link, a cell or a heading of its own."""
    folder = tmp_path / "a_b* <i> `# [x](y)"
    pipe = make_pipeline(StandardScaler(), LinearRegression()).fit([[0], [1]], [0, 1])
    pipe.set_params(memory="<script> | x")
    for number, model in enumerate((head, pipe)):
        save(model, folder.with_name(f"{folder.name}{number}"))
        text = folder.with_name(f"{folder.name}{number}").joinpath("README.md").read_text()
        prose = "".join(text.split("```")[::2])
        assert "<script" not in text
        assert "<i>" not in prose
        assert "](http" not in prose
        assert [line for line in text.splitlines() if line.startswith("# ")] == [text.strip().splitlines()[0]]
        assert {line.count("|") for line in text.splitlines() if line.startswith("|")} == {3}


def test_a_report_is_saved_with_its_model(tmp_path):
    """The page as it is, and its summary on the card; saving again without one leaves no old page."""
    X, y = [[float(number % 2)] for number in range(12)], ["cat", "dog"] * 6
    head = make_head("logistic").fit(X, y)
    told = report(head, X, y, cv=2)
    save(head, tmp_path / "animals", report=told)

    assert (tmp_path / "animals" / "report.html").read_text() == told.to_html()
    text = (tmp_path / "animals" / "README.md").read_text()
    assert "For 100.0% of the images it has not seen the answer is right" in text
    assert "](report.html)" in text
    assert load(tmp_path / "animals").predict(X).tolist() == y
    save(head, tmp_path / "animals", overwrite=True)
    assert {path.name for path in (tmp_path / "animals").iterdir()} == {
        "README.md",
        "model.json",
        "model.skops",
    }
