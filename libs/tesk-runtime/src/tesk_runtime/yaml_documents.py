"""Parses YAML that people wrote, with bounds on what a small text can become.

libyaml composes a document by recursion in C: some thousand levels overflow the stack,
which kills the process. So the events of its parser, which need no recursion, are
measured before. They cost a fifth of the parsing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import yaml  # 20 ms: programs that start often import this module where they parse

MAX_DEPTH = 100
MAX_VALUES = 1_000_000  # of a document without aliases, more than a MiB holds
MAX_DIGITS = 100

# The loader of Python is there where PyYAML was built without libyaml.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


class YamlError(Exception):
    """A text is refused.

    Attributes:
        summary: What is wrong and in which line; quotes nothing of the text.
    """

    def __init__(self, message: str, *, summary: str = "") -> None:
        super().__init__(message)
        self.summary = summary or message


def parse_yaml(text: str) -> Any:
    """Return the plain values of a YAML document; None if it is empty.

    Raises:
        YamlError: It is malformed, or exceeds a bound of this module.
    """
    try:
        _check_events(yaml.parse(text, Loader=_LOADER))
        return _load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise _malformed(error, _place(mark)) from error
    # From the library's constructors: `2001-99-99`, `!!bool x`, `!!timestamp x`.
    except (ArithmeticError, AttributeError, LookupError, ValueError) as error:
        raise _malformed(error, "") from error


def _malformed(error: Exception, place: str) -> YamlError:
    return YamlError(f"is not YAML: {error}", summary=f"is not YAML{place}")


def _place(mark: Any) -> str:
    return f"; see its line {mark.line + 1}" if mark else ""


@dataclass(slots=True, eq=False)
class _Part:
    """A value, as large as it is where each alias is what it stands for."""

    anchor: str | None = None
    levels: int = 0
    values: int = 1


class _Measure:
    """Adds up the parts of a document."""

    def __init__(self) -> None:
        self._open = [_Part()]
        self._anchored: dict[str, _Part] = {}

    def take(self, event: Any) -> None:
        """Take the next event; raise YamlError if a bound is exceeded."""
        if isinstance(event, yaml.CollectionStartEvent):
            part = self._named(_Part(event.anchor, levels=1))
            self._check_depth(part, event)
            self._open.append(part)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._add(self._open.pop())
        elif isinstance(event, yaml.ScalarEvent):
            self._add(self._named(_Part(event.anchor)))
        elif isinstance(event, yaml.AliasEvent) and event.anchor in self._anchored:
            self._repeat(self._anchored[event.anchor], event)

    def _named(self, part: _Part) -> _Part:
        if part.anchor:
            self._anchored[part.anchor] = part
        return part

    def _repeat(self, part: _Part, event: Any) -> None:
        if part in self._open:
            place = _place(event.start_mark)
            raise YamlError(f"contains itself by an anchor{place}")
        self._check_depth(part, event)
        self._add(part)

    def _check_depth(self, part: _Part, event: Any) -> None:
        if len(self._open) - 1 + part.levels > MAX_DEPTH:
            place = _place(event.start_mark)
            raise YamlError(f"is nested deeper than {MAX_DEPTH} levels{place}")

    def _add(self, part: _Part) -> None:
        outer = self._open[-1]
        outer.levels = max(outer.levels, part.levels + 1)
        outer.values += part.values
        if outer.values > MAX_VALUES:
            problem = f"has more than {MAX_VALUES:,} values, those of aliases counted"
            raise YamlError(problem)


def _check_events(events: Iterable[Any]) -> None:
    measure = _Measure()
    for event in events:
        measure.take(event)


def _load(text: str) -> Any:
    loader = _LOADER(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        _check_nodes(root)
        return loader.construct_document(root)
    finally:
        loader.dispose()


def _check_nodes(root: yaml.Node) -> None:
    seen, left = set(), [root]
    while left:
        node = left.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            _check_names(node)
            left += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            left += node.value
        elif node.tag in _NUMBERS and len(node.value) > MAX_DIGITS:
            # `1:59:59…` takes a time of the square of its length.
            place = _place(node.start_mark)
            raise YamlError(f"has a number of more than {MAX_DIGITS} digits{place}")


def _check_names(mapping: yaml.MappingNode) -> None:
    """Refuse a name that stands there twice: the library keeps the last alone.

    Other names of one value (``1`` and ``0x1``) are no text, which all ours are.
    """
    seen = set()
    for key, _ in mapping.value:
        if not isinstance(key, yaml.ScalarNode):
            continue  # refused by the library
        if (name := (key.tag, key.value)) in seen:
            place = f" twice in one mapping{_place(key.start_mark)}"
            raise YamlError(
                f"has the name {key.value[:100]!r}{place}", summary=f"has a name{place}"
            )
        seen.add(name)
