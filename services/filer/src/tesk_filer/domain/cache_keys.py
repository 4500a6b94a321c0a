"""Decides which files may be cached, and for whom.

A key names one content for ever: its url, ETag and size, for those who may share it.
"""

from dataclasses import dataclass
from hashlib import sha256

from tesk_filer.domain.credentials import (
    AzureAccount,
    Credential,
    GcsAccount,
    S3Account,
)
from tesk_filer.domain.identities import STORES, WEB, has_strong_etag
from tesk_model.locations import Location


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheKey:
    """Names one content.

    Attributes:
        name: A digest in hex; tells nothing of url or owner.
        size: Bytes of the content.
    """

    name: str
    size: int


def is_cacheable(source: Location) -> bool:
    """Tell whether files of the scheme of ``source`` may be cached at all."""
    return source.scheme in STORES | WEB


def cache_key(
    source: Location,
    *,
    etag: str,
    size: int,
    credential: Credential | None,
    owner: str,
    is_private: bool = False,
) -> CacheKey | None:
    """Return the key of a file; None if it must not be cached.

    Args:
        source: Of the file.
        etag: As the storage said just now, asked with ``credential``.
        size: Likewise; bytes.
        credential: Which the transfer uses; None: that of all transfers, or none.
        owner: Of the task; "" if nobody is told from others: then nothing is cached that
            only an owner may read.
        is_private: Another credential may have been sent for it as well.
    """
    scope = _scope(source, credential, owner, is_private=is_private)
    if scope is None or not has_strong_etag(source, etag):
        return None
    # Each part ends in NUL, which no url, ETag or name has.
    parts = (
        scope,
        source.target,
        etag,
        str(size),
    )
    text = "".join(f"{part}\0" for part in parts)
    return CacheKey(
        name=sha256(text.encode("utf-8", "surrogateescape")).hexdigest(),
        size=size,
    )


def is_signed(source: Location) -> bool:
    """Tell whether a url may say by itself who asks: most queries are signatures."""
    return bool(source.query.partition("#")[0])


def _scope(
    source: Location, credential: Credential | None, owner: str, *, is_private: bool
) -> str | None:
    """Return who shares what is read so; None: nobody is known.

    - Everybody, where all transfers have the same rights: without a credential, and
      without one in the url (a signature is one), also where a redirect leads.
    - Everybody who may read it from the same object storage: the question for its
      ETag, which was answered just now, needs the same right as reading. What one url
      names differs between services.
    - Else the tasks of the owner alone.
    """
    if source.user is None and not is_signed(source) and not is_private:
        if credential is None:
            return "everybody"
        if isinstance(credential, S3Account | GcsAccount | AzureAccount):
            return f"service\0{credential.endpoint}"
    return f"owner\0{owner}" if owner else None
