"""Numbers by which samples and latents are judged."""

from gdm_jax.metrics.features import Classifier, fit_classifier, inception, pixels, vgg19
from gdm_jax.metrics.frechet import Statistics, frechet_distance, statistics
from gdm_jax.metrics.normality import Correlation, Normality, group_correlation, group_normality, total_correlation
from gdm_jax.metrics.perception import PerceptualVariance, perceptual_variance
from gdm_jax.metrics.precision import PrecisionRecall, precision_recall
from gdm_jax.metrics.probes import Probe, probe
