"""A run: one recipe trained in one folder, which can be killed at any time and resumed.

run.json                the settings
history.csv             the metrics of each epoch
pictures/               samples after each epoch, always from the same noise
samples.png             samples of the finished model
reconstructions.png     test images, and below each its reconstruction (models that encode)
preset/                 the model, for `from_preset` and for sharing
saved_model/<version>/  the model for TensorFlow Serving
backup/                 what `--resume` goes on from
"""

import csv
import json
import shutil
from pathlib import Path

import keras
import tensorflow as tf

import keras_genzoo
from keras_genzoo import callbacks, data, evaluation, images, presets, recipes

PRESET, SETTINGS, BACKUP = "preset", "run.json", "backup"


def train(recipe_name, output, overrides, resume=False, overwrite=False, report=print):
    """Trains a recipe in `output` and leaves the files above.

    Args:
        recipe_name: str.
        output: folder.
        overrides: dict of settings to use instead of the recipe's: `dataset`, `epochs`, `batch_size`,
            `precision`, `seed`; None leaves one as it is.
        resume: bool, go on with the run in `output` after its last finished epoch; starts one where there is none.
        overwrite: bool, delete the run in `output` first.
        report: function that shows a line to the user.

    Raises:
        ValueError: for unknown names or settings that do not fit the run resumed.
        FileExistsError: if `output` holds a run (and neither resume nor overwrite is asked for) or other files.
    """
    recipe = recipes.get(recipe_name)
    output = Path(output)
    settings = _settings(recipe_name, recipe, output, overrides, resume, overwrite)
    keras.utils.set_random_seed(settings["seed"])
    keras.config.set_dtype_policy(settings["precision"])
    train_set = load_split(recipe, settings, "train")
    model = _build(recipe, train_set)
    steps = int(train_set.cardinality())
    num_steps = settings["epochs"] * steps
    model.compile(**{name: optimizer.build(num_steps) for name, optimizer in recipe.optimizers.items()})

    if overwrite and output.exists():
        shutil.rmtree(output)
    output.mkdir(parents=True, exist_ok=True)
    _write_json(output / SETTINGS, settings)
    finished = _finished_epochs(output)
    for _ in range(finished):
        iter(train_set)  # each pass has its own order and bits; a pass begun and dropped costs nothing
    if finished >= settings["epochs"] and (output / PRESET).exists():
        report(f"All {finished} epochs of the run in {output} are finished; --epochs with a larger number goes on.")
        return
    if finished:
        report(f"Resuming after epoch {finished} of {settings['epochs']}.")
        _keep_rows(output / "history.csv", finished)
    model.fit(
        train_set.repeat(),  # Keras alone would start two passes an epoch, and a resumed run could not keep count
        steps_per_epoch=steps,
        epochs=settings["epochs"],
        validation_data=load_split(recipe, settings, "test"),
        callbacks=[
            keras.callbacks.CSVLogger(output / "history.csv", append=finished > 0),
            callbacks.SampleGrid(output / "pictures"),
            keras.callbacks.BackupAndRestore(output / BACKUP, double_checkpoint=True, delete_checkpoint=False),
        ],
    )
    _finish(model, recipe, settings, output, report)


def load_split(recipe, settings, split):
    """A split of the run's data set: the training split shuffled, others in order, both from the run's seed."""
    return data.load(
        settings["dataset"],
        split,
        batch_size=settings["batch_size"],
        shuffle=split == "train",
        seed=settings["seed"],
        **recipe.data_options,
    )


def resolve(preset_or_run):
    """The preset folder of a run, or of a preset given by name or path."""
    run = Path(preset_or_run)
    if (run / SETTINGS).is_file():
        if not (run / PRESET).is_dir():
            raise ValueError(f"the run in {str(run)!r} is not finished; go on with `genzoo train --resume`.")
        return run / PRESET
    return presets.find(preset_or_run)


def measure(model, recipe, dataset, num_importance_samples=None):
    """Figures of a model on a test set: every metric of `evaluate`, and the likelihood where the model has one.

    Returns:
        dict, figure name to a dict of `value`, `unit`, `num_examples` and `method`.
    """
    num_examples = sum(len(tf.nest.flatten(batch)[0]) for batch in dataset)
    metrics = model.evaluate(dataset, return_dict=True)
    figures = {}
    if "kl" in metrics:
        figures["negative_elbo"] = {
            "value": metrics["reconstruction"] + metrics["kl"],
            "unit": "nats",
            "num_examples": num_examples,
            "method": "-E_q log p(x|z) + KL(q(z|x) || p(z)), one draw an image",
        }
    else:
        figures["loss"] = {
            "value": metrics["loss"],
            "unit": "nats",
            "num_examples": num_examples,
            "method": "-log p(x|z) at the code of x",
        }
    if recipe.num_importance_samples:
        k = num_importance_samples or recipe.num_importance_samples
        result = evaluation.log_likelihood(model, dataset, verbose=1, num_importance_samples=k, seed=0)
        figures["log_likelihood_bound"] = {
            "value": result["log_likelihood"],
            "standard_error": result["standard_error"],
            "unit": "nats",
            "num_examples": result["num_examples"],
            "method": f"importance-weighted bound, {k} samples",
        }
        if recipe.arguments.get("likelihood") == "quantized_logistic":
            figures["bits_per_dim"] = {
                "value": result["bits_per_dim"],
                "unit": "bits/dim",
                "num_examples": result["num_examples"],
                "method": "from the bound above",
            }
    return figures


