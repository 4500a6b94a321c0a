"""Programs in a mount namespace of their own, in which they may mount."""

import shutil
import subprocess

import pytest


def mount_namespace() -> tuple[str, str]:
    """Return what begins such a command line; skip where nobody may make one."""
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([unshare, "-rm", "true"], check=False).returncode:
        pytest.skip("this machine makes no mount namespaces (unshare)")
    return unshare, "-rm"
