"""A run of the driver as a document: what it ran on, the comparison, scaling, latency, limits."""

import json
import math
import os

from . import charts, limits, peers, stats
from .compare import samples
from .document import Cell, Document
from .svg import short
from .workloads import BY_NAME, GROUP_TITLES

TWICE, AHEAD, LEVEL = 2.0, 1.1, 0.9


def pretty(x):
    """Three digits at least, thousands apart, millions and above in short."""
    if math.isinf(x):
        return "inf"
    if x >= 1e6:
        return short(x)
    if x >= 1000:
        return f"{x:,.0f}"
    return f"{x:.1f}" if x >= 10 else f"{x:.3f}"


def verdict(ratio, certain):
    word = "twice" if ratio >= TWICE else "ahead" if ratio >= AHEAD else "level" if ratio >= LEVEL else "behind"
    return word + ("" if certain else "?")


def tone(word):
    return "good" if word.startswith("twice") else "bad" if word.startswith("behind") else ""


def overlap(a, b):
    return len(a) > 1 and min(a) <= max(b) and min(b) <= max(a)


class Results:
    """What a run's data says, by workload, peer and cores."""

    def __init__(self, data):
        self.data = data
        self.peers = list(data["peers"])
        self.ours = next((p for p in self.peers if peers.is_ours(p)), None)
        self.values = samples(data)
        self.side_by_side = samples(data, "side_by_side")
        self.why = {(m["peer"], m["workload"], m["cores"]): m["why"] for m in data["missing"]}
        self.limits = {}
        for _, name, cores, value, _ in data["limits"]:
            self.limits.setdefault((name, cores), []).append(value)
        self.limits = {key: stats.median(values) for key, values in self.limits.items()}

    def of(self, peer, workload, cores):
        """The values, [] if there are none. One that failed later counts as none."""
        if self.why.get((peer, workload, cores)) == peers.FAILED:
            return []
        return self.values.get((peer, workload, cores), ("", []))[1]

    def best(self, workload, cores):
        """The peer that Apus is compared with, or None."""
        best = None
        for peer in filter(peers.is_raced, self.peers):
            values = self.of(peer, workload.name, cores)
            if values and (
                best is None
                or stats.times_better(
                    stats.median(values), stats.median(self.of(best, workload.name, cores)), workload.more_is_better
                )
                > 1
            ):
                best = peer
        return best

    def against_best(self, workload, cores, peer=None):
        """(ratio, best peer, certain) of Apus in C, or of another peer that is ours; None where there is nothing to compare."""
        best = self.best(workload, cores)
        ours = self.of(peer or self.ours, workload.name, cores) if self.ours else []
        if best is None or not ours:
            return None
        theirs = self.of(best, workload.name, cores)
        ratio = stats.times_better(stats.median(ours), stats.median(theirs), workload.more_is_better)
        return ratio, best, not overlap(ours, theirs)

    def speed_up(self, peer, workload):
        """{cores: times better than on one core}; {} without a value for one core."""
        one = self.of(peer, workload.name, 1)
        if not one or math.isinf(stats.median(one)):
            return {}
        found = {}
        for cores in self.data["cores"]:
            values = self.of(peer, workload.name, cores)
            if values and not math.isinf(stats.median(values)):
                found[cores] = stats.times_better(stats.median(values), stats.median(one), workload.more_is_better)
        return found

    def of_side_by_side(self, peer, workload, cores):
        """How the run on all these cores compares with as many runs at once on one core each; None if those were not measured."""
        values, ideal = self.of(peer, workload.name, cores), self.side_by_side.get((peer, workload.name, cores), ("", []))[1]
        if not values or not ideal:
            return None
        return stats.times_better(stats.median(values), stats.median(ideal), workload.more_is_better)


