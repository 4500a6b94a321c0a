"""A certificate for the port of kubelets, signed by the cluster itself.

The API server reads logs only from a kubelet whose certificate its own authority has
signed. So one is asked for as a kubelet asks for it, and approved by an administrator.

Source:
    Kubernetes, "Certificates and Certificate Signing Requests",
    ``kubernetes.io/kubelet-serving``.
"""

import base64
import ipaddress
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cluster.kube import Kube, Object
from programs.waiting import eventually

_REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
_SECONDS = 24 * 3600


@contextmanager
def serving_context(kube: Kube, name: str, address: str) -> Iterator[ssl.SSLContext]:
    """Give what a kubelet at ``address`` serves HTTPS with.

    Args:
        kube: Of the cluster, as an administrator.
        name: Of the request, and of the node in the certificate.
        address: An IP address.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    kube.call("POST", _REQUESTS, body=_signing_request(name, _csr(key, name, address)))
    try:
        certificate = _approved(kube, name)
    finally:
        kube.call("DELETE", f"{_REQUESTS}/{name}")
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "kubelet.pem")
        file.touch(mode=0o600)
        file.write_bytes(pem + certificate)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(file)
    yield context


def _csr(key: ec.EllipticCurvePrivateKey, name: str, address: str) -> bytes:
    subject = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
        x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{name}"),
    ]
    host = x509.IPAddress(ipaddress.ip_address(address))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    builder = builder.add_extension(x509.SubjectAlternativeName([host]), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _signing_request(name: str, csr: bytes) -> Object:
    return {
        "metadata": {"name": name},
        "spec": {
            "request": base64.b64encode(csr).decode(),
            "signerName": "kubernetes.io/kubelet-serving",
            "expirationSeconds": _SECONDS,
            "usages": ["digital signature", "server auth"],
        },
    }


def _approved(kube: Kube, name: str) -> bytes:
    path = f"{_REQUESTS}/{name}"
    condition = {"type": "Approved", "status": "True", "reason": "Simulated"}
    kube.call(
        "PATCH",
        f"{path}/approval",
        body={"status": {"conditions": [condition]}},
        content_type="application/merge-patch+json",
    )
    issued = eventually(
        lambda: kube.call("GET", path)["status"].get("certificate"),
        within=30,
        every=0.2,
        what=f"the certificate {name}; the cluster must sign those of kubelets",
    )
    return base64.b64decode(issued)
