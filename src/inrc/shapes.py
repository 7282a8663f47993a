"""Annotations of arrays with their types and shapes, for modules that need no JAX.

They are jaxtyping's wherever it was imported first: in tests, which check them at every call, and beside JAX. Elsewhere
`Float[np.ndarray, "height width"]` is no more than `np.ndarray`, since nothing checks it there, and importing jaxtyping
would take a tenth of the time in which a picture is decoded.
"""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Bool as Bool
    from jaxtyping import Float as Float
    from jaxtyping import Float32 as Float32
    from jaxtyping import Float64 as Float64
    from jaxtyping import Int as Int
    from jaxtyping import Int32 as Int32
    from jaxtyping import Int64 as Int64
    from jaxtyping import Integer as Integer
    from jaxtyping import Real as Real
    from jaxtyping import Shaped as Shaped
    from jaxtyping import UInt as UInt
else:

    class _Unchecked:
        """Stands for all annotations; `_Unchecked[array_type, shape]` is the type of the array."""

        def __class_getitem__(cls, array_type_and_shape: tuple[Any, str]) -> Any:
            return array_type_and_shape[0]

    Bool = Float = Float32 = Float64 = Int = Int32 = Int64 = Integer = Real = Shaped = UInt = _Unchecked
