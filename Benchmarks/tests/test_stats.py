"""The statistics, against values worked out by hand or known from tables."""

import itertools
import math
import random
import unittest

from driver import stats


class Stats(unittest.TestCase):
    def test_the_median_of_an_even_number_of_values_lies_between_the_middle_two(self):
        self.assertEqual(stats.median([4, 1, 3, 2]), 2.5)
        self.assertEqual(stats.median([5, 1, 3]), 3)

    def test_less_time_and_more_throughput_are_better(self):
        self.assertEqual(stats.times_better(50, 100, more_is_better=False), 2)
        self.assertEqual(stats.times_better(50, 100, more_is_better=True), 0.5)

    def test_side_by_side_throughputs_add_up_and_times_as_what_is_done_in_them(self):
        self.assertEqual(stats.together([3, 5], more_is_better=True), 8)
        self.assertEqual(stats.together([2, 2], more_is_better=False), 1)
        self.assertAlmostEqual(stats.together([3, 6], more_is_better=False), 2)

    def test_never_is_infinitely_worse(self):
        self.assertEqual(stats.times_better(5, math.inf, more_is_better=False), math.inf)
        self.assertEqual(stats.times_better(math.inf, 5, more_is_better=False), 0)
        self.assertEqual(stats.times_better(math.inf, math.inf, more_is_better=False), 1)
        self.assertEqual(stats.times_better(0, 5, more_is_better=False), math.inf)

    def test_mann_whitney_is_exact_for_small_samples(self):
        self.assertAlmostEqual(stats.mann_whitney_p([1, 2, 3], [4, 5, 6]), 2 / 20)
        self.assertAlmostEqual(stats.mann_whitney_p([1, 2, 3, 4], [5, 6, 7, 8]), 2 / 70)
        # From the published table: n = m = 5, U = 2 is the two-sided 5 % limit (p 0.032), U = 3 is not (p 0.056).
        self.assertAlmostEqual(stats.mann_whitney_p([1, 2, 3, 4, 7], [5, 6, 8, 9, 10]), 8 / 252, places=6)

    def test_the_count_of_orders_agrees_with_trying_them_all(self):
        for n, m in ((2, 3), (3, 3), (4, 2)):
            ways = [0] * (n * m + 1)
            for chosen in itertools.combinations(range(n + m), n):
                others = [i for i in range(n + m) if i not in chosen]
                ways[sum(a > b for a in chosen for b in others)] += 1
            self.assertEqual(stats._rank_sum_ways(n, m), ways)

    def test_equal_samples_are_no_evidence(self):
        self.assertEqual(stats.mann_whitney_p([3, 3, 3, 3], [3, 3, 3, 3]), 1)
        self.assertGreater(stats.mann_whitney_p([1, 2, 3, 4, 5], [1, 2, 3, 4, 5]), 0.9)

    def test_with_ties_the_approximation_finds_what_is_plain(self):
        self.assertLess(stats.mann_whitney_p([1, 1, 2, 2, 1, 2], [8, 9, 9, 8, 8, 9]), 0.01)

    def test_a_true_null_is_rejected_about_as_often_as_promised(self):
        chance = random.Random(3)
        rejected = sum(
            stats.mann_whitney_p([chance.random() for _ in range(6)], [chance.random() for _ in range(6)]) <= 0.05
            for _ in range(1000)
        )
        self.assertLess(rejected, 70)
        self.assertGreater(rejected, 15)

    def test_three_runs_each_cannot_be_significant_and_four_can(self):
        self.assertGreater(stats.smallest_p(3, 3), 0.05)
        self.assertLess(stats.smallest_p(4, 4), 0.05)

    def test_the_interval_holds_the_ratio_and_is_the_same_each_time(self):
        ours, theirs = [10, 11, 12, 10.5, 11.5], [20, 22, 21, 23, 20.5]
        low, high = stats.ratio_interval(ours, theirs, more_is_better=False)
        self.assertLess(low, stats.median(theirs) / stats.median(ours))
        self.assertGreater(high, 1.5)
        self.assertEqual((low, high), stats.ratio_interval(ours, theirs, more_is_better=False))

    def test_correction_for_many_rows_is_benjamini_and_hochbergs(self):
        corrected = stats.benjamini_hochberg([0.01, 0.04, 0.03, 0.5])
        for got, expected in zip(corrected, [0.04, 0.16 / 3, 0.16 / 3, 0.5]):
            self.assertAlmostEqual(got, expected)

    def test_the_wait_from_any_moment_is_uniform_within_a_duration_and_as_likely_as_that_is_long(self):
        self.assertAlmostEqual(stats.wait_percentile([[100, 5]], 0.25), 25)
        (_, first), (_, last) = stats.waits([[300, 1], [100, 3]])
        self.assertAlmostEqual(first, 2 / 3)
        self.assertAlmostEqual(last, 1)
        self.assertAlmostEqual(stats.wait_percentile([[100, 3], [300, 1]], 0.9), 240)

    def test_spread_is_relative_to_the_median(self):
        self.assertAlmostEqual(stats.spread([9, 10, 12]), 0.3)
        self.assertEqual(stats.spread([7]), 0)


if __name__ == "__main__":
    unittest.main()
