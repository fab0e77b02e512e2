"""Makes tensorflow-data-validation 1.16 import beside tfx-bsl 1.21.

tfdv imports `tfx_bsl.arrow.sql_util`, which tfx-bsl dropped; only slicing by SQL uses it, which Sazón does not.
(The matching tfdv 1.21 wheels need a newer C library than most Linux machines have.)
"""

import sys
from types import ModuleType
from typing import Any

_MISSING = "tfx_bsl.arrow.sql_util"


class RecordBatchSQLSliceQuery:
    """Stands where the dropped class stood."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("slicing statistics by SQL is not available")


def install() -> None:
    """Registers the stand-in; call it before anything imports tfdv, tfx or tfma."""
    if _MISSING not in sys.modules:
        stand_in = ModuleType(_MISSING)
        stand_in.RecordBatchSQLSliceQuery = RecordBatchSQLSliceQuery  # type: ignore[attr-defined]
        sys.modules[_MISSING] = stand_in
        import tfx_bsl.arrow

        tfx_bsl.arrow.sql_util = stand_in
