"""ensemble: several models together."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.loading import ModelFiles, ParamsFile, load_examples, load_params
from pipeline.errors import InputError
from pipeline.history.ensemble import MODELS, Way
from pipeline.history.experiments import load_member, load_revision
from pipeline.paths import BASE, EXTERNAL, PARAMS, PROCESSED, VALID_SCORES

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.decoding.decoder import Decoder
    from pipeline.models.prompts import PromptBuilder
    from pipeline.params.grid import Configuration


def ensemble(
    names: Annotated[list[str], typer.Argument(help="DVC experiments, git revisions, or workspace; two or more.")],
    by: Annotated[
        Way,
        typer.Option(
            help="consensus: the candidate nearest to all experiments' candidates; ridge or lambdamart: the one that a "
            "ranker learnt on validation likes best; probabilities: the models write together, by the mean of their "
            "probabilities; weights: one model whose weights are the mean of theirs (a model soup)."
        ),
    ] = Way.consensus,
    name: Annotated[str, typer.Option(help="The file's name in data/external.")] = "ensemble",
    params_file: ParamsFile = PARAMS,
) -> None:
    """Make one summary a document of what several experiments wrote, or of their models.

    The experiments split off the same validation documents, and may differ in anything else: train.seed, bases, other
    params. Of each, what it had to choose from for the test set counts: with predict.use: consensus/all, all of its
    grid. By probabilities or weights, the models decode once more, as the configuration says that scored best with all
    of them. What comes of it is written as data/external/NAME.csv, which score.external ranks and predict.use: NAME
    submits.

    Example: python -m pipeline ensemble exp-a exp-b exp-c --by probabilities
    """
    from pipeline.history.ensemble import (
        Summaries,
        build_ensemble,
        build_ranked_ensemble,
        check_documents,
        describe_ensemble,
    )
    from pipeline.scoring.ranking.rows import describe_ranking
    from pipeline.tables import UNLABELLED, load_table

    params, examples = load_params(params_file), load_examples("valid")
    check_external_name(name)
    if len(names) < 2 or len(set(names)) < len(names):
        raise InputError("ensemble: name two experiments or more, each once")
    members, details = [load_member(one) for one in names], {}
    examples["test"] = load_table(PROCESSED / "test.parquet", UNLABELLED)
    check_documents(members, examples["valid"])
    if by is Way.consensus:
        summaries = build_ensemble(members, examples["valid"], params.score)
    elif by in MODELS:
        summaries = Summaries(**decode_together(names, by, examples))
    else:
        summaries, details = build_ranked_ensemble(members, examples, by, params.score, params.seed)
    score, lines = describe_ensemble(members, summaries, examples["valid"], params.score, params.seed)
    for line in [*lines, *(describe_ranking(details, score) if details else [])]:
        typer.echo(line)
    save_external(
        name,
        summaries.valid,
        summaries.test,
        f"to rank it, add it to score.external; to submit it, set predict.use: {name}",
    )


def check_external_name(name: str) -> None:
    """Raises InputError if `score.external` and `predict.use` would not take data/external/NAME.csv."""
    from pipeline.params.grid import BASELINES

    if not re.fullmatch(r"[\w.-]{1,80}", name):
        raise InputError(f"--name: {name}: may have letters, digits, '_', '-' and '.', 80 at most")
    if name in ("best", *BASELINES):
        raise InputError(f"--name: {name}: the leaderboard has a row of that name")


def save_external(name: str, valid: "pd.DataFrame", test: "pd.DataFrame", told: str) -> None:
    """Writes data/external/NAME.csv, and says so."""
    import pandas as pd

    from pipeline.competition.external import TEST, VALID
    from pipeline.tables import save_csv

    path = EXTERNAL / f"{name}.csv"
    save_csv(pd.concat([valid.assign(split=VALID), test.assign(split=TEST)], ignore_index=True), path)
    typer.echo(f"{path}: {told}")


def decode_together(names: Sequence[str], by: Way, examples: "dict[str, pd.DataFrame]") -> "dict[str, pd.DataFrame]":
    """`id` and `summary` of some documents by the models of several experiments together."""
    from pipeline.history.models import fetch_models
    from pipeline.scoring.rows import CONFIGURATION
    from pipeline.stages.predict import predict_configuration

    roots = [fetch_models(name) for name in names]
    sections = [load_params(root / PARAMS) for root in roots]
    configuration = _choose_configuration(names, sections[0])
    typer.echo(f"{by.value}: {len(names)} models decode by {configuration.name}")
    files = [
        ModelFiles(params, params.decode.batch_size, "auto", root) for params, root in zip(sections, roots, strict=True)
    ]
    decoder, builder = load_together(dict(zip(names, files, strict=True)), by, examples)
    chosen = {"name": configuration.name, "kind": CONFIGURATION, "settings": configuration.settings}
    return {
        split: predict_configuration(decoder, builder, frame, chosen).predictions for split, frame in examples.items()
    }


def _choose_configuration(names: Sequence[str], params: Any) -> "Configuration":
    from pipeline.history.ensemble import choose_configuration
    from pipeline.params.grid import build_configurations
    from pipeline.tables import SCORES, parse_table

    known = {c.name: c for c in build_configurations(params.decode.grid, params.decode.max_new_tokens)}
    sources = [(load_revision(name, VALID_SCORES)[0], f"{VALID_SCORES} of {name}") for name in names]
    return choose_configuration([parse_table(*source, SCORES) for source in sources], known)


def load_together(
    files: dict[str, ModelFiles], by: Way, examples: "dict[str, pd.DataFrame]"
) -> "tuple[Decoder, PromptBuilder]":
    """One decoder of several models: the mean of their weights, or all of them."""
    from pipeline.history.soup import average_weights
    from pipeline.models.folders import build_run_key

    loaded = _load_alike(files, examples)
    if by is Way.probabilities:
        (_, first, builder), *rest = loaded
        key = build_run_key(by.value, [decoder.fingerprint for decoder in (first, *(other for _, other, _ in rest))])
        others = tuple(other.model for _, other, _ in rest)
        return replace(first, others=others, engine="shared", fingerprint=key), builder
    _check_bases(files)
    name, first, builder = next(loaded)
    fingerprints = [first.fingerprint]

    def load_models() -> "Iterator[tuple[str, Any]]":
        yield name, first.model
        for other, decoder, _ in loaded:
            fingerprints.append(decoder.fingerprint)
            yield other, decoder.model

    model = average_weights(load_models())
    return replace(first, model=model, fingerprint=build_run_key(by.value, fingerprints)), builder


def _load_alike(
    files: dict[str, ModelFiles], examples: "dict[str, pd.DataFrame]"
) -> "Iterator[tuple[str, Decoder, PromptBuilder]]":
    """Each model when it is its turn; refuses one that reads other tokens than the first."""
    expected: Any = None
    for name, own in files.items():
        decoder, builder = own.load_tuned()
        read = _describe_reading(decoder, builder, examples)
        expected = expected or read
        if read != expected:
            raise InputError(f"{name}: reads other tokens than {next(iter(files))}: another tokenizer or prompt")
        yield name, decoder, builder


def _describe_reading(decoder: "Decoder", builder: "PromptBuilder", examples: "dict[str, pd.DataFrame]") -> Any:
    """What must be equal of models that write together: their tokens, and the prompts made of them."""
    texts = [text for frame in examples.values() for text in frame["text"]]
    return decoder.tokenizer.get_vocab(), [prompt.input_ids for prompt in builder.build_prompts(texts)]


def _check_bases(files: dict[str, ModelFiles]) -> None:
    from pipeline.models.base import load_base

    for name, own in files.items():
        if kind := own.params.model.quantization:
            raise InputError(
                f"{name}: model.quantization: {kind} keeps adapters apart from the weights, and the mean of adapters "
                "is not that of what they do; use --by probabilities"
            )
    bases = {name: load_base(own.root / BASE).fingerprint for name, own in files.items()}
    first = next(iter(bases))
    if apart := [name for name in bases if bases[name] != bases[first]]:
        raise InputError(
            f"{apart[0]}: was tuned from another base than {first}, so that the mean of their weights means nothing; "
            "use --by probabilities"
        )
