"""The Job that looks into an image, and what it answers.

Nobody outside can see the files of an image, so the launcher is run in it once;
nothing of the image itself runs. It needs no volume, and no more of a node than
a filer does.
"""

import re
from collections.abc import Collection, Sequence
from copy import deepcopy

from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.labels import STEP
from tesk_kubernetes.templates import literal, main_container
from tesk_taskmaster.adapters.kubernetes.manifests.executor_job import (
    REPORT,
    launcher_mount,
    launcher_volume,
)
from tesk_taskmaster.adapters.kubernetes.manifests.objects import (
    Site,
    job,
    object_labels,
)
from tesk_taskmaster.adapters.kubernetes.manifests.placement import choose_nodes
from tesk_taskmaster.adapters.kubernetes.manifests.pod import PodParts, complete_pod
from tesk_taskmaster.adapters.launcher_options import LAUNCHER_TARGET
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.step_names import inspection_step

_ANSWER = re.compile(rb"^occupied:((?: [0-9]+)*)$", re.MULTILINE)


def look_job(
    plan: Plan,
    index: int,
    directories: Sequence[str],
    templates: tuple[JsonObject, JsonObject],
    *,
    site: Site,
    anchor_uid: str,
) -> JsonObject:
    """Return the Job that looks into the image of an executor.

    Args:
        plan: Of the attempt.
        index: Of the executor.
        directories: Where to look.
        templates: Of executor pods, and of filer pods for their resources.
        site: Where and by whom.
        anchor_uid: Of the attempt's anchor, which owns the Job.

    Raises:
        StepFailedError: The nodes that the task asks for are not offered here.
    """
    executor, filer = deepcopy(templates[0]), main_container(templates[1])
    # What a deployment mounts into executors is not the image's.
    main_container(executor)["volumeMounts"] = []
    labels = object_labels(plan.attempt, site, component="executor")
    looks = [word for path in directories for word in ("--look", path)]
    nodes = choose_nodes(plan.placement, site.settings)
    pod = complete_pod(
        executor,
        PodParts(
            labels={**labels, STEP: inspection_step(index)},
            main={
                "image": plan.executors[index].executor.image,
                "command": [LAUNCHER_TARGET],
                "args": [literal(word) for word in [*looks, *REPORT, "--", "look"]],
                "resources": filer.get("resources") or {},
            },
            env={},
            mounts=[launcher_mount()],
            volumes=[launcher_volume(site)],
            nodes=nodes,
        ),
    )
    if nodes.runtime_class:
        pod["spec"]["runtimeClassName"] = nodes.runtime_class
    name = inspection_step(index)
    return job(plan.attempt, name, labels=labels, pod=pod, site=site, owner=anchor_uid)


def parse_answer(printed: bytes, directories: Sequence[str]) -> Collection[str] | None:
    """Read what was printed; None if the answer is not there."""
    match = _ANSWER.search(printed)
    if match is None:
        return None
    numbers = map(int, match[1].split())
    return [directories[number] for number in numbers if number < len(directories)]
