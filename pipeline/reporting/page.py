"""The page: templates filled with what was computed. One file that asks the network for nothing.

Everything is escaped by Jinja. And should a text get through, the page's own policy runs no script but the one whose
hash it names.
"""

import json
from base64 import b64encode
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from pipeline.reporting.charts import set_minus

if TYPE_CHECKING:
    from collections.abc import Mapping


def render_page(template: str = "page.html", **parts: Any) -> str:
    """The page as HTML.

    Args:
        template: of the page.
        parts: what the templates name.
    """
    environment = _load_environment()
    style, script = (_load_source(environment, name) for name in ("page.css", "page.js"))
    digest = b64encode(sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    return environment.get_template(template).render(**parts, style=style, script=script, policy=policy)


@cache
def _load_environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pipeline.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "four": lambda value: set_minus(f"{value:.4f}"),
        "signed": lambda value: set_minus(f"{value:+.4f}"),
        "embed": embed_json,
    }
    return environment


def _load_source(environment: Environment, name: str) -> Markup:
    """A file of the page's own, as it stands."""
    assert environment.loader is not None
    return Markup(environment.loader.get_source(environment, name)[0])


def embed_json(value: Any) -> Markup:
    """JSON that can stand in a script element: no character in it can end that, or a line of JavaScript."""
    text = htmlsafe_json_dumps(value, dumps=json.dumps, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def flatten_sections(sections: "Mapping[str, Any]") -> list[tuple[str, list[tuple[str, str]]]]:
    """Sections of params as (name, [(key, value)]), keys dotted below the section; values as YAML would write them."""
    found = []
    for name, values in sections.items():
        pairs = list(_flatten(values)) if isinstance(values, dict) and values else [("", _write(values))]
        found.append((name, pairs))
    return found


def _flatten(values: "Mapping[str, Any]", prefix: str = ""):
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _write(value)


def _write(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
