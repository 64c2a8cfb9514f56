"""What a person reads at a terminal: whole messages, in the words of the shell."""

import re
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.pipeline import make_pipeline

from featx.cli import main
from featx.cli.running import in_python
from featx.cli.wording import on_shell, options_of
from featx.embedding import PixelExtractor
from featx.errors import BadImage, FeatxError, ImageError
from featx.heads import make_head
from featx.images import synthetic, write_folder
from featx.saving import save

NUMBERS = make_pipeline(PixelExtractor(4), make_head("ridge")).fit(
    np.zeros((4, 8, 8, 3), "u1"), [0.5, 1, 2, 3]
)
BAD = "4 images cannot be read:\n*Remove or replace them."
QUICK = ["--depth", "2", "--input-size", "32"]
MESSAGES = {
    "a model that is none": (
        ["predict", "photos", "photos"],
        "'*/photos' is not a saved model: it has no model.json. Give a folder that featx fit or finetune wrote.",
    ),
    "an export of no model": (
        ["export", "photos", "-o", "x"],
        "'*/photos' is not a saved model: it has no model.json. Give a folder that featx fit or finetune wrote.",
    ),
    "an evaluation by no model": (
        ["evaluate", "photos", "photos"],
        "'*/photos' is not a saved model: it has no model.json. Give a folder that featx fit or finetune wrote.",
    ),
    "similar images of none": (
        ["similar", "none", "photos"],
        "No images in 'none' (it is empty). Images end in *.",
    ),
    "a calibration on none": (
        ["fit", "photos", "-o", "x", "--precision", "int8", "--calibration", "none"],
        "No images in 'none' (it is empty). Images end in *.",
    ),
    "int8 on Keras": (
        ["fit", "photos", "-o", "x", "--precision", "int8", "--engine", "keras"],
        "int8 runs on OpenVINO, not on Keras: take --engine auto, or --precision bfloat16, which runs on both.",
    ),
    "weights that are not there": (
        ["extract", "photos", "-o", "x.npz", "--backbone", "resnet18", "--weights", "gone.safetensors"],
        (
            "--weights gone.safetensors: there is no such file. Give the path of a .weights.h5, .h5, .keras, .pth or "
            ".safetensors file, --weights auto for the published ones, or --weights none for random ones."
        ),
    ),
    "a folder that is there": (
        ["extract", "photos", "-o", "photos"],
        "Unknown format 'photos'. Known: '.h5', '.npz', '.parquet', '.csv'.",
    ),
    "a file that is there": (
        ["extract", "photos", "-o", "table.csv"],
        "'table.csv' exists. Give another name, or --overwrite to replace it.",
    ),
    "a column that is not known to be the images'": (
        ["extract", "table.csv", "-o", "x.npz"],
        "None of 'who', 'what' is known to be the column of the images of 'table.csv'. Say which with --image.",
    ),
    "files that are not there": (
        ["extract", "table.csv", "-o", "x.npz", "--image", "who"],
        "2 of 2 files in column 'who' of * are not there: *. Pass --root for the folder that they start from.",
    ),
    "a stage that is not there": (
        ["extract", "photos", "-o", "x.npz", "--depth", "9"],
        "--depth 9: this backbone has 4 stages; give 1..4, -4..-1 or a layer's name.",
    ),
    "scaling of a named backbone": (
        ["extract", "photos", "-o", "x.npz", "--scaling", "tf"],
        "--scaling tf: 'featx-mini' brings its own, 'unit'. --scaling is for Keras models of your own.",
    ),
    "one class": (
        ["fit", "labels.csv", "-o", "x", "--label", "one"],
        "Two classes or more are needed, but the labels hold one class only: 'x'. Add images of another class.",
    ),
    "a class of one image": (
        ["finetune", "labels.csv", "-o", "x", "--label", "count"],
        (
            "The least populated class, 2, has only 1 member, which is too few: it takes one image to learn from "
            "and one to judge by. Give two images or more of each class, or pass --validation none. If they are "
            "counts, take --numbers."
        ),
    ),
    "counts in two columns": (
        ["fit", "labels.csv", "-o", "x", "--label", "count", "--label", "two"],
        (
            "There are 2 columns of labels. Give one label for each image, columns of 0 and 1 for several labels. For "
            "counts take --head ridge."
        ),
    ),
    "counts in two columns, where there is no head": (
        ["advise", "labels.csv", "--label", "count", "--label", "two"],
        "There are 2 columns of labels. Give one label for each image, columns of 0 and 1 for several labels.",
    ),
    "a head for numbers on words": (
        ["fit", "labels.csv", "-o", "x", "--label", "word", "--head", "ridge"],
        (
            "The labels hold 'a', but numbers are needed. For classes take another head, such as --head logistic."
        ),
    ),
    "a head for classes on fractions": (
        ["fit", "labels.csv", "-o", "x", "--label", "part", "--head", "logistic"],
        "Unknown label type: continuous. The labels are numbers with fractions. To predict numbers take --head ridge.",
    ),
    "parts of a data set": (
        ["fit", "split", "-o", "x"],
        "The folders in 'split' are parts of a data set, not classes: train. Take one of them, such as 'split/train'.",
    ),
    "a folder that is no table": (
        ["extract", "notes.txt", "-o", "x.npz"],
        "'notes.txt' is not a .csv, .tsv or .parquet file. Read it with pandas, and save it as one of these.",
    ),
    "no labels": (
        ["fit", "photos/disc", "-o", "x"],
        "'photos/disc' has no labels. Give a folder with one folder per class, or --label COLUMN.",
    ),
    "a head that is not there": (
        ["fit", "photos", "-o", "x", "--head", "ridgeclassifier"],
        "Unknown head 'ridgeclassifier'. Did you mean 'ridge-classifier'? Known: 'auto', 'logistic', *.",
    ),
    "a scheduler that is not there": (
        ["extract", "photos", "-o", "x.npz", "--cluster", "dask://127.0.0.1:9", *QUICK],
        "No Dask scheduler answers at 127.0.0.1:9. Start one there by dask scheduler, and workers by dask worker.",
    ),
    "a Ray cluster that is not there": (
        ["extract", "photos", "-o", "x.npz", "--cluster", "ray://127.0.0.1:9", *QUICK],
        "No Ray cluster answers at 127.0.0.1:9. Start one there by ray start --head --ray-client-server-port 9."
        if find_spec("ray")
        else "ray:// takes a package that is not installed: pip install 'ray[client]'.",
    ),
    "a name that is only an ending": (
        ["extract", "photos", "-o", ".csv"],
        "'.csv' is an ending without a name. Give both, such as 'name.csv'.",
    ),
    "a page that is only an ending": (
        ["evaluate", "exported", "photos", "-o", ".html"],
        "'.html' is an ending without a name. Give both, such as 'name.html'.",
    ),
    "a drawing that is only an ending": (
        ["depths", "photos", "--plot", "split/.png"],
        "'split/.png' is an ending without a name. Give both, such as 'split/name.png'.",
    ),
    "a model in the place of a file": (
        ["fit", "photos", "-o", "notes.txt", "--overwrite"],
        "'notes.txt' is not a folder, and a saved model is one. Give another name.",
    ),
    "a tuned model in the place of a file": (
        ["finetune", "photos", "-o", "notes.txt"],
        "'notes.txt' is not a folder, and a saved model is one. Give another name.",
    ),
    "an export in the place of a file": (
        ["export", "photos", "-o", "notes.txt", "--overwrite"],
        "'notes.txt' is not a folder, and an exported model is one. Give another name.",
    ),
    "a calibration that nothing uses": (
        ["fit", "photos", "-o", "x", "--calibration", "photos"],
        (
            "--calibration is for int8, and the precision is float32. Add --precision int8, or leave --calibration "
            "out."
        ),
    ),
    "unlabelled images for trees": (
        ["fit", "photos", "-o", "x", "--head", "xgboost", "--unlabelled", "photos"],
        (
            "XGBoostHead learns nothing from unlabelled images. Leave them out, or take another head, such as "
            "'logistic'."
        ),
    ),
    "unlabelled images of none": (
        ["fit", "photos", "-o", "x", "--unlabelled", "none"],
        "No images in 'none' (it is empty). Images end in *.",
    ),
    "an export of an export": (
        ["export", "exported", "-o", "x"],
        (
            "'*/exported' is an exported model, which holds only the graph. Give the model that it was exported from; "
            "featx predict and evaluate take both."
        ),
    ),
    "words for a model of numbers": (
        ["evaluate", "numbers", "photos"],
        (
            "The labels hold 'disc', but the model predicts numbers. Give a table, and name its column of numbers by "
            "--label."
        ),
    ),
    "images in a column of numbers": (
        ["predict", "numbers", "labels.csv", "--image", "part"],
        (
            "4 of 4 files in column 'part' of 'labels.csv' are not there: 0.5, 1.5, 2.5, 3.5. It holds numbers: name "
            "the column of the paths by --image."
        ),
    ),
    "images in a column of words": (
        ["predict", "numbers", "labels.csv", "--image", "word"],
        (
            "4 of 4 files in column 'word' of 'labels.csv' are not there: a, b, a, b. Pass --root for the folder that "
            "they start from."
        ),
    ),
    "nothing but bad images": (["fit", "bad", "-o", "x"], BAD),
    "nothing but bad images, to be left out": (["fit", "bad", "-o", "x", "--on-error", "skip"], BAD),
    "nothing but bad images, without a report": (
        ["fit", "bad", "-o", "x", "--on-error", "skip", "--no-report"],
        BAD,
    ),
    "answers for nothing but bad images": (
        ["predict", "numbers", "bad", "-o", "x.csv", "--on-error", "skip"],
        BAD,
    ),
    "vectors of nothing but bad images": (["extract", "bad", "-o", "x.npz", "--on-error", "skip"], BAD),
    "groups of nothing but bad images": (["cluster", "bad", "-o", "x", "--on-error", "skip"], BAD),
    "advice on nothing but bad images": (["advise", "bad", "--on-error", "skip"], BAD),
    "a model in the place of something else": (
        ["fit", "photos", "-o", "photos", "--overwrite"],
        "'photos' is not replaced: it does not hold a saved model that can be read. Give another name.",
    ),
    "an export in the place of something else": (
        ["export", "numbers", "-o", "photos", "--overwrite"],
        "'*photos' is not replaced: it does not hold an exported model that can be read. Give another name.",
    ),
    "clusters in the place of something else": (
        ["cluster", "photos", "-o", "photos", "--overwrite"],
        "'photos' is not replaced: it has no clusters.json, so it does not hold clusters. Give another name.",
    ),
    "as many clusters as images": (
        ["cluster", "photos", "-o", "x", "--clusters", "9"],
        "--clusters 9: give 'auto', or a number from 2 to 8.",
    ),
    "three images to group": (
        ["cluster", "photos/disc", "-o", "x"],
        "3 images cannot be grouped; give 4 or more.",
    ),
    "an order of numbers": (
        ["predict", "numbers", "photos", "--top", "2"],
        "--top 2: this model gives no probabilities, so its answers have no order. Leave it out.",
    ),
    "answers of no kind": (
        ["predict", "numbers", "photos", "-o", "answers"],
        "Unknown format 'answers'. Known: '.csv', '.parquet', '.jsonl'.",
    ),
    "answers in the place of a folder": (
        ["predict", "numbers", "photos", "-o", "folder.csv", "--overwrite"],
        "'folder.csv' is a folder, and a file is to be written. Give another name.",
    ),
    "a model that is damaged": (
        ["predict", "damaged", "photos"],
        "'*/damaged/model.json' is damaged: *. Save the model again.",
    ),
    "a report of another kind": (
        ["evaluate", "numbers", "labels.csv", "--label", "part", "-o", "page.pdf"],
        "'page.pdf': a report is a page. Give a name that ends in .html.",
    ),
    "a backbone that is misspelt": (
        ["fit", "photos", "-o", "x", "--backbone", "resnet5"],
        "Unknown backbone 'resnet5'. Did you mean 'resnet50'? featx backbones lists them all.",
    ),
    "weights that nobody has published": (
        ["finetune", "photos", "-o", "x", "--backbone", "lenet5"],
        (
            "Nobody has published weights of 'lenet5'. Give --weights none for random ones, to be trained, or the path "
            "of a file."
        ),
    ),
    "a column that is not there": (
        ["fit", "labels.csv", "-o", "x", "--label", "nope"],
        "'labels.csv' has no column 'nope'. It has 'path', *.",
    ),
    "groups in a folder": (
        ["fit", "photos", "-o", "x", "--group", "who"],
        "--group names a column of a table, and 'photos' is a folder. Give a .csv, .tsv or .parquet file.",
    ),
    "alike in a picture of no kind": (
        ["similar", "photos", "photos", "-o", "x.gif"],
        "'x.gif': a picture ends in .png or .jpg.",
    ),
    "a picture of no kind": (
        ["depths", "photos", "--plot", "x.doc"],
        "'x.doc': a picture ends in .png, .svg or .pdf.",
    ),
}


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Work in a folder with class folders in photos/, and a table."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text("who,what\nnobody.png,cat\nno-one.png,dog\n")
    (tmp_path / "notes.txt").write_text("x")
    for name in ("none", "folder.csv", "bad/disc", "bad/ring", "damaged"):
        (tmp_path / name).mkdir(parents=True)
    for number in range(4):
        (tmp_path / "bad" / ("disc", "ring")[number % 2] / f"{number}.png").write_bytes(b"no image")
    (tmp_path / "damaged" / "model.json").write_text("{")
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported" / "exported.json").write_text("{}")
    save(NUMBERS, tmp_path / "numbers")
    write_folder(*synthetic(n=4, classes=2, size=32, random_state=0), tmp_path / "split" / "train")
    paths = sorted((tmp_path / "split").rglob("*.png"))
    rows = zip(paths, "xxxx", (1, 1, 1, 2), (3, 3, 4, 4), "abab", (0.5, 1.5, 2.5, 3.5), strict=True)
    lines = ["path,one,count,two,word,part", *(",".join(map(str, row)) for row in rows)]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    return write_folder(*synthetic(n=9, classes=3, size=32, random_state=0), tmp_path / "photos")


