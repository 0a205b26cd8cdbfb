"""The decoding grid: named families in params.yaml -> a flat list of configurations.

Every list in a family is an axis and the family is their product. A configuration is named after its family and the
values on its axes, so a name does not change when another family does.
"""

import itertools
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.params.result_sections import DecodeParams

Setting = bool | int | float | str

# what a value may be; the words are those of transformers' GenerationConfig
KNOWN_SETTINGS: dict[str, str] = {
    "do_sample": "bool",
    "num_beams": "count",
    "length_penalty": "number",
    "early_stopping": "stopping",
    "no_repeat_ngram_size": "size",
    "repetition_penalty": "positive",
    "min_new_tokens": "size",
    "temperature": "positive",
    "top_k": "size",
    "top_p": "probability",
    "min_p": "probability",
    "num_return_sequences": "count",
}
ONLY_WITH_BEAMS = ("length_penalty", "early_stopping")
ONLY_WITH_SAMPLING = ("temperature", "top_k", "top_p", "min_p")
# names that mean something else in the leaderboard and in predict.use
BASELINES = ("lead-1", "lead-3", "tail-1")
UNTUNED, FEW_SHOT = "untuned", "few-shot"
MAP_REDUCE = "map-reduce"
# what a person wrote on, beside which continuations are shown
HUMAN = "human"
MAX_NEW_TOKENS = "decode.max_new_tokens"
RESERVED = ("best", "consensus", "rank", HUMAN, UNTUNED, FEW_SHOT, MAP_REDUCE, *BASELINES)
# transformers 5 moved these to code fetched from a hub
REMOTE_CODE = {
    "num_beam_groups": "group beam search",
    "diversity_penalty": "group beam search",
    "penalty_alpha": "contrastive search",
    "dola_layers": "DoLa",
    "constraints": "constrained beam search",
    "force_words_ids": "constrained beam search",
}


@dataclass(frozen=True)
class Configuration:
    """One way to decode: `settings` are keyword arguments of transformers' `generate`, `max_new_tokens` among them."""

    name: str
    settings: dict[str, Setting]

    @property
    def cost(self) -> int:
        """Rows decoded a document: the price by which a tie within noise is decided."""
        return int(max(self.settings.get("num_beams", 1), self.settings.get("num_return_sequences", 1)))


@dataclass(frozen=True)
class Untuned(Configuration):
    """Greedy decoding with the base alone, with so many solved training examples in front of each document."""

    shots: int = 0


@dataclass(frozen=True)
class MapReduce(Configuration):
    """Greedy decoding, and of a document that does not fit, the summary of its parts' summaries."""

    @property
    def cost(self) -> int:
        """A document that fits costs one row, one that does not a row for each part and one more; so more than one."""
        return 2


def build_configurations(grid: dict[str, dict[str, Any]], max_new_tokens: int) -> list[Configuration]:
    """All configurations of a valid grid, in the order of the file.

    >>> [c.name for c in build_configurations({"beam": {"num_beams": 4, "length_penalty": [0.5, 1.0]}}, 64)]
    ['beam/length_penalty:0.5', 'beam/length_penalty:1.0']
    """
    configurations = []
    for family, settings in grid.items():
        axes = [key for key, value in settings.items() if isinstance(value, list)]
        for values in itertools.product(*(settings[axis] for axis in axes)):
            chosen = {**settings, **dict(zip(axes, values, strict=True)), "max_new_tokens": max_new_tokens}
            name = "/".join([family, *(f"{axis}:{value}" for axis, value in zip(axes, values, strict=True))])
            configurations.append(Configuration(name, chosen))
    return configurations


def list_configurations(params: "DecodeParams") -> list[Configuration]:
    """The grid's configurations; the untuned base is apart, for it is another model with other prompts."""
    return build_configurations(params.grid, params.max_new_tokens)


def list_untuned(params: "DecodeParams") -> list[Untuned]:
    """What tuning is measured against: the base alone, zero-shot and few-shot, as far as they are asked for."""
    settings = {"max_new_tokens": params.max_new_tokens}
    zero = [Untuned(UNTUNED, settings)] if params.untuned else []
    return [*zero, Untuned(FEW_SHOT, settings, params.few_shot)] if params.few_shot else zero


def list_map_reduce(params: "DecodeParams") -> list[MapReduce]:
    """The row that reads documents whole that do not fit, if it is asked for."""
    return [MapReduce(MAP_REDUCE, {"max_new_tokens": params.max_new_tokens})] if params.map_reduce else []


def list_beside(params: "DecodeParams") -> list[Configuration]:
    """All that is decoded beside the grid."""
    return [*list_map_reduce(params), *list_untuned(params)]