def conditions(document, data):
    machine = data["machine"]
    virtual = "a virtual machine" if machine["virtual"] else "no hypervisor"
    document.heading("Conditions")
    document.items(
        [
            f"machine: {machine['cpu']}, {machine['cpus']} CPUs ({machine['cpus_allowed']} allowed), {machine['nodes']} NUMA "
            f"node(s), "
            f"{machine['caches']}, {machine['memory_gib']} GiB, {virtual}, {machine['kernel']}, governor {machine['governor']}, "
            f"cpu.max {machine['quota'] or 'none'}, huge pages {machine['huge_pages']}",
            f"started {data['started']}, took {data['elapsed_s']:g} s; load {' '.join(data['load_before'])} before, "
            f"{' '.join(data['load_after'])} "
            f"after; other programs used {data['others_percent']:g} % of the machine meanwhile, its host took "
            f"{data['stolen_percent']:g} %",
            f"pinning: every peer by taskset to the first CPUs of {', '.join(map(str, data['cpu_order']))} ({data['placement']})",
            f"C compiler: {machine['compiler']}",
        ]
        + [f"{peer}: {version}" for peer, version in data["peers"].items()]
        + ([f"**left out, could not be built: {', '.join(data['left_out'])}**"] if data["left_out"] else [])
    )
    if data.get("cut_short"):
        document.paragraph(
            f"**The budget of time ended the first round after {data['cut_short']} runs: what is missing below was not reached.**"
        )
    if data["others_percent"] + data["stolen_percent"] >= 10:
        document.paragraph("**The machine was shared: gaps under 2x mean little here.**")


def measured_cell(results, peer, workload, cores):
    why = results.why.get((peer, workload.name, cores))
    values = results.of(peer, workload.name, cores)
    if not values:
        return Cell(why or "", tone="bad" if why == peers.FAILED else "")
    small = f"{pretty(min(values))} to {pretty(max(values))}" if len(values) > 1 else ""
    if peers.is_ours(peer) and peer != results.ours and results.best(workload, cores):
        small = f"{results.against_best(workload, cores, peer)[0]:.2f}x the best peer" + (f", {small}" if small else "")
    return Cell(pretty(stats.median(values)), small)


def comparison_table(document, results, cores, group):
    """One row for each workload of the group that has been measured on so many cores."""
    names = [
        n
        for n in results.data["workloads"]
        if BY_NAME[n].group == group and any(results.of(p, n, cores) or (p, n, cores) in results.why for p in results.peers)
    ]
    if not names:
        return
    others = [p for p in results.peers if p != results.ours]
    document.paragraph(f"**{GROUP_TITLES[group]}, {cores} core{'s' if cores > 1 else ''}**")
    compared = bool(results.ours) and any(map(peers.is_raced, others))
    head = (
        ["workload", "unit"]
        + ([results.ours] if results.ours else [])
        + (["best peer", "ratio", "verdict"] if compared else [])
        + ["of the limit"]
        + others
    )
    rows = []
    for name in names:
        workload = BY_NAME[name]
        row = [name, workload.unit + (", more" if workload.more_is_better else ", less")]
        if results.ours:
            row.append(measured_cell(results, results.ours, workload, cores))
        against = results.against_best(workload, cores)
        if not compared:
            pass
        elif against:
            word = verdict(against[0], against[2])
            row += [against[1], f"{against[0]:.2f}", Cell(word, tone=tone(word))]
        else:
            row += [results.best(workload, cores) or "none", "", "" if results.best(workload, cores) else "alone"]
        row.append(limit_cell(results, workload, cores))
        rows.append(row + [measured_cell(results, p, workload, cores) for p in others])
    document.table(
        head, rows, numbers=[i for i, title in enumerate(head) if title not in ("workload", "unit", "best peer", "verdict")]
    )


def limit_cell(results, workload, cores):
    """How much of the bound Apus reaches."""
    bound = limits.bound(workload, cores, results.limits)
    ours = results.of(results.ours, workload.name, cores) if results.ours else []
    if not bound or not ours:
        return ""
    share = stats.times_better(stats.median(ours), bound[0], workload.more_is_better)
    return f"{100 * share:.0f} %"


