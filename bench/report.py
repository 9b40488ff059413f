# SPDX-License-Identifier: MIT
"""Tables, for the terminal and for docs/performance.md."""
import statistics

AIMS, VERSIONS = "Aims", "Versions and settings"
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"


def spread(values, digits=2):
    """Median (min to max)."""
    return (f"{statistics.median(values):.{digits}f} "
            f"({min(values):.{digits}f}-{max(values):.{digits}f})")


def ratios(rounds, name, key):
    """weir's figure by a peer's, round by round."""
    return [r["weir"][key] / r[name][key] for r in rounds if "weir" in r and name in r]


def median_ratio(rounds, name, key):
    values = ratios(rounds, name, key)
    return statistics.median(values) if values else None


def bulk_table(scenario, rounds):
    rows = []
    for c in scenario.contestants:
        got = [r[c.name] for r in rounds if c.name in r]
        if not got:
            continue
        row = [c.name, spread([g["rate"] for g in got]), spread([g["cpu"] for g in got])]
        for key in ("rate", "cpu"):
            values = ratios(rounds, c.name, key)
            row.append(spread(values) if c.name != "weir" and values else "")
        rows.append(row)
    disturbed = sum(g["disturbed"] for r in rounds for g in r.values())
    note = ""
    if disturbed:
        note = (f"{disturbed} of {sum(len(r) for r in rounds)} runs were disturbed by other work "
                "on the machine, repeatedly, and are in these figures.")
    return {
        "title": scenario.title,
        "columns": ["program", "GB/s", "CPU s/GB", "weir's GB/s by this one's",
                    "weir's CPU by this one's"],
        "rows": rows,
        "note": note,
    }


def settings_table(bench, scenarios):
    rows, seen = [], set()
    for s in scenarios:
        for c in s.contestants:
            key = (c.name, c.settings)
            if key not in seen and bench.path(c.program):
                seen.add(key)
                rows.append([c.name, bench.version(c.program), f"`{c.settings}`"
                             if c.settings else "", s.name])
    return {"title": VERSIONS, "columns": ["program", "version", "settings",
                                                          "first used in"],
            "rows": rows, "note": ""}


def bars(bench):
    """The aims, and whether this run met them."""
    rows = []

    def row(what, value, met, form="{:.2f}"):
        if value is not None:
            rows.append([what, form.format(value), "yes" if met(value) else "**no**"])

    for flows in ("relay-1", "relay-8"):
        rounds = bench.rounds.get(flows, [])
        row(f"{flows}: at least 1.5 x socat's throughput",
            median_ratio(rounds, "socat", "rate"), lambda v: v >= 1.5)
        cpu = median_ratio(rounds, "socat", "cpu")
        row(f"{flows}: socat's CPU time for a byte at least 1.5 x ours", cpu and 1 / cpu,
            lambda v: v >= 1.5)
        row(f"{flows}: at least a bare uv_poll relay's with 256 KiB",
            median_ratio(rounds, "uv_poll 256 KiB", "rate"), lambda v: v >= 1.0)
    for pipes in ("pipe-64k", "pipe-1m"):
        row(f"{pipes}: at least cat's throughput",
            median_ratio(bench.rounds.get(pipes, []), "cat", "rate"), lambda v: v >= 1.0)
    for name, what in (("hop-join", "join"), ("give-chain", "valve")):
        row(f"a chunk passed on through a {what}: under 60 instructions",
            bench.figures.get(name), lambda v: v < 60, "{:.0f}")
    for mode in ("transport", "joined", "relay"):
        row(f"idle connection ({mode}): under 500 bytes",
            bench.figures.get(f"idle {mode}"), lambda v: v < 500, "{:.0f}")
    row("never-reading sink: no growth (under 64 KiB) once it is full",
        bench.figures.get("stuck growth"), lambda v: v < 65536, "{:.0f} bytes")
    return {"title": AIMS, "columns": ["aim", "measured", "met"], "rows": rows, "note": ""}


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
