//! Puts a [`Crm`] together from what the host supplies.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::clock::{Clock, Randomness, SystemClock};
use crate::connect::Connect;
use crate::connector::{ConnectorContext, CrmProvider, Split};
use crate::connectors::Connectors;
use crate::crm::Crm;
use crate::documents::{Desk, PublishOptions, Publisher};
use crate::error::{Error, Result};
use crate::host::{
    AlwaysAvailable, Availability, Engagement, KeyRing, Members, NoObserver, Observer,
};
use crate::intake::Intake;
use crate::model::CrmKind;
use crate::scheduler::Scheduler;
use crate::seal::Sealer;
use crate::settings::Settings;
use crate::storage::Stores;

/// Builds a [`Crm`]. Setters never fail; [`build`](CrmBuilder::build) checks.
#[must_use]
pub struct CrmBuilder {
    stores: Stores,
    members: Arc<dyn Members>,
    keys: Arc<dyn KeyRing>,
    clock: Arc<dyn Clock>,
    randomness: Arc<Randomness>,
    observer: Arc<dyn Observer>,
    availability: Arc<dyn Availability>,
    engagement: Option<Arc<dyn Engagement>>,
    providers: Vec<Arc<dyn CrmProvider>>,
    publishing: PublishOptions,
    split: Split,
    bytes_in_flight: usize,
}

impl CrmBuilder {
    pub(super) fn new(stores: Stores, members: Arc<dyn Members>, keys: Arc<dyn KeyRing>) -> Self {
        Self {
            stores,
            members,
            keys,
            clock: Arc::new(SystemClock::new()),
            randomness: Arc::new(Randomness::from_machine()),
            observer: Arc::new(NoObserver::default()),
            availability: Arc::new(AlwaysAvailable::default()),
            engagement: None,
            providers: Vec::new(),
            publishing: PublishOptions::default(),
            split: Split::default(),
            bytes_in_flight: Intake::USUAL_BYTES,
        }
    }

    /// Registers a kind of CRM.
    pub fn provider(mut self, provider: impl CrmProvider + 'static) -> Self {
        self.providers.push(Arc::new(provider));
        self
    }

    /// Tells the time; the machine's clock by default.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Draws random numbers; the machine's by default.
    pub fn randomness(mut self, randomness: Randomness) -> Self {
        self.randomness = Arc::new(randomness);
        self
    }

    /// Hears of progress and of what an operator should know; nobody by default.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Says which integrations a workspace may connect; every registered one by default.
    pub fn availability(mut self, availability: Arc<dyn Availability>) -> Self {
        self.availability = availability;
        self
    }

    /// Tells whom a workspace has been e-mailing; nobody by default, and the assistant says so.
    pub fn engagement(mut self, engagement: Arc<dyn Engagement>) -> Self {
        self.engagement = Some(engagement);
        self
    }

    /// How documents are published: how long a revision waits for further ones (a minute, ten at
    /// most, by default), what becomes of deleted notes, what readers expect.
    pub fn publishing(mut self, publishing: PublishOptions) -> Self {
        self.publishing = publishing;
        self
    }

    /// In how many chains a big table is read at once; [`Split::Automatic`] by default.
    pub const fn split(mut self, split: Split) -> Self {
        self.split = split;
        self
    }

    /// How many bytes of pages may be between the CRM and the store at once, over all connections;
    /// 48 MiB by default. A page counts a quarter more than its body, which has up to about 10 MB,
    /// and half as much again in all once it is decoded; with less, pages wait for each other.
    pub const fn bytes_in_flight(mut self, bytes: usize) -> Self {
        self.bytes_in_flight = bytes;
        self
    }

    /// Puts it together.
    ///
    /// # Errors
    /// [`Error::Config`] when no provider is registered, or two for one kind of CRM.
    pub fn build(self) -> Result<Crm> {
        let mut providers: BTreeMap<CrmKind, Arc<dyn CrmProvider>> = BTreeMap::new();
        for provider in self.providers {
            let kind = provider.kind();
            if providers.insert(kind.clone(), provider).is_some() {
                let reason = format!("two providers are registered for {kind}");
                return Err(Error::config("providers", reason));
            }
        }
        if providers.is_empty() {
            return Err(Error::config("providers", "none is registered"));
        }
        let context = ConnectorContext {
            clock: Arc::clone(&self.clock),
            randomness: Arc::clone(&self.randomness),
            gates: Arc::clone(&self.stores.gates),
            observer: self.observer,
            intake: Arc::new(Intake::new(self.bytes_in_flight)),
            split: self.split,
        };
        let sealer = Sealer::new(self.keys, self.randomness);
        let connections = Arc::clone(&self.stores.connections);
        let connectors = Arc::new(Connectors::new(providers, context, connections, sealer));
        let debounce = self.publishing.debounce;
        let desk = Desk::new(self.stores.clone(), Arc::clone(&self.clock), debounce);
        let publisher =
            Publisher::new(self.stores.clone(), Arc::clone(&self.clock), self.publishing);
        Ok(Crm {
            connectors: Arc::clone(&connectors),
            connect: Connect {
                stores: self.stores.clone(),
                connectors: Arc::clone(&connectors),
                availability: self.availability,
                debounce,
            },
            settings: Settings::new(self.stores.clone(), Arc::clone(&self.clock)),
            scheduler: Scheduler {
                stores: self.stores.clone(),
                connectors,
                members: self.members,
                publisher,
            },
            desk,
            engagement: self.engagement,
            clock: self.clock,
            stores: self.stores,
        })
    }
}

impl fmt::Debug for CrmBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrmBuilder").field("providers", &self.providers).finish_non_exhaustive()
    }
}