@pytest.mark.parametrize("mistake", MESSAGES)
def test_says(photos, forwards, mistake):
    """The whole of stderr; exit code 1, no network run, nothing on stdout and nothing written."""
    arguments, message = MESSAGES[mistake]
    before = sorted(photos.parent.rglob("*"))
    done = CliRunner().invoke(main, arguments)
    message = ".*".join(map(re.escape, message.split("*")))

    assert (done.exit_code, done.stdout) == (1, "")
    assert re.fullmatch(f"Error: {message}\n", done.stderr, re.DOTALL), done.stderr
    assert sum(forwards) == 0
    assert sorted(photos.parent.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--jobs", "0"], "0 is not in the range x>=1"),
        (["--folds", "1"], "1 is not in the range x>=2"),
        (["--input-size", "0"], "0 is not in the range x>=1"),
        (["--resize", "crob"], "'crob' is not one of 'squash', 'crop', 'pad'"),
        (["--engine", "torch"], "'torch' is not one of 'auto', 'keras', 'openvino'"),
        (["--on-error", "ignore"], "'ignore' is not one of 'raise', 'skip'"),
    ],
)
def test_a_value_out_of_range_is_wrong_usage(photos, arguments, what):
    """Exit code 2, before anything else is looked at."""
    done = CliRunner().invoke(main, ["fit", "photos", "-o", "x", *arguments])

    assert done.exit_code == 2
    assert what in done.stderr


