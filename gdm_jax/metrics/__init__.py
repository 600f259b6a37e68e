"""Numbers by which samples and latents are judged.

MEASURES, by name, are those of an evaluation. Each takes what it needs of what an evaluation knows, and is left out
where that is not known. It returns a number, or a NamedTuple of numbers, which then go by the names of its fields:

made           features of samples, `[n, d]`
reference      `Statistics` of the features of all real data
real           features of at most n real examples, `[m, d]`
neighbours     k of precision and recall
probabilities  classes of the samples as a classifier sees them, `[n, classes]`
told           the class that each sample was told, `[n]`

A metric of your own is an entry: `MEASURES["far"] = lambda made, real: ...`.
"""

from collections.abc import Callable

from gdm_jax.metrics.classes import as_told, confident
from gdm_jax.metrics.features import (
    FEATURES,
    Classifier,
    efficientnet,
    features_for,
    fit_classifier,
    inception,
    make_features,
    pixels,
    vgg19,
)
from gdm_jax.metrics.frechet import Statistics, frechet_distance, statistics
from gdm_jax.metrics.normality import Correlation, Normality, group_correlation, group_normality, total_correlation
from gdm_jax.metrics.perception import PerceptualVariance, perceptual_variance
from gdm_jax.metrics.precision import PrecisionRecall, precision_recall
from gdm_jax.metrics.probes import Probe, probe

__all__ = [
    "FEATURES", "MEASURES", "Classifier", "Correlation", "Normality", "PerceptualVariance", "PrecisionRecall", "Probe",
    "Statistics", "as_told", "confident", "efficientnet", "features_for", "fit_classifier", "frechet_distance",
    "group_correlation", "group_normality", "inception", "make_features", "perceptual_variance", "pixels",
    "precision_recall", "probe", "statistics", "total_correlation", "vgg19",
]

MEASURES: dict[str, Callable] = {
    "frechet": lambda made, reference: frechet_distance(statistics(made), reference),
    "precision_recall": precision_recall,
    "confident": confident,
    "as_told": as_told,
}
