"""The keys that commands are given: of the audit, and of encrypted runs."""

from __future__ import annotations

import argparse
import os

from events.log.audit_key import AuditKey, read_secret
from events.log.keyring import Keyring, keys_of


def default_key_file() -> str | None:
    """Return the file of the audit key that is used when none is named."""
    return os.environ.get("ORCHESTRATOR_AUDIT_KEY_FILE") or None


def audit_secret(options: argparse.Namespace) -> bytes | None:
    """Return the audit key that is to be used; None where there is none.

    Raises:
        UsageError: its file cannot be read, or holds no key.
    """
    path = options.key_file or default_key_file()
    return None if path is None else read_secret(path)


def audit_key(options: argparse.Namespace) -> AuditKey | None:
    """Return the audit key that is to be used; see `audit_secret`."""
    secret = audit_secret(options)
    return None if secret is None else AuditKey(secret)


def encryption_key_file(options: argparse.Namespace) -> str | None:
    """Return the file with the keys of encrypted runs; None where none is named."""
    return options.encryption_key_file or os.environ.get("ORCHESTRATOR_ENCRYPTION_KEY_FILE") or None


def keyring_of(options: argparse.Namespace) -> Keyring | None:
    """Return the keys of encrypted runs that a command is to use. Raises UsageError where the file holds none."""
    return keys_of(encryption_key_file(options))
