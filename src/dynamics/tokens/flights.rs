//! One refresh at a time within a process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::model::ConnectionId;

/// One mutex per connection that has a source open in this process.
#[derive(Debug, Default)]
pub(crate) struct Flights(Mutex<HashMap<ConnectionId, Weak<tokio::sync::Mutex<()>>>>);

impl Flights {
    /// The mutex of a connection; those that nobody holds any more are let go.
    pub(crate) fn of(&self, connection: ConnectionId) -> Arc<tokio::sync::Mutex<()>> {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = flights.get(&connection).and_then(Weak::upgrade) {
            return open;
        }
        flights.retain(|_, flight| flight.strong_count() > 0);
        let flight = Arc::default();
        flights.insert(connection, Arc::downgrade(&flight));
        flight
    }

    #[cfg(test)]
    pub(crate) fn open(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