NO_SHARD = "is none of n shards. Give i/n: of 4, they are 1/4, 2/4, 3/4 and 4/4."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        *((["--shard", given], f"Invalid value for '--shard': {given!r} {NO_SHARD}")
          for given in ("0/4", "5/4", "1/0", "4", "1-4", "a/b", "1/4/2", "-1/4", "1.0/4", "", "²/4")),
        (["--shard", "1/4", "-o", "x.npz"],
         ("--shard fills the cache and writes no file: leave -o out. Once all shards are done, the same command with "
          "-o and without --shard writes one, and computes nothing.")),
        (["--shard", "1/4", "--on-error", "nan"],
         "--on-error nan is for rows of a file, and --shard writes none: take skip."),
        (["--shard", "1/4", "--cache", "none"],
         "--shard fills a cache, and there is none. Name its folder by --cache or FEATX_CACHE."),
        ([], "Missing option '-o' / '--output'."),
        *((["-o", "x.npz", "--cluster", given],
           (f"Invalid value for '--cluster': {given!r} names no workers that this command can ask. Give local:2, two "
            "processes here, dask://host:8786, the scheduler of a Dask cluster, or ray://host:10001, the head of a Ray "
            "cluster."))
          for given in ("local", "local:0", "local:1", "local:x", "dask://host", "ray://host", "ray://", "tcp://host:8786",
                        "dask://a:b:1", "spark://host:7077", "", "4")),
        (["-o", "x.npz", "--cluster", "local:2", "--jobs", "2"],
         ("--jobs counts the threads of this process, and with --cluster others do the work: leave one of them out.")),
    ],
)  # fmt: skip
def test_a_shard_or_cluster_that_is_none_is_wrong_usage(photos, arguments, message):
    """Exit code 2 and one line, before anything else is looked at."""
    done = CliRunner().invoke(main, ["extract", "photos", *arguments])

    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == f"Error: {message}"


