//! HTTP for every vendor: the seam, the retry decision, the throttle gate, the hardened client.

pub(crate) mod transport;
