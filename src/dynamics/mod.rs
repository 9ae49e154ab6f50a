//! The only rooms that know Microsoft: Dataverse and Entra.

mod bearer;
mod org_url;
mod endpoints;
mod parts;
