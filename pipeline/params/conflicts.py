"""Impossible combinations in params.yaml: what no key can see alone.

The rules read raw values, so a conflict is reported together with every other mistake, and a rule whose values are
missing or of a wrong type says nothing: that mistake has its own line already.
"""

import os
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from pipeline.params.grid import (
    BASELINES,
    FEW_SHOT,
    MAP_REDUCE,
    UNTUNED,
    build_configurations,
    count_candidates,
    find_grid_mistakes,
)

SCRATCH, PAIR, GENERATION = "scratch", "pair", "generation"
# methods whose weights FSDP can share out among processes: it gathers a layer's when the layer is called, and soft
# prompts are no layer's
SHARDED = ("lora", "full")
# what has no meaning where openings are continued, for there are neither summaries nor solved examples, and the type
# and the one value that it may have there
ONLY_SUMMARIZATION: dict[str, tuple[type, Any]] = {
    "preprocess.folds": (int, None),
    "prompt.template": (str, "{text}"),
    "prompt.shots": (int, 0),
    "train.metric_for_best_model": (str, "loss"),
    "refine.method": (str, "none"),
    "decode.few_shot": (int, 0),
    "decode.map_reduce": (bool, False),
    "decode.search": (str, "grid"),
    "rank.method": (str, "none"),
    "score.external": (list, []),
    "predict.fill_empty": (str, "refuse"),
}


def find_conflicts(values: dict[str, Any]) -> list[str]:
    """One line for each conflict, beginning with a key.

    Args:
        values: the mapping in params.yaml, not validated.
    """
    rules = [_find_room_conflicts, _find_grid_conflicts, _find_split_conflicts, _find_model_conflicts]
    rules += [_find_training_conflicts, _find_placement_conflicts, _find_halving_conflicts, _find_folder_conflicts]
    rules += [_find_explore_conflicts, _find_refine_conflicts, _find_sharding_conflicts]
    if _get(values, "task", str) == GENERATION:
        rules.append(_find_generation_conflicts)
    if _get(values, "model.name", str) == SCRATCH:
        rules.append(_find_scratch_conflicts)
    return [line for rule in rules for line in rule(values)]


def _find_folder_conflicts(values: dict[str, Any]) -> Iterator[str]:
    folder = _get(values, "data.folder", str)
    named = {f"data.{role}": _get(values, f"data.{role}", object) for role in ("train", "test", "sample_submission")}
    for place, extra in enumerate(_get(values, "data.extra", list) or []):
        named[f"data.extra.{place}.path"] = extra.get("path") if isinstance(extra, dict) else None
    for key, names in named.items():
        for name in names if isinstance(names, list) else [names]:
            if folder and isinstance(name, str) and not _is_inside(folder, name):
                yield f"{key}: {name} lies outside of data.folder {folder}, and DVC would not see it change"


def _is_inside(folder: str, name: str) -> bool:
    """Whether a name in a folder stays there; a matter of names alone, for the files may come later."""
    outer = os.path.abspath(folder)
    return os.path.commonpath([outer, os.path.abspath(os.path.join(outer, name))]) == outer


def _find_room_conflicts(values: dict[str, Any]) -> Iterator[str]:
    reserved, new = _get(values, "prompt.max_summary_tokens", int), _get(values, "decode.max_new_tokens", int)
    if reserved and new and new > reserved:
        yield f"decode.max_new_tokens: {new} is more than prompt.max_summary_tokens {reserved} keeps free"


def _find_scratch_conflicts(values: dict[str, Any]) -> Iterator[str]:
    if _get(values, "model.architecture", str) == "encoder-decoder":
        yield "model.architecture: encoder-decoder, but the scratch model is causal"
    if "extra" in (_get(values, "pretrain.text", list) or []) and _get(values, "data.extra", list) == []:
        yield "pretrain.text: extra, but data.extra names no further data set"
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


