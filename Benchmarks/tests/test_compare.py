"""What changed and what is noise."""

import random
import unittest

from driver import compare
from tests import made


def rescaled(data, factor, names):
    chance = random.Random(11)
    return dict(
        data,
        results=[
            dict(r, value=r["value"] * (factor if r["workload"] in names else 1) * chance.uniform(0.99, 1.01))
            for r in data["results"]
        ],
    )


class Compare(unittest.TestCase):
    def test_a_change_of_one_workload_is_found_and_the_others_are_noise(self):
        before = made.data(rounds=8, names=["ring", "pairs", "big", "spawn"], cores=(1,))
        changes = {c.key[1]: c for c in compare.runs(before, rescaled(before, 2, ["pairs"])) if c.key[0] == "apus-c"}
        self.assertEqual(changes["pairs"].verdict, "better")
        self.assertAlmostEqual(changes["pairs"].ratio, 2, delta=0.1)
        self.assertEqual({c.verdict for name, c in changes.items() if name != "pairs"}, {"noise"})

    def test_more_nanoseconds_are_worse(self):
        before = made.data(rounds=8, names=["ring"], cores=(1,))
        self.assertEqual({c.verdict for c in compare.runs(before, rescaled(before, 1.5, ["ring"]))}, {"worse"})

    def test_a_sure_but_tiny_change_is_noise(self):
        before = made.data(rounds=8, names=["ring"], cores=(1,))
        for row in before["results"]:
            row["value"] = 100 + row["round"] / 1000
        after = dict(before, results=[dict(r, value=r["value"] + 1) for r in before["results"]])
        self.assertEqual({c.verdict for c in compare.runs(before, after)}, {"noise"})

    def test_three_runs_are_too_few_for_a_verdict(self):
        before = made.data(rounds=3, names=["ring"], cores=(1,))
        self.assertEqual({c.verdict for c in compare.runs(before, rescaled(before, 3, ["ring"]))}, {"too few runs"})

    def test_two_builds_of_one_run_are_compared(self):
        data = made.data(peers=("apus-c@main", "apus-c"), rounds=8, names=["ring"], cores=(1, 2))
        changes = compare.builds(data, "apus-c@main", "apus-c")
        self.assertEqual([c.key for c in changes], [("apus-c", "ring", 1), ("apus-c", "ring", 2)])
        self.assertEqual({c.verdict for c in changes}, {"worse"})
