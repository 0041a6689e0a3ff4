"""Rank statistics against slow twins and scipy."""

import itertools
import math

import numpy as np
import pytest

from ncs.longitudinal._statistics import hodges_lehmann, holm, signed_rank_p, spearman


def twin_signed_rank(differences):
    """Return the p value by trying every choice of signs."""
    from scipy.stats import rankdata

    numbers = [x for x in differences if x != 0]
    ranks = rankdata(np.abs(numbers))
    observed = sum(r for r, x in zip(ranks, numbers, strict=True) if x > 0)
    sums = [
        sum(r for r, s in zip(ranks, signs, strict=True) if s) for signs in itertools.product([0, 1], repeat=len(ranks))
    ]
    low, high = np.mean(np.array(sums) <= observed + 1e-9), np.mean(np.array(sums) >= observed - 1e-9)
    return min(1.0, 2 * min(low, high))


@pytest.mark.parametrize("seed", range(6))
def test_signed_rank_equals_trying_all_signs(seed):
    rng = np.random.default_rng(seed)
    smooth = rng.normal(0.5, 1, 9)
    assert signed_rank_p(smooth) == pytest.approx(twin_signed_rank(smooth))
    tied = rng.integers(-2, 4, 10).astype(float)
    assert signed_rank_p(tied) == pytest.approx(twin_signed_rank(tied))


def test_signed_rank_equals_scipy_where_that_is_exact():
    from scipy.stats import wilcoxon

    for n in (6, 9, 25, 40):
        numbers = np.random.default_rng(n).normal(0.3, 1, n)
        assert signed_rank_p(numbers) == pytest.approx(wilcoxon(numbers, method="exact").pvalue)


def test_nothing_but_zeros_has_no_p():
    assert signed_rank_p([0.0, 0.0]) is None
    assert signed_rank_p([0.0, 1.0, 2.0]) == signed_rank_p([1.0, 2.0]) == 0.5


def test_fewer_than_six_allow_no_interval():
    for n in range(1, 6):
        found = hodges_lehmann(np.arange(1.0, n + 1))
        assert (found.low, found.high, found.confidence) == (None, None, None)
        assert signed_rank_p(np.arange(1.0, n + 1)) > 0.05
    assert hodges_lehmann(np.arange(1.0, 7)).confidence == pytest.approx(1 - 2 / 64)


def test_hodges_lehmann_interval_inverts_the_test():
    numbers = np.random.default_rng(3).normal(2, 1, 11)
    found = hodges_lehmann(numbers)
    assert found.low < found.shift < found.high
    assert found.shift == pytest.approx(
        np.median([(a + b) / 2 for a, b in itertools.combinations_with_replacement(numbers, 2)])
    )
    for inside in np.linspace(found.low, found.high, 7)[1:-1]:
        assert signed_rank_p(numbers - inside) > 0.05
    for outside in (found.low - 1e-6, found.high + 1e-6):
        assert signed_rank_p(numbers - outside) <= 0.05
    assert found.confidence == pytest.approx(1 - signed_rank_p(numbers - found.low + 1e-9), abs=1e-9)


def test_hodges_lehmann_of_nine_has_the_published_limits():
    # n = 9: P(T+ <= 5) = 10/512, so the 6th smallest and largest Walsh means bound a 96.1 % interval.
    numbers = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]) - np.array(
        [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
    )
    found = hodges_lehmann(numbers)
    walsh = sorted((a + b) / 2 for a, b in itertools.combinations_with_replacement(numbers, 2))
    assert found.confidence == pytest.approx(1 - 20 / 512)
    assert (found.low, found.high) == pytest.approx((walsh[5], walsh[-6]))
    assert found.shift == pytest.approx(0.46)


def test_spearman_counts_all_orders_and_equals_scipy():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(4)
    for n in (4, 7, 9, 15):
        x, y = rng.normal(size=n), rng.integers(0, 5, n).astype(float)
        rho, p = spearman(x, y)
        assert rho == pytest.approx(spearmanr(x, y).statistic)
        if n > 9:
            assert p == pytest.approx(spearmanr(x, y).pvalue)
        if n == 7:
            every = [abs(spearmanr(x, list(order)).statistic) for order in itertools.permutations(y)]
            assert p == pytest.approx(np.mean(np.array(every) >= abs(rho) - 1e-12))


def test_nine_pairs_are_counted_and_ten_are_not():
    assert spearman(list(range(9)), list(range(9))) == (pytest.approx(1.0), pytest.approx(2 / math.factorial(9)))
    assert spearman(list(range(10)), list(range(10)))[1] < 1 / math.factorial(10)


def test_spearman_without_variation_is_none():
    assert spearman([1.0, 1.0, 1.0, 1.0], [1.0, 2.0, 3.0, 4.0]) is None
    assert spearman(list(range(12)), list(range(12)))[1] == 0.0


def test_holm_keeps_the_order_and_never_exceeds_one():
    assert holm(()) == ()
    assert holm((0.5, 0.6)) == holm((0.7, 0.9)) == (1.0, 1.0)
    adjusted = holm((0.03, 0.001, 0.2))
    assert adjusted == pytest.approx((0.06, 0.003, 0.2))
    assert not any(math.isnan(p) for p in adjusted)
