"""The token that is sent along: from a file, read every time, since tokens rotate; never shown, whatever is wrong with it."""

from __future__ import annotations

from pathlib import Path

from collector.errors import PermanentError
from collector.readonly import open_file

_TOKEN_BYTES_MAX = 1 << 16


def authorization(path: Path | None) -> dict[str, str]:
    """The header, nothing without a file. Raises PermanentError where the file holds no token."""
    if path is None:
        return {}
    try:
        with open_file(str(path)) as file:
            token = file.read(_TOKEN_BYTES_MAX).strip()
    except OSError as error:
        raise PermanentError(f"bearer_token_file {path} cannot be read: {error.strerror}") from error
    # Checked here, because a library that refuses the header would print it.
    if not token or not all(0x21 <= byte <= 0x7E for byte in token):
        raise PermanentError(f"bearer_token_file {path} holds no token: one line of visible ASCII is needed")
    return {"Authorization": f"Bearer {token.decode('ascii')}"}
