//! The only rooms that know Microsoft: Dataverse and Entra.

mod bearer;
mod org_url;
mod endpoints;
mod parts;
mod challenge;
mod call;
mod error;
mod web_api;
mod wire;
mod decode;
mod paging;
mod processes;
mod tables;
mod stages;
mod lookup;
mod notes;
mod connector;

#[cfg(test)]
mod fixtures;
