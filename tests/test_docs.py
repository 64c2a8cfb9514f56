"""Documents are programs: the examples of README and docs run, and the pipelines do."""

import re
import runpy
import sys
from contextlib import suppress
from doctest import ELLIPSIS
from importlib.util import find_spec
from pathlib import Path
from unittest import SkipTest

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

from featx.images import synthetic, write_folder

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


LONG_PAGES = ("README.md", "coming-from.md", "ecosystem.md", "finetune.md", "machines.md")


@pytest.fixture
def flowers(tmp_path, monkeypatch):
    """Work in a folder that has class folders of drawn images in flowers/, as the examples assume."""
    monkeypatch.chdir(tmp_path)
    return write_folder(*synthetic(n=40, classes=4, size=48, random_state=0), tmp_path / "flowers")


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.slow] * (page.name in LONG_PAGES)) for page in PAGES],
    ids=lambda page: page.name,
)
def test_examples_run(page, flowers):
    """Every Python block of a page runs, in its order; a block after ``<!-- skip: next -->`` is only shown.

    One for a package that not everybody has follows ``<!-- skip: next if(missing("package"), reason=...) -->``.
    """
    document = Sybil(
        parsers=[PythonCodeBlockParser(doctest_optionflags=ELLIPSIS), SkipParser()], path=str(page.parent)
    ).parse(page)
    document.namespace["missing"] = lambda package: find_spec(package) is None
    for example in document.examples():
        with suppress(SkipTest):
            example.evaluate()


CONSOLE = [page for page in PAGES if "```console" in page.read_text() and page.name != "cli.md"]


@pytest.mark.parametrize("page", CONSOLE, ids=lambda page: page.name)
def test_commands_run(page, flowers, monkeypatch):
    """Every line that begins with ``$ featx`` works, in its order; tests/cli/test_app.py runs those of docs/cli.md."""
    from click.testing import CliRunner

    from featx.cli import main

    write_folder(*synthetic(n=30, classes=3, size=64, random_state=0), flowers.parent / "photos")
    for line in re.findall(r"^\$ featx (.*)$", page.read_text(), re.MULTILINE):
        done = CliRunner().invoke(main, line.split())
        assert done.exit_code == 0, (line, done.output, done.exception)


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
LONG = ("ensemble.py", "on_dask.py")


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


@pytest.mark.parametrize("program", PIPELINES, ids=lambda path: path.name)
def test_no_pipeline_hides_a_dependency(program):
    """A file named xgboost.py would import itself."""
    assert find_spec(program.stem) is None


def figures(text):
    """Read the rows of the demonstration's table: by name the columns, and two scores with their errors."""
    rows = re.findall(r"^(pixels|stage \d|default) +(\d+) +(\S+) ± (\S+) +(\S+) ± (\S+)$", text, re.MULTILINE)
    return {name: list(map(float, row)) for name, *row in rows}


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
def test_the_demo_prints_what_the_readme_shows(tmp_path):
    """All 1,797 digits: the README's scores, up to what another processor's rounding may turn."""
    from featx.cli import demo

    lines = []
    demo(tmp_path / "demo", say=lines.append)

    shown, promised = (figures(text) for text in ("\n".join(lines), README))
    assert len(promised) == 5
    assert shown.keys() == promised.keys()
    for name, row in promised.items():
        assert shown[name] == pytest.approx(row, abs=0.003), name
