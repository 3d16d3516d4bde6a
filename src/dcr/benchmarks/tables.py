"""Scores as tables for the terminal: every number in percent, and narrow enough for 80 columns."""

from __future__ import annotations

from collections.abc import Mapping

from rich import box
from rich.table import Table

from dcr.benchmarks.results import Metric, Scores
from dcr.benchmarks.statistics import McNemar, PairedTest
from dcr.benchmarks.suite import compare

_TITLES = {
    "mmvp-vlm": "P-ability (MMVP-VLM), %",
    "clustering": "D-ability (clustering), %",
    "retrieval": "Retrieval, %",
    "zero-shot": "Zero-shot, %",
    "probe": "Linear probe, %",
}


def scores_table(scores: Scores) -> Table:
    """Shows one benchmark of one encoder: counts, values and 95 % intervals.

    Args:
        scores: What was measured.
    """
    table = _table(_TITLES[scores.benchmark], "count", "value", "95 % interval")
    for name, metric in scores.metrics.items():
        count = "" if metric.count is None else f"{metric.count}/{metric.n}"
        spread = "" if metric.std is None else f" ± {_percent(metric.std, metric):.1f}"
        table.add_row(name, count, _number(metric.value, metric) + spread, _interval(metric))
    if scores.details.get("ties"):
        table.caption = f"{scores.details['ties']} statements had two equal cosines; they count for image 2."
    return table


def before_after_table(
    before: Mapping[str, Scores], after: Mapping[str, Scores], title: str | None = None
) -> Table:
    """Shows what changed from one encoder to another, with a paired test for every line.

    A change is what was gained and lost where items are right or wrong (exact McNemar), else the 95 %
    interval of the difference (bootstrap over images).

    Args:
        before: Scores of the first encoder by benchmark.
        after: Scores of the second; benchmarks that only one of them has are left out.
        title: What is above the table.

    Raises:
        DcrError: If two scores are not of the same data and settings.
    """
    table = _table(title, "n", "before", "after [95 %]", "change", "p")
    for name in (name for name in before if name in after):
        old, new = before[name], after[name]
        tests = compare(old, new)
        table.add_section()
        table.add_row(f"[bold]{_TITLES[name]}")
        for metric_name, metric in new.metrics.items():
            table.add_row(
                metric_name,
                str(metric.n or new.n),
                _number(old.metrics[metric_name].value, metric),
                f"{_number(metric.value, metric)} {_interval(metric)}",
                _change(tests[metric_name], metric),
                _p_value(tests[metric_name].p),
            )
    return table


def _table(title: str | None, *columns: str) -> Table:
    table = Table(
        title=title,
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _percent(value: float, metric: Metric) -> float:
    return value if metric.unit == "%" else 100 * value


def _number(value: float, metric: Metric) -> str:
    return f"{_percent(value, metric):.1f}"


def _interval(metric: Metric) -> str:
    if metric.low is None or metric.high is None:
        return ""
    return f"[{_number(metric.low, metric)}, {_number(metric.high, metric)}]"


def _change(test: PairedTest, metric: Metric) -> str:
    if isinstance(test, McNemar):
        return f"+{test.gained} -{test.lost}"
    ends = (f"{_percent(end, metric):+.1f}" for end in (test.low, test.high))
    return f"[{', '.join(ends)}]"


def _p_value(p: float) -> str:
    return "<.001" if p < 0.001 else f"{p:.3f}".removeprefix("0")
