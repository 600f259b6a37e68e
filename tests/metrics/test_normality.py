"""Normality of latents, group by group, and the Gaussian total correlation against closed forms."""

import numpy as np
import pytest
import scipy.stats

from gdm_jax.metrics import group_correlation, group_normality, total_correlation

INDEX = np.arange(16).reshape(4, 4) % 3


def latents(n=400, channels=2, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 4, 4, channels))


def test_table_against_scipy():
    """Group 1 shifted and scaled, group 2 uniform; a channel's elements belong to its pixel's group."""
    z = latents()
    z[:, INDEX == 1] = 0.5 + 2 * z[:, INDEX == 1]
    z[:, INDEX == 2] = np.random.default_rng(1).uniform(-1, 1, z[:, INDEX == 2].shape)
    table = group_normality(z, INDEX)
    for j in range(3):
        pooled = z[:, INDEX == j].ravel()
        assert table.mean[j] == pytest.approx(pooled.mean()) and table.std[j] == pytest.approx(pooled.std())
        assert table.kurtosis[j] == pytest.approx(scipy.stats.kurtosis(pooled))
        test = scipy.stats.ks_1samp(pooled, scipy.stats.norm.cdf)
        assert table.ks[j] == pytest.approx(test.statistic) and table.p_value[j] == pytest.approx(test.pvalue)
        cdf, steps = scipy.stats.norm.cdf(np.sort(pooled)), np.arange(pooled.size + 1) / pooled.size
        assert table.ks[j] == pytest.approx(max((steps[1:] - cdf).max(), (cdf - steps[:-1]).max()))
    assert table.p_value[0] > 0.01 > 1e-6 > max(table.p_value[1:])
    assert table.kurtosis[2] == pytest.approx(-1.2, abs=0.05)  # of a uniform


def test_p_values_are_uniform():
    """What makes it a test: over many true normals the p-value itself is uniform."""
    p_values = [group_normality(latents(20, 1, seed), INDEX).p_value for seed in range(60)]
    assert scipy.stats.kstest(np.ravel(p_values), "uniform").pvalue > 0.01


def test_constant_elements():
    assert np.isnan(group_normality(np.zeros((3, 2)), [0, 0]).kurtosis[0])


def test_index_broadcasts_like_a_partition():
    z = latents()
    full = np.broadcast_to(INDEX[..., None], (4, 4, 2))
    np.testing.assert_array_equal(group_normality(z, INDEX), group_normality(z, full))
    by_channel = group_normality(z, np.array([[[0, 1]]]))
    assert by_channel.mean[1] == pytest.approx(z[..., 1].mean())


@pytest.mark.parametrize("d", [2, 6, 12])
def test_total_correlation_has_no_bias(d):
    """Elements of correlation rho with each other: det = (1 - rho)^(d - 1) (1 + (d - 1) rho). Here n is only 2d."""
    rho, n, repetitions = 0.5, max(2 * d, 6), 600
    exact = -0.5 * ((d - 1) * np.log(1 - rho) + np.log(1 + (d - 1) * rho))
    root = np.linalg.cholesky(np.full((d, d), rho) + (1 - rho) * np.eye(d))
    rng = np.random.default_rng(1)
    samples = rng.normal(size=(repetitions, n, d)) @ root.T
    estimates = [total_correlation(z).nats for z in samples]
    error = np.std(estimates) / np.sqrt(repetitions)
    assert np.mean(estimates) == pytest.approx(exact, abs=4 * error)
    plain = np.mean([-0.5 * np.linalg.slogdet(np.corrcoef(z, rowvar=False))[1] for z in samples])
    assert plain > exact + 4 * error


@pytest.mark.parametrize("d, n", [(30, 60), (30, 31), (60, 120)])
def test_independent_elements(d, n):
    """Zero in the mean and the stated error in the spread, where the plain estimate is far off."""
    rng = np.random.default_rng(d)
    results = [total_correlation(rng.normal(size=(n, d))) for _ in range(200)]
    values, errors = np.transpose(results)
    assert np.ptp(errors) == 0
    assert abs(values.mean()) < 4 * errors[0] / np.sqrt(200)
    assert values.std() == pytest.approx(errors[0], rel=0.2)
    plain = -0.5 * np.linalg.slogdet(np.corrcoef(np.random.default_rng(0).normal(size=(n, d)), rowvar=False))[1]
    assert plain > 5 * errors[0]