def test_choices_are_those_of_the_library():
    """Click must know them before the library is loaded; here they are compared."""
    from featx.embedding.keras_engine import ENGINES
    from featx.embedding.plan import PRECISIONS
    from featx.exploring.clusters import METHODS
    from featx.finetuning import tuner
    from featx.finetuning.optimizer import OPTIMIZERS, UNFREEZE
    from featx.images.resizing import RULES
    from featx.saving.exported import FILES

    def offered(command, name):
        return set(next(one for one in main.commands[command].params if one.name == name).type.choices)

    assert offered("fit", "engine") == set(ENGINES)
    assert offered("fit", "precision") == set(PRECISIONS)
    assert offered("fit", "resize") == set(RULES)
    assert offered("export", "format") == set(FILES)
    assert offered("cluster", "method") == set(METHODS)
    assert offered("finetune", "precision") == set(tuner.PRECISIONS)
    assert offered("finetune", "optimizer") == set(OPTIMIZERS)
    assert offered("finetune", "unfreeze") == set(UNFREEZE)


def raised(row):
    """Give the error of a row of a table of messages, or None for a row that is made otherwise."""
    try:
        row[0]()
    except FeatxError as error:
        return error
    except Exception:  # noqa: BLE001 - of another kind, so of no message of featx
        return None


