#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Print what a run of the tests has covered of the portable sources.

    coverage.py DIR [--write]

DIR is a build folder made with -Db_coverage=true, in which the tests have run.  Prints a
table of lines and branches per file of src/core and src/adapter, as gcov counts them, then
every line and branch that was not taken.  --write puts the table into docs/coverage.md.
"""
import gzip
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("src/core/", "src/adapter/")
DOCUMENT = ROOT / "docs" / "coverage.md"
BEGIN, END = "<!-- coverage:begin -->\n", "<!-- coverage:end -->\n"


def reports(build):
    """What gcov says of each object file that has run."""
    for data in sorted(build.rglob("src_*.gcno")):
        out = subprocess.run(["gcov", "--branch-probabilities", "--json-format", "--stdout",
                              data.name], cwd=data.parent, check=True, capture_output=True).stdout
        text = gzip.decompress(out) if out[:2] == b"\x1f\x8b" else out
        yield data.parent, json.loads(text)


def source_name(folder, report, name):
    """The path in the tree, or None for a file that is not one of ours."""
    path = pathlib.Path(folder, report["current_working_directory"], name).resolve()
    try:
        name = str(path.relative_to(ROOT))
    except ValueError:
        return None
    return name if name.startswith(FOLDERS) and name.endswith(".c") else None


def collect(build):
    """{file: {line: (times run, [times each branch was taken])}}"""
    files = {}
    for folder, report in reports(build):
        for entry in report["files"]:
            name = source_name(folder, report, entry["file"])
            if name is None:
                continue
            lines = files.setdefault(name, {})
            for line in entry["lines"]:
                branches = [b["count"] for b in line["branches"]]
                count, before = lines.get(line["line_number"], (0, []))
                lines[line["line_number"]] = (count + line["count"], before + branches)
    return files


def row(name, lines):
    ran = [count > 0 for count, _ in lines]
    took = [n > 0 for _, branches in lines for n in branches]

    def part(hits):
        return f"{sum(hits)} of {len(hits)} | {100 * sum(hits) / max(1, len(hits)):.1f} %"

    return f"| {name} | {part(ran)} | {part(took)} |\n"


def table(files):
    rows = [row(name, list(lines.values())) for name, lines in sorted(files.items())]
    everything = [line for lines in files.values() for line in lines.values()]
    return ("| file | lines | | branches | |\n| --- | --- | --- | --- | --- |\n" +
            "".join(rows) + row("all", everything))


def missing(files):
    """Every line that did not run, and every one with a branch that was not taken."""
    for name, lines in sorted(files.items()):
        source = (ROOT / name).read_text().splitlines()
        for number, (count, branches) in sorted(lines.items()):
            missed = sum(n == 0 for n in branches)
            if count and not missed:
                continue
            what = f"{missed} of {len(branches)} branches" if count else "never run"
            yield f"{name}:{number}: {what}: {source[number - 1].strip()}"


def write(text):
    before, rest = DOCUMENT.read_text().split(BEGIN)
    after = rest.split(END)[1]
    DOCUMENT.write_text(before + BEGIN + text + END + after)


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    files = collect(build)
    if not files:
        sys.exit(f"{build}: nothing is here that counts what runs")
    print(table(files), *missing(files), sep="\n")
    if "--write" in sys.argv[2:]:
        write(table(files))


if __name__ == "__main__":
    main()
