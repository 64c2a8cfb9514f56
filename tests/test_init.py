"""Importing featx is light, and its public names are what they say."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import featx

HEAVY = {"keras", "tensorflow", "sklearn", "numpy", "h5py", "pandas", "xgboost", "PIL"}


def loaded_by(program):
    """Give the heavy libraries that a fresh process has loaded after a program."""
    printed = subprocess.run(
        [sys.executable, "-c", f"import sys\n{program}\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return HEAVY & set(printed.split())


def test_import_is_light():
    """``import featx`` loads none of the libraries it stands on."""
    assert loaded_by("import featx") == set()


def test_the_test_above_can_fail():
    """A name that needs one of them does load it."""
    assert "numpy" in loaded_by("import featx; featx.EmbeddingCache")


@pytest.mark.parametrize("name", featx.__all__)
def test_public_names_exist_and_are_documented(name):
    """Every name of ``__all__`` is there, has a docstring, and is not hidden by a module of the same name."""
    value = getattr(featx, name)

    assert value.__doc__
    assert not (Path(featx.__file__).parent / f"{name}.py").exists()
    import_module(value.__module__)
    assert getattr(featx, name) is value


def test_other_names_are_refused_with_the_list():
    """A slip shows what there is."""
    with pytest.raises(
        AttributeError, match=r"no attribute 'FeatureExtracter'\. Public names: EmbeddingCache, "
    ):
        featx.FeatureExtracter  # noqa: B018 - the access is the test


def test_version_is_that_of_the_changelog_and_the_package():
    """The three places that name the version agree."""
    import tomllib

    root = Path(featx.__file__).parent.parent
    if not (root / "CHANGELOG.md").exists():
        pytest.skip("the source tree is not here")
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]

    assert featx.__version__ == project
    assert f"## [{project}]" in (root / "CHANGELOG.md").read_text()
