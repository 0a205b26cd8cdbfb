"""What is learnt of candidates: a weight a feature (ridge regression), or boosted trees (LambdaMART)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.scoring.ranking.candidates import (
    FEATURES,
    Candidates,
    compare_within_documents,
    compute_writer_scores,
)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

RIDGE, LAMBDAMART = "ridge", "lambdamart"
# trees learn noise from fewer documents
FEWEST_DOCUMENTS = 1000
PENALTIES = tuple(10.0**power for power in range(-1, 6))
# grades into which LambdaMART sorts a document's candidates
GRADES = 8
FOLDS = 5


@dataclass(frozen=True)
class Ranker:
    """Orders a document's candidates.

    Args:
        method: `ridge` or `lambdamart`.
        writers: mean score by configuration and rank.
        weights: by feature, in points of the score for one standard deviation within a document; of ridge.
        trees: LightGBM's own text; of LambdaMART.
    """

    method: str
    writers: dict[str, float]
    weights: dict[str, float] = field(default_factory=dict)
    trees: str = ""

    def order(self, candidates: Candidates, features: "pd.DataFrame") -> "np.ndarray":
        """(texts,): the higher, the better among the candidates of a document.

        Args:
            features: as `pipeline.scoring.ranking.candidates.compute_features` makes them.
        """
        import numpy as np

        matrix = build_matrix(candidates, features, self.writers)
        if self.method == RIDGE:
            return matrix @ np.array([self.weights[name] for name in list_features(features)])
        import lightgbm

        return lightgbm.Booster(model_str=self.trees).predict(matrix)


def list_features(features: "pd.DataFrame") -> list[str]:
    """Names of the matrix's columns."""
    return [name for name in FEATURES if name in features.columns or name == "configuration"]


def build_matrix(candidates: Candidates, features: "pd.DataFrame", writers: Mapping[str, float]) -> "np.ndarray":
    """(texts, features): every feature compared within its document."""
    whole = features.assign(configuration=compute_writer_scores(candidates, writers))[list_features(features)]
    return compare_within_documents(whole, candidates.table["id"])


def compute_writer_means(candidates: Candidates, scores: "np.ndarray", kept: "np.ndarray") -> dict[str, float]:
    """The mean score of each configuration and rank.

    Args:
        scores: (texts,) against the references.
        kept: (texts,) whether a text's document counts.
    """
    writers = candidates.writers
    counted = writers[kept[writers["place"].to_numpy()]]
    means = counted.assign(score=scores[counted["place"].to_numpy()]).groupby("writer", sort=False)["score"].mean()
    return {str(name): float(mean) for name, mean in means.items()}


def check_method(method: str, documents: int) -> None:
    """Raises InputError if LightGBM is asked for and not installed, or there are too few documents for it."""
    if method != LAMBDAMART:
        return
    if find_spec("lightgbm") is None:
        raise InputError(
            "rank.method: lambdamart needs LightGBM, which is not installed: pip install -e '.[lambdamart]'"
        )
    if documents <= FEWEST_DOCUMENTS:
        raise InputError(
            f"rank.method: lambdamart learns from more than {FEWEST_DOCUMENTS} validation documents, here from "
            f"{documents}; use ridge"
        )


def fit_ranker(
    method: str, candidates: Candidates, features: "pd.DataFrame", scores: "np.ndarray", kept: "np.ndarray"
) -> Ranker:
    """Learns from the documents whose texts are kept.

    Args:
        scores: (texts,) against the references.
        kept: (texts,) of which to learn; all of a document or none.
    """
    import numpy as np

    writers = compute_writer_means(candidates, scores, kept)
    matrix = build_matrix(candidates, features, writers)[kept]
    ids = candidates.table["id"][kept]
    documents = ids.groupby(ids.to_numpy(), sort=False).ngroup().to_numpy()
    if method == LAMBDAMART:
        names = list_features(features)
        return Ranker(method, writers, trees=_fit_trees(matrix, scores[kept], documents, names))
    own = scores[kept]
    target = own - (np.bincount(documents, own) / np.bincount(documents))[documents]
    weights = _fit_weights(matrix, target, documents)
    return Ranker(method, writers, dict(zip(list_features(features), map(float, weights), strict=True)))


