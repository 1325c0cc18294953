"""The functions that do the work of stages, one file per group. `studies.kinds` names them."""
