"""What changed between two sets of results, and what is noise.

Each row is one workload of one peer on one number of cores. Its verdict needs both: ranks too uneven for chance (Mann-Whitney,
corrected for the number of rows), and a median that moved by more than a twentieth. Samples too small for any verdict are said to
be so.
"""

from dataclasses import dataclass

from . import stats

SIGNIFICANT = 0.05
WORTH_TELLING = 0.05


@dataclass
class Change:
    key: tuple  # peer, workload, cores
    unit: str
    before: list
    after: list
    ratio: float  # how many times better the median is
    low: float  # of its bootstrap interval
    high: float
    p: float
    verdict: str = ""


def samples(data, metric=""):
    """{(peer, workload, cores): (unit, [values])} of a run's data."""
    found = {}
    for row in data["results"]:
        if row["metric"] == metric:
            found.setdefault((row["peer"], row["workload"], row["cores"]), (row["unit"], []))[1].append(row["value"])
    return found


def change(key, unit, before, after):
    more_is_better = unit.endswith("/s")
    ratio = stats.times_better(stats.median(after), stats.median(before), more_is_better)
    low, high = stats.ratio_interval(after, before, more_is_better)
    return Change(key, unit, before, after, ratio, low, high, stats.mann_whitney_p(before, after))


def judge(changes):
    """Fills in the verdicts, which depend on how many rows are looked at."""
    able = [c for c in changes if stats.smallest_p(len(c.before), len(c.after)) <= SIGNIFICANT]
    for c, p in zip(able, stats.benjamini_hochberg([c.p for c in able])):
        c.p = p
        moved = abs(c.ratio - 1) > WORTH_TELLING
        c.verdict = "noise" if p > SIGNIFICANT or not moved else "better" if c.ratio > 1 else "worse"
    for c in changes:
        if c not in able:
            c.verdict = "too few runs"
    return changes


def runs(before, after):
    """Two runs of the driver, by peer, workload and cores."""
    old, new = samples(before), samples(after)
    return judge([change(key, new[key][0], old[key][1], new[key][1]) for key in new if key in old])


def builds(data, base, other):
    """Two peers of one run: `base` before, `other` after."""
    found = samples(data)
    changes = []
    for (peer, workload, cores), (unit, values) in found.items():
        if peer == other and (base, workload, cores) in found:
            changes.append(change((peer, workload, cores), unit, found[base, workload, cores][1], values))
    return judge(changes)
