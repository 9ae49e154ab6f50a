//! A stateful, strict fake of one Dataverse organisation.

pub(crate) mod access;
pub(crate) mod attachment;
pub(crate) mod blocks;
pub(crate) mod call;
pub(crate) mod cell;
pub(crate) mod cookie;
pub(crate) mod discovery;
pub(crate) mod faults;
pub(crate) mod filter;
pub(crate) mod functions;
pub(crate) mod org;
pub(crate) mod page;
pub(crate) mod percent;
pub(crate) mod protection;
pub(crate) mod query;
pub(crate) mod refusal;
pub(crate) mod row_json;
pub(crate) mod schema;
pub(crate) mod service;
pub(crate) mod synthetic;
pub(crate) mod table;
pub(crate) mod words;
pub(crate) mod write;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use time::Duration;
use uuid::Uuid;

use crate::clock::Clock;
use crate::http::transport::{Request, Response, TransportError};
use crate::testkit::dataverse::cell::Cell;
use crate::testkit::dataverse::faults::{Fault, FaultPlan, Place};
use crate::testkit::dataverse::org::{Listing, Org, PrivilegeDepth};
use crate::testkit::dataverse::service::Service;
use crate::testkit::entra::tokens::{Ledger, Standing};

/// How an opportunity ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Closing {
    /// It was won.
    Won,
    /// It was lost (status reason Canceled).
    Lost,
}

/// A fake Dataverse: the org's rows, changed and asked like the real ones.
///
/// It refuses what Dataverse refuses, and also what a careful client never does: a missing OData
/// header, a cookie, a changed `$skiptoken`, `$top` together with a page size. Reached through a
/// [`FakeMicrosoft`](crate::testkit::FakeMicrosoft).
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use fluint_crm::SystemClock;
/// use fluint_crm::testkit::{Closing, FakeMicrosoft, OrgBuilder};
///
/// let mut org = OrgBuilder::new(7);
/// let ada = org.add_user("Ada Lovelace", "ada@contoso.com").id();
/// let account = org.add_account("Fabrikam").id();
/// let deal = org.add_opportunity("Looms", account).owned_by(ada).worth("1200.50").id();
///
/// let fake = FakeMicrosoft::new(org.build(), Arc::new(SystemClock::new()));
/// assert!(fake.dataverse().close_opportunity(deal, Closing::Won));
/// ```
pub struct FakeDataverse {
    service: Mutex<Service>,
    clock: Arc<dyn Clock>,
    ledger: Arc<Ledger>,
}

impl FakeDataverse {
    pub(crate) fn new(org: Org, clock: Arc<dyn Clock>, ledger: Arc<Ledger>) -> Self {
        Self { service: Mutex::new(Service::new(org)), clock, ledger }
    }

    /// Answers a request, or breaks the connection when that was planted.
    pub(crate) fn respond(&self, request: &Request) -> Result<Response, TransportError> {
        let now = self.clock.now();
        if discovery::is_meant(request) {
            return Ok(self.with(|s| discovery::respond(&s.org, request, now, &self.ledger)));
        }
        self.with(|service| service.respond(request, now, &self.ledger))
    }

    /// Whether this request is to break; it is counted then, and the fault is used up.
    pub(crate) fn breaks(&self, request: &Request) -> bool {
        let now = self.clock.now();
        self.with(|service| service.breaks(request, now, &self.ledger))
    }

    pub(crate) fn set_address(&self, address: &str) {
        self.with(|service| address.clone_into(&mut service.org.address));
    }

    /// Changes one value of a row, as a user of the CRM would; false when it is not there.
    ///
    /// `table` is the logical name or the entity set. The row gets a new version.
    pub fn update(&self, table: &str, id: Uuid, column: &str, value: impl Into<Cell>) -> bool {
        let now = self.clock.now();
        let value = value.into();
        self.with(|service| {
            let org = &mut service.org;
            let changed = org.set(table, id, column, value);
            if changed {
                org.set(table, id, "modifiedon", now.into());
            }
            changed
        })
    }

    /// Adds a row with these values; false when the table is not there.
    pub fn insert(&self, table: &str, id: Uuid, values: &[(&str, Cell)]) -> bool {
        let now = self.clock.now();
        self.with(|service| {
            let version = service.org.draw_version();
            let Some(rows) = service.org.table_mut(table) else {
                return false;
            };
            rows.insert(id, version);
            service.org.set(table, id, "createdon", now.into());
            service.org.set(table, id, "modifiedon", now.into());
            values.iter().all(|(column, value)| service.org.set(table, id, column, value.clone()))
        })
    }

    /// Deletes a row; false when it is not there.
    pub fn delete(&self, table: &str, id: Uuid) -> bool {
        self.with(|service| service.org.table_mut(table).is_some_and(|table| table.remove(id)))
    }

    /// Wins or loses an opportunity; false when it is not there.
    pub fn close_opportunity(&self, id: Uuid, closing: Closing) -> bool {
        let now = self.clock.now();
        let (state, status) = match closing {
            Closing::Won => (1, 3),
            Closing::Lost => (2, 4),
        };
        let value = self.cell("opportunity", id, "estimatedvalue").unwrap_or(Cell::Null);
        let actual = if closing == Closing::Won { value } else { Cell::money("0") };
        self.update("opportunity", id, "statecode", state)
            && self.update("opportunity", id, "statuscode", status)
            && self.update("opportunity", id, "actualvalue", actual)
            && self.update("opportunity", id, "actualclosedate", now.date())
    }

