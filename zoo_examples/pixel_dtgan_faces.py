"""PixelDTGAN of faces: any picture of a person to the first one of that person.

    python pixel_dtgan_faces.py att_faces.npz            # `--mse` trains the same converter by its squared error alone

The file holds uint8 `images` `(400, 112, 92)`, ten pictures each of 40 persons (AT&T Laboratories Cambridge), and
`subject` `(400,)`, from 0 to 39. Of each person the pictures of three poses are held out. It prints how often the
translation of a held-out picture is nearest, of the 40 targets, to that of its own person; the same of the pictures as
they are; the mean L1 distance; and how sharp translations are.
"""

import argparse

import keras
import numpy as np
import tensorflow as tf

import keras_genzoo as gz

SIDE, NUM_PICTURES, HELD_OUT = 64, 10, (3, 6, 9)  # pictures of a person; the first is the target


def read(path):
    """Targets and sources of training, and of held-out poses, `(n, 64, 64, 1)` uint8; and the persons of the latter."""
    with np.load(path) as file:
        images, persons = file["images"], file["subject"]
    images = tf.image.resize(images[..., None].astype("float32"), (SIDE, SIDE), antialias=True)
    images = np.clip(np.round(images), 0, 255).astype("uint8")
    images = images[np.argsort(persons, kind="stable")].reshape(-1, NUM_PICTURES, SIDE, SIDE, 1)
    training = [i for i in range(1, NUM_PICTURES) if i not in HELD_OUT]
    targets = images[:, 0]

    def pairs(poses):
        sources = images[:, poses].reshape(-1, SIDE, SIDE, 1)
        return np.repeat(targets, len(poses), axis=0), sources

    return targets, pairs(training), pairs(list(HELD_OUT)), np.repeat(np.arange(len(images)), len(HELD_OUT))


def share_identified(images, targets, persons):
    """Of images `(n, h, w, 1)` whose nearest target, by squared distance of pixels, is that of their person."""
    distances = ((images[:, None] - targets[None]) ** 2).mean(axis=(2, 3, 4))
    return float(np.mean(np.argmin(distances, axis=1) == persons))


def sharpness(images):
    return sum(np.abs(np.diff(images, axis=axis)).mean() for axis in (1, 2))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("faces", help="a .npz file, see above")
    parser.add_argument("--mse", action="store_true")
    parser.add_argument("--num-filters", type=int, default=32)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--picture", help="a .png file to write: rows of sources, of translations and of targets")
    arguments = parser.parse_args()
    keras.utils.set_random_seed(0)
    prototypes, (targets, sources), (held_out_targets, held_out), persons = read(arguments.faces)
    data = gz.data.pairs(targets, sources, 40, seed=0, augment="jitter").repeat()
    decay = keras.optimizers.schedules.CosineDecay
    model = gz.PixelDTGAN((SIDE, SIDE, 1), num_filters=arguments.num_filters)
    epochs = max(1, arguments.steps // 500)
    fit = {"steps_per_epoch": arguments.steps // epochs, "epochs": epochs, "verbose": 2}
    if arguments.mse:
        levels = data.map(lambda y, x: (tf.cast(x, tf.float32) / 255, tf.cast(y, tf.float32) / 255))
        model.converter.compile(keras.optimizers.Adam(decay(1e-3, arguments.steps)), loss="mse")
        model.converter.fit(levels, **fit)
    else:
        rates = {"converter": 1e-3, "discriminator": 2e-4, "domain_discriminator": 2e-4}
        optimizers = {n: keras.optimizers.Adam(decay(rate, arguments.steps), beta_1=0.5) for n, rate in rates.items()}
        model.compile(augmentation="translation", **{f"{name}_optimizer": x for name, x in optimizers.items()})
        model.fit(data, **fit)

    prototypes, held_out_targets, levels = (x / np.float32(255) for x in (prototypes, held_out_targets, held_out))
    translated = model.translate(held_out, batch_size=40).numpy()
    print(f"n={len(persons)} held-out pictures of {len(prototypes)} persons")
    print(
        f"nearest target is the person's: translations {share_identified(translated, prototypes, persons):.4f}, "
        f"pictures as they are {share_identified(levels, prototypes, persons):.4f}"
    )
    l1 = [abs(x - held_out_targets).mean() for x in (translated, levels, prototypes.mean(axis=0)[None])]
    print("mean L1 of translations {:.4f}, of pictures as they are {:.4f}, of the mean target {:.4f}".format(*l1))
    print(f"differences of neighbouring pixels, targets = 1: {sharpness(translated) / sharpness(held_out_targets):.3f}")
    if arguments.picture:
        shown = slice(0, 36, 3)
        rows = np.concatenate([levels[shown], translated[shown], held_out_targets[shown]])
        gz.pictures.save_grid(rows, arguments.picture, 12)


if __name__ == "__main__":
    main()
