//! Pure decisions: data in, decision out. No I/O, no clock, no chance.
