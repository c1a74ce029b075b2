"""A small builder of SVG images that are legible on light and on dark paper, inline in a page and as files of their own."""

import html
import math

# A colour for light paper and one for dark; colours tell peers apart together with names, marks and dashes, never alone.
PEERS = {
    "apus-c": ("#c2410c", "#fb923c"),
    "apus-swift": ("#a16207", "#facc15"),
    "apus-swift-async": ("#92400e", "#fde68a"),
    "erlang": ("#a21caf", "#e879f9"),
    "go": ("#0e7490", "#22d3ee"),
    "caf": ("#57534e", "#d6d3d1"),
    "tokio": ("#1d4ed8", "#93c5fd"),
    "swift-actors": ("#15803d", "#4ade80"),
    "swift-mailbox": ("#4d7c0f", "#a3e635"),
    "swift-tell": ("#115e59", "#5eead4"),
}
OTHERS = [("#7c2d12", "#fdba74"), ("#334155", "#cbd5e1"), ("#831843", "#f9a8d4")]
DASHES = ["", "7 3", "2 3", "9 3 2 3", "5 5", "1 2", "12 3", "4 2 1 2"]

FONT = 13
LETTER = 0.58 * FONT  # what a letter of the font takes at most, on average; used to leave enough room


def name_class(peer):
    return "p-" + "".join(c if c.isalnum() else "-" for c in peer)


def colours(names):
    unknown = iter(OTHERS * 4)
    return {name: PEERS.get(name.partition("@")[0] if "@" not in name else name) or next(unknown) for name in names}


def style(names):
    light = [".ink{fill:#1b1f24}.soft{fill:#57606a}.line{stroke:#d0d7de}.axis{stroke:#57606a}.ideal{stroke:#57606a}"]
    dark = [".ink{fill:#e6edf3}.soft{fill:#9aa4af}.line{stroke:#3d444d}.axis{stroke:#9aa4af}.ideal{stroke:#9aa4af}"]
    for name, (on_light, on_dark) in colours(names).items():
        for sheet, colour in ((light, on_light), (dark, on_dark)):
            kind = name_class(name)
            sheet.append(f".{kind}{{stroke:{colour}}}.f{kind}{{fill:{colour}}}")
    return (
        f"text{{font:{FONT}px system-ui,sans-serif}}.small{{font-size:{FONT - 2}px}}.strong{{font-weight:600}}path,line{{fill:none}}"
        + "".join(light)
        + "@media(prefers-color-scheme:dark){"
        + "".join(dark)
        + "}"
    )


class Image:
    def __init__(self, width, height, title, names=()):
        self.width, self.height, self.title, self.names = width, height, title, list(names)
        self.parts = []
        self.boxes = []  # of the texts: left, top, right, bottom, text; what the tests look at

    def text(self, x, y, text, anchor="start", kind="ink", size=FONT):
        width = len(text) * 0.58 * size
        left = {"start": x, "middle": x - width / 2, "end": x - width}[anchor]
        self.boxes.append((left, y - 0.8 * size, left + width, y + 0.2 * size, text))
        self.parts.append(
            f"<text class='{kind}{' small' if size < FONT else ''}' x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}'>"
            f"{html.escape(text)}</text>"
        )

    def line(self, x1, y1, x2, y2, kind="line", width=1, dash=""):
        self.parts.append(
            f"<line class='{kind}' x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke-width='{width}'"
            f"{f' stroke-dasharray={chr(39)}{dash}{chr(39)}' if dash else ''}/>"
        )

    def rect(self, x, y, width, height, kind, title=""):
        self.parts.append(
            f"<rect class='{kind}' x='{x:.1f}' y='{y:.1f}' width='{max(0.5, width):.1f}' height='{height:.1f}' stroke='none'>"
            f"<title>{html.escape(title)}</title></rect>"
        )

    def path(self, points, kind, width=2, dash="", title=""):
        steps = "".join(f"{'L' if i else 'M'}{x:.1f} {y:.1f}" for i, (x, y) in enumerate(points))
        self.parts.append(
            f"<path class='{kind}' d='{steps}' stroke-width='{width}' stroke-linejoin='round'"
            f"{f' stroke-dasharray={chr(39)}{dash}{chr(39)}' if dash else ''}><title>{html.escape(title)}</title></path>"
        )

    def dot(self, x, y, kind, radius=3, title=""):
        self.parts.append(
            f"<circle class='{kind}' cx='{x:.1f}' cy='{y:.1f}' r='{radius}' "
            f"stroke='none'><title>{html.escape(title)}</title></circle>"
        )

    def __str__(self):
        return (
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {self.width:.0f} {self.height:.0f}' width='{self.width:.0f}' "
            f"height='{self.height:.0f}' role='img' aria-label='{html.escape(self.title, quote=True)}'>"
            f"<title>{html.escape(self.title)}</title><style>{style(self.names)}</style>" + "".join(self.parts) + "</svg>"
        )

    def overlaps(self):
        """Pairs of texts that lie on each other, and texts that leave the image: none in a good one."""
        bad = [
            (t,)
            for (left, top, right, bottom, t) in self.boxes
            if left < -1 or top < -1 or right > self.width + 1 or bottom > self.height + 1
        ]
        for i, a in enumerate(self.boxes):
            for b in self.boxes[i + 1 :]:
                if a[0] < b[2] - 1 and b[0] < a[2] - 1 and a[1] < b[3] - 1 and b[1] < a[3] - 1:
                    bad.append((a[4], b[4]))
        return bad


def spread_out(places, gap):
    """Moves places (sorted or not) apart until neighbours have `gap` between them, each by little. In the order given."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = [places[i] for i in order]
    for _ in range(50):
        for i in range(len(moved) - 1):
            lack = gap - (moved[i + 1] - moved[i])
            if lack > 0:
                moved[i] -= lack / 2
                moved[i + 1] += lack / 2
    result = [0.0] * len(places)
    for place, i in zip(moved, order):
        result[i] = place
    return result


def log_ticks(low, high, steps=(1, 2, 5), most=8):
    """Round numbers from low to high for a logarithmic axis."""
    ticks = []
    for exponent in range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1):
        ticks += [s * 10.0**exponent for s in steps if low * 0.999 <= s * 10.0**exponent <= high * 1.001]
    if len(ticks) > most and len(steps) > 1:
        return log_ticks(low, high, steps[:-2] or (1,), most)
    return ticks


def short(x):
    """A number in few letters: 1.2 k, 3.4 M."""
    if math.isinf(x):
        return "inf"
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(x) >= limit * 0.9995:
            return f"{x / limit:.3g} {letter}"
    return f"{x:.3g}"
