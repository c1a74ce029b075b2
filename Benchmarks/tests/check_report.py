"""Checks of a written report, for the tests and for the smoke run: `check_report.py REPORT.html REPORT.md`."""

import html.parser
import os
import re
import sys
import xml.etree.ElementTree

VOID = {"meta", "br", "img", "link"}


class Balance(html.parser.HTMLParser):
    """Complains when tags do not nest, or when something would be loaded from elsewhere."""

    def __init__(self):
        super().__init__()
        self.open, self.complaints, self.tables, self.images, self.rows = [], [], 0, 0, []

    def handle_starttag(self, tag, attributes):
        self.tables += tag == "table"
        self.images += tag == "svg"
        if tag == "tr":
            self.rows.append(0)
        if tag in ("td", "th") and self.rows:
            self.rows[-1] += 1
        for name, value in attributes:
            if name in ("src", "href") and re.match(r"(https?:)?//", value or ""):
                self.complaints.append(f"<{tag}> refers to {value}")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.complaints.append(f"</{tag}> closes nothing that is open")


def complaints(html_path, markdown_path):
    found = []
    with open(html_path, encoding="utf-8") as file:
        page = file.read()
    balance = Balance()
    balance.feed(page)
    found += balance.complaints
    if balance.open:
        found.append(f"never closed: {balance.open}")
    if not balance.tables:
        found.append("no table")
    with open(markdown_path, encoding="utf-8") as file:
        text = file.read()
    for name in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text):
        path = os.path.join(os.path.dirname(markdown_path), name)
        try:
            xml.etree.ElementTree.parse(path)
        except (OSError, xml.etree.ElementTree.ParseError) as error:
            found.append(f"{name}: {error}")
    widths = {}
    for line in text.split("\n"):
        if line.startswith("|"):
            widths.setdefault("table", set()).add(len(re.findall(r"(?<!\\)\|", line)))
        elif "table" in widths:
            if len(widths.pop("table")) > 1:
                found.append(f"a table of uneven rows before: {line[:60]}")
    for word in ("nan", "None", "inf "):
        if re.search(rf"[>| ]{word}[<|x ]", text):
            found.append(f"{word!r} in the text")
    return found


def main():
    found = complaints(sys.argv[1], sys.argv[2])
    print("\n".join(found) or "report: well formed")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
