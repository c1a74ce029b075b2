"""The plots of a report, each a function from plain values to an svg.Image."""

import math

from .svg import DASHES, FONT, LETTER, Image, log_ticks, name_class, short, spread_out

ROW = 22


def ratio_bars(title, rows, peers):
    """How many times better Apus is than the best peer: a bar from 1 to the left or right of it.

    rows: (label, ratio, best peer, certain). Logarithmic; the bar has the colour of that peer; a question mark where the
    spreads overlap.
    """
    left = max([len(r[0]) for r in rows] + [8]) * LETTER + 16
    width, right = 900, 190
    finite = [r[1] for r in rows if r[1] > 0 and not math.isinf(r[1])]
    low, high = min([0.5] + finite) / 1.15, max([4.0] + finite) * 1.15
    height = 66 + ROW * len(rows) + 30
    image = Image(width, height, title, peers)

    def x_of(ratio):
        return left + (math.log(min(max(ratio, low), high)) - math.log(low)) / (math.log(high) - math.log(low)) * (
            width - left - right
        )

    bottom = 48 + ROW * len(rows)
    image.text(left, 18, title, kind="ink strong")
    last = -100
    for tick in sorted(set(log_ticks(low, high) + [1.0, 2.0])):
        x = x_of(tick)
        image.line(x, 40, x, bottom, "axis" if tick == 1 else "line", 1.5 if tick == 1 else 1, "4 3" if tick == 2 else "")
        if x - last > 44 or tick == 1:
            image.text(x, bottom + 16, f"{tick:g}x", "middle", "soft", FONT - 2)
            last = x
    image.text(
        (left + width - right) / 2,
        bottom + 34,
        "times better than the best peer (logarithmic; right of 1x: ahead)",
        "middle",
        "soft",
        FONT - 2,
    )
    for i, (label, ratio, best, certain) in enumerate(rows):
        y = 44 + ROW * i
        a, b = sorted((x_of(1), x_of(ratio)))
        image.text(left - 8, y + 14, label, "end")
        image.rect(a, y + 3, b - a, ROW - 8, "f" + name_class(best), f"{label}: {ratio:.2f} times {best}")
        end = x_of(ratio) if ratio >= 1 else x_of(1)
        image.text(end + 6, y + 14, f"{ratio:.2f}{'' if certain else '?'} {best}", "start", "soft", FONT - 2)
    return image


def _panel(image, x, y, width, height, title, x_title):
    if title:
        image.text(x, y - 10, title, kind="ink strong")
    image.line(x, y, x, y + height, "axis")
    image.line(x, y + height, x + width, y + height, "axis")
    image.text(x + width / 2, y + height + 34, x_title, "middle", "soft", FONT - 2)


def scaling(title, panels, peers, cores):
    """Speed-up over one core against cores, a small panel for each workload, with the ideal as a dotted line.

    panels: (workload, {peer: {cores: speed-up}}).
    """
    columns, panel_width, panel_height, left, gap = 3, 190, 150, 46, 150
    lines = math.ceil(len(panels) / columns)
    image = Image(columns * (left + panel_width + gap), 44 + lines * (panel_height + 84), title, peers)
    image.text(8, 18, title, kind="ink strong")
    most_cores = max(cores)
    for i, (workload, curves) in enumerate(panels):
        x = i % columns * (left + panel_width + gap) + left
        y = 62 + i // columns * (panel_height + 84)
        most = max([most_cores] + [v for curve in curves.values() for v in curve.values()]) * 1.05
        _panel(image, x, y, panel_width, panel_height, workload, "cores")

        def place(c, v):
            share = (c - 1) / (most_cores - 1) if most_cores > 1 else 0.5
            return x + share * panel_width, y + panel_height - v / most * panel_height

        for c in cores:
            px, _ = place(c, 0)
            image.text(px, y + panel_height + 16, str(c), "middle", "soft", FONT - 2)
        step = max(1, math.ceil(most / 5)) if most < 20 else math.ceil(most / 25) * 5
        for v in range(0, int(most) + 1, step):
            _, py = place(1, v)
            image.line(x, py, x + panel_width, py, "line")
            image.text(x - 6, py + 4, f"{v}x", "end", "soft", FONT - 2)
        image.path([place(c, c) for c in cores], "ideal", 1.2, "2 4", "ideal")
        names = [p for p in peers if curves.get(p)]
        ends = [place(max(curves[p]), curves[p][max(curves[p])]) for p in names]
        labels = spread_out([py for _, py in ends], FONT + 1)
        for n, p in enumerate(names):
            points = [place(c, v) for c, v in sorted(curves[p].items())]
            image.path(points, name_class(p), 2.6 if p.startswith("apus") else 1.6, DASHES[peers.index(p) % len(DASHES)], p)
            for px, py in points:
                image.dot(px, py, "f" + name_class(p), 2.6, p)
            value = curves[p][max(curves[p])]
            image.text(x + panel_width + 8, labels[n] + 4, f"{p} {value:.2f}", "start", "f" + name_class(p), FONT - 2)
    return image


