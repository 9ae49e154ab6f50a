//! The org behind the fake, and what happens in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use fluint_crm::Clock as _;
use fluint_crm::model::{RecordId, Table};
use fluint_crm::testkit::{
    Cell, Closing, FakeDataverse, FakeMicrosoft, Fault, FaultPlan, OrgBuilder,
};
use time::Duration;
use uuid::Uuid;

use crate::simulation::book::{Book, Dice};
use crate::simulation::clock::SimClock;

/// The tables that change, with their names in the fake.
pub(super) const TABLES: [(Table, &str); 3] = [
    (Table::Accounts, "account"),
    (Table::Contacts, "contact"),
    (Table::Opportunities, "opportunity"),
];

/// A table does not grow beyond this: if rows came faster than pages, a read would never end.
const MOST_ROWS: usize = 60;

/// The org's rows, which come and go.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) fake: FakeMicrosoft,
    clock: Arc<SimClock>,
    pub(super) book: Arc<Book>,
    rough: AtomicBool,
    /// Opportunities that were closed or opened since somebody asked.
    turned: Mutex<BTreeSet<RecordId>>,
    owner: Uuid,
}

impl Life {
    /// An org of a few dozen rows in a table, answered in pages of two to seven.
    pub(super) fn new(dice: &Dice, book: &Arc<Book>, clock: &Arc<SimClock>) -> Self {
        let mut org = OrgBuilder::new(u64::try_from(dice.number() & 0xffff_ffff).unwrap());
        let owner = org.add_user("Ada Lovelace", "ada@contoso.com").id();
        org.add_user("Grace Hopper", "grace@contoso.com");
        let sales = org.sales_process();
        let size = 8 + dice.below(24);
        let accounts: Vec<Uuid> =
            (0..size).map(|number| org.add_account(&format!("Company {number}")).id()).collect();
        for (number, account) in accounts.into_iter().enumerate() {
            org.add_contact(&format!("Person {number}"), account);
            let deal = org.add_opportunity(&format!("Deal {number}"), account);
            deal.owned_by(owner).worth("1200.50").in_stage(&sales, number % 4);
        }
        let fake = FakeMicrosoft::new(org.build(), Arc::clone(clock) as _);
        fake.dataverse().limit_pages(2 + dice.below(6));
        let (clock, book) = (Arc::clone(clock), Arc::clone(book));
        let (rough, turned) = (AtomicBool::new(false), Mutex::default());
        Self { fake, clock, book, rough, turned, owner }
    }

    pub(super) fn org(&self) -> &FakeDataverse {
        self.fake.dataverse()
    }

    pub(super) fn is_rough(&self) -> bool {
        self.rough.load(Ordering::Relaxed)
    }

    /// Whether anything changes in the org, and anything goes wrong.
    pub(super) fn set_rough(&self, rough: bool) {
        self.rough.store(rough, Ordering::Relaxed);
        if !rough {
            self.org().clear_faults();
        }
    }

    /// Lets a few requests in a hundred fail, in all the ways that a sync gets over.
    pub(super) fn plan_faults(&self, dice: &Dice) {
        let odd = [
            Fault::ExpiredToken,
            Fault::TruncatedBody,
            Fault::BadJson,
            Fault::NotANumber,
            Fault::Refusal { status: 400, code: "0x80041129".to_owned() },
        ];
        // Empty pages are the most likely: they must not end a chain.
        let empty = std::iter::repeat_n(Fault::EmptyPage, 12);
        let share = [0.0, 0.01, 0.04, 0.1][dice.below(4)];
        let plan = FaultPlan::seeded(u64::try_from(dice.number() & 0xffff_ffff).unwrap());
        let kinds = Fault::transient().into_iter().chain(odd).chain(empty);
        self.org().plan_faults(plan.share(share).among(kinds));
    }

