"""Would a cluster of this version take this manifest, every field of it?

The schemas are those of Kubernetes, trimmed by ``scripts/trim_kubernetes_schemas.py``.
They know types, required and unknown fields and some enumerations; what the API
server checks in code (names, immutable fields, combinations) needs a cluster.
"""

import functools
import gzip
import json
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator

_FOLDER = Path(__file__).parents[1] / "schemas"

# The oldest that the chart takes, the one of the test cluster, and a newer one.
VERSIONS = ("1.30", "1.34", "1.36")


def problems(manifest: dict[str, Any], version: str) -> list[str]:
    """Return what a strict API server of ``version`` would complain about.

    Each is ``path: message``, in order of the paths; an empty list means that the
    manifest is valid. A kind without a schema is a problem, too.
    """
    schema = _schema(version)
    kind = f"{manifest.get('apiVersion')} {manifest.get('kind')}"
    if kind not in schema["kinds"]:
        return [f"kind: no schema of {kind}; there are {', '.join(schema['kinds'])}"]
    found = _validator(version, kind).iter_errors(manifest)
    return sorted(f"{error.json_path}: {error.message}" for error in found)


@functools.cache
def _schema(version: str) -> dict[str, Any]:
    packed = (_FOLDER / f"kubernetes-{version}.json.gz").read_bytes()
    schema: dict[str, Any] = json.loads(gzip.decompress(packed))
    return schema


@functools.cache
def _validator(version: str, kind: str) -> Draft7Validator:
    schema = _schema(version)
    return Draft7Validator(
        {"$ref": schema["kinds"][kind], "definitions": schema["definitions"]}
    )
