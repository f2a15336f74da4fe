"""Model cards: what a preset's README.md says, made from its metadata.

Nothing here imports TensorFlow.
"""

import json

from keras_genzoo import recipes
from keras_genzoo.measurement import Measurement, directions
from keras_genzoo.recipes.recipe import Published

_DATA = {
    "digits": "`digits` (scikit-learn's `load_digits`), 8x8 pixels",
    "mnist": "MNIST (LeCun et al. 1998), by TFDS `mnist`",
    "fashion_mnist": "Fashion-MNIST (Xiao et al. 2017), by TFDS `fashion_mnist`",
    "binarized_mnist": "statically binarised MNIST (Salakhutdinov and Murray 2008), by TFDS `binarized_mnist`",
}
BITS = {  # how a data set's pixels are made bits, as a clause
    "stochastic": "; each pixel is drawn as a bit with its grey level as probability, afresh each epoch (dynamic "
    "binarisation)",
    "threshold": "; each pixel is made a bit by its grey level, 1 from the middle up",
    None: "",
}


_PURPOSES = {"train": "to train on", "validation": "to validate by", "test": "to measure by"}


_SOURCES = {  # what sources a translation task makes of images, as a clause
    "low_resolution": "; sources are the images at a lower resolution",
    "edges": "; sources are the images' outlines",
    "masked": "; sources are the images with a random box hidden",
    "noisy": "; sources are the images under noise",
    "inverted": "; sources are the images inverted",
    "coloured": "; sources are the images inverted and in two colours",
    "paired": "; sources are pictures that belong to them",
    "unpaired": "; sources are pictures that do not belong to them",
    None: "",
}


def data_text(dataset, options, splits, is_own=False):
    """Of a data set by name: what it is, its splits, and how its pixels are made bits.

    Args:
        dataset: str.
        options: dict of the further arguments of `data.load`.
        splits: dict of `"train"`, `"validation"` (where one was held out) and `"test"` to the name of the split and the
            number of its images.
        is_own: bool, whether these are a user's own files, see `data.is_own`.
    """
    parts = [f"{n:,} images {_PURPOSES[purpose]} (`{split}`)" for purpose, (split, n) in splits.items()]
    made = BITS[options.get("binarize")] + _SOURCES[options.get("source")]
    made += ", in training of other images than stand beside them" if options.get("unpaired") else ""
    size, channels = options.get("image_size"), options.get("channels")
    made += f"; resized to {size if isinstance(size, int) else 'x'.join(map(str, size))} pixels" if size else ""
    made += f"; {'grey levels' if channels == 1 else 'colours'}" if channels else ""
    unnamed = f"`{dataset}`, pictures of the author's own" if is_own else f"TFDS `{dataset}`"
    return f"{_DATA.get(dataset, unnamed)}: {', '.join(parts)}{made}"


