"""Which rule chooses the row that scores best on documents it has not seen? By hand, on what the score stage left:

    python benchmarks/selection.py predictions/scores.parquet

The documents are halved at random, again and again; each rule chooses on the one half, with what stands there alone,
and is paid what its choice scores on the other. Rows of consensus keep the answers that they gave; their members were
chosen on all of validation, four fifths at a time, so they are flattered a little under every rule alike.

Prints a JSON line a rule: the mean score on the other half, how far that is below the row that turned out best there,
what the choice costs (rows decoded a document), and `ahead`, the interval of its advantage over `cheapest`, the
default until 2026-11, over halvings (which share documents, so it is narrower than that of fresh ones).
"""

import argparse
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.scoring.bootstrap import compute_intervals
from pipeline.scoring.rows import OWN
from pipeline.scoring.selection import select_cheapest, select_expected, shrink_means

RESAMPLES = 1000


def choose_cheapest(scores: np.ndarray, names: list[str], costs: list[int]) -> int:
    order = np.argsort(-scores.mean(axis=1), kind="stable")
    _, high = compute_intervals(scores[order] - scores[order[0]], RESAMPLES, 0.95, 0)
    return int(order[select_cheapest(high.tolist(), [costs[i] for i in order])])


def choose_best_mean(scores: np.ndarray, names: list[str], costs: list[int]) -> int:
    return select_expected(scores.mean(axis=1).tolist(), costs)


def choose_shrunk(scores: np.ndarray, names: list[str], costs: list[int]) -> int:
    return select_expected(shrink_means(scores, names).tolist(), costs)


def choose_cross_fitted(scores: np.ndarray, names: list[str], costs: list[int]) -> int:
    """The row that is best most often when a fifth of the documents is left out, ten times over."""
    rng, wins = np.random.default_rng(0), Counter()
    for _ in range(10):
        folds = rng.permutation(scores.shape[1]) % 5
        wins.update(int(scores[:, folds != fold].mean(axis=1).argmax()) for fold in range(5))
    return max(wins, key=lambda row: (wins[row], scores[row].mean()))


def choose_bagged(scores: np.ndarray, names: list[str], costs: list[int]) -> int:
    """The row that is best most often in bootstrap resamples."""
    examples = scores.shape[1]
    counts = np.random.default_rng(0).multinomial(examples, np.full(examples, 1 / examples), size=RESAMPLES)
    wins = np.bincount((scores @ counts.T).argmax(axis=0), minlength=len(scores))
    return int(max(range(len(scores)), key=lambda row: (wins[row], scores[row].mean())))


RULES: dict[str, Callable[[np.ndarray, list[str], list[int]], int]] = {
    "cheapest": choose_cheapest,
    "best mean": choose_best_mean,
    "shrunk": choose_shrunk,
    "cross-fitted": choose_cross_fitted,
    "bagged": choose_bagged,
}


def load_scores(path: Path) -> tuple[np.ndarray, list[str], list[int]]:
    """(rows, examples) of what was decoded, the rows' names, and their costs from the leaderboard beside."""
    table = pd.read_parquet(path)
    own = table[table["kind"].isin(OWN)].pivot(index="name", columns="id", values="score")
    board = pd.read_csv(path.parent.parent / "metrics/leaderboard.csv", dtype={"name": str}).set_index("name")
    return own.to_numpy(), list(own.index), board.loc[own.index, "cost"].astype(int).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scores", type=Path, nargs="+", help="predictions/scores.parquet of a run")
    parser.add_argument("--halvings", type=int, default=100)
    options = parser.parse_args()
    for path in options.scores:
        scores, names, costs = load_scores(path)
        paid: dict[str, list[float]] = {rule: [] for rule in RULES}
        spent: dict[str, list[int]] = {rule: [] for rule in RULES}
        best = []
        for halving in range(options.halvings):
            order = np.random.default_rng(halving).permutation(scores.shape[1])
            seen, fresh = scores[:, order[: len(order) // 2]], scores[:, order[len(order) // 2 :]].mean(axis=1)
            best.append(fresh.max())
            for rule, choose in RULES.items():
                chosen = choose(seen, names, costs)
                paid[rule].append(float(fresh[chosen]))
                spent[rule].append(costs[chosen])
        for rule in RULES:
            ahead = np.array(paid[rule]) - np.array(paid["cheapest"])
            low, high = compute_intervals(ahead[None], RESAMPLES, 0.95, 0)
            line = {"case": str(path), "rule": rule, "documents": scores.shape[1] // 2, "rows": len(scores)}
            line |= {
                "score": round(np.mean(paid[rule]), 4),
                "below_best": round(np.mean(best) - np.mean(paid[rule]), 4),
            }
            line |= {"cost": round(np.mean(spent[rule]), 1), "ahead": [round(low[0], 4), round(high[0], 4)]}
            print(json.dumps(line))


if __name__ == "__main__":
    main()
