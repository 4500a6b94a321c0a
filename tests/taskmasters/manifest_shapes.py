"""Attempts of every shape, whose manifests are reviewed."""

from dataclasses import replace

from msgspec import structs

from builders.tasks import (
    file_in,
    file_out,
    make_assigned_task,
    make_executor,
    reference_in,
)
from charts.kubernetes_schema import VERSIONS
from taskmasters.manifests import (
    CUSTOM_POD,
    EXECUTOR_POD,
    OFFERS,
    SETTINGS,
    Manifest,
    asking,
    wishing,
)
from tesk_kubernetes.settings import KubernetesSettings
from tesk_model.task import Task

USUAL = "an input, two executors and an output"
CLAIMED = "GPUs that are claimed"

# A sentence, the task, the deployment's settings, and its executor template.
SHAPES: dict[str, tuple[Task, KubernetesSettings, Manifest]] = {
    USUAL: (
        make_assigned_task(
            inputs=(file_in("/work/a"),),
            outputs=(file_out("/work/b"),),
            executors=(make_executor(), make_executor()),
        ),
        SETTINGS,
        EXECUTOR_POD,
    ),
    "references are mounted after they were checked": (
        make_assigned_task(
            inputs=(
                reference_in("/data/$genome.fa", "ref://grch38/$genome.fa"),
                reference_in("/data/bwa", "ref://hg19/bwa/"),
                reference_in("/silva", "ref://silva/"),
            ),
            outputs=(file_out("/data/out"),),
        ),
        OFFERS,
        CUSTOM_POD,
    ),
    "references alone need no filer and no volume": (
        make_assigned_task(inputs=(reference_in("/ref/genome.fa"),)),
        OFFERS,
        EXECUTOR_POD,
    ),
    "a trivial task is one Job": (make_assigned_task(), SETTINGS, EXECUTOR_POD),
    "inputs only": (
        make_assigned_task(inputs=(file_in("/work/a"),)),
        SETTINGS,
        EXECUTOR_POD,
    ),
    "outputs only": (
        make_assigned_task(outputs=(file_out("/out/b"),)),
        SETTINGS,
        EXECUTOR_POD,
    ),
    "several images share directories, nested ones made by the launcher": (
        make_assigned_task(
            volumes=("/vol", "/vol/a/b", "/vol/c"),
            executors=(
                make_executor(image="alpine:3.20"),
                make_executor(
                    image="registry.example:5000/a/b@sha256:00", workdir="/x"
                ),
            ),
        ),
        SETTINGS,
        EXECUTOR_POD,
    ),
    "redirects": (
        make_assigned_task(
            executors=(
                make_executor(stdout="/log/out", stderr="/log/err"),
                make_executor(stdin="/log/out", workdir="/log"),
            )
        ),
        SETTINGS,
        EXECUTOR_POD,
    ),
    "an input among programs is one file": (
        make_assigned_task(inputs=(file_in("/usr/local/bin/tool"), file_in("/d.txt"))),
        SETTINGS,
        EXECUTOR_POD,
    ),
    "an output among programs is collected": (
        make_assigned_task(outputs=(file_out("/result[1].txt"), file_out("/out/b"))),
        SETTINGS,
        EXECUTOR_POD,
    ),
    "zones": (asking(zones=("eu-1a", "eu-1b")), OFFERS, EXECUTOR_POD),
    "preemptible": (asking(preemptible=True), OFFERS, EXECUTOR_POD),
    "a pool and GPUs of a type": (
        wishing(pool="highmem", gpu="2", gpu_type="a100"),
        OFFERS,
        EXECUTOR_POD,
    ),
    "a type of GPU alone asks for one": (
        wishing(gpu_type="a100"),
        OFFERS,
        EXECUTOR_POD,
    ),
    CLAIMED: (wishing(gpu="2", gpu_type="h100"), OFFERS, EXECUTOR_POD),
    "priority and runtime class": (
        wishing(priority_class="urgent", runtime_class="gvisor"),
        OFFERS,
        EXECUTOR_POD,
    ),
    "a queue of the cluster": (wishing(queue="science"), OFFERS, EXECUTOR_POD),
    "the usual queue of the cluster": (
        asking(),
        structs.replace(SETTINGS, queue="tasks"),
        EXECUTOR_POD,
    ),
    "a template with everything is added to": (
        replace(
            asking(zones=("eu-1a",), preemptible=True),
            inputs=(file_in("/tmp/script"),),
            executors=(make_executor(env={"http_proxy": ""}),),
        ),
        OFFERS,
        CUSTOM_POD,
    ),
    "odd characters arrive as they are": (
        make_assigned_task(
            volumes=("/wörk dir/a,b=$(HOME)",),
            executors=(
                make_executor(
                    command=("printf", "$(HOME) $$ $x", "", "two\nlines", "--"),
                    env={"b": "$(a)", "a": "x\ny: 'z' \"", "1.weird name": ""},
                    workdir="/wörk dir/a,b=$(HOME)/c",
                ),
            ),
        ),
        SETTINGS,
        EXECUTOR_POD,
    ),
    "less than a container can start with": (
        asking(cpu_cores=0.0001, ram_gb=0.0001, disk_gb=0.0000000001),
        SETTINGS,
        EXECUTOR_POD,
    ),
}


def is_known_to(name: str, version: str) -> bool:
    """Tell whether a version of Kubernetes has what a shape needs."""
    return name != CLAIMED or version != VERSIONS[0]
