"""gin, in one place: T5X's flags in, configured functions out.

Nothing else imports gin. Configuration files name functions by their modules
(`from spot_jax import train`, dynamic registration), so code carries no decorators.

Defaults are the code's: gin files bind parameters to macros, and a macro that nobody
sets has the default of its parameter.
"""

from spot_jax.config.files import root
from spot_jax.config.flags import check_used, parse_flags
from spot_jax.config.macros import NO_DEFAULT, default_of
from spot_jax.config.parsing import override, parse
from spot_jax.config.values import configured, text, value

__all__ = [
    "NO_DEFAULT",
    "check_used",
    "configured",
    "default_of",
    "override",
    "parse",
    "parse_flags",
    "root",
    "text",
    "value",
]
