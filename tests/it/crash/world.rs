//! A workspace, its org and a store that outlives the processes working on it.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use fluint_crm::model::{
    Account, AccountId, AssignmentState, Contact, ContactId, CurrencyId, OpportunityStatus,
    RecordId, RowVersion, Stage, StageAssignment, StageId,
};
use fluint_crm::storage::Stores;
use fluint_crm::store::MemoryStore;
use fluint_crm::testkit::ManualClock;
use fluint_crm::{Crm, Randomness};
use time::macros::datetime;

use crate::support::{PlainCrm, PlainState, keys, member, opportunity, user};

pub(crate) struct World {
    /// Opens the store anew, as a process does when it starts.
    open: Box<dyn Fn(Arc<ManualClock>) -> Stores>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) plain: PlainCrm,
    /// Processes started so far; each draws other random numbers.
    processes: Cell<u64>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("World")
    }
}

impl World {
    /// An org with rows of every kind, and a store that `open` opens.
    pub(crate) fn new(open: impl Fn(Arc<ManualClock>) -> Stores + 'static) -> Self {
        let plain = PlainCrm::default();
        fill(&mut plain.state());
        Self {
            open: Box::new(open),
            clock: Arc::new(ManualClock::new(datetime!(2026-02-02 09:00 UTC))),
            plain,
            processes: Cell::new(0),
        }
    }

    pub(crate) fn in_memory() -> Self {
        let kept = std::sync::OnceLock::new();
        Self::new(move |clock| {
            kept.get_or_init(|| Stores::all(Arc::new(MemoryStore::new(clock)))).clone()
        })
    }

    /// The same world with another way to open its store.
    pub(crate) fn reopened_by(self, open: impl Fn(Arc<ManualClock>) -> Stores + 'static) -> Self {
        Self { open: Box::new(open), ..self }
    }

    pub(crate) fn stores(&self) -> Stores {
        (self.open)(Arc::clone(&self.clock))
    }

    /// Starts a process on a store.
    pub(crate) fn start(&self, stores: Stores) -> Crm {
        self.processes.set(self.processes.get() + 1);
        let members = vec![member("ada", "ada@contoso.com"), member("ben", "ben@contoso.com")];
        Crm::builder(stores, Arc::new(members), keys())
            .provider(self.plain.clone())
            .clock(Arc::clone(&self.clock) as _)
            .randomness(Randomness::seeded(self.processes.get()))
            .build()
            .unwrap()
    }
}

fn fill(state: &mut PlainState) {
    state.organisation = "org-1".into();
    state.user = "u-admin".into();
    state.users = vec![
        user("u1", "ada@contoso.com"),
        user("u2", "stranger@contoso.com"),
        user("u3", "ben@contoso.com"),
    ];
    for id in ["a1", "a2", "a3"] {
        state.accounts.push(Account::new(AccountId::new(id).unwrap()));
    }
    for id in ["c1", "c2", "c3"] {
        state.contacts.push(Contact::new(ContactId::new(id).unwrap()));
    }
    for id in ["s1", "s2", "s3"] {
        state.stages.push(Stage::new(StageId::new(id).unwrap()));
    }
    let euro = fluint_crm::model::CurrencyCode::new("EUR").unwrap();
    state.currencies =
        vec![fluint_crm::model::Currency::new(CurrencyId::new("eur").unwrap(), euro)];
    for (id, owner, stage) in [
        ("o1", "u1", "s1"),
        ("o2", "u1", "s1"),
        ("o3", "u2", "s1"),
        ("o4", "u3", "s2"),
        ("o5", "u1", "s1"),
        ("o6", "u3", "s1"),
    ] {
        let mut opportunity = opportunity(id, owner);
        opportunity.account = AccountId::new("a1").ok();
        let place = StageAssignment::new(
            RecordId::new(format!("at-{id}")).unwrap(),
            opportunity.id.clone(),
            StageId::new(stage).unwrap(),
        );
        state.assignments.push(place);
        state.opportunities.push(opportunity);
    }
}

/// A working day later: renamed, moved, given away, won, new and vanished rows.
pub(crate) fn day_later(state: &mut PlainState) {
    let newer = RowVersion::new(7);
    for opportunity in &mut state.opportunities {
        match opportunity.id.as_str() {
            "o1" => opportunity.name = Some("Renamed".into()),
            "o3" => opportunity.owner = crate::support::opportunity("o3", "u1").owner,
            "o5" => opportunity.status = OpportunityStatus::Won,
            _ => continue,
        }
        opportunity.version = newer;
    }
    for assignment in &mut state.assignments {
        match assignment.opportunity.as_str() {
            "o2" => assignment.stage = StageId::new("s2").unwrap(),
            "o6" => assignment.state = AssignmentState::Aborted,
            _ => continue,
        }
        assignment.version = newer;
    }
    state.opportunities.retain(|opportunity| opportunity.id.as_str() != "o4");
    state.accounts.retain(|account| account.id.as_str() != "a3");
    state.contacts.retain(|contact| contact.id.as_str() != "c2");
    state.assignments.retain(|assignment| assignment.opportunity.as_str() != "o4");
    if !state.opportunities.iter().any(|opportunity| opportunity.id.as_str() == "o7") {
        state.opportunities.push(opportunity("o7", "u2"));
    }
}
