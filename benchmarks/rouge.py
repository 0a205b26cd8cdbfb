"""ROUGE-1/2/L of ours against korouge-score, on the sample competition's text and Mecab morphemes.

Run: python benchmarks/rouge.py. Prints a JSON line a case; times are medians of the CPU time of alternating rounds in
one process, with tokenization counted for both and not counted for either. Ours counts everything from tokens to
scores; nothing is kept from one round to the next.
"""

import gc
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
from korouge_score.rouge_scorer import RougeScorer

from pipeline.scoring.baselines import build_baseline
from pipeline.scoring.consensus import compute_utilities
from pipeline.scoring.rouge import METRICS, Rouge, compare
from pipeline.scoring.tokenizers import build_tokenizer

TRAIN = Path(__file__).parent.parent / "data/sample/train.csv"
ROUNDS, PAIRS, POOL = 7, 400, 12
WEIGHTS = dict.fromkeys(METRICS, 1.0)

Pair = tuple[str, str]


class Tokens:
    """korouge-score's idea of a tokenizer, around a function."""

    def __init__(self, tokenize: Callable[[str], list[str]]):
        self.tokenize = tokenize


def score_ours(pairs: Sequence[Pair], tokenize: Callable[[str], list[str]]) -> list[float]:
    rouge = Rouge(tokenize)
    return [
        compare(rouge.build_profile(prediction), rouge.build_profile(reference), metric).fmeasure
        for prediction, reference in pairs
        for metric in METRICS
    ]


def score_korouge(pairs: Sequence[Pair], tokenize: Callable[[str], list[str]]) -> list[float]:
    scorer = RougeScorer(list(METRICS), tokenizer=Tokens(tokenize))
    found = [scorer.score(reference, prediction) for prediction, reference in pairs]
    return [scores[metric].fmeasure for scores in found for metric in METRICS]


def utilities_ours(pool: Sequence[str], tokenize: Callable[[str], list[str]]) -> list[float]:
    return compute_utilities(pool, Rouge(tokenize), WEIGHTS).ravel().tolist()


def utilities_korouge(pool: Sequence[str], tokenize: Callable[[str], list[str]]) -> list[float]:
    """Every candidate against every other, as a loop over a scorer does it."""
    flat = score_korouge([(a, b) for a in pool for b in pool], tokenize)
    return [sum(flat[i : i + len(METRICS)]) / len(METRICS) for i in range(0, len(flat), len(METRICS))]


def measure(case: str, ours: Callable[[], list[float]], rival: Callable[[], list[float]]) -> None:
    """Alternates the two, so that a busy machine slows both, and refuses to time results that differ."""
    worst = max(abs(a - b) for a, b in zip(ours(), rival(), strict=True))
    if worst > 1e-12:
        raise SystemExit(f"{case}: results differ by {worst}")
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for function, taken in ((ours, times[0]), (rival, times[1])):
            started = time.process_time()
            function()
            taken.append(time.process_time() - started)
    a, b = (statistics.median(taken) for taken in times)
    print(json.dumps({"case": case, "ours_s": round(a, 4), "rival_s": round(b, 4), "ratio": round(b / a, 2)}))


def main() -> None:
    mecab = build_tokenizer("mecab")
    # what importing left behind is nobody's garbage to look through
    gc.collect()
    gc.freeze()
    train = pd.read_csv(TRAIN).head(PAIRS)
    leads = [build_baseline("lead-1", text) for text in train["text"]]
    summaries = list(zip(leads, train["summary"], strict=True))
    long = [(build_baseline("lead-3", text), build_baseline("tail-3", text)) for text in train["text"]]
    # a leaderboard: every reference meets a candidate of each configuration
    rows = [
        build_baseline(name, text)
        for name in ("lead-1", "lead-2", "lead-3", "tail-1", "tail-2")
        for text in train["text"]
    ]
    board = list(zip(rows, [*train["summary"]] * 5, strict=True))
    # one document's candidates differ in little: its summary with one word left out or doubled
    words = train["summary"].iloc[0].split()
    pool = [" ".join([*words[:i], *words[i + 1 :]]) for i in range(len(words))]
    pool = (pool + [f"{text} {words[0]}" for text in pool])[:POOL]
    known = {text: mecab(text) for text in {*pool, *(text for pair in (*summaries, *long, *board) for text in pair)}}
    for counted, tokenize in (("tokenization counted", mecab), ("tokenization not counted", known.__getitem__)):
        for name, pairs in (("summaries", summaries), ("three sentences", long), ("five rows of a leaderboard", board)):
            measure(
                f"{len(pairs)} pairs, {name}, {counted}",
                lambda pairs=pairs, tokenize=tokenize: score_ours(pairs, tokenize),
                lambda pairs=pairs, tokenize=tokenize: score_korouge(pairs, tokenize),
            )
        measure(
            f"consensus of {len(pool)} candidates, {counted}",
            lambda tokenize=tokenize: utilities_ours(pool, tokenize),
            lambda tokenize=tokenize: utilities_korouge(pool, tokenize),
        )


if __name__ == "__main__":
    main()
