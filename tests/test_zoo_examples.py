"""The example notebooks: in order as files, and each runs from top to bottom at toy size."""

import ast
import json
import os
import re
import sys
from pathlib import Path

import nbformat
import pytest
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient

FOLDER = Path(__file__).parent.parent / "zoo_examples"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
COLAB = "https://colab.research.google.com/github/keras-genzoo/keras_genzoo/blob/main/zoo_examples/"
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
LOCAL_PATH = re.compile(r"(?<![\w./:-])(~/|/(home|root|work|tmp|Users|mnt|opt|content|usr|var)\b)|\b[CD]:[\\/]")

# What each notebook's cell tagged "parameters" says instead, so that the notebook runs in seconds.
TOY = {
    "classical": {
        "dataset": "digits",
        "gan_preset": "dcgan_digits",
        "num_principal_components": 20,
        "num_components": 10,
        "num_frames": 3,
        "num_hidden": 10,
        "rbm_epochs": 2,
        "sweeps": (1, 10),
        "seeds": 1,
    },
    "gan": {
        "ring_points": 2000,
        "ring_epochs": 2,
        "dataset": "digits",
        "judge": "classifier_digits",
        "batch_size": 64,
        "dcgan_epochs": 2,
        "num_candidates": 400,
        "num_equations": 10,
        "cgan_epochs": 1,
    },
    "pix2pix": {
        "dataset": "digits",
        "source": "edges",
        "judge": "classifier_digits",
        "epochs": 2,
        "batch_size": 64,
        "num_filters": 4,
    },
    "pixelcnn": {
        "dataset": "digits",
        "binarize": "threshold",
        "other_dataset": None,
        "epochs": 3,
        "points_per_epoch": 2,
        "batch_size": 32,
        "num_filters": 16,
        "num_residual_blocks": 4,
        "dilations": (1, 2),
        "num_samples": 32,
        "num_naive": 4,
    },
    "pixelrnn": {
        "dataset": "digits",
        "num_levels": 17,
        "epochs": 1,
        "batch_size": 64,
        "num_filters": 8,
        "num_images": 10,
    },
    "pretrained": {
        "vae_preset": "vae_digits",
        "gan_preset": "dcgan_digits",
        "conditional_preset": "cgan_digits",
        "pixelcnn_preset": "pixelcnn_digits",
        "dataset": "digits",
        "strange_dataset": None,
        "num_test_images": 300,
        "fine_tuning_steps": 20,
    },
    "serving": {
        "preset": "vae_digits",
        "conditional": "cgan_digits",
        "autoregressive": "pixelcnn_digits",
        "num_samples": 16,
    },
    "unpaired": {
        "dataset": "digits",
        "judge": "classifier_digits",
        "num_steps": 20,
        "batch_size": 32,
        "num_filters": 4,
        "num_steps_of_points": 20,
        "num_steps_of_dtn": 10,
    },
    "vae_mnist": {
        "dataset": "digits",
        "epochs": 2,
        "batch_size": 64,
        "test_batch_size": 120,
        "importance_samples": [1, 10],
    },
}

notebooks = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=nbformat.NO_CONVERT)


def test_there_are_notebooks():
    assert NOTEBOOKS


def test_no_toy_settings_without_a_notebook():
    assert set(TOY) <= {path.stem for path in NOTEBOOKS}


@notebooks
def test_format(path):
    notebook = read(path)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    nbformat.validate(notebook)
    assert not notebook.metadata.get("widgets")
    for cell in notebook.cells:
        assert re.fullmatch(r"[a-z0-9-]+", cell.id), f"cell id {cell.id!r}: give it a stable, readable one"
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None, f"cell {cell.id!r} stores outputs: clear them"


@notebooks
def test_first_cell_opens_this_notebook_in_colab(path):
    first = read(path).cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert f"({BADGE})]({COLAB}{path.name})" in first.source


@notebooks
def test_names_no_local_path(path):
    for cell in read(path).cells:
        found = LOCAL_PATH.search(cell.source)
        assert not found, f"cell {cell.id!r} names a path of one machine: {cell.source[found.start() :][:60]!r}"


@pytest.mark.slow
@notebooks
def test_runs_at_toy_size(path, tmp_path):
    notebook = with_settings(read(path), path.stem)
    execute(notebook, tmp_path)
    nbformat.write(notebook, tmp_path / path.name)  # pytest keeps it, to be looked at
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs), "it showed no picture"


def with_settings(notebook, name):
    """The notebook with the toy settings in place of its own."""
    assert name in TOY, f"no toy settings for {name}.ipynb: add an entry to TOY in {Path(__file__).name}"
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(cells) == 1, f"{name}.ipynb must have one cell tagged 'parameters'; it has {len(cells)}"
    statements = ast.parse(cells[0].source).body
    assert all(isinstance(statement, ast.Assign) for statement in statements)
    names = {target.id for statement in statements for target in statement.targets}
    assert names == set(TOY[name]), f"the settings of {name}.ipynb and its entry in TOY differ"
    cells[0].source = "\n".join(f"{key} = {value!r}" for key, value in TOY[name].items())
    return notebook


def execute(notebook, folder):
    """Runs a notebook in place, in `folder`, under this interpreter and none of the user's Jupyter settings."""
    spec = folder / "kernels" / "under-test"
    spec.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": command, "display_name": "test", "language": "python"}))
    specs = KernelSpecManager(kernel_dirs=[str(spec.parent)])
    kernel = AsyncKernelManager(
        kernel_name=spec.name, kernel_spec_manager=specs, connection_file=str(folder / "connection.json")
    )
    # Without MPLBACKEND the kernel draws inline, as in Colab; a test run may have set it to draw nowhere.
    environment = {key: value for key, value in os.environ.items() if key != "MPLBACKEND"}
    environment |= {"TF_CPP_MIN_LOG_LEVEL": "2", "IPYTHONDIR": str(folder / "ipython")}
    work = folder / "work"
    work.mkdir()
    client = NotebookClient(notebook, timeout=300, km=kernel)
    client.execute(cwd=str(work), env=environment, cleanup_kc=True)
