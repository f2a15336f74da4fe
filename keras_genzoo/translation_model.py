"""Models of p(target | source) where both are images."""

import tensorflow as tf

from keras_genzoo import checks, domains, serving, translation_distances
from keras_genzoo.generative_model import GenerativeModel

_SEED = 0  # of the translations that are measured


class TranslationModel(GenerativeModel):
    """Base class of the models that translate images, or points where a model says so.

    A batch is `(targets, sources)`: what is drawn first, what it is drawn from second.

    Args:
        image_shape: tuple `(height, width, channels)` of the targets; None with a `shape`.
        source_shape: tuple of the sources; by default the same.
        shape: tuple, such as `(2,)`, of targets that are points, any real numbers, as their sources then are, too; None
            for images.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    def __init__(self, image_shape, source_shape=None, shape=None, **kwargs):
        if (image_shape is None) == (shape is None):
            raise ValueError(
                f"`image_shape` or `shape` must be given, one of them; got {image_shape!r} and {shape!r}. Images want "
                "image_shape=(height, width, channels), points of a plane shape=(2,)."
            )
        if shape is None:
            image_shape = checks.positive_integers("image_shape", image_shape, 3)
            source_shape = checks.positive_integers("source_shape", source_shape or image_shape, 3)
            of_both = domains.Images(image_shape), domains.Images(source_shape, "sources")
        else:
            shape = checks.positive_integers("shape", shape)
            source_shape = checks.positive_integers("source_shape", source_shape or shape)
            of_both = domains.Values(shape), domains.Vectors(source_shape, "sources", "source_shape")
        super().__init__(*of_both, **kwargs)

    @classmethod
    def arguments_from(cls, dataset):
        images, sources = dataset.element_spec
        return {"image_shape": tuple(images.shape[1:]), "source_shape": tuple(sources.shape[1:])}

    @property
    def is_of_images(self):
        """bool: whether targets and sources are images, not points."""
        return isinstance(self.sample_domain, domains.Images)

    @property
    def image_shape(self):
        """tuple `(height, width, channels)` of the targets."""
        return self.sample_domain.shape

    @property
    def source_shape(self):
        """tuple `(height, width, channels)` of the sources."""
        return self.condition_domain.shape

    def get_config(self):
        return {
            **super().get_config(),
            "image_shape": list(self.image_shape),
            "source_shape": list(self.source_shape),
        }

    def translate(self, sources, seed=None, batch_size=None):
        """Draws a target for each source.

        Args:
            sources: `(n, h, w, c)`, float in [0, 1] or uint8.
            seed: int32. The same seed gives the same targets, here, in another process and in the exported model. By
                default every call differs.
            batch_size: int, images computed at a time; it bounds memory and changes nothing else. By default all at
                once.

        Returns:
            float32 `(n, h, w, c)` in [0, 1].

        Raises:
            ValueError: for wrong sources, or a seed beyond int32.
        """
        sources = self.check_condition(sources)
        return self.in_batches(self._samples, batch_size, self.noise(len(sources), seed), sources)

    def draw_noise(self, num_samples, seed):
        """Of a deterministic model, which draws nothing; others draw their own."""
        return tf.zeros((num_samples, 0))

    def call(self, sources):
        sources = self.check_condition(sources)
        return self.generate(self.draw(self.draw_noise, tf.shape(sources)[0]), sources)

    @property
    def predict_domains(self):
        """Those of what `predict` takes: sources."""
        return (self.condition_domain,)

    def measurements(self, dataset, num_importance_samples=None, has_pairs=True):
        """Beside the objectives, how far translations are from their targets: see `ZooModel.measurements`.

        Where targets belong to sources, of translations and, for comparison, of the sources themselves where shapes
        agree (`l1_of_the_source` and so on):

        - `l1`: mean distance of values;
        - `psnr`: peak signal-to-noise ratio, dB, the mean over images;
        - `ssim`: structural similarity, see `translation_distances.of_pairs`.

        And always:

        - `gradient_ratio`: the mean difference of neighbouring pixels, as a share of that of the targets; 1 is as sharp
          as they are, and a regression to the mean lies below;
        - `cycle_l1` and `cycle_l1_in_8_bits`, of a model that can `translate_back`: how far sources are from what comes
          back of their translations, as these are and as a picture file would hold them.

        Of points there are the objectives alone.

        Args:
            has_pairs: bool, whether the i-th target belongs to the i-th source.
        """
        if not self.is_of_images:
            return super().measurements(dataset)
        return translation_distances.measure(self, dataset, _SEED, has_pairs) | super().measurements(dataset)

    def signatures(self):
        def translate(sources, seed):
            noise = self.draw_noise(tf.shape(sources)[0], tf.stack([seed, 0]))
            return {self.sample_domain.name: self.generate(noise, sources)}

        inputs = {**self.condition_input(), "seed": domains.seed()}
        return {"translate": serving.Signature(translate, inputs, self.sample_output())}
