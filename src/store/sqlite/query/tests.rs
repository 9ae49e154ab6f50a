//! How SQLite goes about the questions: a plan that reads whole tables would answer right, and late.

use rusqlite::{Connection, params_from_iter};
use time::macros::date;
use uuid::Uuid;

use super::conditions::{Conditions, Leads, Order, Stretch};
use super::{Reading, filter};
use crate::model::query::{DealQuery, DealStanding, OpportunityFilter, OpportunitySort, Scope};
use crate::model::{
    Account, AccountId, ConnectionId, Contact, MemberId, Opportunity, OpportunityStatus, StageId,
    User, UserId, WorkspaceId,
};
use crate::storage::fallback::SortKey;
use crate::store::sqlite::codec::{integer, text};
use crate::store::sqlite::deals::find;
use crate::store::sqlite::mirror::rows::Mirrored;
use crate::store::sqlite::schema::open_memory;

const BY_NAME: Order = Order::Ascending("r.name_key");
const BY_CLOSE: Order = Order::Ascending("r.close_date");
const BY_VALUE: Order = Order::Descending("r.value");

struct Plans {
    database: Connection,
    scope: Scope,
    connections: Vec<(ConnectionId, Option<time::OffsetDateTime>)>,
}

impl Plans {
    fn new(connections: u128) -> Self {
        let connections =
            (0..connections).map(|number| (ConnectionId::new(Uuid::from_u128(number)), None));
        Self {
            database: open_memory().unwrap(),
            scope: Scope::workspace(WorkspaceId::new("acme").unwrap()),
            connections: connections.collect(),
        }
    }

    fn all(&self) -> Conditions<'_> {
        Conditions::in_scope(&self.scope, &self.connections)
    }

    /// The plan for each stretch, from the beginning and from the middle.
    fn of<R>(
        &self,
        reading: &Reading<R>,
        conditions: &Conditions<'_>,
        order: Order,
    ) -> Vec<String> {
        let key = match order {
            Order::Ascending("r.close_date") => SortKey::date(Some(date!(2026 - 01 - 01))),
            Order::Ascending(_) => SortKey::name(Some("contoso")),
            Order::Descending(_) => SortKey::value_descending(Some("1".parse().unwrap())),
        };
        let (connection, id) = (ConnectionId::new(Uuid::nil()), || text("x"));
        let places =
            [None, Some((&key, connection, id())), Some((&SortKey::Absent, connection, id()))];
        let mut plans = Vec::new();
        for stretch in places.into_iter().flat_map(Stretch::after) {
            let mut conditions = conditions.clone();
            conditions.in_stretch(order, stretch.clone());
            let sql = reading.sql(&conditions, order, &stretch);
            let sql = format!("EXPLAIN QUERY PLAN {sql}");
            let mut statement = self.database.prepare(&sql).unwrap();
            let values = params_from_iter(conditions.values_and(integer(5)));
            let steps = statement.query_map(values, |row| row.get::<_, String>(3)).unwrap();
            plans.push(steps.map(Result::unwrap).collect::<Vec<_>>().join("; "));
        }
        plans
    }

    /// Every page is read along an index that has the order.
    #[track_caller]
    fn walks<R: Mirrored>(&self, conditions: &Conditions<'_>, order: Order, index: &str) {
        self.walks_in(&Reading::<R>::mirrored(), conditions, order, index);
    }

    #[track_caller]
    fn walks_in<R>(
        &self,
        reading: &Reading<R>,
        conditions: &Conditions<'_>,
        order: Order,
        index: &str,
    ) {
        for plan in self.of(reading, conditions, order) {
            assert!(plan.contains(&format!("USING INDEX {index} (workspace=?")), "{plan}");
            assert!(!plan.contains("B-TREE") && !plan.contains("SCAN r"), "{plan}");
        }
    }

    /// Every page is found by an index that leads to few rows.
    #[track_caller]
    fn seeks<R: Mirrored>(&self, conditions: &Conditions<'_>, order: Order, step: &str) {
        for plan in self.of(&Reading::<R>::mirrored(), conditions, order) {
            assert!(plan.starts_with(&format!("SEARCH r USING {step}")), "{plan}");
        }
    }

    fn filtered<'a>(&'a mut self, filter: &'a OpportunityFilter) -> Conditions<'a> {
        let Self { database, scope, connections } = self;
        let mut conditions = Conditions::in_scope(scope, connections);
        let tx = database.transaction().unwrap();
        filter::add(&tx, scope, &mut conditions, filter).unwrap();
        tx.rollback().unwrap();
        conditions
    }
}

