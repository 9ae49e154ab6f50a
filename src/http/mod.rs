//! HTTP for every vendor: the seam, the retry decision, the throttle gate, the hardened client.

pub(crate) mod client;
#[cfg(test)]
pub(crate) mod fn_transport;
#[cfg(test)]
pub(crate) mod log;
pub(crate) mod transport;
