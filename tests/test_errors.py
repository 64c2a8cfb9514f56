"""The tree of errors and warnings: complete, and drawn as it is."""

import ast
import importlib
import pkgutil
from pathlib import Path

import featx
from featx import errors


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
