"""DTN between sets of digits: MNIST's style for the digits of USPS or SVHN, which belong to no pairs.

    python dtn_digit_sets.py usps.npz            # `--const-weight 0` for the same without the constancy term
    python dtn_digit_sets.py svhn_subset.npz

The file holds uint8 `x_train`, `x_test` `(n, h, w)` or `(n, h, w, 3)`, and digits `y_train`, `y_test` `(n,)`. Features
are of a classifier that is trained first, on these sources alone; labels of MNIST are not used. It prints, of the
test split: what the classifier reads of sources; how often `classifier_mnist`, which no training used, reads in a
translation the digit of its source; and the mean |t - G(t)| over 2,000 test images of MNIST.
"""

import argparse

import keras
import numpy as np
import tensorflow as tf

import keras_genzoo as gz

SIDE, DIGIT_SIDE = 28, 20  # MNIST has its digits in boxes of 20x20, in the middle of 28x28


def read(path):
    """Images `(n, 28, 28, 1)`, uint8, and digits `(n,)`, of both splits."""
    with np.load(path) as file:
        parts = {name: file[name] for name in ("x_train", "y_train", "x_test", "y_test")}
    for name in ("x_train", "x_test"):
        images = parts[name].astype("float32")
        if images.ndim == 4:  # colours, a digit that fills its picture with a ground of any level
            images = tf.image.resize(tf.image.rgb_to_grayscale(images), (SIDE, SIDE), antialias=True)
        else:  # ink on black, which fills its picture
            border = (SIDE - DIGIT_SIDE) // 2
            images = tf.image.resize(images[..., None], (DIGIT_SIDE, DIGIT_SIDE), antialias=True)
            images = tf.pad(images, ((0, 0), (border, border), (border, border), (0, 0)))
        parts[name] = np.clip(np.round(images), 0, 255).astype("uint8")
    return parts


def share_read(classifier, images, digits):
    return float(np.mean(np.argmax(classifier.predict(images, batch_size=256, verbose=0), axis=-1) == digits))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", help="a .npz file, see above")
    parser.add_argument("--const-weight", type=float, default=15.0)
    parser.add_argument("--num-filters", type=int, default=32)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--classifier-steps", type=int, default=1500)
    parser.add_argument("--output", help="a preset folder to write")
    parser.add_argument("--picture", help="a .png file to write: rows of sources and of their translations")
    arguments = parser.parse_args()
    keras.utils.set_random_seed(0)
    of_sources = read(arguments.sources)

    classifier = gz.evaluation.Classifier((SIDE, SIDE, 1), max_shift=2)
    classifier.compile()
    labelled = tf.data.Dataset.from_tensor_slices((of_sources["x_train"], of_sources["y_train"].astype("int64")))
    labelled = labelled.shuffle(len(of_sources["x_train"]), seed=0).repeat().batch(64)
    classifier.fit(labelled, steps_per_epoch=arguments.classifier_steps, epochs=1, verbose=2)
    read_of_sources = share_read(classifier, of_sources["x_test"], of_sources["y_test"])
    print(f"the classifier of sources reads {read_of_sources:.4f} of the test split")

    model = gz.DTN(
        (SIDE, SIDE, 1), features=classifier, const_weight=arguments.const_weight, num_filters=arguments.num_filters
    )
    rates = {"generator_optimizer": 1e-3, "discriminator_optimizer": 2e-4}
    decay = keras.optimizers.schedules.CosineDecay
    model.compile(**{n: keras.optimizers.Adam(decay(rate, arguments.steps), beta_1=0.5) for n, rate in rates.items()})
    data = gz.data.unpaired(gz.data.load("mnist", "train", shuffle=False), of_sources["x_train"], 64, seed=0).repeat()
    epochs = max(1, arguments.steps // 500)
    model.fit(data, steps_per_epoch=arguments.steps // epochs, epochs=epochs, verbose=2)

    sources, digits = of_sources["x_test"], of_sources["y_test"]
    translated = model.translate(sources, batch_size=256).numpy()
    judge = gz.evaluation.Classifier.from_preset("classifier_mnist")
    print(f"classifier_mnist reads {share_read(judge, sources, digits):.4f} of the sources as they are")
    print(f"classifier_mnist reads {share_read(judge, translated, digits):.4f} of their translations, n={len(digits)}")
    targets, labels = next(iter(gz.data.load("mnist", "test", 2000, labels=True, shuffle=False)))
    targets, again = targets.numpy() / np.float32(255), model.translate(targets, batch_size=256).numpy()
    print(f"target identity: mean |t - G(t)| {abs(targets - again).mean():.4f}, of black pictures {targets.mean():.4f}")
    print(f"classifier_mnist reads {share_read(judge, again, labels.numpy()):.4f} of G(t), n={len(again)}")
    if arguments.picture:
        rows = np.concatenate([sources[:12] / np.float32(255), translated[:12]])
        gz.pictures.save_grid(rows, arguments.picture, 12)
    if arguments.output:
        model.save_to_preset(arguments.output)


if __name__ == "__main__":
    main()
