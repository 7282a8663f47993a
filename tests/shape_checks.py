"""The type checker that runs on annotated functions in tests: an int may stand for a float, as PEP 484 allows."""

import beartype

checked = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))
