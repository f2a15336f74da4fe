"""What a user waits for: from the start of the process to the end of the first epoch of a recipe.

python -m pytest -m benchmark -s tests/benchmarks/test_first_epoch.py
"""

import statistics
import subprocess
import sys

import pytest

NUM_TRIALS = 5

SCRIPT = """
import sys, time
start = time.perf_counter()
import keras
import keras_genzoo as gz
from keras_genzoo import recipes, run_data
recipe = recipes.get(sys.argv[1])
images = gz.data.load(recipe.dataset, batch_size=recipe.batch_size, seed=0, **recipe.data_options)
shape = (images.element_spec[0] if recipe.data_options.get("labels") else images.element_spec).shape[1:]
imported = time.perf_counter()
model = getattr(gz, recipe.model)(image_shape=tuple(shape), **recipe.arguments)
run_data.compile_model(model, recipe, 1000)
model.fit(images, verbose=0)
print("RESULT", imported - start, time.perf_counter() - imported)
"""


@pytest.mark.benchmark
@pytest.mark.parametrize("recipe", ["vae_digits", "dcgan_digits", "pixelcnn_digits"])
def test_from_import_to_the_end_of_the_first_epoch(recipe):
    def seconds():
        command = [sys.executable, "-c", SCRIPT, recipe]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return [float(value) for value in output.split("RESULT", 1)[1].split()]

    imports, epochs = zip(*(seconds() for _ in range(NUM_TRIALS)), strict=True)
    print(
        f"\n{recipe}: import and data {statistics.median(imports):.1f} s, from building to the end of the first epoch "
        f"{statistics.median(epochs):.1f} s (median of {NUM_TRIALS}, {min(epochs):.1f} to {max(epochs):.1f})"
    )
    assert max(epochs) < 60