#[test]
fn oll_1_every_page_of_a_list_is_read_along_its_index() {
    for connections in [1, 2, 5] {
        let plans = Plans::new(connections);
        let mut all = plans.all();
        plans.walks::<Account>(&all, BY_NAME, "accounts_by_name");
        plans.walks::<Contact>(&all, BY_NAME, "contacts_by_name");
        plans.walks::<Opportunity>(&all, BY_NAME, "opportunities_by_name");
        plans.walks::<User>(&all, BY_NAME, "users_by_name");
        all.and("r.status = ?", [text("open")]);
        plans.walks::<Opportunity>(&all, BY_CLOSE, "opportunities_by_close");
        plans.walks::<Opportunity>(&all, BY_VALUE, "opportunities_by_value");
        let mut named = plans.all();
        named.named(Some("contoso gmbh"));
        plans.walks::<Account>(&named, BY_NAME, "accounts_by_name");
    }
}

#[test]
fn oll_1_a_selective_question_goes_by_the_index_of_what_it_asks_for() {
    for connections in [1, 2, 5] {
        let plans = Plans::new(connections);
        for (table, index) in [
            ("accounts", "INDEXED BY sqlite_autoindex_accounts_1"),
            ("users", "INDEXED BY sqlite_autoindex_users_1"),
        ] {
            let mut by_id = plans.all();
            by_id.and("r.id = ?", [text("a1")]);
            by_id.lead(Leads::ToFew(index));
            let key =
                format!("INDEX sqlite_autoindex_{table}_1 (workspace=? AND connection=? AND id=?)");
            match table {
                "accounts" => plans.seeks::<Account>(&by_id, BY_NAME, &key),
                _ => plans.seeks::<User>(&by_id, BY_NAME, &key),
            }
        }
        let connection = ConnectionId::new(Uuid::nil());
        let open = || OpportunityFilter {
            status: Some(OpportunityStatus::Open),
            ..OpportunityFilter::default()
        };
        let (user, stage) = (UserId::new("u1").unwrap(), StageId::new("s1").unwrap());
        let filters = [
            (
                OpportunityFilter { account: Some(AccountId::new("a1").unwrap()), ..open() },
                "INDEX opportunities_by_account (workspace=? AND connection=? AND of_account=?)",
            ),
            (
                OpportunityFilter { owners: vec![(connection, user)], ..open() },
                "INDEX opportunities_by_owner (workspace=? AND connection=? AND owner=?)",
            ),
            (
                OpportunityFilter { stages: vec![(connection, stage)], ..open() },
                "INDEX opportunities_by_stage (workspace=? AND connection=? AND stage=?)",
            ),
        ];
        for (filter, step) in filters {
            for order in [BY_NAME, BY_CLOSE, BY_VALUE] {
                let (mut ours, theirs) = (Plans::new(connections), Plans::new(connections));
                let conditions = ours.filtered(&filter);
                theirs.seeks::<Opportunity>(&conditions, order, step);
            }
        }
    }
}

#[test]
fn oll_1_deals_are_read_along_their_indexes() {
    let plans = Plans::new(0);
    let workspace = || WorkspaceId::new("acme").unwrap();
    let connection = ConnectionId::new(Uuid::nil());
    for scope in [Scope::workspace(workspace()), Scope::connection(workspace(), connection)] {
        let mut question = DealQuery::new(scope);
        let reading = find::reading();
        let walks = |question: &DealQuery, index: &str| {
            let conditions = find::conditions(question);
            plans.walks_in(&reading, &conditions, find::order(question.sort), index);
        };
        walks(&question, "deals_by_name");
        question.filter.standing = Some(DealStanding::Live);
        question.sort = OpportunitySort::CloseDate;
        walks(&question, "deals_by_close");
        question.sort = OpportunitySort::ValueDescending;
        walks(&question, "deals_by_value");
        question.filter.owner = MemberId::new("ada").ok();
        for plan in plans.of(&reading, &find::conditions(&question), find::order(question.sort)) {
            assert!(plan.starts_with("SEARCH r USING INDEX deals_by_owner (workspace=?"), "{plan}");
        }
    }
}
