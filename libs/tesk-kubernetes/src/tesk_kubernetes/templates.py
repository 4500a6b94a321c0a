"""Loads and completes the pod templates of the deployment.

A template is the ``{metadata: {labels, annotations}, spec: {...}}`` of a pod,
with a container ``main``. All that a site requires of its pods (pull
secrets, security contexts, mounted reference data) is written there only.

All overlays are pure: they return a new template and leave the given one as it
is, so that one template serves all threads.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tesk_kubernetes.api import JsonObject, Resource
from tesk_kubernetes.json_copies import copied
from tesk_runtime.yaml_documents import YamlError, parse_yaml

MAIN = "main"
"""The container that TESK completes; others are left as they are."""


class TemplateError(Exception):
    """A template cannot be used; the message names the file and the field."""


def load_pod_template(path: Path) -> JsonObject:
    """Read a pod template.

    Raises:
        TemplateError: The file does not exist or is not YAML, or a field that TESK
            completes has the wrong type.
    """
    try:
        document = parse_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TemplateError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TemplateError(f"{path}: is not YAML: {error}") from error
    except YamlError as error:
        raise TemplateError(f"{path}: {error}") from error
    problem = _problem(document)
    if problem:
        raise TemplateError(f"{path}: {problem}")
    template: JsonObject = copied(document)  # YAML anchors share objects
    template.setdefault("metadata", {})
    return template


def owner_reference(owner: Resource, *, name: str, uid: str) -> JsonObject:
    """Return a reference by which the garbage collector finds an owner.

    Deletion of the owner is not blocked: OpenShift would ask for the right to
    change the owner's finalizers.
    """
    return {
        "apiVersion": owner.api_version,
        "kind": owner.kind,
        "name": name,
        "uid": uid,
        "controller": False,
        "blockOwnerDeletion": False,
    }


def main_container(pod: Mapping[str, Any]) -> JsonObject:
    """Return the container ``main`` of a template or a pod, not a copy.

    Raises:
        TemplateError: It has none.
    """
    for container in pod["spec"]["containers"]:
        if container["name"] == MAIN:
            found: JsonObject = container
            return found
    raise TemplateError(f"spec.containers: none is named {MAIN!r}")


def literal(text: str) -> str:
    """Escape ``text`` so that Kubernetes passes it on unchanged.

    Kubernetes expands ``$(NAME)`` in commands, arguments and variables, and
    reads ``$$`` as ``$`` wherever it stands, so each ``$`` must be doubled.

    Source:
        Kubernetes, ``third_party/forked/golang/expansion``.
    """
    return text.replace("$", "$$")


def with_labels(template: JsonObject, labels: Mapping[str, str]) -> JsonObject:
    """Add labels; they replace those of the template."""
    return _edited(template, lambda new: _labels(new).update(labels))


def with_main(template: JsonObject, fields: Mapping[str, Any]) -> JsonObject:
    """Set fields of the container ``main``, e.g. image, command, resources."""
    return _edited(template, lambda new: main_container(new).update(copied(fields)))


def with_environment(
    template: JsonObject, variables: Sequence[Mapping[str, Any]]
) -> JsonObject:
    """Append variables to ``main``; the last one of a name wins.

    Args:
        template: Template to complete.
        variables: As Kubernetes has them: ``{name, value}`` or
            ``{name, valueFrom}``.
    """
    return _edited(
        template, lambda new: _append(main_container(new), "env", variables, key="name")
    )


def with_volumes(
    template: JsonObject, volumes: Sequence[Mapping[str, Any]]
) -> JsonObject:
    """Append volumes to the pod.

    One of the same name is replaced: Kubernetes would refuse both.
    """
    return _edited(
        template, lambda new: _append(new["spec"], "volumes", volumes, key="name")
    )


def with_mounts(
    template: JsonObject, mounts: Sequence[Mapping[str, Any]]
) -> JsonObject:
    """Append mounts to ``main``.

    One at the same path is replaced: Kubernetes would refuse both.
    """

    def edit(new: JsonObject) -> None:
        _append(main_container(new), "volumeMounts", mounts, key="mountPath")

    return _edited(template, edit)


def with_tolerations(
    template: JsonObject, tolerations: Sequence[Mapping[str, Any]]
) -> JsonObject:
    """Append tolerations that are missing."""

    def edit(new: JsonObject) -> None:
        known = new["spec"].setdefault("tolerations", [])
        known += [copied(added) for added in tolerations if added not in known]

    return _edited(template, edit)


def with_node_selector(template: JsonObject, labels: Mapping[str, str]) -> JsonObject:
    """Add labels to the node selector; they replace those of the template."""

    def edit(new: JsonObject) -> None:
        _section(new["spec"], "nodeSelector").update(labels)

    return _edited(template, edit)


def with_required_nodes(
    template: JsonObject, terms: Sequence[Mapping[str, Any]]
) -> JsonObject:
    """Require in addition that nodes match one of ``terms``.

    Kubernetes ORs the terms of a selector and ANDs the expressions of a term;
    so the AND of two selectors is each term of one with each of the other.

    Args:
        template: Template to complete.
        terms: ``{matchExpressions: […], matchFields: […]}``; none: any node.
    """
    if not terms:
        return copied(template)

    def edit(new: JsonObject) -> None:
        node = _section(_section(new["spec"], "affinity"), "nodeAffinity")
        required = _section(node, "requiredDuringSchedulingIgnoredDuringExecution")
        own = required.get("nodeSelectorTerms") or [{}]
        required["nodeSelectorTerms"] = [
            _both(left, right) for left in own for right in terms
        ]

    return _edited(template, edit)


def _both(left: Mapping[str, Any], right: Mapping[str, Any]) -> JsonObject:
    joined = {
        key: [*(left.get(key) or []), *copied(right.get(key) or [])]
        for key in ("matchExpressions", "matchFields")
    }
    return {key: wanted for key, wanted in joined.items() if wanted}


def _labels(pod: JsonObject) -> JsonObject:
    return _section(_section(pod, "metadata"), "labels")


def _edited(template: JsonObject, edit: Callable[[JsonObject], object]) -> JsonObject:
    new = copied(template)
    edit(new)
    return new


def _append(
    place: JsonObject, field: str, added: Sequence[Mapping[str, Any]], *, key: str
) -> None:
    replaced = {item[key] for item in added}
    kept = [item for item in place.get(field) or [] if item.get(key) not in replaced]
    if kept or added:
        place[field] = kept + [copied(item) for item in added]


def _section(place: JsonObject, field: str) -> JsonObject:
    if not place.get(field):
        place[field] = {}
    section: JsonObject = place[field]
    return section


_KINDS: dict[type, str] = {dict: "a mapping", list: "a list of mappings"}
_SHAPES: tuple[tuple[tuple[str, ...], type], ...] = (
    (("metadata",), dict),
    (("metadata", "labels"), dict),
    (("metadata", "annotations"), dict),
    (("spec", "nodeSelector"), dict),
    (("spec", "affinity"), dict),
    (("spec", "tolerations"), list),
    (("spec", "volumes"), list),
    (("spec", "containers"), list),
)


def _problem(document: object) -> str:
    """Return what is wrong with a template, with the field; "" if it is valid."""
    if not isinstance(document, dict) or not isinstance(document.get("spec"), dict):
        return "spec: missing, or not a mapping"
    unknown = set(document) - {"metadata", "spec"}
    if unknown:
        return f"{min(map(str, unknown))}: a template has only metadata and spec"
    for path, kind in _SHAPES:
        found: Any = document
        for part in path:
            found = (found or {}).get(part)
        if found is not None and not _is_of(found, kind):
            return f"{'.'.join(path)}: must be {_KINDS[kind]}"
    return _main_problem(document["spec"].get("containers") or [])


def _main_problem(containers: Sequence[Mapping[str, Any]]) -> str:
    mains = [index for index, item in enumerate(containers) if item.get("name") == MAIN]
    if len(mains) != 1:
        return f"spec.containers: exactly one must be named {MAIN!r}"
    for field in ("env", "volumeMounts"):
        found = containers[mains[0]].get(field)
        if found is not None and not _is_of(found, list):
            return f"spec.containers[{mains[0]}].{field}: must be a list of mappings"
    return ""


def _is_of(value: object, kind: type) -> bool:
    if kind is list:
        return isinstance(value, list) and all(isinstance(i, dict) for i in value)
    return isinstance(value, kind)