def ratio_figure(document, results, peer, cores):
    rows = []
    for name in results.data["workloads"]:
        against = results.against_best(BY_NAME[name], cores, peer)
        if against and not math.isinf(against[0]) and against[0] > 0:
            rows.append((name, *against))
    if rows:
        title = f"{peer} against the best peer, {cores} core{'s' if cores > 1 else ''}"
        document.figure(
            f"ratios-{peer}-{cores}",
            charts.ratio_bars(title, rows, results.peers),
            f"{title}: ahead in {sum(r[1] >= AHEAD for r in rows)} of {len(rows)}, at least twice as good in "
            f"{sum(r[1] >= TWICE for r in rows)}, behind in {sum(r[1] < LEVEL for r in rows)}.",
        )


def comparison(document, results):
    data = results.data
    document.heading("Comparison")
    document.paragraph(
        f"Medians of {data['rounds']} interleaved runs, least and most below them. **ratio** is how many times better the median "
        f"of "
        f"{results.ours} is than that of the best peer with a mailbox; swift-actors is shown, not raced. **verdict**: twice from "
        f"2 up, ahead "
        "from 1.1, level from 0.9, behind below; with a question mark where the two spreads overlap, so that another run may say "
        "otherwise. "
        "`-`: no form of the workload; FAIL: its own check failed, it crashed or took too long. **of the limit**: see Limits. "
        "What the workloads are, and what does not compare: Benchmarks/WORKLOADS.md and README.md."
    )
    for cores in data["cores"]:
        for peer in filter(peers.is_ours, results.peers):
            ratio_figure(document, results, peer, cores)
        for group in GROUP_TITLES:
            comparison_table(document, results, cores, group)


def efficiency(results, peer, workload, cores, speed_up):
    if speed_up is None:
        return ""
    ideal = results.of_side_by_side(peer, workload, cores)
    return f"{speed_up:.2f} ({100 * speed_up / cores:.0f} %" + (f"; {100 * ideal:.0f} %)" if ideal else ")")


def scaling(document, results):
    data = results.data
    cores = data["cores"]
    panels, rows = [], []
    for name in data["workloads"]:
        workload = BY_NAME[name]
        curves = {p: results.speed_up(p, workload) for p in results.peers}
        if workload.scales and any(len(curve) > 1 for curve in curves.values()):
            panels.append((name, curves))
            most = max(cores)
            rows.append([name] + [efficiency(results, p, workload, most, curves[p].get(most)) for p in results.peers])
    if not panels or max(cores) == 1:
        return
    document.heading("Scaling")
    document.paragraph(
        f"How many times better than the same peer on one core; in brackets the efficiency, the share of {max(cores)}x; and the share "
        f"of what {max(cores)} runs at once, on one core each, come to together: the ideal of this machine at that moment. "
        "A peer that is slow on one core scales easily: read this beside the comparison."
    )
    nodes = data.get("nodes_used", [])
    if nodes and len(nodes[-1]) > 1:
        document.paragraph(
            f"NUMA nodes used ({data['placement']}): "
            + "; ".join(f"{c} cores: {', '.join(map(str, nodes[c - 1]))}" for c in cores)
            + "."
        )
    document.figure(
        "scaling",
        charts.scaling("speed-up over one core", panels, results.peers, cores),
        "Speed-up over one core; dotted: the ideal. Values at the right are those of the most cores.",
    )
    document.table(["workload"] + results.peers, rows, numbers=range(1, 1 + len(results.peers)))


def curve_of(histograms):
    """[(share, microseconds)] of the summed histograms: from so many moments an answer took at most that long."""
    counts = {}
    for histogram in histograms:
        for upper, count in histogram:
            counts[upper] = counts.get(upper, 0) + count
    last = 1 - 0.5 / sum(counts.values())
    return [(0, 0)] + [(min(share, last), upper / 1000) for upper, share in stats.waits(counts.items())]