def test_two_correlated_elements():
    """-1/2 log(1 - rho^2), at a scale and a place that do not matter."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(20000, 2)) @ np.linalg.cholesky([[1, 0.8], [0.8, 1]]).T
    assert total_correlation(5 + z * [10, 0.01]).nats == pytest.approx(-0.5 * np.log(1 - 0.64), abs=0.02)


def test_groups_as_wholes():
    """What groups share inside does not count: 1/2 (log det S_00 + log det S_11 - log det S) of the true covariance."""
    index = np.array([0, 1, 0, 1, 1, 0])
    rng = np.random.default_rng(3)
    mix = np.eye(6) + rng.normal(size=(6, 6)) / np.sqrt(6)
    z, covariance = rng.normal(size=(20000, 6)) @ mix.T, mix @ mix.T
    blocks = [covariance[np.ix_(index == j, index == j)] for j in range(2)]
    exact = 0.5 * (sum(np.linalg.slogdet(block)[1] for block in blocks) - np.linalg.slogdet(covariance)[1])
    result = group_correlation(z, index)
    assert result.nats == pytest.approx(exact, abs=0.03) and 0.1 < exact < total_correlation(z).nats
    alone = np.linalg.inv(np.linalg.cholesky(blocks[1])).T  # any invertible map of one group leaves it as it is
    turned = z.copy()
    turned[:, index == 1] = z[:, index == 1] @ alone
    assert group_correlation(turned, index).nats == pytest.approx(result.nats)


def test_independent_groups():
    """Elements correlated within groups only: zero in the mean at n = 2d, with the stated spread."""
    rng = np.random.default_rng(5)
    index = np.arange(12) // 4
    mix = np.kron(np.eye(3), rng.normal(size=(4, 4)))
    values, errors = np.transpose([group_correlation(rng.normal(size=(24, 12)) @ mix, index) for _ in range(300)])
    assert abs(values.mean()) < 4 * errors[0] / np.sqrt(300)
    assert values.std() == pytest.approx(errors[0], rel=0.2)


def test_one_to_a_group_and_all_in_one():
    z = latents(100, 2)
    single = group_correlation(z, np.arange(32).reshape(4, 4, 2))
    assert single.nats == pytest.approx(total_correlation(z).nats)
    np.testing.assert_allclose(group_correlation(z, np.zeros((4, 4), int)), 0, atol=1e-9)


@pytest.mark.parametrize(
    "z, index, message",
    [
        (np.full((3, 4, 4, 1), np.nan), INDEX, "3 of 3 members hold NaN"),
        (np.zeros(3), INDEX, r"shape \[n, ...\]"),
        (latents(3), INDEX[:3], "does not fit"),
        (latents(3), INDEX * 2, "without a gap, got"),
        (latents(3), INDEX - 1, "numbered from 0"),
        (latents(3), INDEX / 2, "integer group"),
        (latents(3), np.zeros((1, 3, 4, 4, 2), int), "does not fit"),
    ],
)
@pytest.mark.parametrize("metric", [group_normality, group_correlation])
def test_bad_latents(metric, z, index, message):
    with pytest.raises(ValueError, match=message):
        metric(z, index)


def test_correlations_that_can_not_be_estimated():
    z = latents(200).reshape(200, 32)
    with pytest.raises(ValueError, match="32 elements need more than 32 samples, got 32"):
        total_correlation(z[:32])
    with pytest.raises(ValueError, match="element 3 is the same in every sample"):
        total_correlation(np.where(np.arange(32) == 3, 1.5, z))
    with pytest.raises(ValueError, match="linear functions of others"):
        total_correlation(np.concatenate([z, z[:, :1] + z[:, 1:2]], axis=1))
