"""The contract between driver and peers, and the order of CPUs."""

import os
import tempfile
import unittest

from driver import machine, peers
from driver.cli import sweep_counts
from driver.runner import Plan, Run


class Contract(unittest.TestCase):
    def test_a_result_further_metrics_and_a_histogram_are_read(self):
        outcome = peers.parse("go", "echo", 2, 0, "go,echo,2,5.5,us\ngo,echo.p50,2,1.25,us\nhistogram,100:3 200:1\n")
        self.assertEqual((outcome.status, outcome.value, outcome.unit), (0, 5.5, "us"))
        self.assertEqual(outcome.metrics, [["p50", 1.25, "us"]])
        self.assertEqual(outcome.histogram, [[100, 3], [200, 1]])

    def test_latency_is_that_of_any_moment_and_not_of_the_round_trips_that_were_made(self):
        text = "go,latency,1,0.1,us\ngo,latency.p50,1,0.1,us\ngo,latency.max,1,1000,us\nhistogram,100:9999 1000000:1\n"
        outcome = peers.parse("go", "latency", 1, 0, text)  # half of the time is one stall of a millisecond
        self.assertAlmostEqual(outcome.value, 980, delta=0.1)
        self.assertEqual([name for name, *_ in outcome.metrics], ["p50", "max"])
        self.assertAlmostEqual(outcome.metrics[0][1], 0.1, delta=0.1)
        self.assertEqual(outcome.metrics[1][1], 1000)

    def test_status_3_is_no_form_and_no_failure(self):
        self.assertEqual(peers.parse("go", "storm", 1, 3, "").complaint, "")

    def test_what_breaks_the_contract_is_a_failure(self):
        for status, text in (
            (0, ""),
            (0, "go,ring,2,5,ns/hop\n"),
            (0, "go,ring,1,5,ns/hop\nhello\n"),
            (0, "go,ring,1,fast,ns/hop\n"),
            (1, "go,ring,1,5,ns/hop\n"),
        ):
            self.assertTrue(peers.parse("go", "ring", 1, status, text).complaint, text)

    def test_never_is_a_value(self):
        self.assertEqual(peers.parse("swift-tell", "fairness", 1, 0, "swift-tell,fairness,1,inf,us\n").value, float("inf"))

    def test_forms_and_revisions_of_a_peer_lie_in_its_folder(self):
        self.assertEqual(peers.split("swift-mailbox")[1], "swift-actors")
        self.assertEqual(peers.split("apus-swift-async")[1], "apus-swift")
        self.assertEqual(peers.split("apus-c@main"), ("apus-c", "apus-c", "main"))
        self.assertEqual(peers.build_folder("apus-c@main", "b"), "b/apus-c@main")

    def test_swift_actors_is_shown_and_not_raced(self):
        self.assertFalse(peers.is_raced("swift-actors"))
        self.assertTrue(peers.is_raced("swift-mailbox"))
        self.assertFalse(peers.is_raced("apus-swift"))

    def test_a_rival_is_built_again_only_when_its_sources_change(self):
        with tempfile.TemporaryDirectory() as folder:
            os.makedirs(f"{folder}/Peers/other")
            here, peers.HERE = peers.HERE, folder
            try:
                with open(f"{folder}/log", "w", encoding="utf-8") as log:
                    for version, expected in (("1", "v1"), ("1", "v1"), ("2", "v2")):
                        with open(f"{folder}/Peers/other/build.sh", "w", encoding="utf-8") as file:
                            file.write(f'mkdir -p "$1"; echo v{version} > "$1/version.txt"; echo x >> "$1/built"\n')
                        self.assertEqual(peers.build("other", folder, log), expected)
                with open(f"{folder}/other/built", encoding="utf-8") as file:
                    self.assertEqual(len(file.readlines()), 2)
            finally:
                peers.HERE = here

    def test_a_run_that_takes_too_long_is_ended_and_says_so(self):
        with tempfile.TemporaryDirectory() as folder:
            os.makedirs(f"{folder}/Peers/slow")
            with open(f"{folder}/Peers/slow/run.sh", "w", encoding="utf-8") as file:
                file.write("sleep 60 & sleep 60\n")
            here, peers.HERE = peers.HERE, folder
            try:
                outcome = peers.run("slow", folder, "ring", 1, 1, [0], 0.2)
            finally:
                peers.HERE = here
        self.assertEqual(outcome.status, 124)
        self.assertIn("0.2 s", outcome.complaint)


