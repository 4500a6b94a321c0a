"""Generate the Python code of the gRPC contracts.

Usage: ``python scripts/generate_protos.py OUT``; ``make protos`` passes the
source folder of tesk-protos, ``make check`` a temporary one and compares.
"""

import shutil
import sys
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent


def generate(out: Path) -> int:
    """Write ``*_pb2*.py`` and ``.pyi`` below ``out``; return protoc's exit code.

    The path of a proto file is the import path of its module, so nothing is
    rewritten afterwards.
    """
    protos = ROOT / "protos"
    googleapis = next(iter(resources.files("google.rpc")._paths)).parent.parent  # type: ignore[attr-defined]  # noqa: SLF001 - a namespace package has no public path
    bin_dir = Path(sys.executable).parent
    plugins = [
        f"--plugin=protoc-gen-{name}={bin_dir / f'protoc-gen-{name}'}"
        for name in ("mypy", "mypy_grpc")
    ]
    outs = [
        f"--{kind}_out={out}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")
    ]
    files = sorted(str(path) for path in protos.rglob("*.proto"))
    bundled = resources.files("grpc_tools") / "_proto"
    code: int = protoc.main(  # type: ignore[no-untyped-call]  # ships no types
        [
            "protoc",
            *(f"-I{folder}" for folder in (protos, googleapis, bundled)),
            *plugins,
            *outs,
            *files,
        ]
    )
    return code


def main() -> int:
    """Replace the generated code below the folder named on the command line."""
    out = Path(sys.argv[1])
    shutil.rmtree(out / "tesk" / "v1", ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    return generate(out)


if __name__ == "__main__":
    sys.exit(main())