def latency(document, results):
    data = results.data
    cores = max(data["cores"])
    curves = {}
    for peer in results.peers:
        found = [
            h["counts"] for h in data["histograms"] if h["peer"] == peer and h["workload"] == "latency" and h["cores"] == cores
        ]
        if found:
            curves[peer] = curve_of(found)
    metrics = {}
    for row in data["results"]:
        if row["metric"] and row["cores"] == cores:
            metrics.setdefault((row["workload"], row["peer"]), {}).setdefault(row["metric"], []).append(row["value"])
    if not curves and not metrics:
        return
    document.heading("Latency")
    if curves:
        title = f"round trips under full load, {cores} core{'s' if cores > 1 else ''}"
        document.figure(
            "latency",
            charts.percentiles(title, curves, results.peers),
            f"{title}, all rounds together. The load is 64 pairs that keep all cores busy. Round trips follow each other "
            "without a break; shown is how long one waits who asks at any moment, so that a stall counts as long as it is.",
        )
        rows = []
        for peer in curves:
            found = metrics.get(("latency", peer), {})
            rows.append([peer] + [pretty(stats.median(found[m])) if m in found else "" for m in ("p50", "p99", "p999", "max")])
        document.table(["peer", "p50, µs", "p99, µs", "p99.9, µs", "longest, µs"], rows, numbers=(1, 2, 3, 4))
    echo = {peer: found for (workload, peer), found in metrics.items() if workload == "echo"}
    if echo:
        levels = [1, 10, 100, 1000]
        lines = {
            peer: [(n, stats.median(found[f"c{n}_p99"])) for n in levels if f"c{n}_p99" in found] for peer, found in echo.items()
        }
        document.figure(
            "echo",
            charts.lines_over(
                f"echo over TCP, {cores} core{'s' if cores > 1 else ''}",
                "connections, each with one message under way",
                "99th percentile of a round trip, µs (logarithmic)",
                lines,
                results.peers,
            ),
            "Connections against latency. The client is the same for every peer and shares its cores.",
        )
        document.table(
            ["peer"] + [f"{n} connections" for n in levels],
            [
                [peer]
                + [
                    (
                        Cell(
                            pretty(stats.median(found[f"c{n}"])) + "/s",
                            f"p50 {pretty(stats.median(found[f'c{n}_p50']))} µs, p99 "
                            f"{pretty(stats.median(found[f'c{n}_p99']))} µs",
                        )
                        if f"c{n}" in found
                        else ""
                    )
                    for n in levels
                ]
                for peer, found in echo.items()
            ],
            numbers=(1, 2, 3, 4),
        )


def limits_section(document, results):
    if not results.limits:
        return
    cores = sorted({c for _, c in results.limits})
    units = {name: unit for _, name, _, _, unit in results.data["limits"]}
    document.heading("Limits")
    document.paragraph(
        "What the hardware allows here, by small C programs in the same run (Benchmarks/Limits); medians of the rounds."
    )
    document.table(
        ["limit", "what"] + [f"{c} core{'s' if c > 1 else ''}" for c in cores] + ["unit"],
        [
            [name, limits.TITLES[name]]
            + [pretty(results.limits[name, c]) if (name, c) in results.limits else "" for c in cores]
            + [units[name]]
            for name in limits.TITLES
            if name in units
        ],
        numbers=range(2, 2 + len(cores)),
    )
    document.paragraph(
        "Which of them bounds a workload, and what Apus reaches of it. A bound is an argument, not a law: a runtime that can do "
        "without "
        "the priced step gets past 100 %."
    )
    rows = []
    for name in results.data["workloads"]:
        for c in cores:
            bound = limits.bound(BY_NAME[name], c, results.limits)
            cell = limit_cell(results, BY_NAME[name], c)
            if bound and cell:
                rows.append([name, str(c), f"{pretty(bound[0])} {BY_NAME[name].unit}", cell, bound[1]])
    if rows:
        document.table(["workload", "cores", "bound", "reached", "why"], rows, numbers=(1, 2, 3))


def numa(document, data):
    counts = data.get("numa")
    if not counts:
        return
    document.heading("Four NUMA nodes")
    document.paragraph(
        "Counts on an emulated machine of 4 nodes with 2 CPUs each (`make bench-numa`). Emulated time says nothing, so there is "
        "none here: "
        "how often something crossed a border is what a real machine would pay for. " + counts["note"]
    )
    document.table(["workload", "placement"] + counts["columns"], counts["rows"], numbers=range(2, 2 + len(counts["columns"])))


