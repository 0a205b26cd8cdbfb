"""The sections about learning from what a tuned model writes: explore, refine."""

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator

from pipeline.params.result_sections import Tokenizer, Weights
from pipeline.params.section import Positive, Section


def _is_margin(value: Any) -> Any:
    # one message; pydantic would give one for each member of the union
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value != "auto" and not (is_number and 0 <= value < float("inf")):
        raise ValueError("must be auto, or a number of at least 0")
    return value


Margin = Annotated[float | str, PlainValidator(_is_margin)]


class ExploreParams(Section):
    documents: Positive | None = Field(description="Training documents that get candidates, drawn by seed; null: all.")
    folds: Annotated[int, Field(ge=2)] = Field(description="Models that leave a part of the training documents out.")
    out_of_fold: Literal["auto", "always", "never"] = Field(
        description="Whether a document's candidates come from a model that has not seen it; auto: where that matters."
    )
    probe: Positive = Field(description="auto: documents of train and of validation whose candidates are compared.")
    batch_size: Positive | None = Field(description="Documents decoded together; null: as many as memory holds.")
    processes: Positive = Field(description="Processes on this machine that share the documents.")
    grid: dict[str, dict[str, Any]] = Field(description="As decode.grid: what a document's candidates are decoded by.")


class RefineParams(Section):
    method: Literal["none", "best", "brio", "mrt", "dpo"] = Field(
        description="What is learnt from a document's candidates beside its reference; none: nothing."
    )
    gamma: float = Field(ge=0, description="brio, mrt, dpo: weight of the method's loss beside the reference's.")
    margin: Margin = Field(description="brio: by how much a candidate should lead the next worse one; auto: as now.")
    length_penalty: float = Field(description="brio: a candidate's log-probability is divided by its length to this.")
    min_gap: float = Field(ge=0, le=100, description="brio, dpo: pairs closer than so many ROUGE points are left out.")
    sharpness: float = Field(gt=0, description="mrt: candidates count as their probability to this power.")
    beta: float = Field(gt=0, description="dpo: how dear it is to leave the model that training left.")
    learning_rate: Annotated[float, Field(gt=0)] | None = Field(
        description="Peak learning rate; null: a tenth of train.learning_rate."
    )
    num_train_epochs: Positive = Field(description="Passes over the documents.")
    per_device_train_batch_size: Positive = Field(description="Documents an update; a step reads one, and accumulates.")
    eval_steps: Positive | None = Field(
        description="Validate and checkpoint every so many updates; null: four times an epoch."
    )
    tokenizer: Tokenizer = Field(description="That of score.tokenizer.")
    weights: Weights = Field(description="Those of score.weights.")
