"""Importing featx is light, and its public names are what they say."""

import inspect
import pkgutil
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


ROOMS = sorted(path.parent.name for path in Path(featx.__file__).parent.glob("*/__init__.pyi"))


@pytest.mark.parametrize("name", featx.__all__)
def test_public_names_exist_and_are_documented(name):
    """Every name of ``__all__`` is there, has a docstring, and is not hidden by a module of the same name."""
    value = getattr(featx, name)

    assert value.__doc__
    assert name not in ROOMS
    import_module(value.__module__)
    assert getattr(featx, name) is value


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_a_docstring_and_a_table(room):
    """Entering a room loads nothing heavy; every name of its table is there, documented, and no module hides it."""
    door = import_module(f"featx.{room}")
    modules = {path.stem for path in Path(door.__file__).parent.glob("*.py")}

    assert loaded_by(f"import featx.{room}") == set()
    assert door.__doc__
    assert door.__all__
    assert not modules & set(door.__all__)
    for name in door.__all__:
        assert getattr(door, name).__doc__


def test_other_names_are_refused():
    """A slip is an error."""
    with pytest.raises(AttributeError, match="No featx attribute FeatureExtracter"):
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


ROOMS = [room.name for room in pkgutil.iter_modules(featx.__path__, "featx.") if room.ispkg]


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "featx.cli"])
def test_parameters_are_called_as_in_scikit_learn(room):
    """No public function or class says seed, jobs or folds for random_state, n_jobs or cv."""
    door = import_module(room)
    for name in door.__all__:
        public = getattr(door, name)
        if callable(public):
            members = [] if not inspect.isclass(public) else inspect.getmembers(public, inspect.isfunction)
            for part in (public, *(member for own, member in members if not own.startswith("_"))):
                known = set(inspect.signature(part).parameters) & {
                    "seed",
                    "jobs",
                    "njobs",
                    "folds",
                    "n_folds",
                }
                assert not known, f"{room}.{name}: {known}"
