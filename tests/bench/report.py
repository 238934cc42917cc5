"""What the measurements come to: a table on the terminal, results.json, and docs/performance.md with its plots."""

import dataclasses
import json
import os
import pathlib
import platform
import re
import subprocess
import time

from goals import goal_of

PACKAGES = ("libgrpc++1.51", "libssl3", "libsodium23", "libsqlite3-0", "mariadb-server-core", "redis-server")


def machine():
    """What the figures depend on."""
    cpu = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())[1])
    return {"processor": cpu[1] if cpu else platform.machine(), "cores": os.cpu_count(),
            "memory_gib": round(memory / (1 << 20), 1), "kernel": platform.release(),
            "load_before": round(os.getloadavg()[0], 2)}


def versions(root):
    found = {"commit": output("git", "-C", root, "rev-parse", "--short=12", "HEAD") or "unknown"}
    for package in PACKAGES:
        found[package] = output("dpkg-query", "--show", "--showformat=${Version}", package) or "not installed"
    found["compiler"] = output("c++", "-dumpfullversion")
    return found


def output(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60)
    return done.stdout.strip() if done.returncode == 0 else ""


def as_text(figure):
    if figure is None:
        return ""
    if figure == 0 or abs(figure) >= 1000:
        return f"{figure:,.0f}"
    return f"{figure:.3g}"


def row(measurement):
    """what, ours, reference, ratio, spread, goal, met"""
    goal = goal_of(measurement)
    unit = f" {measurement.unit}" if measurement.unit else ""
    least, most = measurement.spread or (None, None)
    return [measurement.name, as_text(measurement.value) + unit,
            as_text(measurement.reference) + unit if measurement.reference is not None else "",
            as_text(measurement.ratio), "" if least == most else f"{as_text(least)} to {as_text(most)}",
            goal_text(measurement, goal), "" if goal is None else "yes" if goal.met(measurement) else "no"]


def goal_text(measurement, goal):
    if goal is None:
        return ""
    on_value = goal.on == "value" or measurement.ratio is None
    return f"{goal} {measurement.unit}".strip() if on_value else str(goal)


NOT_MET = "- Not met: "
HEADINGS = ["what", "ours", "reference", "ratio", "spread", "goal", "met"]


def print_table(measurements):
    rows = [HEADINGS] + [row(each) for each in measurements]
    widths = [max(len(each[i]) for each in rows) for i in range(len(HEADINGS))]
    for each in rows:
        print("  ".join([each[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(each[1:], widths[1:])]))


def write_json(path, measurements, environment):
    results = []
    for each in measurements:
        goal = goal_of(each)
        results.append({**dataclasses.asdict(each), "goal": None if goal is None else goal_text(each, goal),
                        "met": None if goal is None else goal.met(each)})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**environment, "results": results}, indent=1, ensure_ascii=False) + "\n")


def write_docs(folder, sections, environment, order):
    """`sections`: [(name, what it measures, measurements)]. Those that were not measured now stay as they are."""
    path = folder / "performance.md"
    texts = sections_of(path.read_text()) if path.exists() else {}
    machine = ", ".join(f"{k}: {v}" for k, v in environment["machine"].items())
    versions = ", ".join(f"{k} {v}" for k, v in environment["versions"].items())
    for name, what, found in sections:
        lines = [what, "", f"On {environment['date']}, by `{environment['command']}`; {machine}; {versions}.", ""]
        lines += markdown_table(found) + [""] + explanations(found)
        lines += [f"![{name}](performance/{name}.png)"] if plot(folder / "performance", name, found) else []
        texts[name] = "\n".join(lines).strip()
    unmet = sum(text.count(NOT_MET) for text in texts.values())
    header = ["# Performance", "",
              "Written by `tests/bench.sh --write-docs`; do not edit it. Each figure is the median of several rounds, in which",
              "ours and the reference are measured in turns (A B B A …); the spread is the least and the greatest ratio of a",
              "round, or value where there is no ratio. What is promised has a goal.", "",
              "Every goal that was measured is met." if unmet == 0 else
              f"{unmet} of the goals are not met; the sections say which and why."]
    path.write_text("\n".join(header + [f"\n## {name}\n\n{texts[name]}" for name in order if name in texts]) + "\n")


def sections_of(text):
    """The sections of performance.md by their names."""
    return {name: body.strip() for name, _, body in (part.partition("\n") for part in text.split("\n## ")[1:])}


def markdown_table(measurements):
    lines = ["| " + " | ".join(HEADINGS) + " |", "|---" + "|--:" * (len(HEADINGS) - 2) + "|---|"]
    return lines + ["| " + " | ".join(row(each)) + " |" for each in measurements]


def explanations(measurements):
    lines = []
    for each in measurements:
        goal = goal_of(each)
        if goal is not None and not goal.met(each):
            lines.append(f"{NOT_MET}{each.name}. {goal.why or 'Why is not known yet.'}")
    return lines + [""] if lines else []


def plot(folder, name, measurements):
    """Makes the plot of a benchmark, if it has one. Whether it has."""
    draw = {"growth": draw_growth, "alternatives": draw_alternatives}.get(name)
    if draw is None:
        return False
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    figure = draw(pyplot, measurements)
    folder.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(folder / f"{name}.png", dpi=110)
    pyplot.close(figure)
    return True


def draw_growth(pyplot, measurements):
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), sharey=True)
    for axis, store in zip(axes, ("SQLite", "MariaDB")):
        curves = {}
        for each in measurements:
            if found := re.fullmatch(rf"growth: {store}, (\w+) at (\d+)( ÷ at \d+)?", each.name):
                curves.setdefault(found[1], []).append((int(found[2]), each.ratio or 1.0))
        for operation, points in curves.items():
            axis.plot(*zip(*points), marker="o", label=operation)
        axis.axhline(1.2, color="grey", linestyle=":", label="goal at 10,000,000")
        axis.set(title=store, xscale="log", xlabel="sessions in the store", ylabel="cost ÷ cost at the least")
    axes[0].set_ylim(bottom=0)
    axes[1].legend()
    return figure


def draw_alternatives(pyplot, measurements):
    calls = [each for each in measurements if each.name.endswith(", calls")][::-1]
    figure, axis = pyplot.subplots(figsize=(8, 3.5))
    axis.barh([each.name.split(": ")[1].removesuffix(", calls") for each in calls], [each.ratio for each in calls])
    axis.axvline(1, color="grey", linestyle=":")
    axis.set(xlabel="calls per second ÷ those of the same service without a check")
    return figure


def now():
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
