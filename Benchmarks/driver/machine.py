"""What the benchmarks run on: facts for the report, the order in which CPUs are used, and how busy others kept them."""

import os
import platform
import re
import subprocess


def read(path, default=""):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return default


def said_by(*command):
    """The first line that a command prints, "" if it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return ""
    return (done.stdout or done.stderr).strip().split("\n")[0]


def parse_list(text):
    """The kernel's lists: "0-2,5" is 0, 1, 2, 5."""
    numbers = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        numbers.extend(range(int(first), int(last or first) + 1))
    return numbers


def node_of_cpus(root="/sys/devices/system/node"):
    nodes = {}
    if os.path.isdir(root):
        for name in os.listdir(root):
            if re.fullmatch(r"node\d+", name):
                for cpu in parse_list(read(f"{root}/{name}/cpulist")):
                    nodes[cpu] = int(name[4:])
    return nodes


def cpu_order(placement="compact", cpus=None, topology="/sys/devices/system/cpu", nodes=None):
    """The allowed CPUs in the order in which a run with more cores takes them.

    compact: one node after the other; spread: from the nodes by turns. Either way whole cores first, and second hardware threads
    only when every core has one.
    """
    cpus = sorted(os.sched_getaffinity(0)) if cpus is None else cpus
    nodes = node_of_cpus() if nodes is None else nodes
    seen, rank = {}, {}
    for cpu in cpus:
        place = f"{topology}/cpu{cpu}/topology"
        core = (read(f"{place}/physical_package_id", "0"), read(f"{place}/core_id", str(cpu)))
        rank[cpu] = seen[core] = seen.get(core, -1) + 1
    in_node = {}
    for cpu in sorted(cpus, key=lambda c: (rank[c], c)):
        in_node.setdefault((rank[cpu], nodes.get(cpu, 0)), []).append(cpu)
    if placement == "compact":
        return sorted(cpus, key=lambda c: (rank[c], nodes.get(c, 0), c))
    return sorted(cpus, key=lambda c: (rank[c], in_node[rank[c], nodes.get(c, 0)].index(c), nodes.get(c, 0)))


def nodes_used(order, nodes=None):
    """[nodes of the first CPU, of the first two, ...] of an order: which nodes a run on so many cores touches."""
    nodes = node_of_cpus() if nodes is None else nodes
    return [sorted({nodes.get(cpu, 0) for cpu in order[: count + 1]}) for count in range(len(order))]


def borders(order, nodes=None):
    """The numbers of cores after which an order comes to another node."""
    nodes = node_of_cpus() if nodes is None else nodes
    return [i for i in range(1, len(order)) if nodes.get(order[i], 0) != nodes.get(order[i - 1], 0)]


def facts():
    cpuinfo = read("/proc/cpuinfo")
    model = re.search(r"^model name\s*:\s*(.*)$", cpuinfo, re.M)
    memory = re.search(r"^MemTotal:\s+(\d+)", read("/proc/meminfo"), re.M)
    caches = []
    for index in range(4):
        place = f"/sys/devices/system/cpu/cpu0/cache/index{index}"
        if read(f"{place}/size") and read(f"{place}/type") != "Instruction":
            caches.append(f"L{read(place + '/level')} {read(place + '/size')}")
    governor = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    return {
        "cpu": model.group(1) if model else platform.machine(),
        "cpus": os.cpu_count(),
        "cpus_allowed": len(os.sched_getaffinity(0)),
        "nodes": max(1, len(set(node_of_cpus().values()))),
        "caches": ", ".join(caches),
        "memory_gib": round(int(memory.group(1)) / 1048576, 1) if memory else None,
        "virtual": bool(re.search(r"^flags.*\bhypervisor\b", cpuinfo, re.M)),
        "quota": read("/sys/fs/cgroup/cpu.max"),
        "governor": governor or "not shown",
        "kernel": f"{platform.system()} {platform.release()}",
        "huge_pages": read("/sys/kernel/mm/transparent_hugepage/enabled"),
        "compiler": said_by(os.environ.get("CC", "gcc"), "--version"),
    }


class Account:
    """Seconds of processor time from its making on: of the whole machine, of this program's children, and taken by the host."""

    def __init__(self):
        self.start = self._now()

    @staticmethod
    def _now():
        hertz = os.sysconf("SC_CLK_TCK")
        ticks = [int(x) for x in read("/proc/stat", "cpu 0 0 0 0 0 0 0 0").split("\n")[0].split()[1:9]]
        times = os.times()
        machine = (ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]) / hertz
        return {
            "wall": times.elapsed,
            "machine": machine,
            "stolen": ticks[7] / hertz,
            "own": times.user + times.system + times.children_user + times.children_system,
        }

    def shares(self):
        """Per cent of the machine that others used, and that its host took."""
        now = self._now()
        spent = {key: now[key] - self.start[key] for key in now}
        whole = max(1e-9, spent["wall"] * os.cpu_count())
        return {
            "others_percent": round(max(0.0, 100 * (spent["machine"] - spent["own"]) / whole), 1),
            "stolen_percent": round(100 * spent["stolen"] / whole, 1),
        }


def load():
    return read("/proc/loadavg").split()[:3]
