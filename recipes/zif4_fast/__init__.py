"""How `zif4-fast` is distilled from `castel2024-nequip`. See README.md in this folder."""
