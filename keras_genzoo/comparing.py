"""What `genzoo compare` shows of runs: where their settings differ, their measurements, their curves.

Nothing here imports TensorFlow.
"""

import importlib.util
import io
import json

from keras_genzoo import files, presets, run_folder
from keras_genzoo.measurement import Measurement
from keras_genzoo.recipes import settings

_NO_CURVES = ("epoch", "seconds")


def table(runs):
    """str: a column for each run; rows of the settings that differ, then of the measurements that some run has.

    Args:
        runs: list of paths of folders of runs.

    Raises:
        ValueError: for a folder that holds no run.
    """
    for run in runs:
        if not (run / run_folder.SETTINGS).is_file():
            raise ValueError(f"{str(run)!r} holds no run; `genzoo train` makes one.")
    columns = [_settings(run) for run in runs]
    keys = list(dict.fromkeys(key for column in columns for key in column))
    differ = [key for key in keys if len({settings.text_of(column.get(key)) for column in columns}) > 1]
    rows = [(key, *(settings.text_of(column.get(key)) for column in columns)) for key in differ]
    figures = [_figures(run) for run in runs]
    names = list(dict.fromkeys(name for column in figures for name in column))
    measured = [(name.replace("_", " "), *(column.get(name, "") for column in figures)) for name in names]
    head = ("", *(str(run) for run in runs))
    same = ("the settings are the same", *([""] * len(runs)))
    return _aligned([head, *(rows or [same]), *measured])


def draw_curves(runs, path):
    """Draws the histories of runs, a plot for each metric, into one PNG picture.

    Args:
        runs: list of paths of folders of runs.
        path: of the picture.

    Raises:
        ImportError: where Matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError("curves need a package: pip install 'keras-genzoo[examples]'.")
    from matplotlib.figure import Figure

    histories = [_history(run) for run in runs]
    names = list(dict.fromkeys(name for history in histories for name in history if not name.startswith("val_")))
    names += [f"val_{n}" for n in _of_validation_alone(histories, names)]
    names = [name for name in names if name not in _NO_CURVES]
    num_columns = min(3, len(names))
    num_rows = -(-len(names) // num_columns)
    figure = Figure(figsize=(5 * num_columns, 3.2 * num_rows), layout="constrained")
    for place, name in enumerate(names, 1):
        axes = figure.add_subplot(num_rows, num_columns, place)
        for i, (run, history) in enumerate(zip(runs, histories, strict=True)):
            for column, style in ((name, "-"), (f"val_{name}", "--")):
                points = [(e, v) for e, v in enumerate(history.get(column, []), 1) if v == v]
                if points:
                    label = f"{run}{' (validation)' if column.startswith('val_') else ''}"
                    axes.plot(*zip(*points, strict=True), style, marker=".", color=f"C{i}", label=label)
        axes.set(title=name.removeprefix("val_").replace("_", " "), xlabel="epoch")
        axes.grid(alpha=0.3)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center")
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=100)
    files.write(path, content.getvalue())


def _of_validation_alone(histories, names):
    """Names of metrics, without `val_`, that are measured on validation images and not in training."""
    found = dict.fromkeys(name.removeprefix("val_") for history in histories for name in history if "val_" in name)
    return [name for name in found if name not in names]


def _settings(run):
    facts = run_folder.read_settings(run)
    return {"recipe": facts["recipe"], **run_folder.all_settings(facts)}


def _figures(run):
    """Measurements of a finished run, and its times, each as text."""
    metadata = run / run_folder.PRESET / presets.METADATA
    if not metadata.is_file():
        return {"epochs finished": str(run_folder.num_epochs(run / run_folder.HISTORY))}
    facts = json.loads(metadata.read_text())
    figures = [Measurement.from_facts(name, value) for name, value in facts["figures"].items()]
    shown = {figure.name: figure.amount.strip() for figure in figures}
    return {**shown, "epoch kept": str(facts.get("kept_epoch", facts["epochs"])), "seconds": str(facts["seconds"])}


def _history(run):
    """dict, metric to its values, an epoch each; NaN where there is none."""
    rows = run_folder.read_history(run / run_folder.HISTORY)
    return {name: [float(row[name] or "nan") for row in rows] for name in (rows[0] if rows else ())}


def _aligned(rows):
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines)
