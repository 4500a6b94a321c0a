"""Install TESK without helm: fill in deploy/tesk.yaml.in, or render it anew.

Usage: ``python scripts/make_manifest.py OUT [NAMESPACE]`` writes what ``kubectl
apply -f OUT`` installs, with a random internal token; a token that OUT has already
is kept, so that applying again disturbs nothing. The namespace ``tesk`` is part of
it; another one must exist, and stays when all of OUT is deleted. ``python scripts/make_manifest.py
--template OUT`` renders the template with the ``helm`` on the PATH.
"""

import argparse
import hashlib
import re
import secrets
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
TEMPLATE = ROOT / "deploy" / "tesk.yaml.in"
NAMESPACE = "the-namespace"
TOKEN = "replaced-by-make-manifest-with-a-random-token"  # noqa: S105 - a placeholder
KUBERNETES = "1.34.0"
OWN_NAMESPACE = "tesk"
HEAD = f"""\
# TESK with all defaults of the chart helm/tesk.
apiVersion: v1
kind: Namespace
metadata:
  name: {OWN_NAMESPACE}
"""
_TOKEN_LINE = re.compile(r'^  token: "(\w+)"$', re.MULTILINE)
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def main() -> int:
    """Write the file named on the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--template", action="store_true")
    parser.add_argument("out", type=Path)
    parser.add_argument("namespace", nargs="?", default=OWN_NAMESPACE)
    chosen = parser.parse_args()
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    if chosen.template:
        chosen.out.write_text(rendered(), encoding="utf-8")
        return 0
    if not _LABEL.fullmatch(chosen.namespace):
        sys.exit(f"make_manifest: {chosen.namespace!r} cannot be a namespace")
    before = chosen.out.read_text(encoding="utf-8") if chosen.out.exists() else ""
    text = TEMPLATE.read_text(encoding="utf-8")
    chosen.out.touch(mode=0o600)
    chosen.out.chmod(0o600)  # it holds the token
    chosen.out.write_text(
        filled(text, namespace=chosen.namespace, token=kept_token(before)),
        encoding="utf-8",
    )
    print(f"kubectl apply -f {chosen.out}")
    return 0


def rendered() -> str:
    """Return what the chart makes without any values, with placeholders.

    Raises:
        SystemExit: helm is not there, or the chart does not render.
    """
    command = ["helm", "template", "tesk", str(ROOT / "helm" / "tesk"), "--no-hooks"]
    command += ["--namespace", NAMESPACE, "--kube-version", KUBERNETES]
    command += ["--set", f"internalToken.value={TOKEN}"]
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        sys.exit("make_manifest: --template needs helm on the PATH")
    except subprocess.CalledProcessError as error:
        sys.exit(f"make_manifest: {error.stderr.strip()}")
    return done.stdout


def filled(template: str, *, namespace: str, token: str) -> str:
    """Return the template for one namespace and token."""
    for placeholder, value in (
        (NAMESPACE, namespace),
        (TOKEN, token),
        (_checksum(TOKEN), _checksum(token)),
    ):
        template = template.replace(placeholder, value)
    return (HEAD if namespace == OWN_NAMESPACE else "") + template


def kept_token(manifest: str) -> str:
    """Return the token of an earlier manifest, or a new one."""
    found = _TOKEN_LINE.search(manifest)
    return found[1] if found else secrets.token_hex(24)


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
