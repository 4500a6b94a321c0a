"""What guides show of NetworkPolicies is what the chart makes of their values."""

import re
from pathlib import Path
from typing import Any

import yaml

from charts.rendering import find, needs_helm, render

pytestmark = needs_helm

PAGE = Path(__file__).parents[3] / "docs" / "install.md"
HEADING = "### Behind an HTTP proxy"


def values_below(heading: str) -> dict[str, Any]:
    section = PAGE.read_text("utf-8").partition(heading)[2]
    found = re.search(r"```yaml\n(.*?)```", section, re.DOTALL)
    assert found is not None
    values: dict[str, Any] = yaml.safe_load(found[1])
    return values


def test_behind_a_proxy_the_way_out_leads_there_alone() -> None:
    values = values_below(HEADING) | {"webhooks": {"existingSecret": "hooks"}}

    objects = render(values)

    for component in ("scheduler", "filer"):
        policy = find(objects, "NetworkPolicy", f"tesk-{component}")
        networks = [
            (peer["ipBlock"]["cidr"], rule["ports"])
            for rule in policy["spec"]["egress"]
            for peer in rule.get("to", ())
            if "ipBlock" in peer
            # The API server can be anywhere, at its own ports.
            and {"port": 6443} not in rule["ports"]
        ]
        assert networks == [("192.0.2.10/32", [{"port": 3128}])]
    pod = find(objects, "Deployment", "tesk-scheduler")["spec"]["template"]["spec"]
    names = {each["name"] for each in pod["containers"][0]["env"]}
    assert names >= {"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"}
