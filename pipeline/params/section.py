"""What the sections of params.yaml are made of.

No key has a default: DVC tracks what stands in params.yaml, so a default hidden in code would change a result without
re-running a stage.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(gt=0)]
Name = Annotated[str, Field(min_length=1, pattern=r"^[^\x00]*$")]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    """A frozen section that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
