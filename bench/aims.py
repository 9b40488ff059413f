# SPDX-License-Identifier: MIT
"""The aims, and whether a run met them."""
import report

TITLE = "Aims"
KIB = 1024

# What a stalled relay may hold: the default high mark, and what a TCP socket has room for
# beyond its send buffer (decision 0001).
HIGH, CHUNK = 64 * KIB, 64 * KIB

# scenario, what is compared, the peer, the least ratio of weir's to the peer's.
RATES = [
    ("relay-1", "nginx", 1.25), ("relay-1", "haproxy", 1.6), ("relay-1", "socat", 1.5),
    ("relay-1", "uv_poll 256 KiB", 1.0),
    ("relay-8", "nginx", 2.0), ("relay-8", "haproxy", 1.4), ("relay-8", "socat", 1.5),
    ("relay-8", "uv_poll 256 KiB", 1.0),
    ("relay-64", "nginx", 2.0), ("relay-64", "haproxy", 1.4),
    ("echo", "raw epoll", 0.95),
    ("accept-relay", "haproxy", 1.0),
    ("pipe-64k", "cat", 1.0),
    ("pipe-1m", "pv", 0.95), ("pipe-1m", "cat", 2.5),
    ("file-tcp", "nginx", 1.1),
    ("tcp-file", "node", 1.5),
    ("file-file", "cp", 1.0),
]

# scenario, the peer, the most that weir's CPU time may be of the peer's.
CPU = [
    ("relay-1", "socat", 1 / 1.5), ("relay-8", "socat", 1 / 1.5),
    ("pipe-1m", "pv", 0.5),
]

# A figure, what it is, the most that it may be, how it is shown.
FIGURES = [
    ("hop-join", "a chunk passed on through a join, instructions", 60, "{:.0f}"),
    ("give-chain", "a chunk passed on through a valve, instructions", 60, "{:.0f}"),
    ("idle transport", "idle connection, accepted, bytes", 300, "{:.0f}"),
    ("idle joined", "idle connection, joined, bytes", 300, "{:.0f}"),
    ("idle relay", "idle connection, one of a relay's two, bytes", 300, "{:.0f}"),
    ("stalled weir", f"stalled relay: high mark plus one chunk ({HIGH // KIB} and "
                     f"{CHUNK // KIB} KiB), bytes", HIGH + CHUNK, "{:,.0f}"),
    ("stuck growth", "never-reading sink: growth once it is full, bytes", 64 * KIB, "{:.0f}"),
    ("start ratio", "start and end by cat's", 2.0, "{:.2f}"),
]


def table(bench):
    rows = []

    def row(what, measured, met):
        rows.append([what, measured, "yes" if met else "**no**"])

    for name, peer, least in RATES:
        ratio = report.median_ratio(bench.rounds.get(name, []), peer, "rate")
        if ratio is not None:
            row(f"{name}: at least {least:g} x {peer}", f"{ratio:.2f}", ratio >= least)
    rounds = bench.rounds.get("echo", [])
    ring = [r["weir, ring"]["rate"] / r["raw epoll"]["rate"] for r in rounds
            if "weir, ring" in r and "raw epoll" in r]
    if ring:
        ratio = report.median(ring)
        row("echo, ring: at least 1.4 x raw epoll", f"{ratio:.2f}", ratio >= 1.4)
    for name, peer, most in CPU:
        ratio = report.median_ratio(bench.rounds.get(name, []), peer, "cpu")
        if ratio is not None:
            row(f"{name}: CPU for a byte at most {most:.2g} x {peer}'s", f"{ratio:.2f}",
                ratio <= most)
    more = [r["weir"]["more"] for r in bench.rounds.get("relay-many", []) if "weir" in r]
    if more:
        ratio = report.median(more)
        row("relay-many: CPU for a byte at most 1.2 x that of few", f"{ratio:.2f}", ratio <= 1.2)
    for key, what, most, form in FIGURES:
        value = bench.figures.get(key)
        if value is not None:
            row(f"{what}: at most {most:,.7g}", form.format(value), value <= most)
    for peer in ("node", "twisted"):
        if "resume weir" in bench.figures and f"resume {peer}" in bench.figures:
            ratio = bench.figures["resume weir"] / bench.figures[f"resume {peer}"]
            row(f"from drained to resumed: no later than {peer}", f"{ratio:.2f}", ratio <= 1)
    return {"title": TITLE, "columns": ["aim", "measured", "met"], "rows": rows, "note": ""}