def ratios(data):
    """A small Markdown table: how many times better than the best peer, for each workload and number of cores."""
    results = Results(data)
    cores = data["cores"]
    lines = [
        "| workload | " + " | ".join(f"{c} core{'s' if c > 1 else ''} | best peer" for c in cores) + " |",
        "|---|" + "---:|---|" * len(cores),
    ]
    for name in data["workloads"]:
        found = [results.against_best(BY_NAME[name], c) for c in cores]
        if any(found):
            lines.append(
                f"| {name} | " + " | ".join(f"{f[0]:.2f}{'' if f[2] else '?'} | {f[1]}" if f else " | " for f in found) + " |"
            )
    return "\n".join(lines)


def build(data, title=None):
    """The whole report of a run."""
    results = Results(data)
    document = Document(title or f"Apus and its peers, {data['started'][:10]}")
    document.paragraph(
        f"Mode {data['mode']}: {len(data['workloads'])} workloads, {len(results.peers)} peers, {data['rounds']} interleaved rounds."
    )
    conditions(document, data)
    comparison(document, results)
    scaling(document, results)
    latency(document, results)
    limits_section(document, results)
    numa(document, data)
    return document


def comparison_of_builds(changes, title, about):
    """Before and after, as a document. `about`: sentences on the two."""
    document = Document(title)
    for text in about:
        document.paragraph(text)
    document.paragraph(
        "A row is better or worse if its ranks are too uneven for chance (Mann-Whitney, corrected for the number of rows by "
        "Benjamini and Hochberg, p at most 0.05) and its median has moved by more than 5 %; else it is noise. Four runs on each "
        "side are the "
        "least that can tell anything."
    )
    names = sorted({c.key[0] for c in changes})
    for cores in sorted({c.key[2] for c in changes}):
        rows = [
            (f"{c.key[1]}" + (f" ({c.key[0]})" if len(names) > 1 else ""), c.ratio, c.low, c.high, c.verdict)
            for c in changes
            if c.key[2] == cores and 0 < c.ratio < math.inf and 0 < c.low and c.high < math.inf
        ]
        if rows:
            text = f"after against before, {cores} core{'s' if cores > 1 else ''}"
            document.figure(f"change-{cores}", charts.change_bars(text, rows), text)
    document.table(
        ["workload", "peer", "cores", "unit", "before", "after", "times better", "95 % interval", "p", "verdict"],
        [
            [
                c.key[1],
                c.key[0],
                str(c.key[2]),
                c.unit,
                Cell(pretty(stats.median(c.before)), f"{len(c.before)} runs"),
                Cell(pretty(stats.median(c.after)), f"{len(c.after)} runs"),
                f"{c.ratio:.2f}",
                f"{c.low:.2f} to {c.high:.2f}",
                f"{c.p:.3f}",
                Cell(c.verdict, tone={"better": "good", "worse": "bad"}.get(c.verdict, "")),
            ]
            for c in changes
        ],
        numbers=(2, 4, 5, 6, 7, 8),
    )
    return document


def write(document, folder, name, data=None):
    """Writes NAME.html, NAME.md and the figures. Returns the paths of the two."""
    figure_folder = f"{name}-figures"
    os.makedirs(f"{folder}/{figure_folder}", exist_ok=True)
    for figure, image in document.figures():
        with open(f"{folder}/{figure_folder}/{figure}.svg", "w", encoding="utf-8") as file:
            file.write(str(image))
    html_path, markdown_path = f"{folder}/{name}.html", f"{folder}/{name}.md"
    with open(html_path, "w", encoding="utf-8") as file:
        file.write(document.to_html(json.dumps(data) if data else ""))
    with open(markdown_path, "w", encoding="utf-8") as file:
        file.write(document.to_markdown(figure_folder))
    return html_path, markdown_path
