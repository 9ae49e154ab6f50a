//! The integration tests: one program, modules mirror `src/`.

mod fakes;
