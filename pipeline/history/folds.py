"""folds: what cross-validation says of a setting, and the consensus of the models that it trained.

Pure: one experiment a fold in; lines and a table of summaries out.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.errors import InputError
from pipeline.scoring.bootstrap import compute_intervals
from pipeline.scoring.consensus import compute_utilities, select_consensus
from pipeline.scoring.rouge.comparison import Rouge

if TYPE_CHECKING:
    import pandas as pd


def pool_scores(folds: "Sequence[pd.DataFrame]") -> "pd.DataFrame":
    """The out-of-fold scores of every document: `id`, `text`, `score`, `fold`.

    Raises:
        InputError: if two folds validated on the same document, so that they are not folds of one split.
    """
    import pandas as pd

    pooled = pd.concat([frame.assign(fold=number) for number, frame in enumerate(folds)], ignore_index=True)
    twice = pooled.loc[pooled["id"].duplicated(), "id"]
    if len(twice):
        raise InputError(f"folds: document {twice.iloc[0]!r} is validated on in two folds; run them again")
    return pooled[["id", "text", "score", "fold"]]


def describe_folds(
    pooled: "pd.DataFrame", rows: Sequence[str], resamples: int, confidence: float, seed: int
) -> Iterator[str]:
    """Lines: each fold's mean, the pooled mean with its interval, and how far folds differ by themselves.

    Args:
        rows: the row that each fold selected.
    """
    groups = pooled.groupby("fold")["score"]
    means = groups.mean()
    for fold, mean in means.items():
        yield f"fold {fold}: {mean:.4f} on {len(groups.get_group(fold))} documents, {rows[fold]}"
    low, high = compute_intervals(pooled["score"].to_numpy()[None], resamples, confidence, seed)
    yield (
        f"out of fold: {pooled['score'].mean():.4f}, {confidence:.0%} interval {low[0]:.4f} … {high[0]:.4f}, "
        f"{len(pooled)} documents"
    )
    expected = (groups.var() / groups.count()).mean() ** 0.5
    spread = f"{means.max() - means.min():.4f} (standard deviation {means.std():.4f}"
    yield (
        f"fold means differ by up to {spread}; the documents alone would make {expected:.4f}): "
        "a gain smaller than that on one split is no news"
    )


def build_fold_consensus(
    tests: "Sequence[pd.DataFrame]", tokenizer: str, metric_weights: Mapping[str, float]
) -> "pd.DataFrame":
    """`id`, `summary`: of the folds' summaries of each test document the one nearest to the others.

    Args:
        tests: `id`, `summary` by each fold's model; the same ids.
    """
    import pandas as pd

    ids = list(tests[0]["id"])
    by_fold = [dict(zip(test["id"], test["summary"], strict=True)) for test in tests]
    if any(set(summaries) != set(ids) for summaries in by_fold):
        raise InputError("folds: the folds predicted different test documents; run them again")
    rouge, chosen = Rouge(tokenizer), []
    for name in ids:
        texts = [summaries[name] for summaries in by_fold]
        chosen.append(texts[select_consensus(compute_utilities(texts, rouge, metric_weights))])
    return pd.DataFrame({"id": ids, "summary": chosen})
