"""JAX's cache of compiled programs on disk, on by default, so that a second process compiles almost nothing.

The cache lies in the user's cache folder. Switch it off with the environment variable
PROBDL_COMPILATION_CACHE=off, or set the variable to another folder. If `jax_compilation_cache_dir` has been
set by the user, by JAX's own environment variable or in code, nothing is touched. The cache is JAX's, and
serves all that the process compiles after the first call of `infer`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import jax
from jax.experimental.compilation_cache import compilation_cache

VARIABLE = "PROBDL_COMPILATION_CACHE"


def enable() -> Path | None:
    """Switch the cache on, unless the user has decided otherwise or the folder cannot be written.

    Returns:
        The folder, or None if nothing was changed.
    """
    if jax.config.jax_compilation_cache_dir is not None:  # pyright: ignore[reportAttributeAccessIssue]
        return None
    path = folder(os.environ, sys.platform)
    if path is None or not _writable(path):
        return None
    jax.config.update("jax_compilation_cache_dir", str(path))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    compilation_cache.reset_cache()  # JAX decides once, at its first compilation, whether there is a cache
    return path


def folder(environment: Mapping[str, str], platform: str) -> Path | None:
    """Return where the cache belongs.

    Args:
        environment: The environment variables.
        platform: The platform, as `sys.platform` names it.

    Returns:
        A folder, or None if the user has switched the cache off.

    Example:
        >>> folder({"PROBDL_COMPILATION_CACHE": "off"}, "linux") is None
        True
    """
    chosen = environment.get(VARIABLE, "")
    if chosen.lower() in ("off", "0", "false", "no"):
        return None
    if chosen:
        return Path(chosen)
    return _user_cache(environment, platform) / "probdl" / "xla"


def _user_cache(environment: Mapping[str, str], platform: str) -> Path:
    if platform == "win32" and environment.get("LOCALAPPDATA"):
        return Path(environment["LOCALAPPDATA"])
    if platform == "darwin":
        return Path("~/Library/Caches").expanduser()
    if environment.get("XDG_CACHE_HOME"):
        return Path(environment["XDG_CACHE_HOME"])
    return Path("~/.cache").expanduser()


def _writable(path: Path) -> bool:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return False
    return os.access(path, os.W_OK)
