"""Numbers by which samples and latents are judged."""

from gdm_jax.metrics.classifier import Classifier, fit_classifier, load_classifier
from gdm_jax.metrics.features import pixels, vgg19
from gdm_jax.metrics.frechet import Statistics, frechet_distance, load_statistics, save_statistics, statistics
from gdm_jax.metrics.inception import inception
from gdm_jax.metrics.normality import Correlation, Normality, group_correlation, group_normality, total_correlation
from gdm_jax.metrics.perception import PerceptualVariance, perceptual_variance
from gdm_jax.metrics.precision import PrecisionRecall, precision_recall
from gdm_jax.metrics.probe import Probe, probe
