"""Documents are programs: the examples of README and docs run, and the notebooks and pipelines do."""

import os
import re
import subprocess
import sys
from doctest import ELLIPSIS
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

from featx.images import synthetic, write_folder

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


@pytest.fixture
def flowers(tmp_path, monkeypatch):
    """Work in a folder that has class folders of drawn images in flowers/, as the examples assume."""
    monkeypatch.chdir(tmp_path)
    return write_folder(*synthetic(n=40, classes=4, size=48, seed=0), tmp_path / "flowers")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_run(page, flowers):
    """Every Python block of a page runs, in its order; a block after ``<!-- skip: next -->`` is only shown."""
    document = Sybil(
        parsers=[PythonCodeBlockParser(doctest_optionflags=ELLIPSIS), SkipParser()], path=str(page.parent)
    ).parse(page)
    for example in document.examples():
        example.evaluate()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    """Every relative link of a page names a file that is there."""
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []


def run(*arguments, folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("program", sorted((ROOT / "pipelines").glob("*.py")), ids=lambda path: path.name)
def test_pipelines_run_on_a_folder(program, flowers):
    """Every program of pipelines/ runs on a user's folder and prints a score."""
    assert re.search(r"0\.\d{3}|1\.000", run(program, flowers, folder=flowers.parent))


@pytest.mark.slow
def test_a_pipeline_runs_on_the_bundled_data(tmp_path):
    """Without an argument it takes scikit-learn's digits."""
    assert "best: 0.9" in run(ROOT / "pipelines" / "boosted.py", folder=tmp_path)


@pytest.mark.parametrize("program", sorted((ROOT / "pipelines").glob("*.py")), ids=lambda path: path.name)
def test_no_pipeline_hides_a_dependency(program):
    """A file named xgboost.py would import itself."""
    from importlib.util import find_spec

    assert find_spec(program.stem) is None


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.name)
def test_notebooks_run_and_are_kept_without_outputs(path, tmp_path):
    """Executed from the first cell to the last; committed clean."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)

    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert code[-1].outputs


@pytest.mark.slow
def test_the_demo_does_what_the_readme_shows(tmp_path):
    """featx demo runs offline, is better than pixels, and its saved model reads files."""
    from featx.cli.demo import run as demo

    lines = []
    result = demo(tmp_path / "demo", say=lines.append)
    scores = result["scores"]

    assert scores["default"]["logistic"]["mean"] >= 0.985 > scores["pixels"]["logistic"]["mean"]
    assert result["extraction_seconds"]["again"] < result["extraction_seconds"]["first"] / 5
    right = [Path(path).parent.name == str(answer) for path, answer in result["predictions"].items()]
    assert sum(right) >= 5
    assert any("stage 3" in line for line in lines)