    /// The rows that a list shows, by their ids: all, but of opportunities the open ones.
    pub(super) fn listed(&self, table: Table, name: &str) -> BTreeSet<RecordId> {
        let ids = self.org().ids(name).into_iter();
        let open = |id: &Uuid| {
            table != Table::Opportunities
                || self.org().cell(name, *id, "statecode") == Some(Cell::Int(0))
        };
        ids.filter(open).map(record).collect()
    }

    /// Every row that is there.
    pub(super) fn all(&self, name: &str) -> BTreeSet<RecordId> {
        self.org().ids(name).into_iter().map(record).collect()
    }

    /// What the rows of a table are called.
    pub(super) fn names(&self, name: &str) -> BTreeMap<RecordId, String> {
        let column = if name == "contact" { "fullname" } else { "name" };
        let named = self.org().ids(name).into_iter().filter_map(|id| {
            let Some(Cell::Text(text)) = self.org().cell(name, id, column) else { return None };
            Some((record(id), text))
        });
        named.collect()
    }

    /// The opportunities that were closed or opened again since the last time.
    pub(super) fn take_turned(&self) -> BTreeSet<RecordId> {
        std::mem::take(&mut self.turned.lock().unwrap())
    }

    /// What happens between two pages.
    pub(super) fn live_a_little(&self, dice: &Dice) {
        if !self.is_rough() || !dice.happens(0.35) {
            return;
        }
        let (_, table) = TABLES[dice.below(TABLES.len())];
        let ids = self.org().ids(table);
        let some = dice.pick(&ids).copied();
        let (what, id) = match (dice.below(10), some) {
            (0..3, _) if ids.len() < MOST_ROWS => ("create", Some(self.create(dice, table))),
            (3..5, Some(id)) if ids.len() > 3 => {
                self.org().delete(table, id);
                ("delete", Some(id))
            }
            (5..8, Some(id)) if table == "opportunity" => ("turn", Some(self.turn(dice, id))),
            (_, Some(id)) => {
                self.rename(dice, table, id);
                ("change", Some(id))
            }
            _ => ("nothing", None),
        };
        self.book.count(what);
        self.book.note(self.clock.now(), what, (table, id));
    }

    /// A new row, now or, as an import makes them, long ago; its id is anywhere in the order.
    fn create(&self, dice: &Dice, table: &str) -> Uuid {
        let id = Uuid::from_u128(dice.number());
        let owner = Cell::lookup("systemuser", self.owner);
        let mut values = vec![
            ("ownerid", owner.clone()),
            ("owninguser", owner),
            ("statecode", Cell::Int(0)),
            ("statuscode", Cell::Int(1)),
        ];
        if dice.happens(0.5) {
            let long_ago = Duration::days(i64::try_from(dice.below(800)).unwrap());
            values.push(("createdon", (self.clock.now() - long_ago).into()));
        }
        let known = |(column, _): &(&str, Cell)| self.org().cell(table, id, column).is_some();
        self.org().insert(table, id, &[]);
        for (column, value) in values.iter().filter(|value| known(value)) {
            self.org().update(table, id, column, value.clone());
        }
        self.rename(dice, table, id);
        id
    }

    fn rename(&self, dice: &Dice, table: &str, id: Uuid) {
        let column = if table == "contact" { "fullname" } else { "name" };
        self.org().update(table, id, column, format!("Renamed {}", dice.below(1_000_000)));
    }

    /// Closes an opportunity, or opens it again.
    fn turn(&self, dice: &Dice, id: Uuid) -> Uuid {
        self.turned.lock().unwrap().insert(record(id));
        if self.org().cell("opportunity", id, "statecode") == Some(Cell::Int(0)) {
            let how = if dice.happens(0.5) { Closing::Won } else { Closing::Lost };
            self.org().close_opportunity(id, how);
        } else {
            self.org().update("opportunity", id, "statecode", 0);
            self.org().update("opportunity", id, "statuscode", 1);
        }
        id
    }
}

fn record(id: Uuid) -> RecordId {
    RecordId::new(id.to_string()).unwrap()
}
