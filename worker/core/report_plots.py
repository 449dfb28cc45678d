"""Plots of the report as inline SVG, drawn by pygal. They load nothing and hold no script.

pygal is in the extra `report`: without it there are no plots, and the report says so. It is imported when the first
plot is drawn.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

_COMMON: Final = {
    "show_legend": False,
    "disable_xml_declaration": True,
    "no_prefix": True,
    "js": [],
    "truncate_label": -1,
    "margin": 4,
    "width": 760,
    "max_scale": 6,
}
_DROPPED: Final = {"script", "style", "title"}
_LABEL_CHARS: Final = 28
_LETTER_PX: Final = 14
_FEW: Final = 6


def can_plot() -> bool:
    """Say whether pygal is installed."""
    try:
        _pygal()
    except ImportError:
        return False
    return True


def _pygal() -> Any:  # noqa: ANN401 - pygal has no types
    """Return pygal, without the hook for map plugins that it puts among the interpreter's importers.

    The hook has an interface that Python gave up: with it there, every later import warns (Python 3.11).
    """
    import pygal  # noqa: PLC0415 - an extra, and only jobs that end need it

    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != pygal.__name__]
    return pygal


def histogram(counts: Sequence[int]) -> str:
    """Draw counts in bins of equal width over 0..1, from the tenth that holds the first count on."""
    pygal = _pygal()
    bins = len(counts)
    first = next((place for place, count in enumerate(counts) if count), 0)
    first -= first % max(1, bins // 10)
    chart = pygal.Bar(
        style=_style(pygal), height=240, spacing=2, x_label_rotation=0, show_minor_x_labels=False, **_COMMON
    )
    chart.x_labels = [f"{place / bins:.2f}" for place in range(first, bins)]
    chart.x_labels_major = chart.x_labels[:: max(1, bins // 10)]
    chart.value_formatter = "{:,.0f}".format
    most = max(counts, default=0)
    if most < _FEW:
        # pygal would mark halves of a row, which look like the same number twice.
        chart.y_labels = list(range(most + 1))
    chart.add("rows", list(counts[first:]))
    return _svg(chart, "Predictions by probability")


def shares(actual: Mapping[str, float], expected: Mapping[str, float]) -> str:
    """Draw shares of labels as horizontal bars, beside those of the model's held-out rows where they are known."""
    pygal = _pygal()
    labels = list(actual)[::-1]
    chart = pygal.HorizontalBar(style=_style(pygal), height=70 + 46 * len(labels), spacing=8, range=(0, 1), **_COMMON)
    chart.x_labels = [_short(label) for label in labels]
    chart.value_formatter = "{:.0%}".format
    if expected:
        chart.add("held-out rows", [expected.get(label, 0.0) for label in labels])
    chart.add("this job", [actual[label] for label in labels])
    return _svg(chart, "Share of each label")


def _style(pygal: Any) -> Any:  # noqa: ANN401 - pygal has no types
    """Return the size of letters, which pygal leaves room for; how they look is in the page's style sheet."""
    return pygal.style.Style(label_font_size=_LETTER_PX, major_label_font_size=_LETTER_PX)


def _svg(chart: Any, title: str) -> str:  # noqa: ANN401 - pygal has no types
    """Return the drawing without pygal's style sheet, titles, scripts and comments (one of them is today's date)."""
    etree = _pygal().etree.etree
    root = chart.render_tree()
    for parent in list(root.iter()):
        for child in list(parent):
            if not isinstance(child.tag, str) or child.tag.rpartition("}")[2] in _DROPPED:
                parent.remove(child)
    del root.attrib["id"]
    root.set("role", "img")
    root.set("aria-label", title)
    text = etree.tostring(root)
    return text.decode() if isinstance(text, bytes) else str(text)


def _short(label: str) -> str:
    return label if len(label) <= _LABEL_CHARS else f"{label[: _LABEL_CHARS - 1]}…"
