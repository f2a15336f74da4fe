"""What training and measuring share: the data of a run, split by split, and the model compiled as its recipe says."""

import dataclasses

import numpy as np

from keras_genzoo import data


def compile_model(model, recipe, num_steps=1):
    """Compiles a model as its recipe says, for a run of `num_steps` updates."""
    regularizer = {"regularizer": recipe.regularizer.build()} if recipe.regularizer else {}
    optimizers = {name: optimizer.build(num_steps) for name, optimizer in recipe.optimizers.items()}
    model.compile(**optimizers, **regularizer, **recipe.compile_options)


def load_split(recipe, settings, split, **options):
    """`"train"`, shuffled, `"validation"` or `"test"`, in order, of the run's data set; all from the run's seed.

    Images are as they are: `augment` of the recipe is for training alone, which asks for it. So is `unpaired`: sources
    that were made of images lie beside them where it is measured how far translations are from them.
    """
    unpaired = split == "train" and recipe.data_options.get("unpaired", False)
    return data.load(
        settings["dataset"],
        splits(settings)[split],
        batch_size=settings["batch_size"],
        seed=settings["seed"],
        **{"shuffle": split == "train", **recipe.data_options, "augment": None, "unpaired": unpaired, **options},
    )


def has_pairs(recipe):
    """bool: whether the i-th target of a translation task belongs to the i-th source."""
    return recipe.data_options.get("source") != "unpaired"


def load_training_pairs(recipe, settings):
    """The training split in order, each target beside its source; also where training itself mixes them up."""
    options = {name: value for name, value in recipe.data_options.items() if name != "unpaired"}
    return load_split(dataclasses.replace(recipe, data_options=options), settings, "train", shuffle=False)


def labels_of_sources(recipe, settings, split):
    """The labels `(n,)` of the images that a split's sources are made of; None where there are none.

    They are in order, and so are those of `load_split`, but for `"train"`.
    """
    is_made = recipe.data_options.get("source") in data.tasks.TASKS
    if not (is_made and data.has_labels(settings["dataset"])):
        return None
    labelled = load_split(recipe, settings, split, source=None, labels=True, shuffle=False)
    return np.concatenate([labels for _, labels in labelled])


def num_images(recipe, settings, split):
    """int: images of `"train"`, `"validation"` or `"test"` of the run's data set."""
    options = {name: recipe.data_options[name] for name in ("source", "skip_broken") if name in recipe.data_options}
    return data.num_images(settings["dataset"], splits(settings)[split], **options)


def splits(settings):
    """The splits of a run, see `data.splits`; runs from before any was held out validated on the test split."""
    return {
        "train": settings.get("train_split") or "train",
        "validation": settings.get("validation_split") or "test",
        "test": "test",
    }


def sizes(recipe, settings):
    """dict of the same uses to the split and the number of its images."""
    return {use: (split, num_images(recipe, settings, use)) for use, split in splits(settings).items()}


def first_examples(recipe, settings, split, num_examples=64):
    """The first examples of a split as one batch."""
    dataset = load_split(recipe, settings, split, shuffle=False).unbatch().batch(num_examples)
    return next(iter(dataset))


def with_fixed_bits(dataset, recipe):
    """The same bits in each pass, those of the first, so that epochs compare, also where a run was resumed between."""
    if recipe.data_options.get("binarize") != "stochastic":
        return dataset
    dataset = dataset.cache()
    for _ in dataset:  # to its end, or the next pass would draw anew
        pass
    return dataset
