"""Writes the files of a version, once, when it is released: `python -m tests.compatibility.write FOLDER [CASE ...]`.

A released version's files are never written again: that they still load and answer the same is the test. New classes
join by a case in `cases.py` and a call with its name.
"""

import io
import sys
import tempfile
import zipfile
from pathlib import Path

import keras
import numpy as np

from tests.compatibility import cases


def write(name, folder):
    """One archive: model.keras after two steps, preset/, and answers.npz of both."""
    model = cases.build(name)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        model.compile(**cases.CASES[name][2](), run_eagerly=True)
        for _ in range(2):
            images, *labels = cases.batch(model)
            model.fit(images, *labels, epochs=1, batch_size=cases.N, shuffle=False, verbose=0)
        model.save(scratch / "model.keras")
        later = cases.what_comes_next(keras.models.load_model(scratch / "model.keras"))
        kept = {f"next/{answer}": value for answer, value in later.items()}
        model.save_to_preset(scratch / "preset")
        loaded = type(model).from_preset(scratch / "preset", dtype="float32")
        kept |= {f"preset/{answer}": value for answer, value in cases.answers(loaded).items()}
        content = io.BytesIO()
        np.savez_compressed(content, **kept)
        with zipfile.ZipFile(Path(folder) / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(scratch.rglob("*")):
                if file.is_file():
                    archive.write(file, file.relative_to(scratch).as_posix())
            archive.writestr("answers.npz", content.getvalue())


if __name__ == "__main__":
    target, *names = sys.argv[1:]
    Path(target).mkdir(parents=True, exist_ok=True)
    for case in names or cases.CASES:
        write(case, target)
        print(case, (Path(target) / f"{case}.zip").stat().st_size)
