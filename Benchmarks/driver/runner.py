"""Rounds and turns: runs everything, and keeps every result as soon as it is there.

Rounds go outermost and peers innermost, so all peers share a moment's noise; each later round begins with the next peer; and a
round more or less changes only how often something was measured. Every peer gets the same scale.
"""

import concurrent.futures
import csv
import datetime
import json
import math
import os
import sys
import time
from dataclasses import dataclass, field

from . import limits, machine, peers, stats
from .workloads import BY_NAME


@dataclass
class Plan:
    mode: str  # quick, full, smoke, scaling
    peers: list
    workloads: list  # names
    cores: list
    rounds: int
    budget_s: float
    limit_s: float
    placement: str = "compact"
    scale: float = 1.0  # times each workload's own
    build_root: str = "build/bench"
    with_limits: bool = True
    alone_on_most: bool = False  # workloads marked `alone`, and all but the first set, run on the most cores only
    stamp: str = field(default_factory=lambda: datetime.datetime.now().strftime("%Y%m%d-%H%M%S"))

    def scale_of(self, name):
        workload = BY_NAME[name]
        own = {"quick": workload.quick, "full": workload.full, "smoke": workload.smoke, "scaling": workload.scaling_scale}[self.mode]
        return float(os.environ.get(f"SCALE_{name}", own)) * self.scale

    def runs_on(self, name, cores):
        workload = BY_NAME[name]
        return not self.alone_on_most or cores == max(self.cores) or (workload.group == "core" and not workload.alone)


RAW_COLUMNS = ["round", "peer", "workload", "metric", "cores", "scale", "value", "unit", "wall_s", "load"]


