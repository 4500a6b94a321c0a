"""Loads the deployment's templates of the pods of steps."""

from dataclasses import dataclass
from pathlib import Path

from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.templates import load_pod_template


@dataclass(frozen=True, slots=True, kw_only=True)
class PodTemplates:
    """The deployment's templates of executor and filer pods."""

    executor: JsonObject
    filer: JsonObject


def load_templates(folder: Path) -> PodTemplates:
    """Read the templates.

    Raises:
        TemplateError: One is missing or invalid.
    """
    return PodTemplates(
        executor=load_pod_template(folder / "executor-pod.yaml"),
        filer=load_pod_template(folder / "filer-pod.yaml"),
    )