def _find_model_conflicts(values: dict[str, Any]) -> Iterator[str]:
    is_pair = _get(values, "model.name", str) == PAIR
    for key in ("model.encoder", "model.decoder"):
        named = _get(values, key, str)
        if is_pair and named is None:
            yield f"{key}: is needed with model.name: pair"
        if named is not None and not is_pair:
            yield f"{key}: has no effect without model.name: pair"
    if is_pair and _get(values, "model.architecture", str) == "causal":
        yield "model.architecture: causal, but a pair is an encoder-decoder"
    yield from _find_adaptation_conflicts(values)
    method, bits = _get(values, "train.method", str), _get(values, "model.quantization", str)
    if method == "full" and bits:
        yield f"model.quantization: {bits} weights cannot be tuned themselves; use train.method: lora"
    if _get(values, "model.special_tokens", str) or _get(values, "model.special_tokens", list):
        if method in ("prompt_tuning", "prefix_tuning", "none"):
            yield f"model.special_tokens: train.method {method} trains no row for them; use lora or full"
        if is_pair:
            yield "model.special_tokens: a pair's two vocabularies are not grown; leave it []"
    if is_pair and method in ("prompt_tuning", "prefix_tuning", "none"):
        yield f"train.method: {method} leaves a pair's new cross-attention untrained; use lora or full"


def _find_adaptation_conflicts(values: dict[str, Any]) -> Iterator[str]:
    method, name = _get(values, "pretrain.adapt.method", str), _get(values, "model.name", str)
    if method in (None, "none"):
        return
    if name == SCRATCH:
        yield f"pretrain.adapt.method: {method}, but the scratch model is made of the texts already; use none"
    if name == PAIR:
        yield f"pretrain.adapt.method: {method} needs a model that can write already; a pair cannot: use none"
    for key in ("model.quantization", "model.device_map"):
        if found := _get(values, key, str):
            yield f"{key}: {found} weights cannot take in what pretrain.adapt learns; use none for either"


def _find_training_conflicts(values: dict[str, Any]) -> Iterator[str]:
    if _get(values, "train.early_stopping_patience", int) and not _get(values, "train.load_best_model_at_end", bool):
        yield "train.early_stopping_patience: needs train.load_best_model_at_end: true, or a worse model would be kept"
    processes = _get(values, "train.processes", int)
    if processes and processes > 1 and (bits := _get(values, "model.quantization", str)):
        yield f"train.processes: {processes} processes cannot train model.quantization {bits} weights; use one"
    method = _get(values, "train.method", str)
    if method == "prefix_tuning" and _get(values, "train.gradient_checkpointing", bool):
        yield "train.gradient_checkpointing: does not work with train.method: prefix_tuning, which needs the cache"


def _find_sharding_conflicts(values: dict[str, Any]) -> Iterator[str]:
    if _get(values, "train.parallel", str) != "fsdp":
        return
    if (method := _get(values, "train.method", str)) not in (None, *SHARDED):
        yield f"train.parallel: fsdp shards what lora and full train, not train.method: {method}; use ddp"
    if _get(values, "train.metric_for_best_model", str) == "rouge":
        yield "train.metric_for_best_model: rouge writes summaries while it trains, which shards cannot; use loss"
    if _get(values, "train.distill.teacher", str):
        yield "train.distill.teacher: is whole in every process, which train.parallel: fsdp is to avoid; use ddp"
    for key in ("model.quantization", "model.device_map"):
        if found := _get(values, key, str):
            yield f"{key}: {found} places the weights itself, and so does train.parallel: fsdp; use one of them"
    exploring = _get(values, "explore.out_of_fold", str) != "never"
    if exploring and (refining := _get(values, "refine.method", str)) not in (None, "none"):
        yield f"refine.method: {refining} lets explore train whole models; with train.parallel: fsdp use none"


def _find_placement_conflicts(values: dict[str, Any]) -> Iterator[str]:
    if _get(values, "model.device_map", str):
        for section in ("train", "explore", "decode", "rank", "predict"):
            key = f"{section}.processes"
            processes = _get(values, key, int)
            if processes and processes > 1:
                yield f"{key}: {processes} processes take a GPU each, but model.device_map: auto spreads one over all"


def _find_split_conflicts(values: dict[str, Any]) -> Iterator[str]:
    folds, fold = _get(values, "preprocess.folds", int), _get(values, "preprocess.fold", int)
    if folds is not None and fold is not None and fold >= folds:
        yield f"preprocess.fold: {fold} is not one of {folds} folds, counted from 0"
    if folds is not None and _get(values, "preprocess.clean.near_copies_to_train", bool):
        yield "preprocess.clean.near_copies_to_train: a row that leaves its fold would be validated on in none"


