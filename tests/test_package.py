"""The package itself: what it imports, what its wheel holds, what it says under another backend."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import keras_genzoo as gz

ROOT = Path(__file__).parent.parent


def test_public_names():
    for name in gz.__all__:
        assert getattr(gz, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'VEA'"):
        gz.VEA  # noqa: B018


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_is_refused_clearly(backend):
    result = subprocess.run(
        [sys.executable, "-c", "import keras_genzoo"],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert result.returncode != 0
    assert (
        f"ImportError: keras_genzoo runs on Keras's TensorFlow backend, but KERAS_BACKEND='{backend}'" in result.stderr
    )


@pytest.mark.slow
def test_a_saved_model_loads_where_only_the_package_was_imported(tmp_path):
    gz.VAE((4, 4, 1), 2).save(tmp_path / "model.keras")
    script = "import keras_genzoo, keras, sys; print(type(keras.models.load_model(sys.argv[1])).__name__)"
    command = [sys.executable, "-c", script, str(tmp_path / "model.keras")]
    assert subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout.strip() == "VAE"


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["genzoo.py"], ["-m", "genzoo"]])
def test_models_are_registered_whatever_the_program_is_called(tmp_path, arguments):
    gz.VAE((4, 4, 1), 2).save(tmp_path / "vae.keras")
    script = "import keras_genzoo, keras; print(type(keras.saving.load_model('vae.keras')).__name__)"
    (tmp_path / "genzoo.py").write_text(script)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, *arguments, "keras_genzoo.cli"]
    result = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert result.stdout.strip() == "VAE"


def test_wheel_holds_the_presets_and_the_licence(tmp_path):
    pytest.importorskip("hatchling")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)], check=True, cwd=ROOT
    )
    (wheel,) = tmp_path.glob("keras_genzoo-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (ROOT / "pretrained").rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            assert f"keras_genzoo/{path.relative_to(ROOT)}" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {
        f"keras_genzoo/{path.relative_to(ROOT / 'keras_genzoo')}" for path in (ROOT / "keras_genzoo").rglob("*.py")
    } <= names
    assert not any(name.startswith(("tests/", "zoo_examples/")) for name in names)


def test_ruff_is_clean():
    for command in (["check"], ["format", "--check"]):
        subprocess.run([sys.executable, "-m", "ruff", *command, str(ROOT)], check=True)