class Run:
    """One run of the driver. `data` is what the report is made of, and what is written as JSON at the end."""

    def __init__(self, plan, say=lambda text: print(text, file=sys.stderr, flush=True)):
        self.plan = plan
        self.say = say
        self.failed = 0
        self.done = 0
        self.budget_s = plan.budget_s
        self.no_more = {}  # (peer, workload, cores): why it is not run again
        os.makedirs(plan.build_root, exist_ok=True)
        self.log = open(self.path("log", "txt"), "w", encoding="utf-8")
        self.raw = open(self.path("raw", "csv"), "w", encoding="utf-8", newline="")
        self.csv = csv.writer(self.raw)
        self.csv.writerow(RAW_COLUMNS)
        self.cpus = machine.cpu_order(plan.placement)
        self.data = {
            "format": "apus-bench 1",
            "mode": plan.mode,
            "started": datetime.datetime.now().isoformat(timespec="seconds"),
            "placement": plan.placement,
            "cpu_order": self.cpus,
            "nodes_used": machine.nodes_used(self.cpus),
            "cores": plan.cores,
            "workloads": plan.workloads,
            "scales": {name: plan.scale_of(name) for name in plan.workloads},
            "machine": machine.facts(),
            "peers": {},
            "left_out": [],
            "results": [],
            "missing": [],
            "histograms": [],
            "limits": [],
        }

    def path(self, kind, ending):
        return f"{self.plan.build_root}/{kind}-{self.plan.stamp}.{ending}"

    # Building.

    def build(self):
        """Builds the peers and the limits. False if Apus in C cannot be built, or nothing can: nobody asked for such a comparison.
        The
        Swift form needs a toolchain that Debian does not have, so it may be left out like a rival."""
        versions, begin = {}, time.monotonic()
        for peer in self.plan.peers:
            folder = peers.build_folder(peer, self.plan.build_root)
            if folder not in versions:
                self.say(f"bench: building {os.path.basename(folder)}")
                versions[folder] = peers.build(peer, self.plan.build_root, self.log)
            if versions[folder] is None:
                self.data["left_out"].append(peer)
                if peers.split(peer)[1] == "apus-c":
                    return False
            else:
                self.data["peers"][peer] = versions[folder]
        if not limits.build(self.plan.build_root, self.log):
            self.say("bench: Benchmarks/Limits does not build")
            return False
        if self.data["left_out"]:
            self.say(
                f"bench: left out, could not be built: {', '.join(self.data['left_out'])} (Benchmarks/setup.sh installs what peers "
                f"need; {self.path('log', 'txt')} says why)"
            )
        # Building counts, so that the whole keeps its promise of time; but half of the budget stays for measuring.
        self.budget_s = max(self.plan.budget_s / 2, self.plan.budget_s - (time.monotonic() - begin))
        return bool(self.data["peers"])

    # Running.

    def turns(self, round_number):
        """(cores, workload, peer) in the order of one round."""
        names = list(self.data["peers"])
        for cores in self.plan.cores:
            for workload in self.plan.workloads:
                if self.plan.runs_on(workload, cores):
                    for i in range(len(names)):
                        yield cores, workload, names[(i + round_number - 1) % len(names)]

    def run(self):
        """All rounds that the budget allows; of the first, all that fits it. Returns whether every run passed its own check."""
        account = machine.Account()
        load_before, begin = machine.load(), time.monotonic()
        total = self.plan.rounds * len(list(self.turns(1)))
        rounds = 0
        for number in range(1, self.plan.rounds + 1):
            round_begin = time.monotonic()
            if not self.one_round(number, total, begin):
                self.data["cut_short"] = self.done
                self.say(f"bench: the budget of {self.budget_s:.0f} s ends the first round after {self.done} runs")
                rounds = number
                break
            rounds = number
            now = time.monotonic()
            if number < self.plan.rounds and now - begin + (now - round_begin) > self.budget_s:
                self.say(f"bench: the budget of {self.budget_s:.0f} s ends it after {number} of {self.plan.rounds} rounds")
                break
        self.data.update(
            rounds=rounds,
            elapsed_s=round(time.monotonic() - begin, 1),
            load_before=load_before,
            load_after=machine.load(),
            **account.shares(),
        )
        self.data["missing"] = [{"peer": p, "workload": w, "cores": c, "why": why} for (p, w, c), why in self.no_more.items()]
        self.log.close()
        self.raw.close()
        with open(self.path("run", "json"), "w", encoding="utf-8") as file:
            json.dump(self.data, file, indent=1)
        return self.failed == 0

    def one_round(self, number, total, begin):
        """False if it was cut short by the budget, as only the first can be: later ones are not begun unless they fit."""
        if self.plan.with_limits:
            for cores in self.plan.cores:
                self.say(f"bench: [round {number}, {time.monotonic() - begin:.0f} s] limits of the hardware on {cores}")
                share = 0.01 if self.plan.mode == "smoke" else 1
                self.data["limits"] += [
                    [number] + row for row in limits.measure(self.plan.build_root, cores, self.cpus[:cores], share, self.log)
                ]
        for cores, workload, peer in self.turns(number):
            if number == 1 and time.monotonic() - begin > self.budget_s:
                return False
            self.done += 1
            if (peer, workload, cores) not in self.no_more:
                self.one_run(number, cores, workload, peer, f"[{self.done}/{total}, {time.monotonic() - begin:.0f} s]")
        return True

    def once(self, peer, workload, scale, cpus):
        return peers.run(
            peer,
            self.plan.build_root,
            workload,
            len(cpus),
            scale,
            cpus,
            self.plan.limit_s,
            {"BENCH_ECHO_CLIENT": os.path.abspath(f"{self.plan.build_root}/limits/echo_client")},
        )

    def side_by_side(self, outcome, peer, workload, scale, cpus):
        """What a run would come to whose cores did not have to share anything: as many runs at once, on one core each. The cores of
        a machine are seldom equally fast, and seldom as fast together as alone. Added to the outcome as a metric."""
        with concurrent.futures.ThreadPoolExecutor(len(cpus)) as pool:
            values = [run.value for run in pool.map(lambda cpu: self.once(peer, workload, scale, [cpu]), cpus)]
        if all(value and not math.isinf(value) for value in values):
            together = stats.together(values, BY_NAME[workload].more_is_better)
            outcome.metrics.append(["side_by_side", together, outcome.unit])

    def one_run(self, number, cores, workload, peer, place):
        scale = self.plan.scale_of(workload)
        load = machine.load()[0]
        self.log.write(f"# round {number}: {peer} {workload} cores {cores} scale {scale:g}\n")
        outcome = self.once(peer, workload, scale, self.cpus[:cores])
        self.log.write(outcome.text)
        self.log.flush()
        if outcome.value is not None and outcome.unit != BY_NAME[workload].unit:
            outcome.complaint = f"the unit is {BY_NAME[workload].unit}, not {outcome.unit}"
        if outcome.status == 3:
            self.no_more[peer, workload, cores] = peers.NO_FORM
            return
        if outcome.complaint:
            self.no_more[peer, workload, cores] = peers.FAILED
            self.failed += 1
            self.log.write(f"# failed: {outcome.complaint}\n")
            self.say(f"bench: {place} {peer} {workload} on {cores} FAILED: {outcome.complaint}")
            return
        if self.plan.mode == "scaling" and cores > 1:
            self.side_by_side(outcome, peer, workload, scale, self.cpus[:cores])
        self.say(f"bench: {place} {peer},{workload},{cores},{outcome.value:.10g},{outcome.unit}")
        for metric, value, unit in [["", outcome.value, outcome.unit]] + outcome.metrics:
            row = [number, peer, workload, metric, cores, scale, value, unit, outcome.wall_s, load]
            self.csv.writerow(row)
            self.data["results"].append(dict(zip(RAW_COLUMNS, row)))
        self.raw.flush()
        if outcome.histogram:
            self.data["histograms"].append(
                {"round": number, "peer": peer, "workload": workload, "cores": cores, "counts": outcome.histogram}
            )
