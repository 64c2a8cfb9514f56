"""A page about images that a model was not fitted to, for which nothing is fitted."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from featx.embedding import FeatureExtractor
from featx.heads import make_head
from featx.reporting import report_fitted
from featx.saving import export_model, load_exported

WORDS = np.array(["ant", "bee", "cat"] * 4)
KINDS = {
    "classes": ("logistic", WORDS),
    "labels": ("logistic", np.column_stack([WORDS == "ant", np.arange(12) % 2]).astype(int)),
    "numbers": ("ridge", np.linspace(0, 1, 12)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_of_every_kind_of_answers(tiny, files, forwards, kind):
    """Its scores are those of the model as it is; the network runs once for each image."""
    head, y = KINDS[kind]
    model = make_pipeline(FeatureExtractor(tiny, scaling="unit", depth=-1, engine="keras"), make_head(head))
    model.fit(files[:9], y[:9])
    forwards.clear()
    told = report_fitted(model, files, y, title="New images")
    facts, page = told.to_dict(), told.to_html()

    assert sum(forwards) == 3
    assert facts["kind"] == kind
    assert facts["scores"]["mean"] == pytest.approx(model.score(files, y))
    assert (facts["learning"], facts["depths"], facts["pixels"]) == (None, [], None)
    assert "judged by 12 images" in str(told)
    assert "New images" in page


def test_a_page_of_an_exported_model(tiny, files):
    """There is no diagram and no map, since no extractor is there."""
    model = make_pipeline(FeatureExtractor(tiny, scaling="unit", depth=-1, cache=None), make_head("logistic"))
    export_model(model.fit(files, WORDS), "exported", format="keras")
    told = report_fitted(load_exported("exported"), files, WORDS)

    assert told.to_dict()["scores"]["mean"] == model.score(files, WORDS)
    assert told.to_dict()["map"] is None
    assert "<main>" in told.to_html()
