//! A sync: connector pages into the mirror, vanished rows, promotion to deals.
