"""Renders the Job that inspects an image, and parses its result.

The launcher runs once in the image to list directories; no program of the image
runs. The Job needs no volume, and the resources of a filer.
"""

import re
from collections.abc import Collection, Sequence

from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.json_copies import copied
from tesk_kubernetes.labels import STEP
from tesk_kubernetes.templates import literal, main_container
from tesk_taskmaster.adapters.kubernetes.manifests.executor_job import (
    launcher_mount,
    launcher_volume,
)
from tesk_taskmaster.adapters.kubernetes.manifests.objects import (
    RenderContext,
    job,
    object_labels,
)
from tesk_taskmaster.adapters.kubernetes.manifests.placement import choose_nodes
from tesk_taskmaster.adapters.kubernetes.manifests.pod import (
    REPORT,
    PodParts,
    complete_pod,
)
from tesk_taskmaster.adapters.launcher_options import LAUNCHER_TARGET
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.step_names import inspection_step

_RESULT = re.compile(rb"^occupied:((?: [0-9]+)*)$", re.MULTILINE)


def inspection_job(
    plan: Plan,
    index: int,
    directories: Sequence[str],
    templates: tuple[JsonObject, JsonObject],
    *,
    context: RenderContext,
    anchor_uid: str,
) -> JsonObject:
    """Return the Job that inspects the image of an executor.

    Args:
        plan: Of the attempt.
        index: Of the executor.
        directories: To inspect.
        templates: Of executor pods, and of filer pods for their resources.
        context: Where and by whom.
        anchor_uid: Of the attempt's anchor, which owns the Job.

    Raises:
        StepFailedError: The nodes that the task asks for are not offered here.
    """
    executor, filer = copied(templates[0]), main_container(templates[1])
    # Mounts of the deployment would hide files of the image.
    main_container(executor)["volumeMounts"] = []
    labels = object_labels(plan.attempt, context, component="executor")
    options = [part for path in directories for part in ("--inspect", path)]
    nodes = choose_nodes(plan.placement, context.settings)
    pod = complete_pod(
        executor,
        PodParts(
            labels={**labels, STEP: inspection_step(index)},
            main={
                "image": plan.executors[index].executor.image,
                "command": [LAUNCHER_TARGET],
                "args": [
                    literal(part) for part in [*options, *REPORT, "--", "inspect"]
                ],
                "resources": filer.get("resources") or {},
            },
            env={},
            mounts=[launcher_mount()],
            volumes=[launcher_volume(context)],
            nodes=nodes,
            runtime_class=nodes.runtime_class,
        ),
    )
    name = inspection_step(index)
    return job(
        plan.attempt, name, labels=labels, pod=pod, context=context, owner=anchor_uid
    )


def parse_occupied(
    printed: bytes, directories: Sequence[str]
) -> Collection[str] | None:
    """Parse the printed result; None if there is none."""
    match = _RESULT.search(printed)
    if match is None:
        return None
    numbers = map(int, match[1].split())
    return [directories[number] for number in numbers if number < len(directories)]