def _fit_weights(matrix: "np.ndarray", target: "np.ndarray", documents: "np.ndarray") -> "np.ndarray":
    """Ridge regression (Hoerl & Kennard 1970), its penalty by cross-validation over documents."""
    from sklearn.linear_model import Ridge, RidgeCV
    from sklearn.model_selection import GroupKFold

    folds = min(FOLDS, int(documents.max()) + 1)
    if folds < 2:
        return Ridge(alpha=PENALTIES[-1], fit_intercept=False).fit(matrix, target).coef_
    splits = list(GroupKFold(folds).split(matrix, target, documents))
    return (
        RidgeCV(PENALTIES, fit_intercept=False, cv=splits, scoring="neg_mean_squared_error").fit(matrix, target).coef_
    )


def _fit_trees(matrix: "np.ndarray", scores: "np.ndarray", documents: "np.ndarray", names: list[str]) -> str:
    """LambdaMART (Burges 2010, MSR-TR-2010-82) as LightGBM has it, on grades of the scores within each document."""
    import lightgbm
    import numpy as np

    count = int(documents.max()) + 1
    sizes = np.bincount(documents)
    lowest, highest = (np.full(count, limit) for limit in (np.inf, -np.inf))
    np.minimum.at(lowest, documents, scores)
    np.maximum.at(highest, documents, scores)
    apart = (highest - lowest)[documents]
    share = np.divide(scores - lowest[documents], apart, out=np.zeros(len(scores)), where=apart > 0)
    grades = np.round(share * (GRADES - 1)).astype(int)
    settings = {"objective": "lambdarank", "learning_rate": 0.05, "num_leaves": 15, "min_data_in_leaf": 50}
    # one thread and fixed seeds: the same candidates give the same trees
    fixed = {"deterministic": True, "num_threads": 1, "seed": 0, "verbose": -1, "lambdarank_truncation_level": 10}
    data = lightgbm.Dataset(matrix, grades, group=sizes, feature_name=names)
    return lightgbm.train(settings | fixed, data, num_boost_round=200).model_to_string()


def describe_ranker(ranker: Ranker, scale: float = 100.0) -> str:
    """One line: what the chooser likes and dislikes, the strongest first.

    Args:
        scale: what a score of 1 is said as.
    """
    if ranker.method != RIDGE:
        import lightgbm

        trees = lightgbm.Booster(model_str=ranker.trees)
        gains = trees.feature_importance("gain")
        shares = {name: gain / max(sum(gains), 1e-12) for name, gain in zip(trees.feature_name(), gains, strict=True)}
        best = sorted(shares, key=lambda name: -shares[name])[:5]
        return "rank looks most at: " + ", ".join(f"{FEATURES[name]} ({shares[name]:.0%})" for name in best)
    strongest = sorted(ranker.weights, key=lambda name: -abs(ranker.weights[name]))
    said = [
        f"{FEATURES[n]} ({ranker.weights[n] * scale:+.2f})" for n in strongest if round(ranker.weights[n] * scale, 2)
    ]
    return "rank takes a candidate for better that is: " + (", ".join(said[:6]) or "nothing that can be told")


def pack_ranker(ranker: Ranker) -> dict[str, Any]:
    """As predictions/selection.json holds it."""
    packed = {"method": ranker.method, "writers": {name: round(mean, 9) for name, mean in ranker.writers.items()}}
    if ranker.method == RIDGE:
        return {**packed, "weights": {name: round(weight, 12) for name, weight in ranker.weights.items()}}
    return {**packed, "trees": ranker.trees}
