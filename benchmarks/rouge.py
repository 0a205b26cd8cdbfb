"""ROUGE-1/2/L of ours against korouge-score, on the sample competition's text and Mecab morphemes.

Run: python benchmarks/rouge.py [FOLDER]. With a FOLDER in which the graph has run, also on what `score` compares there:
the first candidates of every configuration with their references, equal texts among them.

Prints a JSON line a case; times are medians of alternating rounds in one process, with tokenization counted for both
and not counted for either. Ours counts everything from texts, or tokens, to scores; nothing is kept from one round to
the next. It gives much text to processes, one a core, so the clock on the wall counts; `ratio_of_cpu_time` counts the
work of all processes. The rival is RougeScorer with `MeCab().morphs`, as python-mecab-ko ships it;
`ratio_with_our_tokenizer` is that of one that asks MeCab as we do.
"""

import gc
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
from korouge_score.rouge_scorer import RougeScorer
from mecab import MeCab

from pipeline.scoring.baselines import build_baseline
from pipeline.scoring.consensus import compute_utilities
from pipeline.scoring.rouge.comparison import METRICS, Rouge
from pipeline.scoring.rouge.pairs import compute_rouge
from pipeline.scoring.rouge.tokenizers import build_tokenizer, normalise_summary
from pipeline.tables import CANDIDATES, LABELLED, load_table

TRAIN = Path(__file__).parent.parent / "data/sample/train.csv"
ROUNDS, PAIRS, MANY, POOL = 7, 400, 10_000, 12
WEIGHTS = dict.fromkeys(METRICS, 1.0)

Pair = tuple[str, str]


class Tokens:
    """korouge-score's idea of a tokenizer, around a function."""

    def __init__(self, tokenize: Callable[[str], list[str]]):
        self.tokenize = tokenize


def score_ours(pairs: Sequence[Pair], tokenize: Callable[[str], list[str]]) -> list[float]:
    predictions, references = zip(*pairs, strict=True)
    return compute_rouge(predictions, [[text] for text in references], Rouge(tokenize)).to_numpy().ravel().tolist()


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


def measure(case: str, ours: Callable[[], list[float]], *rivals: Callable[[], list[float]]) -> None:
    """Alternates them, so that a busy machine slows all, and refuses to time results that differ."""
    for rival in rivals:
        worst = max(abs(a - b) for a, b in zip(ours(), rival(), strict=True))
        if worst > 1e-12:
            raise SystemExit(f"{case}: results differ by {worst}")
    times: list[list[tuple[float, float]]] = [[] for _ in (ours, *rivals)]
    for _ in range(ROUNDS):
        for function, taken in zip((ours, *rivals), times, strict=True):
            started = time.perf_counter(), read_cpu_time()
            function()
            taken.append((time.perf_counter() - started[0], read_cpu_time() - started[1]))
    (mine, my_cpu), *theirs = ([statistics.median(column) for column in zip(*taken, strict=True)] for taken in times)
    line = {"case": case, "ours_s": round(mine, 4), "rival_s": round(theirs[0][0], 4)}
    line |= {"ratio": round(theirs[0][0] / mine, 2), "ratio_of_cpu_time": round(theirs[0][1] / my_cpu, 2)}
    if len(theirs) > 1:
        line["ratio_with_our_tokenizer"] = round(theirs[1][0] / mine, 2)
    print(json.dumps(line))


def read_cpu_time() -> float:
    """Seconds of this process and of those that it waited for."""
    children = os.times()
    return time.process_time() + children.children_user + children.children_system


def load_leaderboard(folder: Path) -> list[Pair]:
    """Every configuration's summaries with the references of their documents."""
    candidates = load_table(folder / "predictions/valid.parquet", CANDIDATES)
    first = candidates[candidates["candidate"] == 0]
    valid = load_table(folder / "data/processed/valid.parquet", LABELLED)
    references = valid.set_index("id")["summaries"].loc[first["id"]]
    # normalised, so that the rival sees what ours makes of them
    return [
        (normalise_summary(text), normalise_summary(many[0]))
        for text, many in zip(first["text"], references, strict=True)
    ]


def draw_pairs(texts: Sequence[str], count: int) -> list[Pair]:
    """Half of them real: a text with some words of another in place of its own, and what it was made of; half random
    words, as many as texts have. No prediction stands twice."""
    draw = random.Random(0)
    cut = [text.split() for text in texts]
    words = [word for row in cut for word in row]
    pairs: dict[str, str] = {}
    while len(pairs) < count:
        one, other = draw.choice(cut), draw.choice(cut)
        if len(pairs) % 2:
            pair = draw.choices(words, k=len(one)), draw.choices(words, k=len(other))
        else:
            start, length = draw.randrange(len(one)), draw.randint(1, 4)
            pair = [*one[:start], *other[start : start + length], *one[start + length :]], one
        prediction, reference = map(" ".join, pair)
        pairs[prediction] = reference
    return list(pairs.items())


def main() -> None:
    mecab = build_tokenizer("mecab")
    train = pd.read_csv(TRAIN).head(PAIRS)
    leads = [build_baseline("lead-1", text) for text in train["text"]]
    summaries = list(zip(leads, train["summary"], strict=True))
    long = [(build_baseline("lead-3", text), build_baseline("tail-3", text)) for text in train["text"]]
    # a leaderboard: every reference meets a candidate of each configuration
    names = ("lead-1", "lead-2", "lead-3", "tail-1", "tail-2")
    rows = [build_baseline(name, text) for name in names for text in train["text"]]
    board = list(zip(rows, [*train["summary"]] * 5, strict=True))
    # one document's candidates differ in little: its summary with one word left out or doubled
    words = train["summary"].iloc[0].split()
    pool = [" ".join([*words[:i], *words[i + 1 :]]) for i in range(len(words))]
    pool = (pool + [f"{text} {words[0]}" for text in pool])[:POOL]
    cases = {"summaries": summaries, "three sentences": long, "five rows of a leaderboard": board}
    cases["random and real"] = draw_pairs(pd.read_csv(TRAIN)["summary"].tolist(), MANY)
    if len(sys.argv) > 1:
        cases[f"the leaderboard of {Path(sys.argv[1]).name}"] = load_leaderboard(Path(sys.argv[1]))
    known = {
        text: mecab(text) for text in {*pool, *(text for pairs in cases.values() for pair in pairs for text in pair)}
    }
    cached = known.__getitem__
    # what importing and these inputs left is nobody's garbage to look through
    gc.collect()
    gc.freeze()
    for counted, tokenize, theirs in (
        ("tokenization counted", mecab, (MeCab().morphs, mecab)),
        ("tokenization not counted", cached, (cached,)),
    ):
        for name, pairs in cases.items():
            measure(
                f"{len(pairs)} pairs, {name}, {counted}",
                lambda pairs=pairs, tokenize=tokenize: score_ours(pairs, tokenize),
                *(lambda pairs=pairs, tokenize=other: score_korouge(pairs, tokenize) for other in theirs),
            )
        measure(
            f"consensus of {len(pool)} candidates, {counted}",
            lambda tokenize=tokenize: utilities_ours(pool, tokenize),
            *(lambda tokenize=other: utilities_korouge(pool, tokenize) for other in theirs),
        )


if __name__ == "__main__":
    main()
