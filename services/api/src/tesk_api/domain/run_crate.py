"""Builds the metadata of a Workflow Run RO-Crate from the record of a task; pure.

Each executor is an action with a container image as its instrument.

Source:
    RO-Crate 1.1; "Process Run Crate" 0.5 of the Workflow Run RO-Crate profiles, and
    "Representing resource usage" of its Provenance Run Crate.
"""

from collections.abc import Iterator
from typing import Any

from tesk_api.domain.report import Json

_CONTEXT = [
    "https://w3id.org/ro/crate/1.1/context",
    "https://w3id.org/ro/terms/workflow-run/context",
]
_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_OK = "http://schema.org/CompletedActionStatus"
_FAILED = "http://schema.org/FailedActionStatus"
_ACTIVE = "http://schema.org/ActiveActionStatus"
# What the launcher is told by the kernel: our name, theirs, and the unit.
_RUSAGE = "https://man7.org/linux/man-pages/man2/getrusage.2.html"
_QUANTITIES = (
    ("cpu_seconds", "CPU time", "ru_utime+ru_stime", "SEC"),
    ("max_memory_bytes", "memory of the largest process", "ru_maxrss", "BYTE"),
)
_LICENSE_NOTE = "not stated: the record of a run says nothing about its data"


def crate_of(report: Json, server: str) -> Json:
    """Return ``ro-crate-metadata.json`` of a task.

    Args:
        report: Of ``report_of``.
        server: Address of the service, which ran it.
    """
    files = list(_files(report))
    actions = list(_actions(report, files, server))
    images = {each["instrument"]["@id"]: each for each in actions}
    root = _present(
        {
            "@id": "./",
            "@type": "Dataset",
            "name": report.get("name") or f"task {report['id']}",
            "description": report.get("description") or "A task of GA4GH TES",
            "datePublished": report.get("ended") or report.get("created"),
            "license": _LICENSE_NOTE,
            "conformsTo": {"@id": _PROFILE},
            "hasPart": [{"@id": each["@id"]} for each in files],
            "mentions": [{"@id": each["@id"]} for each in actions],
        }
    )
    return {
        "@context": _CONTEXT,
        "@graph": [
            {
                "@id": "ro-crate-metadata.json",
                "@type": "CreativeWork",
                "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
                "about": {"@id": "./"},
            },
            root,
            {
                "@id": _PROFILE,
                "@type": "CreativeWork",
                "name": "Process Run Crate",
                "version": "0.5",
            },
            {"@id": server, "@type": "SoftwareApplication", "name": "TESK"},
            *files,
            *(_image(report, name) for name in images),
            *actions,
            *(
                value
                for index in range(len(report["executors"]))
                for value in _usage(report, index)
            ),
        ],
    }


def _files(report: Json) -> Iterator[Json]:
    seen = set()
    for field in ("inputs", "outputs"):
        for each in report.get(field, ()):
            name = each.get("url") or f"#{report['id']}{each['path']}"
            if name in seen:
                continue
            seen.add(name)
            is_folder = each.get("type") == "DIRECTORY"
            yield _present(
                {
                    "@id": name,
                    "@type": "Dataset" if is_folder else "File",
                    "name": each["path"],
                    # Of a Dataset there is no such property.
                    "contentSize": None if is_folder else each.get("size_bytes"),
                    "sha256": each.get("sha256"),
                }
            )


def _actions(report: Json, files: list[Json], server: str) -> Iterator[Json]:
    """Yield an action for each executor; files belong to the first and the last."""
    names = {each["@id"] for each in files}

    def linked(field: str) -> list[Json]:
        found = (
            each.get("url") or f"#{report['id']}{each['path']}"
            for each in report.get(field, ())
        )
        return [{"@id": name} for name in dict.fromkeys(found) if name in names]

    executors = report["executors"]
    for index, each in enumerate(executors):
        code = each.get("exit_code")
        yield _present(
            {
                "@id": f"#{report['id']}/executors/{index}",
                "@type": "CreateAction",
                "name": f"executor {index}",
                "description": " ".join(each["command"]),
                "instrument": {"@id": _image_id(each)},
                "agent": {"@id": server},
                "object": linked("inputs") if index == 0 else [],
                "result": linked("outputs") if index == len(executors) - 1 else [],
                "startTime": each.get("started"),
                "endTime": each.get("ended"),
                "resourceUsage": [
                    {"@id": value["@id"]} for value in _usage(report, index)
                ],
                "actionStatus": _ACTIVE if code is None else _FAILED if code else _OK,
                "error": f"exit code {code}" if code else None,
            }
        )


def _usage(report: Json, index: int) -> list[Json]:
    """Return what an executor used, as far as it is known."""
    executor = report["executors"][index]
    return [
        {
            "@id": f"#{report['id']}/executors/{index}/{field}",
            "@type": "PropertyValue",
            "name": name,
            "propertyID": f"{_RUSAGE}#{quantity}",
            "unitCode": f"http://qudt.org/vocab/unit/{unit}",
            "value": str(executor[field]),
        }
        for field, name, quantity, unit in _QUANTITIES
        if field in executor
    ]


def _image(report: Json, name: str) -> Json:
    executor = next(e for e in report["executors"] if _image_id(e) == name)
    return _present(
        {
            "@id": name,
            "@type": ["SoftwareApplication", "ContainerImage"],
            "name": executor["image"],
            "additionalType": {
                "@id": "https://w3id.org/ro/terms/workflow-run#DockerImage"
            },
            "sha256": executor.get("image_sha256"),
        }
    )


def _image_id(executor: Json) -> str:
    return f"#image/{executor['image']}"


def _present(entity: dict[str, Any]) -> Json:
    return {name: value for name, value in entity.items() if value not in (None, [])}
