"""Documents are programs: what README and docs show of Python and of the shell runs, and the pipelines do."""

import re
import runpy
import shlex
import shutil
import sys
import warnings
from contextlib import suppress
from doctest import ELLIPSIS
from functools import partial
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path
from unittest import SkipTest

import click
import pytest
from click.testing import CliRunner
from joblib.externals.loky import get_reusable_executor
from PIL import Image
from sybil import Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

from featx import FeatureExtractor
from featx.cache import EmbeddingCache
from featx.cli import main
from featx.images import synthetic, write_folder
from featx.networks.catalogue import find

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
SHELL = ("sh", "console")
"""Languages of blocks of commands: without what they print, and with it, after lines that begin with a dollar."""


LONG_PAGES = (
    "README.md", "cli.md", "coming-from.md", "ecosystem.md", "finetune.md", "machines.md", "report.md", "saving.md",
    "sees.md", "start.md",
)  # fmt: skip


@pytest.fixture
def flowers(tmp_path, monkeypatch):
    """Work in a folder that has class folders of drawn images in flowers/, as the examples assume."""
    monkeypatch.chdir(tmp_path)
    get_reusable_executor(reuse=True).shutdown()  # joblib's processes stand where an earlier test was
    return write_folder(*synthetic(n=40, classes=4, size=48, random_state=0), tmp_path / "flowers")


@pytest.fixture
def home(flowers):
    """Put there what else the commands of the pages name: photos/, labelled/, new/one.jpg, photo.jpg and wrong.jpg."""
    images, labels = synthetic(n=30, classes=3, size=48, random_state=0)
    write_folder(images, labels, "photos")
    write_folder(*synthetic(n=12, classes=4, size=48, random_state=1), "labelled")
    Path("new").mkdir()
    for name, image in zip(("new/one.jpg", "photo.jpg", "wrong.jpg"), images, strict=False):
        Image.fromarray(image).save(name)
    return flowers


def commands(block):
    """Give each command of a block of the shell, and what it prints as far as that is shown."""
    if not re.search(r"^\$ ", block, re.MULTILINE):
        return [(line, "") for line in block.splitlines() if line.split("#")[0].strip()]
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)
    assert not parts[0].strip(), "a block that shows what is printed begins with the command"
    return [(line, shown.strip()) for line, _, shown in (part.partition("\n") for part in parts[1:])]


def arguments(line):
    """Give what follows ``featx`` in a line; what stands before it, as in ``unshare --net featx fit``, is left out."""
    words = shlex.split(line, comments=True)
    assert "featx" in words, f'{line!r} is not run: say why, by <!-- skip: next "reason" --> before its block'
    return words[words.index("featx") + 1 :]


def affordable(words):
    """Give a command that takes no download and no minutes: random weights and small images, and one epoch."""
    if "--backbone" in words and not find(words[words.index("--backbone") + 1]).available:
        words = [*words, "--weights", "none", "--input-size", "64"]
    return [*words, "--epochs", "1", "--input-size", "64"] if words[0] == "finetune" else words


def shape(text):
    """Leave out the numbers of a text, and how far it is from column to column."""
    return re.sub(r" +", " ", re.sub(r"\d[\d,.]*\d|\d", "#", text))


def shell(example):
    """Run the commands of a block, each in this process, and compare what they print with what is shown."""
    for line, shown in commands(example.parsed):
        kept = [one.recipe_id for one in EmbeddingCache().info()]
        words = [word.replace("0f1e2d3c", kept[0] if kept else "") for word in arguments(line)]
        with warnings.catch_warnings():
            warnings.simplefilter("default")  # a command says its warnings
            done = CliRunner().invoke(main, affordable(words))
        some = words[0] == "duplicates" and "Error" not in done.stderr  # 1 says that there are some
        assert done.exit_code in {0, int(some)}, (line, done.output, done.exception)
        if shown:
            assert shape(done.stdout.strip()) == shape(shown), line


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.slow] * (page.name in LONG_PAGES)) for page in PAGES],
    ids=lambda page: page.name,
)
def test_examples_run(page, home):
    """Every block of Python and of the shell, in the order of the page; after ``<!-- skip: next -->`` it is only shown.

    One for a package that not everybody has follows ``<!-- skip: next if(missing("package"), reason=...) -->``.
    """
    if '"photos")' in page.read_text():  # the page draws them
        shutil.rmtree("photos")
    parsers = [PythonCodeBlockParser(doctest_optionflags=ELLIPSIS), SkipParser()]
    parsers += [CodeBlockParser(language, shell) for language in SHELL]
    document = Sybil(parsers=parsers, path=str(page.parent)).parse(page)
    document.namespace["missing"] = lambda package: find_spec(package) is None
    for example in document.examples():
        with suppress(SkipTest):
            example.evaluate()


