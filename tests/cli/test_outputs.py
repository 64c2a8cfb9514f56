"""What a command writes: looked at before the work, replaced only when asked, and made with the folders above it."""

from pathlib import Path

import pytest
from click.testing import CliRunner

import featx
from featx.cli import main
from featx.cli.outputs import save_model
from featx.errors import SavedModelError
from featx.images import synthetic, write_folder

QUICK = ["--depth", "2", "--input-size", "32"]
FOLDERS = {
    "fit": ["fit", "photos", *QUICK, "--head", "ridge-classifier", "--folds", "2", "--no-report", "-o"],
    "finetune": ["finetune", "photos", *QUICK, "--epochs", "1", "--stages", "1", "--augment", "none", "-o"],
    "cluster": ["cluster", "photos", *QUICK, "-o"],
    "demo": ["demo", "--images", "100", "--folder"],
}
FILES = {
    "extract": ["extract", "photos", *QUICK, "-o"],
    "depths": ["depths", "photos", "--folds", "2", "--input-size", "32", "--depth", "2", "--plot"],
}
NAMES = {
    "fit": "out",
    "finetune": "out",
    "cluster": "out",
    "demo": "out",
    "extract": "out.npz",
    "depths": "out.png",
}
WRITING = FOLDERS | FILES


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Work in a folder that has class folders of drawn images in photos/."""
    monkeypatch.chdir(tmp_path)
    return write_folder(*synthetic(n=21, classes=3, size=32, random_state=0), tmp_path / "photos")


def run(*arguments, code=0):
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == code, (result.output, result.exception)
    return result


@pytest.mark.parametrize("command", sorted(WRITING.keys() - {"demo"}))
def test_what_exists_is_replaced_only_when_asked(photos, command, forwards):
    """A second run stops before the network, --overwrite replaces, and missing folders are made."""
    place = Path("new") / "folder" / NAMES[command]
    run(*WRITING[command], place)
    forwards.clear()
    refused = run(*WRITING[command], place, code=1).stderr

    assert f"{str(place)!r} exists. Give another name, or --overwrite to replace" in refused
    assert sum(forwards) == 0
    run(*WRITING[command], place, "--overwrite")


def test_a_demonstration_is_replaced_only_when_asked(photos):
    """As every other folder."""
    (photos.parent / "out" / "model").mkdir(parents=True)

    assert (
        "'out' exists. Give another name, or --overwrite to replace"
        in run(*FOLDERS["demo"], "out", code=1).stderr
    )


@pytest.mark.parametrize("command", FOLDERS)
def test_a_folder_with_something_else_is_never_replaced(photos, command, forwards):
    """Not even with --overwrite: it may be somebody's photographs."""
    refused = run(*WRITING[command], "photos", "--overwrite", code=1).stderr

    assert "'photos' is not" in refused
    assert len(list(photos.glob("*/*.png"))) == 21
    assert sum(forwards) == 0


@pytest.mark.parametrize("place", ["/proc/x", "photos/disc/0000.png/out"])
@pytest.mark.parametrize("command", WRITING)
def test_a_place_that_cannot_be_written_is_seen_before_the_work(photos, command, place, forwards):
    """No network runs for nothing."""
    if place.startswith("/proc") and not Path("/proc/self").exists():
        pytest.skip("there is no /proc here")
    refused = run(*WRITING[command], place + Path(NAMES[command]).suffix, code=1).stderr

    assert "cannot be written" in refused
    assert sum(forwards) == 0
    assert {path.name for path in Path().iterdir()} == {"photos"}


def test_a_model_is_kept_where_its_place_fails_after_all(tmp_path, monkeypatch):
    """A disk that is full by then, a folder that is a file: the work of hours is somewhere, and said to be."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    head = featx.make_head("knn", n_neighbors=1).fit([[0, 1], [1, 0]], ["cat", "dog"])
    (tmp_path / "file").touch()
    with pytest.raises(
        SavedModelError, match=r"file/model' cannot be written: File exists\. The model is saved in"
    ) as told:
        save_model(head, tmp_path / "file" / "model", overwrite=False)
    (kept,) = tmp_path.glob("featx-*/model")

    assert repr(str(kept)) in str(told.value)
    assert featx.load(kept).predict([[0.1, 0.9]]).tolist() == ["cat"]
