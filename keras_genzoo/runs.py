"""Training: one recipe in one folder, which can be killed at any time and resumed as if it had never stopped.

What a run leaves in its folder, `run_folder` says.
"""

import difflib
import json
import operator
from pathlib import Path

import keras

import keras_genzoo
from keras_genzoo import (
    backup,
    callbacks,
    data,
    files,
    logs,
    outcome,
    presets,
    recipes,
    run_data,
    run_folder,
    watching,
)
from keras_genzoo.recipes.settings import check_arguments


def train(recipe_name, output, overrides, resume=False, overwrite=False, report=print, full=False):
    """Trains a recipe in `output` and leaves the files above.

    Args:
        recipe_name: str.
        output: folder.
        overrides: dict of settings to use instead of the recipe's, by the names of `run_folder.defaults`; None leaves
            one as it is.
        resume: bool, go on with the run in `output` after its last finished epoch, as if it had never stopped.
        overwrite: bool, delete the run in `output` first.
        report: function that shows a line to the user.
        full: bool, measure the finished model as the cards of presets have it; by default quickly, see
            `measuring.effort`.

    Raises:
        ValueError: for unknown names, settings that do not fit the run resumed, or backups that are all damaged.
        FileNotFoundError: if `output` holds no run to resume.
        FileExistsError: if `output` holds a run (and neither resume nor overwrite is asked for) or other files.
    """
    output = Path(output)
    settings = run_folder.settings(recipe_name, recipes.get(recipe_name), output, overrides, resume, overwrite)
    recipe = recipes.of_run(settings)
    _check(recipe)
    if not resume:
        splits = data.splits(settings["dataset"], recipe.validation_percent)
        settings |= {"train_split": splits["train"], "validation_split": splits["validation"]}
    elif run_folder.is_finished(output, settings["epochs"]):
        report(f"All {settings['epochs']} epochs of the run in {output} are finished; a larger --epochs goes on.")
        return
    keras.utils.set_random_seed(settings["seed"])
    keras.config.set_dtype_policy(settings["precision"])
    run_data.sizes(recipe, settings)  # a split without an image must not wait for the measuring
    train_set = run_data.load_split(recipe, settings, "train", augment=recipe.data_options.get("augment"))
    model = _build(recipe, settings, train_set)
    for name in recipe.optimizers:
        if name not in model.optimizer_names:
            raise ValueError(
                f"setting {f'{name}.learning_rate'!r} is of no optimiser of {recipe.model}, which has "
                f"{', '.join(model.optimizer_names) or 'none'}."
            )
    steps = int(train_set.cardinality())
    num_steps = settings["epochs"] * steps
    run_data.compile_model(model, recipe, num_steps)

    starts_from_data = not model.is_initialized  # a pass more than there are epochs
    history, monitor = output / run_folder.HISTORY, watching.monitor_of(model)
    backups = backup.Backup(output / run_folder.BACKUP, history, monitor if settings["keep"] == "best" else None)
    finished = backups.restore(model, report) if resume else 0
    if resume and not finished and run_folder.has_backed_up(output):
        options = run_folder.options(settings, recipes.get(recipe_name))
        anew = run_folder.train_command(recipe_name, output, "--overwrite", *options)
        model_is = f"; its model is in {run_folder.PRESET}/" if (output / run_folder.PRESET).is_dir() else ""
        raise ValueError(
            f"the run in {str(output)!r} has no backup left in {run_folder.BACKUP}/ to go on from{model_is}. To train "
            f"anew in its place: {anew}"
        )
    if settings["epochs"] < finished:
        raise ValueError(f"`epochs` is {settings['epochs']}, but the run in {str(output)!r} has finished {finished}.")
    if overwrite and output.exists():
        run_folder.delete(output)
    files.write(output / run_folder.SETTINGS, json.dumps(settings, indent=2) + "\n")
    if resume:
        report(f"Resuming after epoch {finished} of {settings['epochs']}.")
    if starts_from_data and not finished:
        model.initialize(train_set)
    for _ in range(finished + (starts_from_data and finished > 0)):
        iter(train_set)  # each pass has its own order and bits; a pass begun and dropped costs nothing
    validation_set = run_data.with_fixed_bits(run_data.load_split(recipe, settings, "validation"), recipe)
    stopping = []
    if settings["early_stopping"]:
        stopping = [watching.EarlyStopping(monitor, settings["early_stopping"], history, report)]
    stopped = None
    try:
        if not (finished and stopping and stopping[0].has_run_out()):
            model.fit(
                train_set.repeat(),  # Keras alone would start two passes an epoch, and no resumed run could keep count
                steps_per_epoch=steps,
                epochs=settings["epochs"],
                initial_epoch=finished,
                validation_data=validation_set,
                callbacks=[
                    watching.StopWhereNotFinite(),
                    watching.OfAverages(
                        [
                            *_watch(model, settings, validation_set, report),
                            *_pictures(model, recipe, settings, output),
                        ]
                    ),
                    *logs.callbacks(settings, output),
                    callbacks.TimedCSVLogger(history, append=finished > 0),
                    backups,
                    *stopping,
                ],
            )
    except watching.NotFinite as error:
        stopped = str(error)
        report(f"\n{_not_finite(stopped)} Going back to the last finished epoch.")
        if not backups.restore(model, report):
            raise ValueError(f"{_not_finite(stopped)} No epoch was finished, so that there is no model.") from error
    kept = _keep(model, backups, monitor, settings, history, report)
    outcome.finish(model, recipe, {**settings, "kept_epoch": kept, "stopped": stopped}, output, report, full)