BLOCK = re.compile(
    rf"(<!-- skip: [^\n]*-->\n+)?^ *```(?:{'|'.join(SHELL)})\n(.*?)^ *```", re.MULTILINE | re.DOTALL
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_are_understood(page, monkeypatch):
    """Also those that are only shown, which say why; and those within a sentence, where an argument may be missing."""
    monkeypatch.setattr(click.Path, "convert", lambda _, value, *__: Path(value))  # as if it were there
    text = page.read_text()
    typed = []
    for skipped, block in BLOCK.findall(text):
        assert not skipped or re.search(r'next "[^"]+"', skipped), f"say why this is not run: {block}"
        typed += [(line, True) for line, _ in commands(block) if re.search("(^| )featx [a-z]", line)]
    within = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    typed += [(line, False) for line in re.findall(r"`(featx [a-z][^`]*)`", within)]
    for line, whole in typed:
        understood(arguments(line.replace("...", "")), whole=whole)


def understood(words, *, whole):
    """Parse words as their command does, without running it."""
    command, words = main, list(words)
    while isinstance(command, click.Group) and words:
        command = command.commands[words.pop(0)]
    if isinstance(command, click.Group):
        assert not whole, words
        return
    try:
        command.make_context(command.name, words)
    except click.exceptions.Exit:  # --help
        pass
    except click.MissingParameter:
        assert not whole, words


@pytest.mark.slow
def test_the_first_example_prints_what_the_readme_shows(data, tmp_path, monkeypatch, capsys):
    """On the photographs of flowers that it was made with; what is saved is what was scored."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flowers").symlink_to(data / "images" / "flowers5")
    code, shown = re.search(r"```python\n(.*?)```\n\n```text\n(.*?)```", README, re.DOTALL).groups()

    exec(code, {})

    (score, *_), (expected, *_) = (
        re.findall(r"accuracy (\S+)", text) for text in (capsys.readouterr().out, shown)
    )
    assert float(score) == pytest.approx(float(expected), abs=0.02)  # another processor rounds otherwise


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    """Every relative link of a page names a file that is there."""
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []


PIPELINES = sorted((ROOT / "pipelines").glob("*.py"))
LONG = ("boosted.py", "ensemble.py", "on_dask.py", "tabular.py", "tuned_trees.py")


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a program as ``python program arguments`` does, but in this process, and give what it prints."""

    def run(program, *arguments):
        monkeypatch.setattr(sys, "argv", [str(program), *map(str, arguments)])
        runpy.run_path(str(program), run_name="__main__")
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize(
    "program",
    [pytest.param(path, marks=[pytest.mark.slow] * (path.name in LONG), id=path.name) for path in PIPELINES],
)
def test_pipelines_run_on_a_folder(program, flowers, run):
    """Every program of pipelines/ runs on a user's folder and prints a score."""
    assert re.search(r"0\.\d{3}|1\.000", run(program, flowers))


@pytest.mark.slow
def test_a_pipeline_runs_on_the_bundled_data(run):
    """Without an argument it takes scikit-learn's digits."""
    assert "best: 0.9" in run(ROOT / "pipelines" / "boosted.py")


def test_no_program_hides_a_package():
    """A file named xgboost.py would import itself."""
    packages = {*sys.stdlib_module_names, *packages_distributions()}
    assert [
        program for program in (*PIPELINES, *ROOT.glob("benchmarks/*.py")) if program.stem in packages
    ] == []


def figures(text):
    """Read the rows of the demonstration's table: by name the columns, and two scores with their errors."""
    rows = re.findall(r"^(pixels|stage \d|default) +(\d+) +(\S+) ± (\S+) +(\S+) ± (\S+)$", text, re.MULTILINE)
    return {name: list(map(float, row)) for name, *row in rows}


@pytest.mark.slow
def test_the_demo_runs_on_a_few_images(tmp_path, forwards):
    """Every row of the README's table; the second pass runs no network, and the saved model reads files."""
    from featx.cli import demo

    lines = []
    answers = demo(tmp_path / "demo", say=lines.append, count=200)["predictions"]

    shown = figures("\n".join(lines))
    assert {name: columns for name, (columns, *_) in shown.items()} == {
        name: columns for name, (columns, *_) in figures(README).items()
    }
    assert sum(forwards) == 2 * 200 + 6  # every depth, the default, and the files
    assert sum(Path(path).parent.name == str(answer) for path, answer in answers.items()) >= 4


@pytest.mark.slow
def test_the_demo_prints_what_the_readme_shows(tmp_path, monkeypatch):
    """All 1,797 digits: the README's scores, up to what another processor's rounding may turn.

    The vectors are OpenVINO's: Keras' differ in the seventh digit, which turns trees by half a standard error.
    """
    from featx.cli import demo, digits_demo

    monkeypatch.setattr(digits_demo, "FeatureExtractor", partial(FeatureExtractor, engine="openvino"))
    lines = []
    demo(tmp_path / "demo", say=lines.append)

    shown, promised = (figures(text) for text in ("\n".join(lines), README))
    assert len(promised) == 5
    assert shown.keys() == promised.keys()
    for name, row in promised.items():
        assert shown[name] == pytest.approx(row, abs=0.003), name
