//! The only rooms that know Microsoft: Dataverse and Entra.

mod bearer;
