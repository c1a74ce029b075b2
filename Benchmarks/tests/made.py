"""Results that nobody has measured, in the shape of a run's data, for the tests."""

import random

from driver import workloads


def data(peers=("apus-c", "erlang", "go", "tokio"), cores=(1, 2), rounds=3, names=None):
    chance = random.Random(7)
    names = names or [w.name for w in workloads.ALL]
    results, histograms = [], []
    for number in range(1, rounds + 1):
        for count in cores:
            for name in names:
                workload = workloads.BY_NAME[name]
                for place, peer in enumerate(peers):
                    base = 1e6 * count if workload.more_is_better else 100 / count
                    value = base * (1 + place if not workload.more_is_better else 1 / (1 + place)) * chance.uniform(0.95, 1.05)
                    row = {
                        "round": number,
                        "peer": peer,
                        "workload": name,
                        "metric": "",
                        "cores": count,
                        "scale": 1.0,
                        "value": value,
                        "unit": workload.unit,
                        "wall_s": 0.1,
                        "load": "0.1",
                    }
                    results.append(row)
                    if name == "latency":
                        results += [
                            dict(row, metric=m, value=value * f, unit="us")
                            for m, f in (("p50", 1), ("p99", 5), ("p999", 9), ("max", 50))
                        ]
                        histograms.append(
                            {
                                "round": number,
                                "peer": peer,
                                "workload": name,
                                "cores": count,
                                "counts": [[100 * (place + 1), 900], [1000 * (place + 1), 99], [50000 * (place + 1), 1]],
                            }
                        )
                    if name == "echo":
                        for level in (1, 10, 100, 1000):
                            results += [
                                dict(row, metric=f"c{level}{m}", value=value * level, unit="us") for m in ("", "_p50", "_p99")
                            ]
    limits = [[1, "allocation", c, 20.0, "ns"] for c in cores] + [
        [1, "line", 2, 80.0, "ns"],
        [1, "exchange_shared", 2, 3e7, "exchanges/s"],
    ]
    machine = {
        "cpu": "a <processor> & more",
        "cpus": 2,
        "cpus_allowed": 2,
        "nodes": 1,
        "caches": "L1 32K",
        "memory_gib": 8.0,
        "virtual": True,
        "quota": "max 100000",
        "governor": "not shown",
        "kernel": "Linux 6",
        "huge_pages": "madvise",
        "compiler": "gcc 12",
    }
    return {
        "format": "apus-bench 1",
        "mode": "quick",
        "started": "2026-01-01T00:00:00",
        "placement": "compact",
        "cpu_order": [0, 1],
        "cores": list(cores),
        "workloads": names,
        "scales": {},
        "machine": machine,
        "peers": {p: f"{p} 1.0" for p in peers},
        "left_out": [],
        "results": results,
        "missing": [{"peer": "go", "workload": "storm", "cores": 1, "why": "-"}],
        "histograms": histograms,
        "limits": limits,
        "rounds": rounds,
        "elapsed_s": 12.5,
        "load_before": ["0", "0", "0"],
        "load_after": ["1", "1", "1"],
        "others_percent": 2.0,
        "stolen_percent": 0.1,
    }
