"""What commands read before they hand over: params, the competition, the base and its prompts, what decodes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import InputError
from pipeline.paths import ADAPTER, BASE, PROCESSED, REFINED, TRUNCATION

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.decoding.decoder import Decoder
    from pipeline.models.base import BaseModel
    from pipeline.models.prompts import PromptBuilder
    from pipeline.params.reading import Params
    from pipeline.scoring.rows import External

ParamsFile = Annotated[Path, typer.Option("--params", help="The parameters file.")]


def load_params(path: Path) -> "Params":
    from pipeline.params.reading import parse_params

    return parse_params(load_text(path), str(path))


def load_text(path: Path) -> str:
    from pipeline.tables import load_bytes

    try:
        return load_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8") from error


def load_examples(*splits: str, root: Path = Path()) -> "dict[str, pd.DataFrame]":
    from pipeline.tables import LABELLED, load_table

    return {name: load_table(root / PROCESSED / f"{name}.parquet", LABELLED) for name in splits}


def load_base_and_prompts(
    params: Any, shots: int | None = None, special_tokens: Sequence[str] = (), root: Path = Path()
) -> "tuple[BaseModel, PromptBuilder]":
    """The base that pretrain made or pinned, and its prompts, with solved training examples if they are asked for.

    Args:
        shots: how many, if not as many as `prompt.shots` says.
        special_tokens: that a tuned model knows beside the base's own; the base alone knows none of them.
        root: of the project, or of an experiment's files.
    """
    from pipeline.models.base import load_base
    from pipeline.models.loading import load_prompt_builder
    from pipeline.models.truncation import load_truncation

    base, truncation = load_base(root / BASE), load_truncation(root / TRUNCATION)
    prompt = params.prompt if shots is None else params.prompt.model_copy(update={"shots": shots})
    builder = load_prompt_builder(base, params.model, prompt, truncation.name).keep(truncation)
    builder = builder.add_special_tokens(special_tokens)
    if not prompt.shots:
        return base, builder
    return base, builder.select_shots(load_examples("train", root=root)["train"], params.seed)


@dataclass(frozen=True)
class ModelFiles:
    """What `pipeline.decoding.decoder.Source` asks for, from models/.

    Args:
        params: the sections that a decoding stage may read.
        root: of the project, or of an experiment's files.
    """

    params: Any
    batch_size: int | None
    engine: str
    root: Path = Path()

    def find_adapter(self) -> Path:
        """Of the tuned model: what refine left."""
        from pipeline.models.adapter import resolve_adapter

        return resolve_adapter(REFINED[0], self.root)

    def load_tuned(self) -> "tuple[Decoder, PromptBuilder]":
        return self.load(self.find_adapter())

    def load(self, adapter: Path) -> "tuple[Decoder, PromptBuilder]":
        """The base with an adapter, and the prompts that leave it room."""
        from pipeline.models.adapter import load_method
        from pipeline.models.special_tokens import load_special_tokens

        tokens = load_special_tokens(adapter)
        base, builder = load_base_and_prompts(self.params, special_tokens=tokens, root=self.root)
        builder = builder.reserve(load_method(adapter)["virtual_tokens"])
        return build_decoder(self.params, base, adapter, self.batch_size, self.engine), builder

    def load_base(self) -> "Decoder":
        from pipeline.models.base import load_base

        return build_decoder(self.params, load_base(self.root / BASE), None, self.batch_size, self.engine)

    def build_base_prompts(self, shots: int) -> "PromptBuilder":
        return load_base_and_prompts(self.params, shots, root=self.root)[1]


def build_decoder(params: Any, base: "BaseModel", adapter: Path | None, batch_size: int | None, engine: str) -> Any:
    """The tuned model, or the base alone, ready to decode; its candidates are remembered by what it consists of."""
    from pipeline.decoding.decoder import Decoder
    from pipeline.models.folders import build_run_key, compute_fingerprint
    from pipeline.models.loading import list_versions, load_model

    model, tokenizer = load_model(base, params.model, adapter)
    tuned = None if adapter is None else compute_fingerprint(adapter)
    weights = str(model.dtype), params.model.quantization
    key = build_run_key(base.fingerprint, tuned, weights, model.device.type, list_versions())
    return Decoder(model, tokenizer, batch_size, params.seed, engine, key, params.task == "generation")


def load_adapter_as_base() -> "BaseModel":
    """What train left, as something that a run starts from."""
    from pipeline.models.adapter import load_method
    from pipeline.models.base import BaseModel
    from pipeline.models.folders import compute_fingerprint

    load_method(ADAPTER)
    return BaseModel(str(ADAPTER), None, compute_fingerprint(ADAPTER))


def find_run(stage: str, params: Any, files: Sequence[Path], models: "Sequence[BaseModel]") -> Path:
    """The folder of a training run, named by all that shapes it: another run's checkpoint can never be picked up.

    Args:
        params: all that the stage may read.
        files: that it learns from.
        models: that it starts from, or learns from.
    """
    from hashlib import sha256

    from pipeline.models.folders import build_run_key, get_scratch_root
    from pipeline.models.loading import list_versions
    from pipeline.models.processes import count_processes
    from pipeline.tables import load_bytes

    inputs = [sha256(load_bytes(path)).hexdigest() for path in files]
    sections = {name: str(value) for name, value in vars(params).items()}
    known = [model.fingerprint for model in models]
    # under a launcher an update has as many examples more, whatever train.processes says
    key = build_run_key(known, inputs, sections, count_processes(), list_versions())
    return get_scratch_root() / stage / key


def load_external(path: Path, sha256: str | None = None) -> "External":
    """Summaries made elsewhere; with a hash, only if the file is still the one that was scored."""
    from hashlib import sha256 as digest

    from pipeline.competition.external import TEST, VALID, parse_external
    from pipeline.scoring.rows import External
    from pipeline.tables import load_bytes

    content = load_bytes(path)
    found = digest(content).hexdigest()
    if sha256 not in (None, found):
        raise InputError(f"{path}: is not the file that was scored any more; run the score stage again")
    table = parse_external(content, str(path))
    by_split = {split: dict(zip(part["id"], part["summary"], strict=True)) for split, part in table.groupby("split")}
    if "" in by_split:
        return External(path.stem, str(path), found, by_split[""])
    return External(path.stem, str(path), found, by_split.get(VALID, {}), test_summaries=by_split.get(TEST, {}))


def load_externals(files: Sequence[str], valid: "pd.DataFrame") -> "list[External]":
    """The files of summaries made elsewhere, if no id of theirs is that of two documents."""
    from pipeline.tables import UNLABELLED, load_table

    externals = [load_external(Path(file)) for file in files]
    if externals:
        test = load_table(PROCESSED / "test.parquet", UNLABELLED)
        for external in externals:
            external.check_ids(valid["id"], test["id"])
    return externals
