"""Error responses of the API server become exceptions."""

from datetime import timedelta

import msgspec
import pytest

from tesk_kubernetes.api import (
    AlreadyExistsError,
    ApiUnavailableError,
    ExpiredError,
    ForbiddenError,
    KubernetesError,
    QuotaExceededError,
    RefusedError,
)
from tesk_kubernetes.refusals import MissingError, OtherObjectError, error_of

QUOTA = 'pods "a" is forbidden: exceeded quota: q, requested: pods=1, used: pods=9'
QUOTA_CONFLICT = 'Operation cannot be fulfilled on resourcequotas "q": modified'
NO_LIMITS = 'pods "a" is forbidden: failed quota: q: must specify limits.memory'
NOT_COUNTED = "status unknown for quota: q, resources: pods"
NO_RIGHT = 'secrets is forbidden: User "u" cannot list resource "secrets"'
NO_RIGHT_OF_A_PART = NO_RIGHT.replace('"secrets"', '"pods/log" in API group ""')
WEBHOOK_ABOUT_RIGHTS = f'admission webhook "w.example" denied the request: {NO_RIGHT}'
POLICY = (
    'pods "a" is forbidden: violates PodSecurity "baseline:latest": host namespaces'
)
WEBHOOK = 'admission webhook "w.example" denied the request: only signed images'
SLOW_WEBHOOK = 'failed calling webhook "w.example": context deadline exceeded'
TOO_LARGE_FOR_ETCD = "etcdserver: request is too large"
TOO_LARGE_TO_SEND = (
    "rpc error: code = ResourceExhausted desc = trying to send message larger than max "
    "(2097178 vs. 2097152)"
)
TOO_LARGE_TO_RECEIVE = TOO_LARGE_TO_SEND.replace("trying to send", "grpc: received")
OTHER_UID = "Precondition failed: UID in precondition: a, UID in object meta: b"

ANSWERS: dict[str, tuple[int, str, str, type[KubernetesError]]] = {
    "the name is taken": (409, "AlreadyExists", "exists", AlreadyExistsError),
    "quota was changed meanwhile": (
        *(409, "Conflict", QUOTA_CONFLICT),
        ApiUnavailableError,
    ),
    "the uid is another's": (409, "Conflict", OTHER_UID, OtherObjectError),
    "no room in the quota": (403, "Forbidden", QUOTA, QuotaExceededError),
    "quota without limits": (403, "Forbidden", NO_LIMITS, RefusedError),
    "quota not counted yet": (403, "Forbidden", NOT_COUNTED, ApiUnavailableError),
    "no right": (403, "Forbidden", NO_RIGHT, ForbiddenError),
    "no right to a part": (403, "Forbidden", NO_RIGHT_OF_A_PART, ForbiddenError),
    "a webhook about rights": (403, "Forbidden", WEBHOOK_ABOUT_RIGHTS, RefusedError),
    "a policy of pods": (403, "Forbidden", POLICY, RefusedError),
    "unknown caller": (401, "Unauthorized", "Unauthorized", RefusedError),
    "a webhook says no": (403, "Forbidden", WEBHOOK, RefusedError),
    "a webhook says no as if it were broken": (500, "", WEBHOOK, RefusedError),
    "a webhook is slow": (500, "InternalError", SLOW_WEBHOOK, ApiUnavailableError),
    "etcd is slow": (500, "", "etcdserver: request timed out", ApiUnavailableError),
    "malformed": (422, "Invalid", "spec: Invalid value", RefusedError),
    "not understood": (400, "BadRequest", "cannot decode", RefusedError),
    "too large": (413, "RequestEntityTooLarge", "limit is 3145728", RefusedError),
    "too large for etcd": (500, "", TOO_LARGE_FOR_ETCD, RefusedError),
    "too large on the way to etcd": (500, "", TOO_LARGE_TO_SEND, RefusedError),
    "a response of etcd that is too large": (
        *(500, "", TOO_LARGE_TO_RECEIVE),
        ApiUnavailableError,
    ),
    "no such object": (404, "NotFound", 'pods "a" not found', MissingError),
    "no such resource": (404, "", "404 page not found", RefusedError),
    "too old": (410, "Expired", "too old resource version", ExpiredError),
    "too busy": (429, "TooManyRequests", "please try again", ApiUnavailableError),
    "slow": (504, "Timeout", "request did not complete", ApiUnavailableError),
    "starting": (503, "ServiceUnavailable", "not ready", ApiUnavailableError),
}


@pytest.mark.parametrize(
    ("code", "reason", "message", "wanted"), ANSWERS.values(), ids=ANSWERS.keys()
)
def test_an_answer_is_one_of_our_errors(
    code: int, reason: str, message: str, wanted: type[KubernetesError]
) -> None:
    status = {"kind": "Status", "code": code, "reason": reason, "message": message}

    error = error_of(code, msgspec.json.encode(status))

    assert type(error) is wanted
    assert str(error) == message


NO_STATUS = {
    "a page": (502, b"<html>bad gateway</html>", "answers 502 (Bad Gateway)"),
    "nothing": (404, b"", "answers 404 (Not Found)"),
    "other JSON": (500, b'["secret"]', "answers 500 (Internal Server Error)"),
    "a strange status": (599, b"\xff", "answers 599"),
}


@pytest.mark.parametrize(
    ("code", "body", "said"), NO_STATUS.values(), ids=NO_STATUS.keys()
)
def test_a_response_of_a_proxy_is_reported_by_its_status_only(
    code: int, body: bytes, said: str
) -> None:
    assert str(error_of(code, body)) == f"the API server {said}"


def test_a_message_has_an_end() -> None:
    body = msgspec.json.encode({"message": "x" * 5000})

    assert len(str(error_of(422, body))) == 2000


WAITS = {
    "seconds": ({"Retry-After": "7"}, timedelta(seconds=7)),
    "a date": ({"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, None),
    "nothing": ({}, None),
}


@pytest.mark.parametrize(("headers", "wanted"), WAITS.values(), ids=WAITS.keys())
def test_the_server_may_say_when_to_come_back(
    headers: dict[str, str], wanted: timedelta | None
) -> None:
    error = error_of(429, b"", headers)

    assert isinstance(error, ApiUnavailableError)
    assert error.retry_after == wanted
