"""The counts of numa/counts.c on the machine of four nodes, as a table for the report."""

import re

LINE = re.compile(r"^numa-count (\w+) (\w+) (\w+) (\d+)$", re.M)
COLUMNS = [
    "messages",
    "from another node",
    "from a far one",
    "moves to another CPU",
    "to another node",
    "to a far one",
    "message remote",
    "state remote",
    "given away on the node",
    "given to another node",
    "blocks sent home",
]


def share(part, whole):
    return f"{100 * part / whole:.1f} %" if whole else "-"


def table(text):
    """The table of a console log. ValueError if there is nothing in it, or a number is missing."""
    found = {}
    for placement, workload, name, value in LINE.findall(text):
        found.setdefault((workload, placement), {})[name] = int(value)
    if not found:
        raise ValueError("no counts in it")
    rows = []
    for (workload, placement), n in found.items():
        try:
            rows.append(
                [
                    workload,
                    placement,
                    str(n["messages"]),
                    share(n["remote_messages"], n["messages"]),
                    share(n["remote_messages_far"], n["messages"]),
                    str(n["moves_near"] + n["moves_remote"]),
                    str(n["moves_remote"]),
                    str(n["moves_far"]),
                    share(n["blocks_remote"], n["blocks_sampled"]),
                    share(n["states_remote"], n["states_sampled"]),
                    str(n["shared"]),
                    str(n["shared_far"]),
                    str(n["frees_far"]),
                ]
            )
        except KeyError as missing:
            raise ValueError(f"{workload} {placement}: no count of {missing}") from None
    return {
        "note": "aware: the runtime reads the topology; unaware: it is shown one node with all CPUs. Groups of 8 send tokens among themselves; grouped: each is "
        "spawned near its first member; ungrouped: where the default puts them; single: one token for each of 64 groups. Remote "
        "is what the kernel "
        "says, of one message in 16; the last three columns are the runtime's own books, which know of no other node when it is "
        "unaware.",
        "columns": COLUMNS,
        "rows": rows,
    }
