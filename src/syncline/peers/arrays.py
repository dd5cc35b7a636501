"""Arrays of numbers, from numpy, which takes longer to load than many a verb to run: so it is loaded when first needed."""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeAlias

from syncline.model.errors import PeerUnsafe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Octets: TypeAlias = NDArray[np.uint8]
    Indexes: TypeAlias = NDArray[np.int64]
    Records: TypeAlias = NDArray[Any]
else:
    Octets = Indexes = Records = Any

    class _Late:
        """The module, name by name."""

        def __getattr__(self, name: str) -> Any:
            try:
                numpy = import_module("numpy")
            except ImportError as error:  # it is there, and cannot be used: built for another Python, or damaged
                why = next(iter(str(error).strip().splitlines()), "")
                hint = "install it anew in Syncline's environment: pip install --force-reinstall numpy"
                raise PeerUnsafe("numpy is installed and cannot be loaded", why=why, hint=hint) from error
            found = self.__dict__[name] = getattr(numpy, name)
            return found

    if find_spec("numpy") is None:  # told at once, not in the middle of work
        raise ModuleNotFoundError("No module named 'numpy'", name="numpy")
    np = _Late()

__all__ = ["Indexes", "Octets", "Records", "np"]
