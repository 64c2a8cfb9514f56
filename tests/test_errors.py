"""The tree of errors and warnings: complete, and drawn as it is."""

import ast
import importlib
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest

import featx
from featx import errors
from featx.errors import InputError
from featx.evaluation import find_duplicates
from featx.heads import RelevanceSelector


def below(cls):
    """Give a class and all that derive from it."""
    return [cls, *(one for child in cls.__subclasses__() for one in below(child))]


def test_the_drawing_is_the_tree():
    """Each class stands in the docstring of errors.py under its parent, with its built-in class."""
    drawn, path = {}, []
    for line in errors.__doc__.splitlines():
        indent, mark, name = len(line) - len(line.lstrip()), *[*line.split(), "", ""][:2]
        if mark in set("*x+-"):
            path[indent // 2 :] = [name.rstrip(":")]
            also = line.partition("(also ")[2].partition(")")[0] if "(also " in line else ""
            drawn[path[-1]] = ({*path[:-1][-1:], also} - {""}) or {"Exception"}
    classes = [*below(errors.FeatxError), *below(errors.FeatxWarning)]
    assert drawn == {one.__name__: {base.__name__ for base in one.__bases__} for one in classes}


def test_no_other_module_defines_an_error_or_a_warning():
    """Whoever looks for one finds it in errors.py, and whoever catches FeatxError misses none."""
    for module in pkgutil.walk_packages(featx.__path__, "featx."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    ours = {one for one in below(BaseException) if one.__module__.split(".")[0] == "featx"}
    assert ours == {*below(errors.FeatxError), *below(errors.FeatxWarning)}
    assert {one.__module__ for one in ours} == {"featx.errors"}


def test_every_warning_has_a_class_of_its_own():
    """A plain UserWarning could be filtered by its text only."""
    found = 0
    for path in Path(featx.__file__).parent.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "warnings.warn":
                kind = ast.unparse(call.args[1])
                # scikit-learn's users filter its own class, whoever's estimator did not converge
                assert hasattr(errors, kind) or kind == "ConvergenceWarning", f"{path}, line {call.lineno}"
                found += 1
    assert found


def numpy_values():
    """Give calls with NumPy's numbers and words, as a loop over an array or a frame passes them."""
    images = np.zeros((4, 8, 8, 3), np.uint8)
    small = featx.FeatureExtractor(input_size=32, cache=None)
    X, y = np.zeros((4, 2)), np.array([0, 0, 1, 1])
    return {
        "cv": lambda: featx.evaluate(featx.make_head("knn"), X, y, cv=np.int64(1)),
        "cv of a head": lambda: featx.make_head("logistic", cv=np.int64(1)).fit(X, y),
        "Cs": lambda: featx.make_head("logistic", Cs=np.array([-1.0])).fit(X, y),
        "scoring": lambda: featx.evaluate(featx.make_head("knn"), X, y, scoring=np.str_("acuracy")),
        "head": lambda: featx.make_head(np.str_("logistik")),
        "fraction": lambda: RelevanceSelector(np.float64(2)).fit(X, y),
        "fractions": lambda: RelevanceSelector([np.float64(2)]).fit(X, y),
        "batch_size": lambda: small.with_choices(batch_size=np.float64(1.5)).transform(images),
        "depth": lambda: small.with_choices(depth=np.int64(9)).transform(images),
        "pooling": lambda: small.with_choices(pooling=np.str_("agv")).transform(images),
        "backbone": lambda: featx.FeatureExtractor(np.str_("resnet5")).transform(images),
        "threshold": lambda: find_duplicates(images, threshold=np.float32(7)),
        "strategy": lambda: featx.TransferClassifier(strategy=np.str_("ends")).fit(images, y),
        "finetune": lambda: featx.TransferClassifier(finetune=np.str_("yes")).fit(images, y),
        "epochs": lambda: featx.FineTuner(small, epochs=np.int64(0)).fit(images, y),
        "validation": lambda: featx.FineTuner(small, validation=np.float64(0.9)).fit(images, y),
        "one class": lambda: featx.make_head("svm").fit(X, np.array(["a"] * 4)),
        "one image": lambda: featx.evaluate(featx.make_head("svm"), X, np.array(["a", "b", "b", "b"])),
        "one group": lambda: featx.evaluate(featx.make_head("svm"), X, y, groups=np.array(["p"] * 4)),
        "a list": lambda: featx.make_head("svm").fit(X, [["a"], [np.str_("b"), "c"], ["a"], ["b"]]),
        "one label": lambda: featx.make_head("svm").fit(X, np.str_("a")),
    }


@pytest.mark.parametrize("wrong", numpy_values())
def test_values_of_numpy_are_shown_as_people_write_them(wrong):
    """No message says np.str_('a') or np.int64(3)."""
    with pytest.raises(InputError, match=r"[.]") as caught:
        numpy_values()[wrong]()
    assert not re.search(r"np\.|array\(|dtype", str(caught.value))
