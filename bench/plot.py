#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Draw the ratios of docs/performance.md's tables: plot.py docs/performance.md > docs/performance.svg

One row for each program in each table that compares, on two logarithmic scales: throughput, and CPU
time.  Nothing but the document is read, so the picture shows what the tables say."""
import html
import math
import re
import sys

WIDTH, MARGIN = 860, 16
LABELS = 170             # what a row is called ends here
PANEL, GAP = 250, 70     # a scale, and room for a figure behind it
ROW, HEAD, TOP, FOOT = 19, 30, 104, 40
LEAST, MOST = 1 / 8, 8   # of the scales
TICKS = [(1 / 4, "¼"), (1 / 2, "½"), (1, "1"), (2, "2"), (4, "4")]
SPREAD = re.compile(r"([\d.]+) \(([\d.]+)-([\d.]+)\)")

# Better and worse are told by the side as well as by the colour, and by the figure.
STYLE = """
  .back { fill: #ffffff } .text { fill: #1f2328 } .soft { fill: #59636e }
  .grid { stroke: #d1d9e0 } .one { stroke: #59636e }
  .good { fill: #0b7285; stroke: #0b7285 } .bad { fill: #c2410c; stroke: #c2410c }
  text { font: 12px system-ui, "DejaVu Sans", sans-serif }
  .title { font-size: 17px; font-weight: 600 } .head { font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    .back { fill: #0d1117 } .text { fill: #f0f6fc } .soft { fill: #9198a1 }
    .grid { stroke: #3d444d } .one { stroke: #9198a1 }
    .good { fill: #4cc9dc; stroke: #4cc9dc } .bad { fill: #ff9a62; stroke: #ff9a62 }
  }
"""


def tables(text):
    """Title, columns and rows of each table of the document."""
    for part in text.split("\n### ")[1:]:
        title = part.partition("\n")[0]
        lines = [[cell.strip() for cell in line.strip("| ").split(" | ")]
                 for line in part.split("\n") if line.startswith("|")]
        # An empty cell at the end is stripped with its bar.
        yield title, lines[0] if lines else [], lines[2:]


def spread(cell):
    found = SPREAD.fullmatch(cell)
    return tuple(map(float, found.groups())) if found else None


def compared(text):
    """For each table: its title, and rows of a program, its throughput ratio and its CPU ratio; a
    ratio is median, least, most, or None."""
    for title, columns, rows in tables(text):
        ratios = [i for i, c in enumerate(columns)
                  if c.startswith("weir's ") and c.endswith(" by this one's")]
        rate = [i for i in ratios if "CPU" not in columns[i]][:1]
        cpu = [i for i in ratios if "CPU" in columns[i]][-1:]
        found = []
        for row in rows:
            both = [spread(row[i[0]]) if i and i[0] < len(row) else None for i in (rate, cpu)]
            if any(both):
                found.append((row[0], *both))
        if found:
            yield title.replace("`", ""), found


def position(left, ratio):
    part = math.log(min(max(ratio, LEAST), MOST) / LEAST) / math.log(MOST / LEAST)
    return left + PANEL * part


def words(x, y, text, kind="text", anchor="start"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">'
            f"{html.escape(text)}</text>")


def rule(x1, y1, x2, y2, kind, width=1):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}" '
            f'stroke-width="{width}"/>')


def mark(left, y, ratio, more_is_better):
    """A point for the median, a line from least to most, the figure behind the scale."""
    if not ratio:
        return []
    median, least, most = ratio
    kind = "good" if (median >= 1) == more_is_better or median == 1 else "bad"
    x = position(left, median)
    return [rule(position(left, least), y, position(left, most), y, kind, 2),
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" class="{kind}"/>',
            words(left + PANEL + 10, y + 4, f"{median:.2f} x")]


def scale(left, top, bottom):
    drawn = []
    for value, name in TICKS:
        x = position(left, value)
        drawn += [rule(x, top, x, bottom, "one" if value == 1 else "grid"),
                  words(x, top - 6, name, "soft", "middle"),
                  words(x, bottom + 16, name, "soft", "middle")]
    return drawn


def draw(text):
    groups = list(compared(text))
    bottom = TOP + sum(HEAD + ROW * len(rows) for _, rows in groups)
    height = bottom + FOOT
    lefts = [MARGIN + LABELS + 10, MARGIN + LABELS + 10 + PANEL + GAP]
    drawn = [
        words(MARGIN, 30, "weir by its peers", "text title"),
        words(MARGIN, 50, "A point is the median of the rounds, a line goes from the least to the "
              "most; 1 is equal.", "soft"),
        words(lefts[0], 76, "Throughput: right of 1 weir is faster", "text head"),
        words(lefts[1], 76, "CPU time: left of 1 weir uses less", "text head"),
    ]
    for left in lefts:
        drawn += scale(left, TOP, bottom)
    y = TOP
    for title, rows in groups:
        # On a ground of its own, so that the grid does not cross it.
        drawn.append(f'<rect x="0" y="{y + 5}" width="{WIDTH}" height="{HEAD - 9}" class="back"/>')
        drawn.append(words(MARGIN, y + HEAD - 10, title, "text head"))
        y += HEAD
        for name, rate, cpu in rows:
            drawn.append(words(MARGIN + LABELS, y + ROW / 2 + 4, name, "text", "end"))
            drawn += mark(lefts[0], y + ROW / 2, rate, True)
            drawn += mark(lefts[1], y + ROW / 2, cpu, False)
            y += ROW
    body = "\n".join(drawn)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="t">\n'
            "<!-- SPDX-License-Identifier: MIT; made by bench/plot.py -->\n"
            '<title id="t">weir\'s throughput and CPU time by those of its peers</title>\n'
            f"<style>{STYLE}</style>\n"
            f'<rect width="{WIDTH}" height="{height}" class="back"/>\n{body}\n</svg>\n')


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: plot.py docs/performance.md > docs/performance.svg")
    with open(sys.argv[1], encoding="utf-8") as f:
        sys.stdout.write(draw(f.read()))


if __name__ == "__main__":
    main()