def card(name, facts):
    """The model card of a preset, in Markdown.

    Args:
        name: str, of the preset.
        facts: its metadata, as a run writes them.

    Returns:
        str.
    """
    figures = [Measurement.from_facts(kind, value) for kind, value in facts["figures"].items()]
    sections = [f"# {name}", facts["description"]]
    if "accuracy" not in facts["figures"]:
        caption = "\n\nOne class a column." if facts["num_classes"] else ""
        if facts.get("verbs", ["sample"])[0] == "translate":
            is_unpaired = recipes.of_run(facts).data_options.get("source") == "unpaired"
            rows = " and of what the model makes of them"
            if not is_unpaired:
                rows = ", of what the model makes of them, and of the targets"
            caption = f"\n\nRows of sources{rows}."
        sections.append(f"![Samples of {name}](samples.png){caption}")
    sections += [
        f"```python\n{_usage(name, facts)}\n```",
        _table(
            ("model", f"`{facts['class_name']}`, {facts['num_parameters']:,} parameters"),
            ("data", facts["data"]),
            ("made by", f"`{facts['command']}`: {_epochs(facts)}, {facts['batch_size']} images a batch"),
            ("wall time", f"{_duration(facts['seconds'])} on {facts['hardware']}"),
            ("licence of the weights", facts["licence"]),
        ),
        f"## Figures\n\n{_measured(name, facts)}{_chosen(facts)}",
        _table(
            ("figure", "value", "images", "how"),
            *((figure.label, figure.amount.strip(), figure.counts, figure.method) for figure in figures),
        ),
        " ".join(directions(facts["figures"])),
        _published(facts["published"]),
        facts["limits"] and f"## Limits\n\n{facts['limits']}",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _epochs(facts):
    kept, stopped = facts.get("kept_epoch", facts["epochs"]), facts.get("stopped")
    text = f"epoch {kept} of {facts['epochs']}"
    if kept == facts["epochs"]:
        text = f"{kept} epochs" if kept != 1 else "1 epoch"
    return text + (f" (stopped: {stopped})" if stopped else "")


def _measured(name, facts):
    if facts.get("measured") == "quickly":
        return (
            f"Measured in float32, quickly; `genzoo evaluate {name} --full` takes as many draws and samples as the "
            "cards of shipped presets."
        )
    return f"Measured in float32; `genzoo evaluate {name} --full` measures them again."


def _chosen(facts):
    """What a reader of the test figures must know of how the model came to be."""
    text = ""
    if facts["chosen_on"] == "test":
        text += (
            " The recipe's epochs and settings were chosen by curves of the test split, which flatters figures on it."
        )
    if facts.get("validation_split") is None:
        text += (
            " The model was trained on the whole training split; since then recipes hold out a part of it to validate "
            "by, so that the command above trains on fewer images."
        )
    return text


def _usage(name, facts):
    shape = ", ".join(map(str, facts["image_shape"]))
    if "accuracy" in facts["figures"]:
        return (
            "import keras_genzoo as gz\n\n"
            f'classifier = gz.evaluation.Classifier.from_preset("{name}")\n'
            f"scores = classifier(images)  # (n, {facts['num_classes']}), of images (n, {shape})\n"
            "features = classifier.features(images)  # (n, d)\n"
            f'gz.evaluation.frechet_distance(real, generated, features="{name}")'
        )
    if facts.get("verbs", ["sample"])[0] == "translate":
        options = recipes.of_run(facts).data_options
        named = {key: options[key] for key in ("source", "image_size", "channels") if key in options}
        given = ", ".join(f"{key}={json.dumps(value)}" for key, value in named.items())
        return (
            "import keras_genzoo as gz\n\n"
            f'model = gz.{facts["class_name"]}.from_preset("{name}")\n'
            f'_, sources = next(iter(gz.data.load("{facts["dataset"]}", "test", {given})))\n'
            f"images = model.translate(sources, seed=0)  # float32 (n, {shape}) in [0, 1]"
        )
    k = facts["num_classes"]
    num_samples, labels, given = (k, f"labels=range({k}), ", f", range({k})") if k else (64, "", "")
    lines = [
        "import keras_genzoo as gz\n",
        f'model = gz.{facts["class_name"]}.from_preset("{name}")',
        f"images = model.sample({num_samples}, {labels}seed=0)  # float32 ({num_samples}, {shape}) in [0, 1]",
    ]
    if "log_likelihood" in facts["figures"]:
        lines.append(f"nats = model.log_prob(images{given})  # exact")
    if "log_likelihood_bound" in facts["figures"]:
        lines.append(f"nats = model.log_prob(images{given}, num_importance_samples=500)  # a lower bound")
    return "\n".join(lines)


def _published(published):
    if not published:
        return "To compare with: nothing that is comparable has been published."
    rows = [
        (figure.model, figure.measure, figure.amount.strip(), figure.method, figure.source)
        for figure in map(Published.from_facts, published)
    ]
    return _table(("to compare with", "figure", "value", "how", "source"), *rows)


def _table(*rows):
    """Markdown of rows of texts; the first is the head if it has more than two columns."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    if len(rows[0]) == 2:
        return "\n".join(["|   |   |", "|---|---|", *lines])
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


def _duration(seconds):
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    if seconds < 7200:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"
