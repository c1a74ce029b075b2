"""A document of headings, paragraphs, tables and figures, written as one HTML page and as Markdown with SVG files beside it.

Text may have **strong**, `code` and [links](to) in it, as in Markdown.
"""

import html
import re

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --paper: #ffffff; --band: #f6f8fa; --good:
  #116329; --bad: #a40e26; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9aa4af; --line: #3d444d; --paper: #0d1117; --band: #161b22;
  --good: #56d364; --bad: #ff7b72; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1180px; margin: 0 auto; 
  padding: 24px; }
h1 { line-height: 1.2; } h2 { margin-top: 2em; border-bottom: 1px solid var(--line); padding-bottom: .2em; }
a { color: inherit; } code { background: var(--band); padding: 0 .25em; border-radius: 3px; }
.table { overflow-x: auto; margin: 1em 0; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 10px; text-align: left; border-bottom: 1px solid var(--line); white-space: nowrap; vertical-align: top; }
td.wide { white-space: normal; min-width: 18em; }
th { background: var(--band); } .number { text-align: right; } td small { color: var(--soft); display: block; }
tbody tr:hover { background: var(--band); }
.good { color: var(--good); font-weight: 600; } .bad { color: var(--bad); font-weight: 600; }
figure { margin: 1.5em 0; overflow-x: auto; }
figcaption { color: var(--soft); font-size: 14px; } svg { max-width: 100%; height: auto; }
"""


class Cell:
    """A cell of a table: text, a second line in small print, and a tone: "good", "bad" or ""."""

    def __init__(self, text, small="", tone=""):
        self.text, self.small, self.tone = str(text), small, tone


class Document:
    def __init__(self, title):
        self.title = title
        self.blocks = []

    def heading(self, text):
        self.blocks.append(("heading", text))

    def paragraph(self, text):
        self.blocks.append(("paragraph", text))

    def items(self, texts):
        self.blocks.append(("items", list(texts)))

    def table(self, head, rows, numbers=()):
        """numbers: the columns, from 0, that are set to the right."""
        self.blocks.append(("table", head, [[c if isinstance(c, Cell) else Cell(c) for c in row] for row in rows], set(numbers)))

    def figure(self, name, svg, caption):
        """svg: the whole image as text; name: of its file."""
        self.blocks.append(("figure", name, svg, caption))

    # HTML.

    def to_html(self, data_json=""):
        parts = [
            f"<!DOCTYPE html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n<meta name='viewport' "
            f"content='width=device-width'>\n"
            f"<title>{html.escape(self.title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{html.escape(self.title)}</h1>"
        ]
        for block in self.blocks:
            parts.append(getattr(self, "_html_" + block[0])(*block[1:]))
        if data_json:
            parts.append(f"<script type='application/json' id='data'>{data_json.replace('</', '<' + chr(92) + '/')}</script>")
        return "\n".join(parts) + "\n</body>\n</html>\n"

    @staticmethod
    def _inline(text):
        text = html.escape(text, quote=False)
        text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
        text = re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", text)
        return re.sub(r"\[([^\]]+)\]\(([^)]+)\)", r"<a href='\2'>\1</a>", text)

    def _html_heading(self, text):
        return f"<h2>{self._inline(text)}</h2>"

    def _html_paragraph(self, text):
        return f"<p>{self._inline(text)}</p>"

    def _html_items(self, texts):
        return "<ul>" + "".join(f"<li>{self._inline(text)}</li>" for text in texts) + "</ul>"

    def _html_table(self, head, rows, numbers):
        def cell(tag, column, text, small="", tone=""):
            classes = [c for c in ("number" if column in numbers else "", tone, "wide" if len(text) > 60 else "") if c]
            attribute = f" class='{' '.join(classes)}'" if classes else ""
            return f"<{tag}{attribute}>{self._inline(text)}{f'<small>{self._inline(small)}</small>' if small else ''}</{tag}>"

        lines = [
            "<div class='table'><table><thead><tr>" + "".join(cell("th", i, t) for i, t in enumerate(head)) + "</tr></thead><tbody>"
        ]
        for row in rows:
            lines.append("<tr>" + "".join(cell("td", i, c.text, c.small, c.tone) for i, c in enumerate(row)) + "</tr>")
        return "\n".join(lines) + "\n</tbody></table></div>"

    def _html_figure(self, name, svg, caption):
        return f"<figure id='{name}'>\n{svg}\n<figcaption>{self._inline(caption)}</figcaption></figure>"

    # Markdown.

    def to_markdown(self, figure_folder):
        """figure_folder: where the SVG files lie, as seen from the Markdown file."""
        parts = [f"# {self.title}"]
        for block in self.blocks:
            if block[0] == "heading":
                parts.append(f"## {block[1]}")
            elif block[0] == "paragraph":
                parts.append(block[1])
            elif block[0] == "items":
                parts.append("\n".join(f"- {text}" for text in block[1]))
            elif block[0] == "table":
                parts.append(self._markdown_table(*block[1:]))
            else:
                parts.append(f"![{block[3]}]({figure_folder}/{block[1]}.svg)\n\n{block[3]}")
        return "\n\n".join(parts) + "\n"

    @staticmethod
    def _markdown_table(head, rows, numbers):
        def text(cell):
            marked = f"**{cell.text}**" if cell.tone and cell.text else cell.text
            return (f"{marked} [{cell.small}]" if cell.small else marked).replace("|", "\\|")

        lines = ["| " + " | ".join(head) + " |", "|" + "|".join("---:" if i in numbers else "---" for i in range(len(head))) + "|"]
        lines += ["| " + " | ".join(text(cell) for cell in row) + " |" for row in rows]
        return "\n".join(lines)

    def figures(self):
        """(name, svg) of every figure."""
        return [(block[1], block[2]) for block in self.blocks if block[0] == "figure"]