def percentiles(title, curves, peers, unit="µs"):
    """Latency against the share of round trips that took longer, both logarithmic: HdrHistogram's picture. curves: {peer: [(share,
    value)]}."""
    width, height, x, y, right = 900, 380, 84, 52, 150
    plot_width, plot_height = width - x - right, height - y - 62
    values = [max(v, 1e-3) for curve in curves.values() for _, v in curve]
    low, high = min(values) / 1.3, max(values) * 1.3
    nines = 5
    image = Image(width, height, title, peers)
    image.text(x, 20, title, kind="ink strong")
    _panel(image, x, y, plot_width, plot_height, "", "percentile (logarithmic towards 100)")
    image.text(8, 38, f"round trip, {unit} (logarithmic)", kind="soft", size=FONT - 2)

    def place(share, value):
        above = -math.log10(max(1 - share, 10**-nines))
        return (
            x + above / nines * plot_width,
            y + plot_height - (math.log(max(value, low)) - math.log(low)) / (math.log(high) - math.log(low)) * plot_height,
        )

    for share, label in ((0, "0"), (0.9, "90"), (0.99, "99"), (0.999, "99.9"), (0.9999, "99.99"), (0.99999, "99.999")):
        px, _ = place(share, low)
        image.line(px, y, px, y + plot_height, "line")
        image.text(px, y + plot_height + 16, label, "middle", "soft", FONT - 2)
    for tick in log_ticks(low, high):
        _, py = place(0, tick)
        image.line(x, py, x + plot_width, py, "line")
        image.text(x - 6, py + 4, short(tick), "end", "soft", FONT - 2)
    names = [p for p in peers if curves.get(p)]
    ends = [place(*curves[p][-1]) for p in names]
    labels = spread_out([py for _, py in ends], FONT + 2)
    for n, p in enumerate(names):
        image.path(
            [place(s, v) for s, v in curves[p]],
            name_class(p),
            2.6 if p.startswith("apus") else 1.6,
            DASHES[peers.index(p) % len(DASHES)],
            p,
        )
        image.text(ends[n][0] + 8, labels[n] + 4, p, "start", "f" + name_class(p))
    return image


def lines_over(title, x_title, y_title, curves, peers):
    """Values over a few named points, logarithmic in both: connections against latency. curves: {peer: [(x, y)]}."""
    width, height, x, y, right = 900, 340, 84, 56, 150
    plot_width, plot_height = width - x - right, height - y - 62
    xs = sorted({px for curve in curves.values() for px, _ in curve})
    values = [py for curve in curves.values() for _, py in curve]
    low, high = min(values) / 1.3, max(values) * 1.3
    image = Image(width, height, title, peers)
    image.text(x, 20, title, kind="ink strong")
    image.text(8, 40, y_title, kind="soft", size=FONT - 2)
    _panel(image, x, y, plot_width, plot_height, "", x_title)

    def place(px, py):
        share = math.log(px / xs[0]) / math.log(xs[-1] / xs[0]) if xs[-1] > xs[0] else 0.5
        return x + share * plot_width, y + plot_height - math.log(py / low) / math.log(high / low) * plot_height

    for px in xs:
        image.text(place(px, low)[0], y + plot_height + 16, f"{px:g}", "middle", "soft", FONT - 2)
    for tick in log_ticks(low, high):
        py = place(xs[0], tick)[1]
        image.line(x, py, x + plot_width, py, "line")
        image.text(x - 6, py + 4, short(tick), "end", "soft", FONT - 2)
    names = [p for p in peers if curves.get(p)]
    labels = spread_out([place(*curves[p][-1])[1] for p in names], FONT + 2)
    for n, p in enumerate(names):
        points = [place(*point) for point in curves[p]]
        image.path(points, name_class(p), 2.6 if p.startswith("apus") else 1.6, DASHES[peers.index(p) % len(DASHES)], p)
        for point in points:
            image.dot(*point, "f" + name_class(p), 3, p)
        image.text(x + plot_width + 8, labels[n] + 4, p, "start", "f" + name_class(p))
    return image


def change_bars(title, rows):
    """How the medians of two builds differ, with the bootstrap interval. rows: (label, ratio, low, high, verdict)."""
    left = max([len(r[0]) for r in rows] + [8]) * LETTER + 16
    width, right = 900, 130
    values = [v for r in rows for v in r[1:4] if v > 0 and not math.isinf(v)]
    low, high = min([0.8] + values) / 1.05, max([1.25] + values) * 1.05
    image = Image(width, 66 + ROW * len(rows) + 30, title, ["apus-c", "caf"])
    bottom = 48 + ROW * len(rows)

    def x_of(ratio):
        return left + (math.log(min(max(ratio, low), high)) - math.log(low)) / (math.log(high) - math.log(low)) * (
            width - left - right
        )

    image.text(left, 18, title, kind="ink strong")
    last = -100
    for tick in sorted(set(log_ticks(low, high) + [1.0])):
        x = x_of(tick)
        image.line(x, 40, x, bottom, "axis" if tick == 1 else "line")
        if x - last > 44 or tick == 1:
            image.text(x, bottom + 16, f"{tick:g}x", "middle", "soft", FONT - 2)
            last = x
    image.text(
        (left + width - right) / 2,
        bottom + 34,
        "times better than before (logarithmic), with the 95 % interval",
        "middle",
        "soft",
        FONT - 2,
    )
    for i, (label, ratio, least, most, verdict) in enumerate(rows):
        y = 44 + ROW * i + 10
        kind = name_class("apus-c" if verdict in ("better", "worse") else "caf")
        image.text(left - 8, y + 4, label, "end")
        image.line(x_of(least), y, x_of(most), y, kind, 3)
        image.dot(x_of(ratio), y, "f" + kind, 4.5, f"{label}: {ratio:.2f}")
        image.text(width - right + 10, y + 4, f"{ratio:.2f} {verdict}", "start", "soft", FONT - 2)
    return image
