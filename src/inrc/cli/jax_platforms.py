"""Whether JAX has the platform that the user's environment asks for."""

import importlib.util
import os

from inrc.errors import ConfigError
from inrc.names import one_line, shown

_VARIABLES = ("JAX_PLATFORMS", "JAX_PLATFORM_NAME")
_EXTRAS = {"cuda": ("cuda", "jax_cuda12_plugin"), "gpu": ("cuda", "jax_cuda12_plugin"), "tpu": ("tpu", "libtpu")}
"""The extra of this package that brings a platform, and the module by which it is known to be there."""


def check_platforms() -> None:
    """Starts JAX's devices, all at once or those that the environment names. Call it when all of them are set up.

    Raises:
      ConfigError: JAX has no such platform here, or it does not start.
    """
    import jax

    try:
        jax.devices()
    except Exception as error:  # of any type: an assertion where a plug-in is missing
        raise ConfigError(_message(error)) from error


def _message(error: Exception) -> str:
    named = next(((name, os.environ[name]) for name in _VARIABLES if os.environ.get(name)), None)
    reason = one_line(error).partition(" (set JAX_PLATFORMS")[0] or type(error).__name__
    if named is None:
        return f"JAX cannot start its devices: {reason}; set JAX_PLATFORMS=cpu to use the CPU"
    variable, value = named
    available = _available()
    missing = [name for name in value.split(",") if name not in available]
    start = f"{variable} is '{shown(value)}', but JAX has {' and '.join(available)} here"
    remedy = f"set {variable}={available[0]}, or unset it"
    extra, module = _EXTRAS.get(missing[0].strip().lower(), ("", "")) if missing else ("", "")
    if not extra:
        return f"{start}; {remedy}"
    if importlib.util.find_spec(module) is None:
        return f"{start}; install the other by: pip install 'inrc[{extra}]', or {remedy}"
    return f"{start}: {reason}; check its driver, or {remedy}"


def _available() -> list[str]:
    """Returns the names of the platforms that start where JAX has the choice."""
    import jax
    from jax.extend import backend

    try:
        jax.config.update("jax_platforms", None)
        jax.config.update("jax_platform_name", "")
        return sorted(backend.backends())
    except Exception:  # this is for a message alone
        return ["cpu"]
