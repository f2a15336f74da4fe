"""What a recipe says, and what is said in several families of them."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Optimizer:
    """A Keras optimiser.

    Attributes:
        name: class in `keras.optimizers`.
        learning_rate: float, the initial one.
        cosine_decay: bool, decay to 0 along a cosine over the whole run.
        linear_decay: bool, decay to 0 along a line over the second half of the run; not with `cosine_decay`.
        warmup_steps: int, updates in which the learning rate first grows from 0; with `cosine_decay` alone.
        arguments: further arguments of the class.
    """

    name: str = "Adam"
    learning_rate: float = 1e-3
    cosine_decay: bool = False
    linear_decay: bool = False
    warmup_steps: int = 0
    arguments: dict[str, Any] = field(default_factory=dict)

    def build(self, num_steps):
        import keras

        rate = self.learning_rate
        if self.linear_decay and (self.cosine_decay or self.warmup_steps):
            raise ValueError(
                "`linear_decay` goes with neither `cosine_decay` nor `warmup_steps`; set one of them to false or 0."
            )
        if self.linear_decay:
            from keras_genzoo.optimizers import LinearDecay

            rate = LinearDecay(rate, num_steps)
        elif self.cosine_decay:
            warmup = {"warmup_target": rate, "warmup_steps": self.warmup_steps} if self.warmup_steps else {}
            first = 0.0 if warmup else rate
            rate = keras.optimizers.schedules.CosineDecay(first, max(1, num_steps - self.warmup_steps), **warmup)
        return getattr(keras.optimizers, self.name)(learning_rate=rate, **self.arguments)


@dataclass(frozen=True)
class Regularizer:
    """A penalty on a discriminator's gradient.

    Attributes:
        name: class in `keras_genzoo.models.adversarial.losses`.
        weight: float.
    """

    name: str
    weight: float

    def build(self):
        from keras_genzoo.models.adversarial import losses

        return getattr(losses, self.name)(self.weight)


@dataclass(frozen=True, kw_only=True)
class Published:
    """A figure to compare with, from the literature or of a peer that one of our benchmarks measures.

    Attributes:
        value: float.
        unit: str, such as `"nats"`; `""` for none.
        measure: str, such as `"-log p(x)"`.
        model: str, whose figure it is.
        method: str, everything else that a number must share to be comparable.
        source: str, paper or benchmark.
    """

    value: float
    unit: str = ""
    measure: str = ""
    model: str
    method: str = ""
    source: str

    @classmethod
    def from_facts(cls, facts):
        """The figure in a preset's metadata; older ones say all in one text, `what`, which stands for the model."""
        if "what" in facts:
            return cls(value=facts["value"], model=facts["what"], source=facts["source"])
        return cls(**facts)

    def facts(self):
        """JSON values for a preset's metadata."""
        return dataclasses.asdict(self)

    @property
    def amount(self):
        """str: the value with its unit."""
        return f"{self.value:9.2f}" + (self.unit and f" {self.unit}")

    def __str__(self):
        what = "; ".join(text for text in (self.measure, self.model, self.method, self.source) if text)
        return f"{'to compare with':32} {self.amount} ({what})"


@dataclass(frozen=True)
class Recipe:
    """How to train one model.

    Attributes:
        model: name of a class in `keras_genzoo`, such as `VAE` or `evaluation.Classifier`.
        arguments: of that class, beside `image_shape` and `num_classes`, which the data give.
        dataset: name for `data.load`.
        data_options: further arguments of `data.load`; `labels=True` makes the model conditional.
        optimizers: argument of `compile` -> `Optimizer`.
        regularizer: of a discriminator; by default the model's.
        compile_options: further arguments of `compile`.
        epochs: int.
        validation_percent: int, of the training split, held out to make choices by; see `data.splits`.
        chosen_on: `"validation"`, or `"test"` where epochs and settings were chosen by the test split, which the card
            then says.
        batch_size: int.
        num_importance_samples: int, draws of the likelihood bound reported on the test split; None for models
            without one.
        published: figures to compare with, the most comparable first.
        description: str, what the model is and of what, with its paper; the card of its preset begins so.
        limits: str, what not to expect of the model, for its card.
    """

    model: str
    dataset: str
    epochs: int
    batch_size: int = 128
    validation_percent: int = 10
    chosen_on: str = "validation"
    arguments: dict[str, Any] = field(default_factory=dict)
    data_options: dict[str, Any] = field(default_factory=dict)
    optimizers: dict[str, Optimizer] = field(default_factory=lambda: {"optimizer": Optimizer()})
    regularizer: Regularizer | None = None
    compile_options: dict[str, Any] = field(default_factory=dict)
    num_importance_samples: int | None = None
    published: tuple[Published, ...] = ()
    description: str = ""
    limits: str = ""


TOY = "A toy, to try the package with. Writers in the test split also wrote training images."
