"""The page on experiments: who is on it, which params varied, and that text stays text."""

import re

from pipeline.reporting.experiments import Mark, build_multiples, build_scale, group_lines, render_experiments
from pipeline.reporting.results import Ledger


def build_mark(name, score, verdict="", is_noise=False, **params):
    return Mark(
        name,
        "2026-11-25 10:00",
        "greedy",
        score,
        score - 0.01,
        score + 0.01,
        params,
        ["lora.r 16 → 8"],
        verdict,
        is_noise,
    )


MARKS = [
    build_mark("main", 0.50, **{"lora.r": 16, "train.optim": "adamw", "seed": 1}),
    build_mark(
        "<script>alert(1)</script>",
        0.52,
        "+0.0200 (+0.010 … +0.030)",
        **{"lora.r": 8, "train.optim": "adamw", "seed": 1},
    ),
    build_mark(
        "third", 0.51, "+0.0100 (-0.010 … +0.030) noise", True, **{"lora.r": 32, "train.optim": None, "seed": 1}
    ),
]
LINES = [
    "what moved the score:",
    "  +0.0200 (+0.0100 … +0.0300)  lora.r 16 → 8  [a]",
    "not compared: b: other documents",
]


def test_only_params_that_varied_are_shown_by_value():
    multiples = build_multiples(MARKS, build_scale([0.4, 0.6]))
    assert [one.key for one in multiples] == ["lora.r", "train.optim"]
    # numbers by size, then words
    assert [value.value for value in multiples[0].values] == ["8", "16", "32"]
    assert [value.value for value in multiples[1].values] == ["adamw", "adamw", "unset"]
    points = [value.point for value in multiples[0].values]
    assert points[1] < points[2] < points[0]


def test_lines_stand_under_their_headings():
    assert group_lines(LINES) == [
        ("what moved the score", ["+0.0200 (+0.0100 … +0.0300)  lora.r 16 → 8  [a]"]),
        ("not compared: b: other documents", []),
    ]


def test_page_names_the_best_and_escapes_what_it_shows():
    page = render_experiments(MARKS, LINES, Ledger(), 0.95)
    assert "<script>alert" not in page
    assert "3 experiments; the best is &lt;script&gt;" in page
    assert len(re.findall('class="forest', page)) == 3 + 3 + 3
    assert "http" not in re.sub(r"http-equiv", "", page)
    assert page.count('class="word signal"') == 1
    assert page.count('class="word quiet"') == 2
    assert build_mark("loss", 0.4, "-0.0200 (-0.030 … -0.010)").tone == "noise"
