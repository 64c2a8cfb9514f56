"""The command line: documented, with examples that run, exit codes that mean something, and clean streams."""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from featx.cli import main
from featx.images import synthetic, write_folder

DOCS = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
QUICK = ["--depth", "3", "--pooling", "avg", "--input-size", "32", "--quiet"]
EASY = ["--head", "ridge-classifier", "--folds", "2"]
"""A head that chooses its penalty in no time, for tests of something else."""


def commands(group=main, name="featx"):
    for child in group.commands.values():
        if isinstance(child, click.Group):
            yield from commands(child, f"{name} {child.name}")
        else:
            yield f"{name} {child.name}", child


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Work in a folder that has class folders of drawn images in photos/."""
    monkeypatch.chdir(tmp_path)
    return write_folder(*synthetic(n=30, classes=3, size=48, random_state=0), tmp_path / "photos")


def featx(*arguments, code=0):
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == code, (result.output, result.exception)
    return result


@pytest.mark.parametrize(("name", "command"), list(commands()))
def test_every_command_is_documented_and_has_an_example(name, command):
    """A command without a place in docs/cli.md, or without an example in its help, fails here."""
    assert f"$ {name}" in DOCS
    assert f"Example: {name}" in command.help
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, f"{name} {option.opts}"


def test_images_of_kinds_that_are_left_out_are_told(photos):
    """One line on stderr, and a key in the JSON; they do not vanish."""
    (photos / "disc" / "photo.HEIX").touch()
    (photos / "disc" / ".hidden").touch()
    result = featx("extract", "photos", "-o", "out.npz", "--json", *QUICK)
    assert "photos: left out .heix 1\n" in result.stderr
    assert json.loads(result.stdout)["left_out"] == {".heix": 1}
    assert "photos: left out .heix 1\n" in featx("duplicates", "photos", "--exact").stderr


@pytest.mark.parametrize("suffix", ["h5", "npz", "parquet", "csv"])
def test_extract_writes_rows_paths_and_labels(photos, suffix):
    """Every format holds the same table."""
    import h5py
    import numpy as np
    import pandas as pd

    featx("extract", "photos", "-o", f"out.{suffix}", *QUICK)
    if suffix == "h5":
        with h5py.File("out.h5") as file:
            embedding, paths, labels = file["embedding"][:], file["path"].asstr()[:], file["label"].asstr()[:]
    elif suffix == "npz":
        with np.load("out.npz", allow_pickle=False) as file:
            embedding, paths, labels = file["embedding"], file["path"], file["label"]
    else:
        frame = pd.read_csv("out.csv") if suffix == "csv" else pd.read_parquet("out.parquet")
        paths, labels, embedding = frame.pop("path"), frame.pop("label"), frame.to_numpy("float32")

    from featx import FeatureExtractor, load_folder

    images = load_folder(photos)
    expected = FeatureExtractor(depth=3, pooling="avg", input_size=32).transform(images.paths)
    np.testing.assert_allclose(embedding, expected, rtol=1e-6)
    assert [Path(path).name for path in paths] == [Path(path).name for path in images.paths]
    assert list(labels) == list(images.labels)


def test_fit_then_predict(photos):
    """A model is fitted, saved, loaded and right about most images it has seen."""
    report = json.loads(featx("fit", "photos", "-o", "model", *QUICK, "--no-report", "--json").stdout)
    answers = json.loads(featx("predict", "model", "photos", "--json").stdout)

    assert report["mean"] > 0.8 > report["guess"]
    assert sum(answer["prediction"] == Path(answer["path"]).parent.name for answer in answers) > 25
    assert all(0.3 < answer["probability"] <= 1 for answer in answers)


def test_fit_on_a_table_of_numbers_is_a_regression(photos):
    """Labels that are fractions get ridge regression."""
    import pandas as pd

    from featx import load_folder

    paths = load_folder(photos).paths
    pd.DataFrame({"path": paths, "size": [len(Path(path).read_bytes()) / 7 for path in paths]}).to_csv(
        "t.csv"
    )

    report = json.loads(featx("fit", "t.csv", "--label", "size", "-o", "model", *QUICK, "--json").stdout)

    assert report["metric"] == "R²"


def test_a_cached_fit_starts_no_keras(photos):
    """The second fit of the same images imports neither Keras nor TensorFlow."""
    featx("fit", "photos", "-o", "model", *QUICK, *EASY)
    program = (
        "import sys; from featx.cli import main\n"
        f"main({['fit', 'photos', '-o', 'again', *QUICK, *EASY]!r}, standalone_mode=False)\n"
        "print([name for name in ('keras', 'tensorflow') if name in sys.modules])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout

    assert printed.splitlines()[-1] == "[]"


def test_cache_info_and_verify(photos):
    """What extract kept is listed; damage is found, exits 1, and is repaired."""
    featx("extract", "photos", "-o", "out.npz", *QUICK)
    (recipe,) = json.loads(featx("cache", "info", "--json").stdout)["recipes"]
    assert (recipe["rows"], recipe["dim"], recipe["recipe"]["backbone"]) == (30, 128, "featx-mini")
    assert "featx-mini" in featx("cache", "info").stdout
    assert "nothing is damaged" in featx("cache", "verify").stdout

    import os

    segment = next(Path(os.environ["FEATX_CACHE"]).rglob("*.h5"))
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.write_bytes(content)
    assert segment.name in featx("cache", "verify", "--repair", code=1).stdout
    featx("cache", "verify")


def test_cache_info_shows_the_hits_of_the_last_run(photos):
    """Nothing is found at first, then everything, then what has not changed; so does cache gc see a use."""

    def hits():
        (recipe,) = json.loads(featx("cache", "info", "--json").stdout)["recipes"]
        return recipe["use"]["found"], recipe["use"]["asked"]

    featx("extract", "photos", "-o", "out.npz", *QUICK)
    assert hits() == (0, 30)
    featx("extract", "photos", "-o", "out.npz", "--overwrite", *QUICK)
    assert hits() == (30, 30)
    next(photos.glob("disc/*.png")).write_bytes(next(photos.glob("ring/*.png")).read_bytes() + b"another id")
    featx("extract", "photos", "-o", "out.npz", "--overwrite", *QUICK)
    assert hits() == (29, 30)
    assert "29 of 30" in featx("cache", "info").stdout


def test_cache_path_compact_and_gc(photos):
    """The folder is printed, segments are merged, and old ones removed; a dry run only tells."""
    import os

    assert featx("cache", "path").stdout.strip() == os.environ["FEATX_CACHE"]
    assert json.loads(featx("cache", "path", "--cache", photos, "--json").stdout) == {"path": str(photos)}
    for part in ("disc", "ring"):
        featx("extract", photos / part, "-o", f"{part}.npz", *QUICK)
    assert json.loads(featx("cache", "compact", "--json").stdout) == {"fewer": 1}

    assert "0 files" in featx("cache", "gc", "--older-than", "1h", "--max-size", "1.5 MB").stdout
    assert "\n1 file would be removed, " in featx("cache", "gc", "--max-size", "1kB", "--dry-run").stdout
    (gone,) = json.loads(featx("cache", "gc", "--older-than", "0h", "--json").stdout)
    assert not Path(gone["path"]).exists()
    assert json.loads(featx("cache", "info", "--json").stdout)["recipes"][0]["rows"] == 0


def test_extract_keeps_vectors_as_asked(photos):
    """With float16 in half the room, and a later run finds them without asking for float16."""
    import numpy as np

    def kept():
        (recipe,) = json.loads(featx("cache", "info", "--json").stdout)["recipes"]
        return recipe["bytes"], recipe["use"]["found"]

    featx("extract", "photos", "-o", "full.npz", *QUICK)
    full, _ = kept()
    featx("cache", "gc", "--max-size", "0")
    featx("extract", "photos", "-o", "fresh.npz", "--cache-dtype", "float16", *QUICK)
    assert kept()[0] < 0.7 * full
    featx("extract", "photos", "-o", "half.npz", *QUICK)
    assert kept()[1] == 30
    with np.load("full.npz") as exact, np.load("half.npz") as rounded:
        np.testing.assert_allclose(rounded["embedding"], exact["embedding"], rtol=2**-11, atol=2**-25)
    assert "0 files removed" in featx("cache", "gc").stdout

    featx("fit", "photos", "-o", "model", "--cache-dtype", "float16", "--no-report", *QUICK, *EASY)
    featx("predict", "model", "photos/disc")


def test_cache_export(photos):
    """What extract kept is written with ids, paths, labels and recipe, or it is said what is missing."""
    import numpy as np

    from featx import load_folder

    featx("extract", "photos", "-o", "out.npz", *QUICK)
    (recipe,) = json.loads(featx("cache", "info", "--json").stdout)["recipes"]
    printed = featx("cache", "export", recipe["recipe_id"][:8], "-o", "kept.npz", "--source", "photos").stdout
    assert printed == "kept.npz: 30 images x 128 columns\n"
    with np.load("out.npz") as extracted, np.load("kept.npz") as kept:
        assert np.array_equal(kept["embedding"], extracted["embedding"])
        assert kept["label"].tolist() == load_folder("photos").labels.tolist()

    (photos / "disc" / "new.png").write_bytes(b"new")
    error = featx("cache", "export", recipe["recipe_id"], "-o", "no.npz", "--source", "photos", code=1).stderr
    assert "1 of 31 images are not cached" in error
    assert "Run featx extract" in error
    assert not Path("no.npz").exists()
    assert "Unknown recipe 'x'" in featx("cache", "export", "x", "-o", "no.npz", code=1).stderr


def test_backbones_are_listed_by_what_they_are():
    """Filters and the order of a column; what is not known comes last; all of a row in JSON."""
    rows = json.loads(featx("backbones", "--max-parameters", "5e6", "--sort", "-top1", "--json").stdout)
    known = [row["top1"] for row in rows if row["top1"]]
    assert known == sorted(known, reverse=True)
    assert [row["top1"] for row in rows] == known + [None] * (len(rows) - len(known))
    assert all(row["parameters"] <= 5e6 for row in rows)
    assert "efficientnet_lite0" in [row["name"] for row in rows]

    here = json.loads(featx("backbones", "--available", "--json").stdout)
    assert next(row["name"] for row in here) == "featx-mini"
    assert all(row["available"] for row in here)
    assert here[0]["origin"] == "featx"

    lines = featx("backbones", "alexnet", "--sort", "year").stdout.splitlines()
    assert lines[0].split()[:2] == ["name", "year"]
    assert [line.split()[:2] for line in lines if line.startswith("alex")] == [
        ["alexnet_two_towers", "2012"], ["alexnet", "2014"],
    ]  # fmt: skip
    assert lines[-1].split()[-2:] == ["download.pytorch.org", "no"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["extract", "nowhere", "-o", "x.npz"], 2, "does not exist"),
        (["extract", "photos", "-o", "x.doc", *QUICK], 1, "Unknown format '.doc'"),
        (["extract", "photos"], 2, "Missing option '-o'"),
        (["fit", "photos/disc", "-o", "m", *QUICK], 1, "has no labels"),
        (["layers", "resnet5"], 1, "Did you mean 'resnet50'?"),
        (["backbones", "transformer"], 1, "No backbone's name contains 'transformer'"),
        (
            ["backbones", "--max-parameters", "1"],
            1,
            "No backbone is left by --available and --max-parameters",
        ),
        (["backbones", "--sort", "colour"], 2, "'colour' is not one of"),
        (["extract", "photos", "-o", "x.npz", "--depth", "9"], 1, "this backbone has 4 stages"),
        (["frobnicate"], 2, "No such command"),
        (["cache", "gc", "--max-size", "2 apples"], 2, "'2 apples' is not a size such as 500MB or 2GB"),
        (["cache", "gc", "--older-than", "30"], 2, "'30' is not an age such as 12h, 30d or 8w"),
        (["cache", "info", "--cache", "none"], 2, "nothing to look after"),
        (["cache", "export", "0", "-o", "x.doc"], 1, "Unknown format '.doc'"),
    ],
)
def test_wrong_usage_and_failed_work(photos, arguments, code, message):
    """Exit code 2 for wrong usage, 1 for failed work; the message is on stderr, stdout is empty."""
    result = featx(*arguments, code=code)

    assert message in result.stderr
    assert result.stdout == ""
    assert list(Path().glob("*x.*")) == []


def test_featx_is_a_command_and_a_module():
    """``featx`` and ``python -m featx`` are one program that starts without the heavy libraries."""
    program = (
        "import sys, featx.cli.app; print(sorted({'keras', 'sklearn', 'numpy', 'h5py'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "[]\n"
    module = subprocess.run([sys.executable, "-m", "featx", "--version"], capture_output=True, text=True)

    assert module.stdout.startswith("featx, version ")
