"""Write the JSON Schemas of the documents that point-of-sale software exchanges with this program.

Usage, from the root of the checkout: python -m scripts.make_schemas [FOLDER]

They are made from the models that read and write the documents, so they say what the program does.
A reader may still refuse what a schema takes: days that no calendar has, check digits, codes that
the table does not know.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode

from optician.agent.answers import ClaimAnswer
from optician.order import SaleOrder
from optician.sale import Sale

FOLDER: Final = Path(__file__).resolve().parent.parent / "docs" / "schemas"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

SCHEMAS: Final[Mapping[str, type[BaseModel]]] = {
    "sale-order": SaleOrder,
    "claim-answer": ClaimAnswer,
    "sale": Sale,
}
"""By the name of the file, without ".json"."""


def schema_of(name: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a document of `SCHEMAS`."""
    model = SCHEMAS[name]
    mode: JsonSchemaMode = "serialization" if name.endswith("-answer") else "validation"
    tidied: dict[str, Any] = _tidied(model.model_json_schema(mode=mode))
    head = {"$schema": DIALECT, "$id": f"urn:clairobscur:schema:{name}:1", "title": name}
    return head | tidied


def _tidied(schema: Any) -> Any:
    """Without the titles that only repeat names, and with descriptions in one paragraph a line."""
    if isinstance(schema, list):
        return [_tidied(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    tidied = {}
    for key, value in schema.items():
        if key == "title" and isinstance(value, str):
            continue
        if key == "description" and isinstance(value, str):
            paragraphs = value.replace("``", "`").split("\n\n")
            tidied[key] = "\n".join(" ".join(text.split()) for text in paragraphs)
        else:
            tidied[key] = _tidied(value)
    return tidied


def write(folder: Path) -> None:
    """Write every schema into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in SCHEMAS:
        text = json.dumps(schema_of(name), indent=2, ensure_ascii=False)
        (folder / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the schemas; 0."""
    parser = argparse.ArgumentParser(description="Write the JSON Schemas of docs/schemas.")
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    given = parser.parse_args(arguments)
    write(given.folder)
    sys.stdout.write(f"{len(SCHEMAS)} schemas in {given.folder}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
