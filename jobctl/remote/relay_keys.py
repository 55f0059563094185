"""Who the hosts of a relay are to each other: a certificate each, made for one transfer and worth nothing after it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

_ONE_DAY = datetime.timedelta(days=1)
"""Before and after now: the clocks of hosts are not all right, and a transfer may take long to begin."""


@dataclass(frozen=True)
class Identity:
    """PEM texts. The key is sent to its host over that host's own SSH connection, and kept by nobody."""

    certificate: str
    key: str

    def __repr__(self) -> str:
        return "Identity(...)"


def make_identity() -> Identity:
    """A fresh key on P-256 with a certificate that it signs itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "jobctl relay")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _ONE_DAY)
        .not_valid_after(now + _ONE_DAY)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Identity(certificate.public_bytes(pem).decode(), private.decode())


def keys_for(own: Identity, peer: Identity) -> dict[str, str]:
    """What a host needs for one end of a link: see `jobctl.host.link.Keys`."""
    return {"certificate": own.certificate, "key": own.key, "peer": peer.certificate}
