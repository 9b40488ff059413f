# SPDX-License-Identifier: MIT
"""Tables, for the terminal and for docs/performance.md."""
from statistics import median

VERSIONS = "Versions and settings"
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"


def spread(values, digits=2):
    """Median (min to max)."""
    return (f"{median(values):.{digits}f} "
            f"({min(values):.{digits}f}-{max(values):.{digits}f})")


def ratios(rounds, name, key):
    """weir's figure by a peer's, round by round."""
    return [r["weir"][key] / r[name][key] for r in rounds if "weir" in r and name in r]


def median_ratio(rounds, name, key):
    values = ratios(rounds, name, key)
    return median(values) if values else None


class Measure:
    """One figure of a sample: its key and column, the digits to show, and whether a column says
    what weir's is by this one's."""

    def __init__(self, key, column, digits=2, compared=False):
        self.key, self.column, self.digits, self.compared = key, column, digits, compared


def bulk_table(scenario, rounds):
    rows = []
    for c in scenario.contestants:
        got = [r[c.name] for r in rounds if c.name in r]
        if not got:
            continue
        row = [c.name] + [spread([g[m.key] for g in got], m.digits) for m in scenario.measures]
        for m in filter(lambda m: m.compared, scenario.measures):
            values = ratios(rounds, c.name, m.key)
            row.append(spread(values) if c.name != "weir" and values else "")
        rows.append(row)
    disturbed = sum(g["disturbed"] for r in rounds for g in r.values())
    notes = [scenario.note] if scenario.note else []
    if disturbed:
        notes.append(f"{disturbed} of {sum(len(r) for r in rounds)} runs were disturbed by other "
                     "work on the machine, repeatedly, and are in these figures.")
    return {
        "title": scenario.title,
        "columns": ["program"] + [m.column for m in scenario.measures]
                   + [f"weir's {m.column} by this one's" for m in scenario.measures if m.compared],
        "rows": rows,
        "note": " ".join(notes),
    }


def settings_table(bench, scenarios):
    rows, seen = [], set()
    for s in scenarios:
        for c in s.contestants:
            key = (c.name, c.settings)
            if key not in seen and any(c.name in r for r in bench.rounds[s.name]):
                seen.add(key)
                rows.append([c.name, bench.version(c.program), f"`{c.settings}`"
                             if c.settings else "", s.name])
    return {"title": VERSIONS, "columns": ["program", "version", "settings",
                                                          "first used in"],
            "rows": rows, "note": ""}


def as_markdown(table, level=3):
    lines = ["#" * level + " " + table["title"], ""]
    lines.append("| " + " | ".join(table["columns"]) + " |")
    lines.append("|" + " --- |" * len(table["columns"]))
    lines += ["| " + " | ".join(row) + " |" for row in table["rows"]]
    lines.append("")
    if table["note"]:
        lines += [table["note"], ""]
    return "\n".join(lines)


def as_text(table):
    cells = [table["columns"]] + [[c.replace("**", "").replace("`", "") for c in row]
                                  for row in table["rows"]]
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = [table["title"].replace("`", "")]
    for row in cells:
        lines.append("  " + "  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip())
    if table["note"]:
        lines.append("  " + table["note"])
    return "\n".join(lines) + "\n"


def merge(old, tables):
    """What stood there, with these tables in the place of those of the same title; a new one
    comes behind the one measured before it, or at the end, before the versions."""
    parts = ("\n" + old).split("\n### ")
    titles = [part.partition("\n")[0] for part in parts]
    end = titles.index(VERSIONS) if VERSIONS in titles else len(parts)
    for table in tables:
        text = as_markdown(table)[len("### "):].rstrip() + "\n"
        if table["title"] in titles[1:]:
            end = titles.index(table["title"], 1)
            parts[end] = text
        else:
            titles.insert(end, table["title"])
            parts.insert(end, text)
        end += 1
    return "\n### ".join(part.rstrip("\n") + "\n" for part in parts).lstrip("\n")


def write_section(path, change):
    """Put change(what stood there) between the markers; what stands around them is kept."""
    with open(path, encoding="utf-8") as f:
        whole = f.read()
    head, begin, rest = whole.partition(BEGIN)
    old, end, tail = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{path}: expected the markers {BEGIN} and {END}")
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"{head}{BEGIN}\n{change(old.strip()).rstrip()}\n{END}{tail}")
