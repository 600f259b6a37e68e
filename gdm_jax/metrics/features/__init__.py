"""Feature functions: images `[n, h, w, c]` in [-1, 1] -> float32 `[n, d]`, what an image is judged by.

`pixels` takes the image itself, `vgg19` the activations of VGG-19 on ImageNet, `inception` those of Inception-v3, and
`Classifier.features` those of a small network fitted to labelled images. Any function of that form will do.
"""

from gdm_jax.metrics.features.batches import in_batches, pixels
from gdm_jax.metrics.features.classifier import Classifier, fit_classifier
from gdm_jax.metrics.features.inception_v3 import inception
from gdm_jax.metrics.features.vgg import vgg19
