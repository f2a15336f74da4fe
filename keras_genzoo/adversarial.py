"""The name by which the games and regularisers have always been found: `keras_genzoo.adversarial.losses`."""

from keras_genzoo.models.adversarial import losses as losses