def _find_halving_conflicts(values: dict[str, Any]) -> Iterator[str]:
    # what the board does not look at would decide which configurations it never sees
    if _get(values, "decode.search", str) == "halving":
        yield from _find_other_measures(values, "decode.halving")


def _find_other_measures(values: dict[str, Any], section: str) -> Iterator[str]:
    """What a section measures by that is not what selects."""
    for key, kind in (("tokenizer", str), ("weights", dict)):
        own, selected = _get(values, f"{section}.{key}", kind), _get(values, f"score.{key}", kind)
        if own is not None and selected is not None and own != selected:
            yield f"{section}.{key}: must be that of score.{key}, which selects"


def _find_explore_conflicts(values: dict[str, Any]) -> Iterator[str]:
    grid, cap = _get(values, "explore.grid", dict), _get(values, "prompt.max_summary_tokens", int)
    if grid is None or not all(isinstance(family, dict) for family in grid.values()):
        return
    mistakes = find_grid_mistakes(grid, cap, "explore.grid", "prompt.max_summary_tokens")
    yield from mistakes
    if not mistakes and count_candidates(build_configurations(grid, cap or 1)) < 2:
        yield "explore.grid: gives a document one candidate, and there is nothing to compare it with"


def _find_refine_conflicts(values: dict[str, Any]) -> Iterator[str]:
    method = _get(values, "refine.method", str)
    if method in (None, "none"):
        return
    if _get(values, "train.method", str) == "none":
        yield f"refine.method: {method} goes on with what training left, and train.method: none leaves nothing"
    yield from _find_other_measures(values, "refine")
    exploring, training = _get(values, "explore.processes", int), _get(values, "train.processes", int)
    if _get(values, "explore.out_of_fold", str) != "never" and exploring and training and exploring != training:
        yield (
            f"explore.processes: must be train.processes {training}, for it trains as train does, or set out_of_fold: "
            "never"
        )


def _find_generation_conflicts(values: dict[str, Any]) -> Iterator[str]:
    for key, (kind, wanted) in ONLY_SUMMARIZATION.items():
        found = _get(values, key, kind)
        if found is not None and found != wanted:
            shown = "null" if wanted is None else repr(wanted)
            yield f"{key}: {found!r} is for summaries; with task: generation it must be {shown}"
    if _get(values, "model.name", str) == PAIR or _get(values, "model.architecture", str) == "encoder-decoder":
        yield "task: generation needs a causal model, which goes on from its own words"
    context, block = _get(values, "pretrain.n_positions", int), _get(values, "generation.block_size", int)
    if _get(values, "model.name", str) == SCRATCH and context and block and block > context:
        yield f"generation.block_size: {block} is larger than pretrain.n_positions {context}"


def _find_grid_conflicts(values: dict[str, Any]) -> Iterator[str]:
    grid, cap = _get(values, "decode.grid", dict), _get(values, "decode.max_new_tokens", int)
    if grid is None or not all(isinstance(family, dict) for family in grid.values()):
        return
    mistakes = find_grid_mistakes(grid, cap)
    yield from mistakes
    use = _get(values, "predict.use", str)
    if mistakes or use is None:
        return
    is_summarized = _get(values, "task", str) != GENERATION
    rows = [*(c.name for c in build_configurations(grid, cap or 1)), *(BASELINES if is_summarized else ())]
    rows += [MAP_REDUCE] if _get(values, "decode.map_reduce", bool) else []
    rows += [UNTUNED] if _get(values, "decode.untuned", bool) else []
    rows += [FEW_SHOT] if _get(values, "decode.few_shot", int) else []
    pools = _get(values, "score.consensus.pools", list) if is_summarized else None
    rows += [f"consensus/{pool}" for pool in pools or []]
    rows += [f"rank/{way}"] if (way := _get(values, "rank.method", str)) not in (None, "none") else []
    rows += [PurePath(str(file)).stem for file in _get(values, "score.external", list) or []]
    if use not in ("best", *rows):
        yield f"predict.use: no row {use!r} in the leaderboard; rows: best, {', '.join(rows)}"


def _get(values: dict[str, Any], key: str, kind: type) -> Any:
    """The value at a dotted key, None where there is none of this type."""
    found: Any = values
    for name in key.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    # bool is an int to Python, and `block_size: true` is reported as such
    return found if isinstance(found, kind) and (kind is bool or not isinstance(found, bool)) else None
