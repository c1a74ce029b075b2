"""The report and its plots: well formed, legible, and saying what the data says."""

import math
import os
import tempfile
import unittest
import xml.etree.ElementTree

from driver import charts, compare, limits, numa, peers, report, svg, workloads
from driver.document import Cell, Document
from tests import check_report, made

PEERS = ["apus-c", "apus-swift", "erlang", "go", "caf", "tokio", "swift-actors", "swift-mailbox"]


class Report(unittest.TestCase):
    def written(self, document, data=None):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return report.write(document, folder.name, "report", data)

    def test_a_report_of_everything_is_well_formed_as_page_and_as_markdown(self):
        data = made.data(peers=PEERS)
        data["numa"] = {"note": "", "columns": ["remote"], "rows": [["pairs", "aware", "5"]]}
        paths = self.written(report.build(data), data)
        self.assertEqual(check_report.complaints(*paths), [])

    def test_a_report_of_one_peer_on_one_core_is_well_formed(self):
        data = made.data(peers=("apus-c",), cores=(1,), rounds=1)
        self.assertEqual(check_report.complaints(*self.written(report.build(data), data)), [])

    def test_failures_and_what_never_ends_do_not_break_it(self):
        data = made.data()
        data["missing"].append({"peer": "apus-c", "workload": "ring", "cores": 1, "why": peers.FAILED})
        for row in data["results"]:
            if row["peer"] == "go" and row["workload"] == "fairness":
                row["value"] = math.inf
        data["left_out"] = ["caf"]
        document = report.build(data)
        html_path, markdown_path = self.written(document, data)
        with open(markdown_path, encoding="utf-8") as file:
            text = file.read()
        self.assertIn("**FAIL**", text)
        self.assertIn("could not be built: caf", text)
        self.assertTrue(os.path.getsize(html_path) > 10000)

    def test_ratio_and_verdict_are_against_the_best_raced_peer(self):
        results = report.Results(made.data(peers=("apus-c", "erlang", "go", "swift-actors")))
        ratio, best, certain = results.against_best(workloads.BY_NAME["ring"], 1)
        self.assertEqual(best, "erlang")
        self.assertAlmostEqual(ratio, 2, delta=0.2)
        self.assertTrue(certain)
        self.assertEqual([report.verdict(x, True) for x in (2, 1.5, 1, 0.5)], ["twice", "ahead", "level", "behind"])

    def test_the_small_table_has_a_row_for_each_workload_that_can_be_compared(self):
        text = report.ratios(made.data(names=["ring", "pairs"]))
        self.assertEqual(len(text.split("\n")), 4)
        self.assertRegex(text, r"\| ring \| [12]\.\d\d \| erlang \| [12]\.\d\d \| erlang \|")

    def test_a_failed_peer_is_not_the_best(self):
        data = made.data()
        data["missing"].append({"peer": "erlang", "workload": "ring", "cores": 1, "why": peers.FAILED})
        self.assertEqual(report.Results(data).against_best(workloads.BY_NAME["ring"], 1)[1], "go")

    def test_speed_up_is_over_the_same_peer_on_one_core(self):
        results = report.Results(made.data())
        for name in ("pairs", "skynet"):
            self.assertAlmostEqual(results.speed_up("go", workloads.BY_NAME[name])[2], 2, delta=0.3)

    def test_efficiency_is_also_that_against_runs_side_by_side(self):
        data = made.data(names=["pairs", "skynet"])
        for row in list(data["results"]):
            if row["cores"] == 2 and row["peer"] == "go":
                better = 1.25 if row["workload"] == "pairs" else 0.8
                data["results"].append(dict(row, metric="side_by_side", value=row["value"] * better))
        results = report.Results(data)
        for name in ("pairs", "skynet"):
            self.assertAlmostEqual(results.of_side_by_side("go", workloads.BY_NAME[name], 2), 0.8)
            self.assertIsNone(results.of_side_by_side("erlang", workloads.BY_NAME[name], 2))
        self.assertEqual(report.efficiency(results, "go", workloads.BY_NAME["pairs"], 2, 1.5), "1.50 (75 %; 80 %)")
        self.assertEqual(report.efficiency(results, "erlang", workloads.BY_NAME["pairs"], 2, 1.5), "1.50 (75 %)")

    def test_a_changed_build_gets_a_report_of_its_own(self):
        data = made.data(peers=("apus-c@main", "apus-c"), rounds=6)
        document = report.comparison_of_builds(compare.builds(data, "apus-c@main", "apus-c"), "before and after", ["about"])
        self.assertEqual(check_report.complaints(*self.written(document)), [])

    def test_text_from_outside_is_escaped(self):
        document = Document("a <b> & c")
        document.table(["x"], [[Cell("<script>", "a|b")]])
        self.assertNotIn("<script>", document.to_html())
        self.assertIn("\\|", document.to_markdown("f"))

    def test_the_check_finds_what_is_broken(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (
                ("a.html", "<p><table></p><img src='http://elsewhere/x.png'>"),
                ("a.md", "![x](missing.svg)\n\n| a |\n| a | b |\n\n"),
            ):
                with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                    file.write(text)
            self.assertGreaterEqual(len(check_report.complaints(f"{folder}/a.html", f"{folder}/a.md")), 4)


class Charts(unittest.TestCase):
    def legible(self, image):
        self.assertEqual(image.overlaps(), [])
        xml.etree.ElementTree.fromstring(str(image))

    def test_ratio_bars_of_all_workloads_are_legible(self):
        rows = [(w.name, 0.05 * 1.3**i % 40, PEERS[2 + i % 5], i % 2) for i, w in enumerate(workloads.ALL)]
        self.legible(charts.ratio_bars("title", rows, PEERS))
        self.legible(charts.ratio_bars("title", [("ring", 1.0, "go", True)], PEERS))

    def test_scaling_panels_are_legible_with_curves_that_end_together(self):
        cores = [1, 2, 4, 8, 16]
        curves = {p: {c: c ** (0.9 + 0.001 * i) for c in cores} for i, p in enumerate(PEERS)}
        self.legible(charts.scaling("title", [(w.name, curves) for w in workloads.ALL if w.scales], PEERS, cores))

    def test_percentiles_and_connections_are_legible(self):
        curves = {p: [(0, 1 + i), (0.5, 2 + i), (0.99, 30 + i), (0.99999, 9000 + i)] for i, p in enumerate(PEERS)}
        self.legible(charts.percentiles("title", curves, PEERS))
        self.legible(
            charts.lines_over(
                "title",
                "x",
                "y",
                {p: [(1, 20 + i), (10, 30), (100, 400 + i), (1000, 5000 + i)] for i, p in enumerate(PEERS)},
                PEERS,
            )
        )

    def test_changes_are_legible(self):
        self.legible(charts.change_bars("title", [(w.name, 1.1, 1.0, 1.3, "noise") for w in workloads.ALL]))

    def test_overlaps_are_found(self):
        image = svg.Image(100, 40, "title")
        image.text(10, 20, "one text")
        image.text(20, 24, "another")
        self.assertTrue(image.overlaps())

    def test_axes_have_round_numbers(self):
        self.assertEqual(svg.log_ticks(1, 10), [1, 2, 5, 10])
        self.assertLessEqual(len(svg.log_ticks(1e-3, 1e6)), 10)
        self.assertEqual([svg.short(x) for x in (0.5, 1000, 999.9, 2.5e6, 1e9)], ["0.5", "1 k", "1 k", "2.5 M", "1 G"])

    def test_labels_are_spread_out_in_their_order(self):
        places = svg.spread_out([10, 10, 11, 50], 14)
        self.assertEqual(places, sorted(places))
        self.assertTrue(all(b - a > 13.9 for a, b in zip(places, places[1:])))


class Numa(unittest.TestCase):
    NAMES = (
        "messages remote_messages remote_messages_far moves_near moves_remote moves_far blocks_sampled blocks_remote "
        "states_sampled states_remote shared "
        "shared_far frees_far"
    )

    def console(self, names):
        return (
            "booting\n"
            + "\n".join(f"numa-count aware grouped {name} {10 * (i + 1)}" for i, name in enumerate(names))
            + "\n1 passed, 0 failed\n"
        )

    def test_counts_of_the_console_become_a_table(self):
        counts = numa.table(self.console(self.NAMES.split()))
        self.assertEqual(
            counts["rows"],
            [["grouped", "aware", "10", "200.0 %", "300.0 %", "90", "50", "60", "114.3 %", "111.1 %", "110", "120", "130"]],
        )
        self.assertEqual(len(counts["rows"][0]), 2 + len(counts["columns"]))

    def test_a_count_that_is_missing_is_named(self):
        with self.assertRaisesRegex(ValueError, "frees_far"):
            numa.table(self.console(self.NAMES.split()[:-1]))
        with self.assertRaises(ValueError):
            numa.table("nothing")


class Table(unittest.TestCase):
    def test_the_published_table_is_the_drivers(self):
        with open(f"{peers.HERE}/WORKLOADS.md", encoding="utf-8") as file:
            text = file.read()
        for group in workloads.GROUP_TITLES:
            self.assertIn(
                workloads.markdown_table(group),
                text,
                f"Benchmarks/WORKLOADS.md: put there what `Benchmarks/bench table` prints ({group})",
            )

    def test_every_limit_that_bounds_a_workload_is_measured_somewhere(self):
        known = {name: 1.0 for name in limits.TITLES}
        for workload in workloads.ALL:
            for cores in (1, 2):
                bound = limits.bound(workload, cores, {(name, cores): value for name, value in known.items()})
                self.assertTrue(bound is None or bound[0] > 0, workload.name)