def format_figures(figures, published):
    """A line for each figure, with its n and method, and for each published one, with its source."""
    lines = []
    for name, figure in figures.items():
        error = f" +- {figure['standard_error']:.2f}" if "standard_error" in figure else ""
        lines.append(
            f"{name.replace('_', ' '):22} {figure['value']:9.2f}{error} {figure['unit']} "
            f"(n={figure['num_examples']} test images; {figure['method']})"
        )
    lines += [f"{'published':22} {figure.value:9.2f} {figure.what}; {figure.source}" for figure in published]
    return "\n".join(lines)


def _settings(recipe_name, recipe, output, overrides, resume, overwrite):
    given = {key: value for key, value in overrides.items() if value is not None}
    holds_run = (output / SETTINGS).is_file()
    if resume and holds_run:
        old = json.loads((output / SETTINGS).read_text())
        changed = [key for key in given if key != "epochs" and given[key] != old[key]]
        if old["recipe"] != recipe_name or changed:
            what = ", ".join(changed) or f"the recipe ({old['recipe']})"
            raise ValueError(f"cannot resume the run in {str(output)!r} with another value of {what}; leave it out.")
        return {**old, **given}
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        if not holds_run:
            raise FileExistsError(f"output {str(output)!r} holds other files; choose another with --output.")
        if not overwrite:
            raise FileExistsError(
                f"output {str(output)!r} already holds a run; go on with it by --resume, replace it by --overwrite, "
                "or choose another with --output."
            )
    defaults = {
        "recipe": recipe_name,
        "dataset": recipe.dataset,
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "precision": "float32",
        "seed": 0,
    }
    return {**defaults, **given}


def _build(recipe, dataset):
    conditional = recipe.data_options.get("labels", False)
    image_spec = dataset.element_spec[0] if conditional else dataset.element_spec
    arguments = dict(recipe.arguments)
    if conditional:
        arguments["num_classes"] = 1 + max(int(labels.numpy().max()) for _, labels in dataset)
    return getattr(keras_genzoo, recipe.model)(image_shape=tuple(image_spec.shape[1:]), **arguments)


def _finish(model, recipe, settings, output, report):
    test_set = load_split(recipe, settings, "test")  # anew: `evaluate` will meet the same draws of bits
    images.save_grid(callbacks.sample_grid(model, seed=0), output / "samples.png")
    figures = measure(model, recipe, test_set)
    if hasattr(model, "reconstruct"):
        batch = tf.nest.map_structure(lambda tensor: tensor[:64], next(iter(test_set)))
        images.save_grid(callbacks.reconstruction_grid(model, batch), output / "reconstructions.png")
    facts = {key: settings[key] for key in ("recipe", "dataset", "epochs", "batch_size", "precision", "seed")}
    presets.save(model, output / PRESET, **facts, figures=figures)
    shutil.copy(output / "samples.png", output / PRESET)
    version = model.export(output / "saved_model")
    report(f"\n{recipe.model} trained by recipe {settings['recipe']} on {settings['dataset']}")
    report(format_figures(figures, recipe.published))
    meaning = {
        "samples.png": "images drawn from the model",
        "reconstructions.png": "rows of test images, each above the row of their reconstructions",
        "history.csv": "the metrics of each epoch",
        "pictures/": "samples after each epoch, from the same noise",
        "preset/": f"the model; keras_genzoo.{recipe.model}.from_preset({str(output / PRESET)!r}) loads it",
        f"saved_model/{Path(version).name}/": "the model for TensorFlow Serving and tf.saved_model.load",
    }
    report(f"\nIn {output}:")
    for name, what in meaning.items():
        if (output / name).exists():
            report(f"  {name:20} {what}")
    report(f"\nNext: genzoo sample {output} --num-samples 64 --seed 1 --output more_samples.png")


def _finished_epochs(output):
    """Epochs that the backup holds; as BackupAndRestore, falls back on the copy before if the last write was cut."""
    for name in ("training_metadata.json", "training_metadata.json.bkp"):
        try:
            return json.loads((output / BACKUP / name).read_text())["epoch"]
        except (FileNotFoundError, json.JSONDecodeError, KeyError):
            continue
    return 0


def _keep_rows(path, num_epochs):
    """Drops the rows of epochs that a killed run logged but did not back up."""
    if path.is_file():
        header, *rows = csv.reader(path.read_text().splitlines())
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([header, *(row for row in rows if int(row[0]) < num_epochs)])


def _write_json(path, value):
    unfinished = path.with_name(f".{path.name}")
    unfinished.write_text(json.dumps(value, indent=2) + "\n")
    unfinished.replace(path)
