"""experiments: what moved the score, what did not, and what cannot be told."""

import io
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from pipeline.history.compare import Experiment
from pipeline.history.trials import Trial, compare_trials, describe_change, describe_findings, render_trials

NOISE = np.random.default_rng(0).normal(0, 0.05, 200)


def build_trial(name, shift, hour, base="main", spread=NOISE, **params):
    """A trial of 200 documents, so much better than 0.5."""
    scores = pd.DataFrame({"id": [f"d{n}" for n in range(200)], "text": "글", "score": 0.5 + shift + spread})
    experiment = Experiment(name, {"lora.r": 16, "seed": 1} | params, "beam/length_penalty:0.5", scores)
    return Trial(name, datetime(2026, 11, 25) + timedelta(hours=hour), experiment, base)


@pytest.fixture
def trials():
    return [
        build_trial("still", 0.001, 3, spread=NOISE[::-1], **{"lora.lora_alpha": 32}),
        build_trial("worse", -0.02, 2, spread=NOISE * 1.1, **{"lora.r": 4}),
        build_trial("main", 0.0, 0, base=None),
        build_trial("better", 0.01, 1, spread=NOISE * 0.9, **{"lora.r": 8}),
        Trial("gone", None, None, "main", "gone: has no predictions/scores.parquet"),
    ]


@pytest.fixture
def score(make_params):
    return make_params(**{"score.resamples": 500}).score


def test_oldest_first_each_against_its_commit(trials, score):
    findings = compare_trials(trials, score, 0)
    assert [finding.trial.name for finding in findings] == ["main", "better", "worse", "still"]
    main, better, worse, still = findings
    assert main.comparison is None
    assert main.low < main.score < main.high
    assert better.changes == {"lora.r": (16, 8)}
    assert better.comparison.difference == pytest.approx(0.01, abs=0.001)
    assert [finding.is_noise for finding in (better, worse, still)] == [False, False, True]


def test_lines_begin_with_the_largest_move_and_name_noise(trials, score):
    lines = list(describe_findings(compare_trials(trials, score, 0), trials))
    assert lines[0] == "what moved the score:"
    assert lines[1].startswith("  -0.0")
    assert lines[1].endswith("lora.r 16 → 4  [worse]")
    assert lines[2].endswith("lora.r 16 → 8  [better]")
    assert lines[3] == "what did not, beyond noise:"
    assert lines[4].endswith("lora.lora_alpha unset → 32  [still]")
    assert lines[5:] == ["left out: gone: has no predictions/scores.parquet"]


def test_what_was_scored_otherwise_is_not_compared(trials, score):
    other = build_trial("other", 0.3, 4, **{"score.tokenizer": "whitespace"})
    findings = compare_trials([*trials, other], score, 0)
    assert findings[-1].comparison is None
    assert "scored differently: score.tokenizer" in findings[-1].reason
    assert any(line.startswith("not compared: main and other") for line in describe_findings(findings, trials))


def test_table_fits_into_120_characters(trials, score):
    many = build_trial("an-experiment-with-a-very-long-name", 0.0, 5, **{f"train.a_long_key_{n}": n for n in range(9)})
    out = io.StringIO()
    Console(file=out, width=300).print(render_trials(compare_trials([*trials, many], score, 0)))
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    assert max(map(len, lines)) <= 120
    assert "and 6 more" in out.getvalue()
    (best,) = [line for line in lines if line.startswith("→")]
    assert "better" in best
    assert sum("noise" in line for line in lines) >= 1


def test_change_that_has_no_value_is_said_so():
    assert describe_change("data.limit", None, 5) == "data.limit unset → 5"
