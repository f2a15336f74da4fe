"""The settings of a run under dotted keys, such as `model.latent_dim`: from the command line, from a file, and back.

| key | |
|---|---|
| `model.class`, `model.<argument>` | the class in `keras_genzoo`, and the arguments of its `__init__` |
| `data.dataset`, `data.<option>` | the data set, and the further arguments of `data.load` |
| `optimizer.class`, `optimizer.learning_rate`, ... | an `Optimizer`; of two players `generator_optimizer.` and so on |
| `regularizer.class`, `regularizer.weight` | a `Regularizer` |
| `compile.loss`, `compile.augmentation` | further arguments of `compile` |
| `training.epochs`, `training.batch_size`, ... | how to train |
| `measuring.num_importance_samples` | how to measure |

Nothing here imports TensorFlow: what a class takes is checked when it is there, by `check_arguments`.
"""

import dataclasses
import difflib
import inspect
import json
import tomllib
from pathlib import Path

from keras_genzoo.recipes.recipe import Optimizer, Regularizer

# Those of the run itself, which stand in run.json under their own names; key -> name and types.
OF_RUN = {
    "data.dataset": ("dataset", str),
    "training.epochs": ("epochs", int),
    "training.batch_size": ("batch_size", int),
    "training.precision": ("precision", str),
    "training.seed": ("seed", int),
    "training.evaluate_every": ("evaluate_every", int),
    "training.keep": ("keep", str),
    "training.early_stopping": ("early_stopping", int),
    "training.init": ("init", str),
}
CHOICES = {"precision": ("float32", "mixed_bfloat16", "mixed_float16"), "keep": ("best", "last")}
_LEAST = {"epochs": 1, "batch_size": 1, "seed": 0, "evaluate_every": 0, "early_stopping": 1}
_DATA = {
    **{"image_size": (int, list), "channels": int, "labels": bool, "binarize": str, "source": str},
    **{"augment": (str, list), "skip_broken": bool, "validation_percent": int, "unpaired": bool},
}
_COMPILE = {"loss": str, "augmentation": (str, list), "jit_compile": bool}
_OPTIMIZER = {"class": str, "learning_rate": float, "cosine_decay": bool, "linear_decay": bool, "warmup_steps": int}
_REGULARIZER = {"class": str, "weight": float}
_MEASURING = {"num_importance_samples": int}
_FROM_DATA = ("image_shape", "num_classes", "condition_dim", "shape", "source_shape")


def split(recipe, given):
    """Settings under dotted keys, checked, as a run has them.

    Args:
        recipe: `Recipe` that they change.
        given: dict of dotted keys.

    Returns:
        dict of those of the run itself by their own names, and in `"set"` those that change the recipe.
    """
    check(recipe, given)
    usual = flat(recipe)
    of_run = {OF_RUN[key][0]: value for key, value in given.items() if key in OF_RUN}
    for name, value in of_run.items():
        if value is not None and name in CHOICES and value not in CHOICES[name]:
            raise ValueError(f"setting {name!r} must be one of {', '.join(CHOICES[name])}; got {value!r}.")
        if value is not None and name in _LEAST and value < _LEAST[name]:
            raise ValueError(f"setting {name!r} must be at least {_LEAST[name]}; got {value}.")
    others = {key: value for key, value in given.items() if key not in OF_RUN}
    if others.get("model.class", recipe.model) == recipe.model:
        others = {key: value for key, value in others.items() if usual.get(key) != value}
    apply(recipe, others)
    return {**of_run, "set": others}


def value_of(text):
    """The value of a setting as it is written on the command line: as in TOML, null for none, or a bare word."""
    if text in ("null", "none", "None"):
        return None
    try:
        return _without_null(tomllib.loads(f"value = {text}")["value"])
    except tomllib.TOMLDecodeError:
        return text


def _without_null(value):
    return None if value == "null" else value  # TOML has no word for it


def text_of(value):
    """A value as it is written in TOML and on the command line."""
    return "null" if value is None else json.dumps(value)


