"""The row of the leaderboard that a ranker chooses, cross-fitted, and whether there was anything to learn."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.scoring.pools import Pool, Utility, assign_folds
from pipeline.scoring.ranking.candidates import collect_candidates, compute_features
from pipeline.scoring.ranking.ranker import Ranker, check_method, describe_ranker, fit_ranker
from pipeline.scoring.rouge.pairs import compute_weighted_rouge

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

PREFIX = "rank/"
# a held-out order that agrees less than this with ROUGE has learnt nothing: what an oracle gains over the best row is
# then the maximum of noise
WORTHWHILE = 0.1


@dataclass(frozen=True)
class Ranked(Pool):
    """A row that a ranker chose: all candidates of the pool, each read once more by the tuned model and the base."""

    ranker: Ranker | None = None

    @property
    def cost(self) -> int:
        """Rows decoded a document, and one more for each model that reads the candidates again."""
        return super().cost + 2


@dataclass(frozen=True)
class Ranking:
    """What ranking says.

    Args:
        rows: `id`, `text`, `finished`, `name`, chosen by rankers that did not learn from the document.
        entry: the row, with the ranker fitted on all documents.
        details: of details/scores.json.
    """

    rows: "pd.DataFrame"
    entry: Ranked
    details: dict[str, Any]


def rank_candidates(
    candidates: "pd.DataFrame",
    likelihoods: "pd.DataFrame | None",
    examples: "pd.DataFrame",
    method: str,
    utility: Utility,
) -> Ranking:
    """Learns to choose among the candidates of the utility's configurations.

    Cross-fitted over documents: whatever depends on scores (weights, the means of configurations) comes, for each
    document, from documents of the other folds.

    Args:
        candidates: `pipeline.tables.CANDIDATES` of the examples.
        likelihoods: `pipeline.tables.LIKELIHOODS`; None to choose without.

    Raises:
        InputError: if a candidate has no likelihood, or the method cannot serve.
    """
    import numpy as np

    check_method(method, len(examples))
    found = collect_candidates(candidates, list(examples["id"]), utility.configurations)
    table = found.table
    if likelihoods is not None:
        check_likelihoods(table, likelihoods)
    documents = dict(zip(examples["id"], examples["text"], strict=True))
    features = compute_features(found, likelihoods, documents, utility.rouge, utility.metric_weights)
    references = examples.set_index("id")["summaries"].loc[table["id"]].tolist()
    scores = compute_weighted_rouge(list(table["text"]), references, utility.rouge, utility.metric_weights).to_numpy()
    folds = dict(zip(examples["id"], assign_folds(len(examples), utility.seed), strict=True))
    fold = table["id"].map(folds).to_numpy()
    held_out = np.zeros(len(table))
    for number in np.unique(fold):
        # one document leaves no others to learn from
        kept = fold != number if (fold != number).any() else fold == number
        ranker = fit_ranker(method, found, features, scores, kept)
        held_out[fold == number] = ranker.order(found, features)[fold == number]
    chosen = pick_best(table, held_out)
    name = PREFIX + method
    rows = table.loc[chosen, ["id", "text", "finished"]].assign(name=name).reset_index(drop=True)
    ranker = fit_ranker(method, found, features, scores, np.ones(len(table), bool))
    entry = Ranked(name, list(utility.configurations), {}, ranker)
    return Ranking(rows, entry, _build_details(table, held_out, scores, ranker))


def apply_ranker(
    ranker: Ranker,
    candidates: "pd.DataFrame",
    likelihoods: "pd.DataFrame | None",
    documents: "pd.DataFrame",
    utility: Utility,
) -> "pd.DataFrame":
    """`id` and `summary` that a ranker chooses among the candidates of the utility's configurations.

    Args:
        candidates: `pipeline.tables.CANDIDATES` of the documents.
        likelihoods: `pipeline.tables.LIKELIHOODS`; None for a ranker that learnt without.
        documents: `id` and `text`; the order of the result.
    """
    found = collect_candidates(candidates, list(documents["id"]), utility.configurations)
    texts = dict(zip(documents["id"], documents["text"], strict=True))
    features = compute_features(found, likelihoods, texts, utility.rouge, utility.metric_weights)
    chosen = found.table.loc[pick_best(found.table, ranker.order(found, features)), ["id", "text"]]
    return chosen.rename(columns={"text": "summary"}).reset_index(drop=True)


def check_likelihoods(table: "pd.DataFrame", likelihoods: "pd.DataFrame") -> None:
    """Raises InputError if the likelihoods are not those of these candidates."""
    known = set(zip(likelihoods["id"], likelihoods["text"], strict=True))
    if missing := [pair for pair in zip(table["id"], table["text"], strict=True) if pair not in known]:
        raise InputError(
            f"predictions/likelihoods.parquet: has no likelihood of a candidate of {missing[0][0]!r}; "
            "run the rank stage again"
        )


def pick_best(table: "pd.DataFrame", order: "np.ndarray") -> list[int]:
    """The place of each document's best candidate, documents in order; of equals the first."""
    # sums in another order differ in their last bits, which must not decide between equals
    rounded = order.round(12)
    return [int(places[rounded[places].argmax()]) for places in table.groupby("id", sort=False).indices.values()]


def _build_details(table: "pd.DataFrame", order: "np.ndarray", scores: "np.ndarray", ranker: Ranker) -> dict[str, Any]:
    by_document = table.groupby("id", sort=False).indices.values()
    agreement = [r for places in by_document if (r := _correlate(order[places], scores[places])) is not None]
    return {
        "spearman": round(sum(agreement) / len(agreement), 4) if agreement else None,
        "candidates": len(table),
        "oracle": round(float(sum(scores[places].max() for places in by_document) / len(by_document)), 4),
        "said": describe_ranker(ranker),
    }


def _correlate(order: "np.ndarray", scores: "np.ndarray") -> float | None:
    """Spearman's rank correlation; None where all scores are alike, so that nothing could be told apart."""
    from scipy.stats import spearmanr

    order, scores = order.round(12), scores.round(12)
    if len(scores) < 3 or scores.max() == scores.min():
        return None
    return float(spearmanr(order, scores).statistic) if order.max() > order.min() else 0.0


def describe_ranking(details: Mapping[str, Any], score: float) -> list[str]:
    """Lines: whether there was anything to learn, and what the ranker likes.

    Args:
        details: as `rank_candidates` gives them.
        score: of its row.
    """
    spearman = details["spearman"]
    if spearman is None:
        return ["rank: the candidates of a document are all alike; there is nothing to choose"]
    verdict = "" if spearman >= WORTHWHILE else "; that is next to nothing: set rank.method: none"
    return [
        f"rank: its held-out order of a document's candidates agrees with ROUGE by {spearman:.2f} (Spearman){verdict}; "
        f"it scores {score:.4f}, the best candidate of each document by hindsight {details['oracle']:.4f}",
        details["said"],
    ]
