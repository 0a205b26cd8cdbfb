"""What is learnt from several summaries of one document whose ROUGE is known. Candidates stand best first."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


def compute_values(log_probabilities: Tensor, lengths: Tensor, length_penalty: float) -> Tensor:
    """f(y) = log p(y) / |y|^α, by which beam search ranks (Liu et al. 2022, "BRIO", equation 9).

    Args:
        log_probabilities: (candidates,) in nats, summed over tokens.
        lengths: (candidates,) tokens of each.
        length_penalty: α, that of the configuration which will be deployed.
    """
    return log_probabilities / lengths**length_penalty


def find_pairs(scores: Sequence[float], min_gap: float) -> tuple[list[int], list[int]]:
    """The places of the better and of the worse candidate of every pair that is far enough apart.

    >>> find_pairs([0.5, 0.495, 0.3], 0.01)
    ([0, 1], [2, 2])
    """
    better, worse = np.triu_indices(len(scores), k=1)
    kept = np.asarray(scores)[better] - np.asarray(scores)[worse] >= min_gap
    return better[kept].tolist(), worse[kept].tolist()


def compute_ranking_loss(values: Tensor, pairs: tuple[Sequence[int], Sequence[int]], margin: float) -> Tensor:
    """The mean over pairs i < j of max(0, f(y_j) - f(y_i) + λ (j - i)) (Liu et al. 2022, "BRIO", equation 8; summed
    there). 0 for no pair.

    Args:
        values: (candidates,) f, best candidate first.
        pairs: as `find_pairs` gives them.
        margin: λ.
    """
    better, worse = (torch.tensor(places, dtype=torch.long, device=values.device) for places in pairs)
    if not len(better):
        return values.sum() * 0.0
    return (values[worse] - values[better] + margin * (worse - better)).clamp(min=0).mean()


def estimate_margin(documents: Iterable[np.ndarray]) -> float:
    """λ for which the best candidate should lead the worst by what parts the likeliest and the unlikeliest now.

    Args:
        documents: (candidates,) f of each document's candidates, in any order.

    Returns:
        The median over documents of (max f - min f) / (candidates - 1); 0 where none has two.
    """
    gaps = [float(np.ptp(values)) / (len(values) - 1) for values in documents if len(values) > 1]
    return float(np.median(gaps)) if gaps else 0.0


def compute_risk(log_probabilities: Tensor, scores: Tensor, sharpness: float) -> Tensor:
    """Σ q(y) (1 - ROUGE(y)) with q(y) = p(y)^α / Σ p(y')^α over the candidates (Shen et al. 2016, equations 9 to 11).

    Args:
        log_probabilities: (candidates,) in nats, summed over tokens.
        scores: (candidates,) ROUGE from 0 to 1.
        sharpness: α.
    """
    return ((log_probabilities * sharpness).softmax(0) * (1 - scores)).sum()


def compute_preference_loss(own: Tensor, before: Tensor, beta: float) -> Tensor:
    """-log σ(β (log p(y_b) / p₀(y_b) - log p(y_w) / p₀(y_w))) (Rafailov et al. 2023, "DPO", equation 7).

    Args:
        own: (2,) the model's log-probabilities of the best and of the worst candidate.
        before: (2,) the same of the model that training left.
        beta: β.
    """
    gains = own - before
    return -logsigmoid(beta * (gains[0] - gains[1]))
