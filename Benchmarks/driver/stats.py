"""Medians, spreads and rank tests. Pure functions of lists of numbers."""

import math
import random


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2


def times_better(ours, theirs, more_is_better):
    """How many times better `ours` is than `theirs`; infinite or 0 where one of them is."""
    good, bad = (ours, theirs) if more_is_better else (theirs, ours)
    if bad == good:
        return 1.0
    return math.inf if bad == 0 or math.isinf(good) else good / bad


def waits(histogram):
    """[(t, share)] in the order of t: the share of moments from which it takes at most t until what is going on then is done.

    `histogram` has [duration, count] of things done one after the other without a break. Counting durations would tell of a stall
    of a second, in which a million short ones had no chance, as of one in a million (Gil Tene's "coordinated omission"). A moment
    falls into a stall as often as the stall is long, and has any part of it still before it.
    """
    ordered = sorted(histogram)
    total = sum(duration * count for duration, count in ordered)
    count = sum(count for _, count in ordered)
    left, shares = total, []
    for duration, times in ordered:
        shares.append((duration, 1 - (left - duration * count) / total))
        left -= duration * times
        count -= times
    return shares


def wait_percentile(histogram, share):
    """The t of `waits` for a share, on the straight lines between its points."""
    before, below = 0, 0.0
    for t, reached in waits(histogram):
        if reached >= share:
            return before + (t - before) * (share - below) / (reached - below)
        before, below = t, reached
    return before


def mann_whitney_p(a, b):
    """Two-sided probability of ranks as uneven as these if both samples were of one distribution.

    Exact by enumeration of rank sums for samples without ties and up to 400 pairs, else the normal approximation with the
    correction for ties and continuity. Mann and Whitney, 1947.
    """
    n, m = len(a), len(b)
    if n == 0 or m == 0:
        return 1.0
    u = sum((x > y) + 0.5 * (x == y) for x in a for y in b)
    low = min(u, n * m - u)
    everything = list(a) + list(b)
    if len(set(everything)) == n + m and n * m <= 400:
        ways = _rank_sum_ways(n, m)
        return min(1.0, 2 * sum(ways[: int(low) + 1]) / math.comb(n + m, n))
    ties = sum(t**3 - t for t in (everything.count(x) for x in set(everything)))
    variance = n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1)))
    if variance <= 0:
        return 1.0
    z = max(0.0, n * m / 2 - low - 0.5) / math.sqrt(variance)
    return math.erfc(z / math.sqrt(2))


def _rank_sum_ways(n, m):
    """ways[u]: in how many orders of n and m values U is u. By the recurrence on whose value is the largest."""
    table = {}
    for i in range(n + 1):
        for j in range(m + 1):
            if i == 0 or j == 0:
                table[i, j] = [1]
                continue
            ways = [0] * (i * j + 1)
            for u, count in enumerate(table[i - 1, j]):
                ways[u + j] += count
            for u, count in enumerate(table[i, j - 1]):
                ways[u] += count
            table[i, j] = ways
    return table[n, m]


def smallest_p(n, m):
    """The least p that samples of these sizes can reach: what says that there are too few of them."""
    return min(1.0, 2 / math.comb(n + m, n)) if n and m else 1.0


def ratio_interval(ours, theirs, more_is_better, seed=1, draws=2000, share=0.95):
    """Bootstrap interval of times_better() of the medians: percentiles over samples drawn with replacement. The seed fixes it."""
    chance = random.Random(seed)
    ratios = sorted(
        times_better(median(chance.choices(ours, k=len(ours))), median(chance.choices(theirs, k=len(theirs))), more_is_better)
        for _ in range(draws)
    )
    tail = (1 - share) / 2
    return ratios[int(tail * (draws - 1))], ratios[int(math.ceil((1 - tail) * (draws - 1)))]


def benjamini_hochberg(p_values):
    """p-values corrected for looking at many at once (false discovery rate; Benjamini and Hochberg, 1995), in the same order."""
    count = len(p_values)
    order = sorted(range(count), key=lambda i: p_values[i], reverse=True)
    corrected = [1.0] * count
    least = 1.0
    for place, i in enumerate(order):
        least = min(least, p_values[i] * count / (count - place))
        corrected[i] = least
    return corrected


def spread(values):
    """(most - least) / median, the width of the noise; 0 for one value."""
    middle = median(values)
    return (max(values) - min(values)) / middle if middle and not math.isinf(middle) else 0.0


def together(values, more_is_better):
    """What several that work side by side come to: the sum of what they do in a second, or the time in which they together do one."""
    return sum(values) if more_is_better else 1 / sum(1 / value for value in values)
