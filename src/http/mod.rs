//! HTTP for every vendor: the seam, the retry decision, the throttle gate, the hardened client.

pub(crate) mod bodies;
pub(crate) mod client;
pub(crate) mod gate;
pub(crate) mod places;
pub(crate) mod retry;
#[cfg(test)]
pub(crate) mod log;
pub(crate) mod transport;

#[cfg(test)]
pub(crate) mod fixtures;