TABLES = sorted(
    path for path in Path(__file__).parents[1].glob("*/test_messages.py") if path.parent.name != "cli"
)


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.parent.name)
def test_no_message_of_any_room_speaks_python_at_a_terminal(path):
    """Every message that a room's table holds, as each command would say it."""
    spec = spec_from_file_location(f"messages_of_{path.parent.name}", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    names = dict(in_python(main))
    shells = [
        options_of(main.commands[command])
        for command in ("extract", "fit", "finetune", "predict", "classify", "depths")
    ]

    def python_in(message):
        said = [on_shell(message, options, names) for options in shells]
        return [text for text in said if re.search(r"(?<![\w./'\"-])[a-z_]+=|load_folder\(", text)]

    for row in module.MESSAGES.values():
        if python_in(row[2]):  # it may have words of its own for a shell, which the table does not show
            error = raised(row)
            assert error is None or python_in(error) == []


def test_images_that_cannot_be_read_are_left_out_by_an_option():
    """Where Python has `on_error`, the shell has --on-error; a command that takes one image has no such option."""
    error = ImageError([BadImage(0, "a.png", "empty")])
    said = "1 image cannot be read:\n  a.png: empty\nRemove or replace it."

    assert on_shell(error, {}) == said
    assert on_shell(error, {"on_error": "--on-error"}) == f"{said} Or leave it out by --on-error skip."


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("Pass overwrite=True.", "Pass --overwrite."),
        ("Take engine='keras' or 'auto'.", "Take --engine keras or 'auto'."),
        ("cv=1: give 2 or more.", "--folds 1: give 2 or more."),
        ("It is bad. Give input_size=(96, 64).", "It is bad. Give --input-size 96,64."),
        ("It is bad. Give weights=None.", "It is bad. Give --weights none."),
        ("It is bad. Pass value_range=(0, 1) or wait.", "It is bad."),
        (
            "'label=cat/depth=3.png' and a/cv=3/b.png are bad.",
            "'label=cat/depth=3.png' and a/cv=3/b.png are bad.",
        ),
        ("featx.depth_curve shows it.", "featx depths shows it."),
    ],
)
def test_python_becomes_the_shell(message, said):
    """By one rule for all messages; what a file is called is left alone."""
    assert on_shell(message, options_of(main.commands["fit"]), dict(in_python(main))) == said
