"""Impossible combinations in params.yaml: what no key can see alone.

The rules read raw values, so a conflict is reported together with every other mistake, and a rule whose values are
missing or of a wrong type says nothing: that mistake has its own line already.
"""

from collections.abc import Iterator
from typing import Any

from pipeline.decoding.grid import UNTUNED, build_configurations, find_grid_mistakes
from pipeline.scoring.baselines import BASELINES

SCRATCH = "scratch"


def find_conflicts(values: dict[str, Any]) -> list[str]:
    """One line for each conflict, beginning with a key.

    Args:
        values: the mapping in params.yaml, not validated.
    """
    rules = [_find_room_conflicts, _find_grid_conflicts, _find_weight_conflicts]
    if _get(values, "model.name", str) == SCRATCH:
        rules.append(_find_scratch_conflicts)
    return [line for rule in rules for line in rule(values)]


def _find_room_conflicts(values: dict[str, Any]) -> Iterator[str]:
    reserved, new = _get(values, "prompt.max_summary_tokens", int), _get(values, "decode.max_new_tokens", int)
    if reserved and new and new > reserved:
        yield f"decode.max_new_tokens: {new} is more than prompt.max_summary_tokens {reserved} keeps free"


def _find_scratch_conflicts(values: dict[str, Any]) -> Iterator[str]:
    if _get(values, "model.architecture", str) == "encoder-decoder":
        yield "model.architecture: encoder-decoder, but the scratch model is causal"
    context = _get(values, "pretrain.n_positions", int)
    reserved, block = _get(values, "prompt.max_summary_tokens", int), _get(values, "pretrain.block_size", int)
    if context and reserved and reserved >= context:
        yield f"prompt.max_summary_tokens: {reserved} leaves no room for a document in pretrain.n_positions {context}"
    if context and block and block > context:
        yield f"pretrain.block_size: {block} is larger than pretrain.n_positions {context}"
    width, heads = _get(values, "pretrain.n_embd", int), _get(values, "pretrain.n_head", int)
    # rotary embeddings turn pairs of dimensions, so a head's width is even
    if width and heads and heads > 0 and width % (2 * heads):
        yield f"pretrain.n_embd: {width} is not an even multiple of pretrain.n_head {heads}"


def _find_weight_conflicts(values: dict[str, Any]) -> Iterator[str]:
    weights = _get(values, "score.weights", dict) or {}
    numbers = [value for value in weights.values() if isinstance(value, int | float)]
    if numbers and len(numbers) == len(weights) and not any(numbers):
        yield "score.weights: at least one weight must be above 0"


def _find_grid_conflicts(values: dict[str, Any]) -> Iterator[str]:
    grid, cap = _get(values, "decode.grid", dict), _get(values, "decode.max_new_tokens", int)
    if grid is None or not all(isinstance(family, dict) for family in grid.values()):
        return
    mistakes = find_grid_mistakes(grid, cap)
    yield from mistakes
    use = _get(values, "predict.use", str)
    if mistakes or use is None:
        return
    rows = [*(c.name for c in build_configurations(grid, cap or 1)), *BASELINES]
    rows += [UNTUNED] if _get(values, "decode.untuned", bool) else []
    if use not in ("best", *rows):
        yield f"predict.use: no row {use!r} in the leaderboard; rows: best, {', '.join(rows)}"


def _get(values: dict[str, Any], key: str, kind: type) -> Any:
    """The value at a dotted key, None where there is none of this type."""
    found: Any = values
    for name in key.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    # bool is an int to Python, and `block_size: true` is reported as such
    return found if isinstance(found, kind) and (kind is bool or not isinstance(found, bool)) else None