    /// Moves an opportunity to a stage, in the instance row and in the deprecated columns.
    ///
    /// False when the opportunity has no process instance.
    pub fn move_stage(&self, opportunity: Uuid, stage: Uuid) -> bool {
        let Some((table, instance)) = self.with(|service| service.instance_of(opportunity)) else {
            return false;
        };
        let now = self.clock.now();
        self.update(&table, instance, "activestageid", stage)
            && self.update(&table, instance, "activestagestartedon", now)
            && self.with(|service| {
                service.org.set("opportunity", opportunity, "stageid", stage.into())
            })
    }

    /// The value of a column now; `None` when the row or the column is not there.
    #[must_use]
    pub fn cell(&self, table: &str, id: Uuid, column: &str) -> Option<Cell> {
        self.with(|service| {
            let table = service.org.table_mut(table)?;
            let column = table.definition.column(column)?;
            Some(table.row(id)?.cell(column).into_owned())
        })
    }

    /// The ids of all rows of a table that are there now, computed ones left out.
    #[must_use]
    pub fn ids(&self, table: &str) -> Vec<Uuid> {
        self.with(|service| {
            let table = service.org.table_mut(table);
            table.map_or_else(Vec::new, |table| table.held().map(|row| row.id()).collect())
        })
    }

    /// Hides a row from the signed-in user, as sharing and business units do.
    pub fn hide(&self, id: Uuid) {
        self.with(|service| service.org.hidden.insert(id));
    }

    /// Shows a hidden row again.
    pub fn reveal(&self, id: Uuid) {
        self.with(|service| service.org.hidden.remove(&id));
    }

    /// Takes a privilege such as `prvReadOpportunity` from the signed-in user.
    pub fn withhold_privilege(&self, privilege: impl Into<String>) {
        self.with(|service| service.org.missing_privileges.insert(privilege.into()));
    }

    /// Makes the notes' table refuse writes that name a version, as a table does that was never
    /// enabled for it.
    pub fn compare_no_versions(&self) {
        self.with(|service| service.org.concurrency = org::Concurrency::Ignored);
    }

    /// Gives a privilege back.
    pub fn grant_privilege(&self, privilege: &str) {
        self.with(|service| service.org.missing_privileges.remove(privilege));
    }

    /// Lets a privilege of the signed-in user reach so far; all reach over the whole organisation
    /// at first.
    pub fn set_depth(&self, privilege: impl Into<String>, depth: PrivilegeDepth) {
        self.with(|service| service.org.depths.insert(privilege.into(), depth));
    }

    /// Changes how the question for the user's privileges is answered.
    pub fn list_privileges(&self, listing: Listing) {
        self.with(|service| service.org.privileges = listing);
    }

    /// Plants a fault that strikes once.
    pub fn plant(&self, place: Place, fault: Fault) {
        self.plant_times(place, fault, 1);
    }

    /// Plants a fault that strikes so many times.
    pub fn plant_times(&self, place: Place, fault: Fault, times: u32) {
        self.with(|service| service.faults.plant(place, fault, times));
    }

    /// Lets faults strike by a plan, in place of all that were planted so far.
    pub fn plan_faults(&self, plan: FaultPlan) {
        self.with(|service| service.faults.follow(plan));
    }

    /// How many faults have struck so far.
    #[must_use]
    pub fn faults_struck(&self) -> u64 {
        self.with(|service| service.faults.struck())
    }

    /// Removes all planted faults, those of a plan too.
    pub fn clear_faults(&self) {
        self.with(|service| service.faults.clear());
    }

    /// Carries out the requests that were to land later; gives how many there were.
    pub fn land(&self) -> usize {
        let now = self.clock.now();
        self.with(|service| service.land(now, &self.ledger))
    }

    /// Demands these claims (JSON) in new tokens: every token that is out gets a claims challenge.
    pub fn challenge(&self, claims: impl Into<String>) {
        self.ledger.judge(None, &Standing::Challenged(claims.into()));
    }

    /// Refuses requests above so many in a sliding window.
    pub fn limit_requests(&self, requests: usize, window: Duration) {
        self.with(|service| service.protection.set_limit(requests, window));
    }

    /// Answers pages of no more than so many rows, also when more are asked for.
    ///
    /// As in OData, where a client asks for a page size and the service decides: a small org then
    /// has many pages.
    pub fn limit_pages(&self, rows: usize) {
        self.with(|service| service.page_limit = rows.max(1));
    }

    /// Sets the parallelism that `x-ms-dop-hint` recommends.
    pub fn recommend_parallelism(&self, hint: u32) {
        self.with(|service| service.parallelism = hint);
    }

    /// How many requests came so far, refused ones too.
    #[must_use]
    pub fn total_requests(&self) -> u64 {
        self.with(|service| service.total)
    }

    /// How many requests an entity set or a function got so far.
    #[must_use]
    pub fn requests(&self, set: &str) -> u64 {
        self.with(|service| service.faults.requests(set))
    }

    /// How many requests came while a 429 told to wait.
    #[must_use]
    pub fn impatient_requests(&self) -> u64 {
        self.with(|service| service.protection.impatient)
    }

    /// The newest requests as `METHOD path?query`, oldest first; at most 2,000.
    #[must_use]
    pub fn journal(&self) -> Vec<String> {
        self.with(|service| service.journal.iter().cloned().collect())
    }

    fn with<T>(&self, work: impl FnOnce(&mut Service) -> T) -> T {
        work(&mut self.service.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for FakeDataverse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeDataverse").finish_non_exhaustive()
    }
}
