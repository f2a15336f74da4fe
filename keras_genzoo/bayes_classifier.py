"""Classification by a generative model: Bayes' rule turns p(x | y) into p(y | x).

p(y | x) = p(x | y) p(y) / sum_y' p(x | y') p(y')
"""

import numpy as np
import tensorflow as tf

from keras_genzoo import domains, serving
from keras_genzoo.measurement import Measurement

_MOST_DRAWS = 100  # of a bound: each class of each image takes so many


class BayesClassifier:
    """The verb `classify` of models with classes and a `log_prob`, and its accuracy; a mixin of `GenerativeModel`.

    A model without classes has it as little as it has labels.
    """

    class_prior = "uniform"  # p(y), as the method of a measurement says it
    most_classified = 1000  # examples by which the accuracy is measured, None for all: each costs a pass for each class

    def classify(self, images, **options):
        """The probability of each class, p(y | x) by Bayes' rule, every class as likely as another before x is seen.

        Where `log_prob` is a lower bound, so are the densities that are compared; the same draws serve every class.

        Args:
            images: as for `log_prob`, and checked alike.
            **options: those of `log_prob`, such as `num_importance_samples=1000` and `seed=0` for a VAE.

        Returns:
            float32 `(n, num_classes)`; each row sums to 1.

        Raises:
            ValueError: for a model without classes, and whatever `log_prob` refuses.
        """
        if self.num_classes is None:
            raise ValueError(
                f"`classify` is for a model of classes, but this {type(self).__name__} was built without num_classes."
            )
        images = self.sample_domain(images)
        if not self.log_prob_is_exact and options.get("seed") is None:
            options["seed"] = int(tf.random.stateless_uniform((), self.next_seed(), 0, 2**31 - 1, tf.int32))
        labels = [tf.fill([len(images)], label) for label in range(self.num_classes)]
        return tf.nn.softmax(tf.stack([self.log_prob(images, y, **options) for y in labels], axis=1))

    def density_signatures(self, log_prob):
        """The signature of `log_prob` and, for a model of classes, that of `classify` which follows from it.

        Args:
            log_prob: `serving.Signature` of log p(x | y).
        """
        if self.num_classes is None:
            return {"log_prob": log_prob}
        label, sample = self.condition_domain.name, self.sample_domain.name

        def classify(**given):
            def of_class(y):
                return log_prob.function(**given, **{label: tf.fill([tf.shape(given[sample])[0]], y)})["log_prob"]

            # One after another, so that the graph holds the networks once.
            log_probs = tf.map_fn(of_class, tf.range(self.num_classes), fn_output_signature=tf.float32)
            return {"class_probabilities": tf.nn.softmax(tf.transpose(log_probs))}

        inputs = {name: domain for name, domain in log_prob.inputs.items() if name != label}
        return {"log_prob": log_prob, "classify": serving.Signature(classify, inputs, self.class_output())}

    def class_output(self):
        """The output of a signature that is a probability for each class."""
        return {"class_probabilities": domains.Vectors((self.num_classes,), "class_probabilities")}

    def measurements(self, dataset, num_importance_samples=None):
        return super().measurements(dataset, num_importance_samples) | self._accuracy(dataset, num_importance_samples)

    def _accuracy(self, dataset, num_importance_samples):
        """How often the likeliest class is the label, as measurements; none where a bound has no draws."""
        if self.num_classes is None or not (self.log_prob_is_exact or num_importance_samples):
            return {}
        options, density = {}, "exact p(x | y)"
        if not self.log_prob_is_exact:
            draws = min(num_importance_samples, _MOST_DRAWS)
            options, density = {"num_importance_samples": draws, "seed": 0}, f"bound of p(x | y), {draws} samples"
        is_right = []
        for batch in (
            dataset if self.most_classified is None else dataset.unbatch().take(self.most_classified).batch(100)
        ):
            samples, labels = self.unpack(batch)
            is_right.append(np.argmax(self.classify(samples, **options), axis=1) == labels.numpy())
        is_right = np.concatenate(is_right)
        n, share = len(is_right), is_right.mean()
        method = f"largest p(y | x) by Bayes' rule, {density}, p(y) {self.class_prior}"
        if n == self.most_classified:
            method += f", the first {n:,}"
        error = np.sqrt(share * (1 - share) / n)
        name = "classification_accuracy"
        return {name: Measurement(name, float(share), "share", n, method, standard_error=float(error))}
