"""params.yaml -> frozen, typed sections. Every mistake is reported at once, by key, before anything runs."""

import difflib
from typing import Any, Literal, get_args

from pydantic import Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.errors import InputError
from pipeline.params.conflicts import find_conflicts
from pipeline.params.file_sections import DataParams, GenerationParams, PreprocessParams, PromptParams
from pipeline.params.model_sections import LoraParams, ModelParams, PretrainParams, PromptTuningParams, TrainParams
from pipeline.params.refine_sections import ExploreParams, RefineParams
from pipeline.params.result_sections import (
    DecodeParams,
    ExportParams,
    PredictParams,
    RankParams,
    ReportParams,
    ScoreParams,
)
from pipeline.params.section import Section

# values in a file, and characters: ruamel, which is written in Python, reads some hundred thousand a second
_LARGEST, _LONGEST = 100_000, 200_000


class Params(Section):
    """All of params.yaml."""

    seed: int = Field(ge=0, lt=2**32, description="Seeds the split, the training and the sampling.")
    task: Literal["summarization", "generation"] = Field(
        description="summarization: documents get summaries; generation: openings are continued."
    )
    data: DataParams
    preprocess: PreprocessParams
    prompt: PromptParams
    generation: GenerationParams
    model: ModelParams
    pretrain: PretrainParams
    lora: LoraParams
    prompt_tuning: PromptTuningParams
    train: TrainParams
    explore: ExploreParams
    refine: RefineParams
    decode: DecodeParams
    rank: RankParams
    score: ScoreParams
    predict: PredictParams
    export: ExportParams
    report: ReportParams

    def select(self, *names: str) -> "SelectedParams":
        """Only the named sections and `section.key`s. A stage cannot read what dvc.yaml does not declare for it."""
        chosen = _Nested()
        for name in names:
            *sections, last = name.split(".")
            source, place = self, chosen
            for section in sections:
                source, place = getattr(source, section), place.setdefault(section, _Nested())
            place[last] = getattr(source, last)
        return SelectedParams(chosen)


class _Nested(dict[str, Any]):
    """Keys of a section that is not given whole; other mappings are values."""


class SelectedParams:
    """Some sections of `Params`, or some keys of one; reading another is an error, for DVC would not see it change."""

    def __init__(self, sections: dict[str, Any]):
        nested = {name: SelectedParams(value) for name, value in sections.items() if isinstance(value, _Nested)}
        self.__dict__.update({**sections, **nested})

    def __repr__(self) -> str:
        # part of the name of a run's folder, so it must say the same in every process
        return f"SelectedParams({vars(self)})"

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"section '{name}' is not declared for this stage; it declares {sorted(self.__dict__)}")


def read_yaml(content: str, source: str) -> Any:
    """What a YAML text holds. Read with ruamel, as DVC does: PyYAML takes 1e-4 for text. Raises InputError."""
    if len(content) > _LONGEST:
        raise InputError(
            f"{source}: has {len(content):,} characters, and {_LONGEST:,} are the most that is read of YAML"
        )
    try:
        values = YAML(typ="safe", pure=True).load(content)
    # ruamel's constructors raise ValueError and others, of what is tagged as a number or a date and is none
    except (YAMLError, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{source}: is not valid YAML: {reason}") from error
    except RecursionError as error:
        raise InputError(f"{source}: is not valid YAML: it is nested too deeply") from error
    _check_size(values, source)
    return values


def _check_size(values: Any, source: str) -> None:
    """Refuses a few lines of aliases that stand for more than memory holds, or for themselves."""
    waiting, found = [values], 0
    while waiting:
        value = waiting.pop()
        inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
        waiting += inner
        found += len(inner)
        if found > _LARGEST:
            raise InputError(f"{source}: holds more than {_LARGEST:,} values, its aliases (*name) written out")


def parse_params(content: str, source: str = "params.yaml") -> Params:
    """Validates the text of a params file.

    Raises:
        InputError: with one line a mistake, each beginning with `source` and the key.
    """
    values = read_yaml(content, source)
    if not isinstance(values, dict):
        raise InputError(f"{source}: is empty or not a mapping of sections")
    return check_params(values, source)


def check_params(values: dict[Any, Any], source: str) -> Params:
    """As `parse_params`, of what YAML reads."""
    values, odd = _read_keys(values)
    mistakes = [f"{key}: a key is text, which YAML takes this one for only in quotes" for key in odd]
    try:
        params = Params.model_validate(values)
    except ValidationError as error:
        params = None
        found = [mistake for mistake in error.errors() if ".".join(map(str, mistake["loc"])) not in odd]
        mistakes += [_describe(mistake) for mistake in found]
    mistakes += [line for line in find_conflicts(values) if line.split(": ")[0] not in odd]
    if params is None or mistakes:
        raise InputError([f"{source}: {mistake}" for mistake in mistakes])
    return params


def _read_keys(values: Any, path: str = "") -> tuple[Any, list[str]]:
    """Values with nothing but text as keys, and where YAML read something else: `4:` is a number, `true:` a truth."""
    if not isinstance(values, dict):
        return values, []
    read, odd = {}, []
    for key, value in values.items():
        where = f"{path}{key}"
        read[str(key)], below = _read_keys(value, f"{where}.")
        odd += below if isinstance(key, str) else [where, *below]
    return read, odd


def _describe(mistake: Any) -> str:
    """The line for one of pydantic's errors: the key, what is wrong, and a guess at what was meant."""
    where = [str(part) for part in mistake["loc"]]
    key = ".".join(where)
    if mistake["type"] == "extra_forbidden":
        known = list(_find_fields(where[:-1]))
        near = difflib.get_close_matches(where[-1], known, n=1, cutoff=0.5) or [k for k in known if k in where[-1]]
        hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
        return f"{key}: not a known key ({hint})"
    if mistake["type"] == "missing":
        field = _find_fields(where[:-1]).get(where[-1])
        description = field.description if field else None
        return f"{key}: is missing" + (f" ({description})" if description else "")
    message = mistake["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if isinstance(mistake["input"], dict | Section):
        return f"{key}: {message}"
    return f"{key}: {message}, not {mistake['input']!r}"


def _find_fields(where: list[str]) -> dict[str, Any]:
    """The fields of the section at a path; {} where the path leads to no section."""
    section: Any = Params
    # of a list of sections, a number says which
    for part in (part for part in where if not part.isdecimal()):
        field = section.model_fields.get(part)
        kinds = [field.annotation, *get_args(field.annotation)] if field else []
        section = next((k for k in kinds if isinstance(k, type) and issubclass(k, Section)), None)
        if section is None:
            return {}
    return section.model_fields