class Cpus(unittest.TestCase):
    def setUp(self):
        # Two nodes of two cores with two hardware threads each: CPUs 0 to 3 are the first threads, 4 to 7 the second.
        self.folder = tempfile.TemporaryDirectory()
        for cpu in range(8):
            place = f"{self.folder.name}/cpu{cpu}/topology"
            os.makedirs(place)
            for name, value in (("physical_package_id", cpu % 4 // 2), ("core_id", cpu % 2)):
                with open(f"{place}/{name}", "w", encoding="utf-8") as file:
                    file.write(str(value))
        self.nodes = {cpu: cpu % 4 // 2 for cpu in range(8)}

    def tearDown(self):
        self.folder.cleanup()

    def order(self, placement):
        return machine.cpu_order(placement, list(range(8)), self.folder.name, self.nodes)

    def test_compact_fills_a_node_and_takes_second_threads_last(self):
        self.assertEqual(self.order("compact"), [0, 1, 2, 3, 4, 5, 6, 7])

    def test_spread_takes_nodes_by_turns(self):
        self.assertEqual(self.order("spread"), [0, 2, 1, 3, 4, 6, 5, 7])

    def test_where_a_node_is_full_is_known(self):
        self.assertEqual(machine.borders(self.order("compact"), self.nodes), [2, 4, 6])
        self.assertEqual(machine.nodes_used(self.order("compact"), self.nodes)[:3], [[0], [0], [0, 1]])
        self.assertIn(24, sweep_counts(64, [24, 48]))

    def test_the_kernels_lists_are_read(self):
        self.assertEqual(machine.parse_list("0-2,5"), [0, 1, 2, 5])
        self.assertEqual(machine.parse_list(""), [])

    def test_a_sweep_goes_up_to_all_cores(self):
        self.assertEqual(sweep_counts(4), [1, 2, 3, 4])
        self.assertEqual(sweep_counts(64)[-1], 64)
        self.assertLess(len(sweep_counts(256)), 24)


class Turns(unittest.TestCase):
    def test_a_budget_cuts_the_first_round_short_and_is_said(self):
        with tempfile.TemporaryDirectory() as folder:
            said = []
            run = Run(Plan("quick", ["a"], ["ring"], [1], 3, 0, 60, build_root=folder, with_limits=False), say=said.append)
            run.data["peers"] = {"a": "1"}
            run.run()
            self.assertEqual((run.done, run.data["rounds"]), (0, 1))
            self.assertIn("ends the first round", said[-1])

    def test_every_peer_begins_a_round_in_turn_and_gets_the_same_work(self):
        with tempfile.TemporaryDirectory() as folder:
            run = Run(
                Plan("quick", ["a", "b", "c"], ["ring", "million"], [1, 2], 3, 1e9, 60, build_root=folder, alone_on_most=True),
                say=lambda _: None,
            )
            run.data["peers"] = dict.fromkeys("abc")
            firsts = [next(iter(run.turns(number)))[2] for number in (1, 2, 3)]
            self.assertEqual(firsts, ["a", "b", "c"])
            self.assertEqual(sorted(run.turns(1)), sorted(run.turns(2)))
            self.assertEqual({cores for cores, name, _ in run.turns(1) if name == "million"}, {2})
            run.log.close()
            run.raw.close()