def read(path):
    """The recipe that a TOML file names, and its settings: `(name, dict of dotted keys)`."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no recipe file {str(path)!r} here.")
    try:
        content = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"recipe file {str(path)!r} is no TOML: {error}.") from error
    name = content.pop("recipe", None)
    if not isinstance(name, str):
        raise ValueError(
            f"recipe file {str(path)!r} must begin with the recipe that it starts from, such as recipe = "
            '"vae_mnist"; `genzoo show vae_mnist` prints one.'
        )
    tables = {table: values for table, values in content.items() if isinstance(values, dict)}
    if alone := [key for key in content if key not in tables]:
        raise ValueError(
            f"{alone[0]!r} of recipe file {str(path)!r} must stand in a table, such as [model] or [training]."
        )
    return name, {f"{t}.{key}": _without_null(value) for t, values in tables.items() for key, value in values.items()}


def write(name, given):
    """The TOML text of settings, a dict of dotted keys, that start from the recipe of that name."""
    tables = {}
    for key, value in given.items():
        table, setting = key.split(".", 1)
        if value is not None or table == "model":  # whose None may be another than the default
            tables.setdefault(table, []).append(f"{setting} = {text_of('null' if value is None else value)}")
    return "\n".join([f"recipe = {text_of(name)}", *("\n".join(["", f"[{t}]", *lines]) for t, lines in tables.items())])


def flat(recipe):
    """dict of dotted keys: what a recipe says, but for figures and texts."""
    settings = {"model.class": recipe.model}
    settings |= {f"model.{name}": value for name, value in recipe.arguments.items()}
    settings |= {"data.dataset": recipe.dataset, "data.validation_percent": recipe.validation_percent}
    settings |= {f"data.{name}": value for name, value in recipe.data_options.items()}
    for name, optimizer in recipe.optimizers.items():
        facts = dataclasses.asdict(optimizer)
        arguments = facts.pop("arguments")
        facts = {"class": facts.pop("name"), **facts, **arguments}
        settings |= {f"{name}.{key}": value for key, value in facts.items()}
    if recipe.regularizer:
        settings |= {"regularizer.class": recipe.regularizer.name, "regularizer.weight": recipe.regularizer.weight}
    settings |= {f"compile.{name}": value for name, value in recipe.compile_options.items()}
    settings |= {"training.epochs": recipe.epochs, "training.batch_size": recipe.batch_size}
    return settings | {"measuring.num_importance_samples": recipe.num_importance_samples}


def apply(recipe, changes):
    """A recipe with some settings changed; ValueError for keys and types that there are none of.

    Args:
        recipe: `Recipe`.
        changes: dict of dotted keys, none of `OF_RUN`.
    """
    check(recipe, changes)
    changes = dict(changes)
    if changes.get("model.class", recipe.model) != recipe.model:  # what was said of another model says nothing of this
        recipe = dataclasses.replace(
            recipe, model=changes["model.class"], arguments={}, optimizers={}, regularizer=None, compile_options={}
        )
    changes.pop("model.class", None)
    tables = {}
    for key, value in changes.items():
        table, name = key.split(".", 1)
        tables.setdefault(table, {})[name] = value
    data = tables.get("data", {})
    percent = data.pop("validation_percent", recipe.validation_percent)
    optimizers = dict(recipe.optimizers)
    for name in [table for table in tables if _is_optimizer(table)]:
        optimizers[name] = _changed_optimizer(optimizers.get(name, Optimizer()), tables[name])
    return dataclasses.replace(
        recipe,
        arguments={**recipe.arguments, **tables.get("model", {})},
        data_options={name: v for name, v in {**recipe.data_options, **data}.items() if v is not None},
        validation_percent=percent,
        optimizers=optimizers,
        regularizer=_changed_regularizer(recipe.regularizer, tables.get("regularizer", {})),
        compile_options={**recipe.compile_options, **tables.get("compile", {})},
        **tables.get("measuring", {}),
    )


def _changed_optimizer(optimizer, changes):
    arguments = {name: value for name, value in changes.items() if name not in _OPTIMIZER}
    own = {("name" if name == "class" else name): value for name, value in changes.items() if name in _OPTIMIZER}
    kept = {} if own.get("name", optimizer.name) != optimizer.name else optimizer.arguments
    return dataclasses.replace(optimizer, **own, arguments={**kept, **arguments})


def _changed_regularizer(regularizer, changes):
    facts = {"name": regularizer.name, "weight": regularizer.weight} if regularizer else {}
    facts |= {("name" if name == "class" else name): value for name, value in changes.items()}
    if not facts.get("name"):
        return None
    if facts.get("weight") is None:
        raise ValueError(f"a regularizer has a weight; add --set regularizer.weight=1.0 for {facts['name']}.")
    return Regularizer(**facts)


# ---- what is wrong with a key or a value ----


def check(recipe, changes):
    """ValueError, with the nearest keys, for one that there is not, and for a value of another type."""
    optimizers = set(recipe.optimizers) | {key.split(".")[0] for key in changes if _is_optimizer(key.split(".")[0])}
    known = {f"data.{name}": types for name, types in _DATA.items()}
    known |= {f"{o}.{name}": types for o in optimizers or ["optimizer"] for name, types in _OPTIMIZER.items()}
    known |= {f"regularizer.{name}": types for name, types in _REGULARIZER.items()}
    known |= {f"compile.{name}": types for name, types in _COMPILE.items()}
    known |= {f"measuring.{name}": types for name, types in _MEASURING.items()}
    known |= {"model.class": str, **{key: types for key, (_, types) in OF_RUN.items()}}
    for key, value in changes.items():
        table, _, name = key.partition(".")
        if table == "model" and name in _FROM_DATA:
            raise ValueError(
                f"setting {key!r} comes from the data; set data.image_size, data.channels or data.labels instead."
            )
        if key in known:
            check_type(key, value, known[key])
        elif not name or not (table == "model" or _is_optimizer(table)):
            names = [*known, *(f"model.{name}" for name in recipe.arguments)]
            near = difflib.get_close_matches(key, names) or [
                one for one in names if key in one.split(".")[1].split("_")
            ]
            tables = "model, data, optimizer, regularizer, compile, training and measuring"
            hint = f"Nearest keys: {', '.join(near)}." if near else f"Tables are {tables}."
            raise ValueError(f"unknown setting {key!r}. {hint}")


def check_type(key, value, types):
    """ValueError for a value of another type than one of these; None leaves a setting out."""
    types = types if isinstance(types, tuple) else (types,)
    allowed = types + ((int,) if float in types else ())
    if value is None or (isinstance(value, allowed) and (bool in types or not isinstance(value, bool))):
        return
    names = {int: "an integer", float: "a number", str: "a word", bool: "true or false", list: "a list"}
    raise ValueError(f"setting {key!r} must be {' or '.join(names[one] for one in types)}; got {text_of(value)}.")


def check_arguments(table, owner, given, method="__init__"):
    """ValueError, with the nearest names, for settings that a class does not take; looks at its bases, too.

    Args:
        table: str, of the settings, for the message.
        owner: class.
        given: dict of arguments.
        method: str, the method of the class that takes them.
    """
    known = {}
    for base in inspect.getmro(owner):
        parameters = inspect.signature(vars(base)[method]).parameters.values() if method in vars(base) else ()
        known = {p.name: p.default for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)} | known
        if parameters and not any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters):
            break
    known = {name: default for name, default in known.items() if name not in ("self", *_FROM_DATA)}
    for name, value in given.items():
        if name not in known:
            near = difflib.get_close_matches(name, known)
            hint = f"Nearest keys: {', '.join(f'{table}.{name}' for name in near)}." if near else ""
            raise ValueError(
                f"unknown setting {f'{table}.{name}'!r}: {owner.__name__} has no such argument. "
                f"{hint or 'It has ' + ', '.join(sorted(known)) + '.'}"
            )
        if isinstance(known[name], (bool, int, float, str)):
            check_type(f"{table}.{name}", value, type(known[name]))


def _is_optimizer(table):
    return table == "optimizer" or table.endswith("_optimizer")
