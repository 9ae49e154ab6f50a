//! What R-20 says, checked against the rows that the fake really has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use fluint_crm::model::{ConnectionId, OpportunityStatus, Presence, RecordId, Rows, Table};
use fluint_crm::storage::Stores;

use crate::simulation::book::Book;
use crate::simulation::odata::life::{Life, TABLES};
use crate::support::workspace;

const ALL: u32 = 10_000;

type Ids = BTreeMap<Table, BTreeSet<RecordId>>;

/// Knows what was there when a run began.
pub(super) struct Oracle {
    life: Arc<Life>,
    stores: Stores,
    book: Arc<Book>,
    /// Rows that a list showed when the run began.
    listed: Mutex<Ids>,
}

impl Oracle {
    pub(super) fn new(life: &Arc<Life>, stores: &Stores, book: &Arc<Book>) -> Self {
        let (life, book) = (Arc::clone(life), Arc::clone(book));
        Self { life, stores: stores.clone(), book, listed: Mutex::default() }
    }

    async fn connection(&self) -> ConnectionId {
        self.stores.connections.connections(&workspace()).await.unwrap()[0].id
    }

    async fn rows(&self, table: Table) -> Rows {
        let id = self.connection().await;
        self.stores.query.scan(&workspace(), id, table, None, ALL).await.unwrap()
    }

    async fn held(&self, table: Table) -> BTreeSet<RecordId> {
        self.rows(table).await.ids().into_iter().collect()
    }

    pub(super) async fn run_begins(&self) {
        self.life.take_turned();
        let listed = TABLES.map(|(table, name)| (table, self.life.listed(table, name)));
        *self.listed.lock().unwrap() = listed.into_iter().collect();
    }

    /// A run found every row that was there and open from its beginning to its end.
    pub(super) async fn run_ended(&self) {
        let turned = self.life.take_turned();
        for (table, name) in TABLES {
            let before = self.listed.lock().unwrap()[&table].clone();
            let now = self.life.listed(table, name);
            let held = self.held(table).await;
            let missing = self.missing(table).await;
            for id in before.intersection(&now).filter(|id| !turned.contains(*id)) {
                if !held.contains(id) {
                    let what = "was there all through the run and is not held";
                    self.book.wrong(format!("{table}: {id} {what}"));
                }
                if missing.contains(id) {
                    let what = "was there all through the run and is missing";
                    self.book.wrong(format!("{table}: {id} {what}"));
                }
            }
        }
    }

    async fn missing(&self, table: Table) -> BTreeSet<RecordId> {
        let (mirror, id) = (&self.stores.mirror, self.connection().await);
        let rows = mirror.missing(&workspace(), id, table, None, ALL).await.unwrap();
        rows.into_iter().map(|row| row.id).collect()
    }

    /// No opportunity that is there is called gone; the mirror's own watch sees the other tables.
    pub(super) async fn nothing_false(&self) {
        let id = self.connection().await;
        let all = self.stores.mirror.candidates(&workspace(), id, None, ALL).await.unwrap();
        let there = self.life.all("opportunity");
        for candidate in all {
            let id = candidate.opportunity.id.clone().into();
            if matches!(candidate.presence, Presence::Gone { .. }) && there.contains(&id) {
                self.book.wrong(format!("opportunities: {id} is there and called gone"));
            }
        }
    }

    /// The mirror is the org: the same rows under the same names.
    pub(super) async fn all_is_quiet(&self) {
        for (table, name) in TABLES {
            // An opportunity that was closed before it was deleted stays, with its outcome.
            let held = names(self.rows(table).await);
            let there = self.life.names(name);
            let withheld = self.missing(table).await;
            for id in self.life.listed(table, name) {
                if held.get(&id) != there.get(&id) {
                    let (held, there) = (held.get(&id), there.get(&id));
                    self.book.wrong(format!("{table}: {id} is {there:?}, held is {held:?}"));
                }
            }
            // More than may go at once wait for somebody's approval.
            let deleted = |id: &&RecordId| !there.contains_key(*id) && !withheld.contains(*id);
            for id in held.keys().filter(deleted) {
                self.book.wrong(format!("{table}: {id} is held and was deleted"));
            }
            withheld.iter().for_each(|_| self.book.count("rows withheld"));
        }
    }
}

/// What the rows are called; of opportunities, the open ones.
fn names(rows: Rows) -> BTreeMap<RecordId, String> {
    let named: Vec<(RecordId, Option<String>)> = match rows {
        Rows::Accounts(rows) => rows.into_iter().map(|row| (row.id.into(), row.name)).collect(),
        Rows::Contacts(rows) => rows.into_iter().map(|row| (row.id.into(), row.name)).collect(),
        Rows::Opportunities(rows) => {
            let open = rows.into_iter().filter(|row| row.status == OpportunityStatus::Open);
            open.map(|row| (row.id.into(), row.name)).collect()
        }
        other => panic!("rows of another table: {}", other.table()),
    };
    named.into_iter().map(|(id, name)| (id, name.unwrap_or_default())).collect()
}
