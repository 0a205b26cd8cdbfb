"""ROUGE-W and ROUGE-S (Lin 2004, W04-1013, sections 4 and 5), which korouge-score does not have."""

from collections import Counter
from collections.abc import Sequence


def compute_weighted_lcs(
    prediction: Sequence[int], reference: Sequence[int], run_weight: float = 1.2
) -> tuple[float, float, float]:
    """ROUGE-W: precision, recall and F1 of the longest common subsequence in which consecutive matches weigh more.

    Args:
        prediction: at least one token; so has the reference.
        run_weight: a run of k matches weighs k to this power, so runs beat the same matches far apart; ROUGE-1.5.5 is
            run with 1.2.
    """
    columns = len(prediction) + 1
    score, run = [0.0] * columns, [0] * columns
    for wanted in reference:
        row, runs = [0.0] * columns, [0] * columns
        for j, token in enumerate(prediction, 1):
            if token == wanted:
                k = run[j - 1]
                row[j] = score[j - 1] + (k + 1) ** run_weight - k**run_weight
                runs[j] = k + 1
            else:
                row[j] = max(score[j], row[j - 1])
        score, run = row, runs
    precision, recall = ((score[-1] / len(side) ** run_weight) ** (1 / run_weight) for side in (prediction, reference))
    return precision, recall, _compute_f1(precision, recall)


def compute_skip_bigrams(
    prediction: Sequence[int], reference: Sequence[int], skip: int | None
) -> tuple[float, float, float]:
    """ROUGE-S: precision, recall and F1 of pairs of tokens in their order, whatever stands between.

    Args:
        skip: at most so many tokens stand between the two; None for any number.
    """
    ours, theirs = _count_pairs(prediction, skip), _count_pairs(reference, skip)
    matches = sum(min(count, theirs[pair]) for pair, count in ours.items() if pair in theirs)
    if not matches:
        return 0.0, 0.0, 0.0
    precision, recall = matches / ours.total(), matches / theirs.total()
    return precision, recall, _compute_f1(precision, recall)


def _count_pairs(tokens: Sequence[int], skip: int | None) -> Counter:
    reach = len(tokens) if skip is None else skip + 2
    return Counter((token, other) for i, token in enumerate(tokens) for other in tokens[i + 1 : i + reach])


def _compute_f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