def _not_finite(what):
    return f"Training stopped: {what}. What helps: a lower learning rate, as in --set optimizer.learning_rate=1e-4."


def _keep(model, backups, monitor, settings, history, report):
    """Brings a model to the epoch that is to be kept, and to the averages of its weights; returns which epoch."""
    last = run_folder.num_epochs(history)
    best = monitor.best_epoch(history) if settings["keep"] == "best" else None
    is_earlier = best not in (None, last) and backups.load_epoch(model, best)
    if model.optimizer is not None:
        model.optimizer.finalize_variable_values(model.trainable_variables)
    if not is_earlier:
        return last
    value = monitor.value(history, best)
    report(
        f"\nKeeping epoch {best} of {last}, the best by {monitor.column}, {value:.4g} (--keep last for the last one)."
    )
    return best


def _watch(model, settings, validation_set, report):
    """The callback that measures on the way, a list of one or none."""
    interval = settings["evaluate_every"]
    interval = watching.default_interval(model, settings["epochs"]) if interval is None else interval
    return [watching.Watch(validation_set, settings["dataset"], interval, report)] if interval else []


def _pictures(model, recipe, settings, output):
    """The callback that draws what a model draws, a list of one or none."""
    folder, log_dir = output / "pictures", logs.picture_folder(settings, output)
    if "sample" in model.verbs:
        return [callbacks.SampleGrid(folder, log_dir=log_dir)]
    if "translate" in model.verbs:
        examples = run_data.first_examples(recipe, settings, "validation")
        return [callbacks.TranslationGrid(folder, examples, log_dir=log_dir, has_pairs=run_data.has_pairs(recipe))]
    return []


def _model_class(recipe):
    try:
        return operator.attrgetter(recipe.model)(keras_genzoo)
    except AttributeError:
        near = difflib.get_close_matches(recipe.model, keras_genzoo._MODELS)
        hint = f"nearest names: {', '.join(near)}" if near else f"they are {', '.join(keras_genzoo._MODELS)}"
        raise ValueError(
            f"setting 'model.class' must name a model of keras_genzoo; got {recipe.model!r}; {hint}."
        ) from None


def _check(recipe):
    """What a recipe says of classes, which can be known once these are imported."""
    model_class = _model_class(recipe)
    check_arguments("model", model_class, recipe.arguments)
    for name, optimizer in recipe.optimizers.items():
        if not isinstance(getattr(keras.optimizers, optimizer.name, None), type):
            raise ValueError(f"setting '{name}.class' must name a class of keras.optimizers; got {optimizer.name!r}.")
        check_arguments(name, getattr(keras.optimizers, optimizer.name), optimizer.arguments)
    check_arguments("compile", model_class, recipe.compile_options, "compile")


def _build(recipe, settings, dataset):
    """The model: new, or that of a preset or run to go on from."""
    model_class = _model_class(recipe)
    arguments = model_class.arguments_from(dataset)
    if settings["init"] is None:
        return model_class(**arguments, **recipe.arguments)
    folder = run_folder.resolve(settings["init"])
    model = presets.load(folder, model_class)
    config = model.get_config()
    for name, value in {**arguments, **recipe.arguments}.items():
        if name in arguments or f"model.{name}" in settings["set"]:
            given, own = (list(v) if isinstance(v, (tuple, list)) else v for v in (value, config[name]))
            if given != own:
                what = "the data give" if name in arguments else "--set asks for"
                remedy = "see --image-size, --channels and --labels" if name in arguments else "leave that out"
                raise ValueError(
                    f"--init {settings['init']} is a {model_class.__name__} with {name}={own}, but {what} {name}="
                    f"{given}; {remedy}."
                )
    return model