def count_candidates(configurations: Sequence[Configuration]) -> int:
    """Candidates that a document gets, if no two are equal."""
    return sum(int(configuration.settings.get("num_return_sequences", 1)) for configuration in configurations)


# numbers that YAML reads and no float holds; configurations of a family, for the product of a few lists has no end
_LARGEST, _MOST = sys.float_info.max, 10_000


def find_grid_mistakes(
    grid: dict[str, dict[str, Any]], max_new_tokens: int | None, key: str = "decode.grid", cap: str = MAX_NEW_TOKENS
) -> list[str]:
    """One line for each thing in the grid that cannot be decoded; [] for a valid grid.

    Args:
        max_new_tokens: None: not known.
        key: of the grid.
        cap: key of `max_new_tokens`.
    """
    mistakes = [] if grid else [f"{key}: has no family"]
    for family, settings in grid.items():
        where = f"{key}.{family}"
        if not family.replace("_", "").replace("-", "").isalnum():
            mistakes.append(f"{where}: a family's name is letters, digits, - and _")
        if family in RESERVED:
            mistakes.append(f"{where}: the name is that of another row of the leaderboard or of predict.use")
        found = [m for key, value in settings.items() for m in _find_setting_mistakes(f"{where}.{key}", key, value)]
        if (count := math.prod(len(value) for value in settings.values() if isinstance(value, list))) > _MOST:
            mistakes.append(f"{where}: its axes make {count:,} configurations, more than {_MOST:,}")
        mistakes += found or _find_conflicts(where, settings, max_new_tokens, cap)
    return mistakes


def _find_setting_mistakes(where: str, key: str, value: Any) -> list[str]:
    if key in REMOTE_CODE:
        return [f"{where}: {REMOTE_CODE[key]} needs remote code in transformers 5 and is not offered"]
    if key not in KNOWN_SETTINGS:
        return [f"{where}: not a known setting (known: {', '.join(KNOWN_SETTINGS)})"]
    values = value if isinstance(value, list) else [value]
    if not values:
        return [f"{where}: an axis needs at least one value"]
    if len({repr(v) for v in values}) < len(values):
        return [f"{where}: a value stands twice in {value}"]
    return [
        f"{where}: {v!r} is not {_EXPECTED[kind][0]}" for v in values if not _is_valid(v, kind := KNOWN_SETTINGS[key])
    ]


def _find_conflicts(where: str, settings: dict[str, Any], max_new_tokens: int | None, cap: str) -> list[str]:
    """Combinations that `generate` would refuse or silently ignore, over a family's whole product."""
    axes = {key: value if isinstance(value, list) else [value] for key, value in settings.items()}
    beams, samples = axes.get("num_beams", [1]), axes.get("do_sample", [False])
    mistakes = []
    for key in ONLY_WITH_BEAMS:
        if key in axes and min(beams) < 2:
            mistakes.append(f"{where}.{key}: has no effect without num_beams of at least 2")
    for key in ONLY_WITH_SAMPLING:
        if key in axes and not all(samples):
            mistakes.append(f"{where}.{key}: has no effect without do_sample: true")
    returned = max(axes.get("num_return_sequences", [1]))
    if returned > min(beams) and not (all(samples) and max(beams) == 1):
        mistakes.append(f"{where}.num_return_sequences: {returned} is more than num_beams {min(beams)}")
    if max_new_tokens and max(axes.get("min_new_tokens", [0])) >= max_new_tokens:
        mistakes.append(f"{where}.min_new_tokens: must be below {cap} {max_new_tokens}")
    return mistakes


def _is_valid(value: Any, kind: str) -> bool:
    check = _EXPECTED[kind][1]
    # bool is an int to Python, and `num_beams: true` is a slip of the pen
    return (isinstance(value, bool) == (kind == "bool") or kind == "stopping") and check(value)


_EXPECTED = {
    "bool": ("true or false", lambda v: isinstance(v, bool)),
    "count": ("a whole number of at least 1", lambda v: isinstance(v, int) and v >= 1),
    "size": ("a whole number of at least 0", lambda v: isinstance(v, int) and v >= 0),
    "number": ("a number", lambda v: isinstance(v, int | float) and abs(v) <= _LARGEST),
    "positive": ("a number above 0", lambda v: isinstance(v, int | float) and 0 < v <= _LARGEST),
    "probability": ("a number above 0 and at most 1", lambda v: isinstance(v, int | float) and 0 < v <= 1),
    "stopping": ("true, false or never", lambda v: isinstance(v, bool) or v == "never"),
}
