//! Which rows a question is about, as SQL with bound values.
//!
//! The SQL is put together from the words in this file alone; whatever a person or a CRM wrote is
//! bound.

use std::cmp::Reverse;

use time::OffsetDateTime;

use crate::model::query::{OpportunityFilter, Scope};
use crate::model::{ConnectionId, RecordId};
use crate::rules::NameWords;
use crate::storage::fallback::SortKey;
use crate::store::sqlite::codec::{Put, Values, amount, date, owned_text, text, uuid};
use crate::store::sqlite::words::Word;

/// Conditions on the rows of a table that goes by the name `r`, all of which must hold.
#[derive(Clone, Debug)]
pub(crate) struct Conditions<'a> {
    sql: String,
    values: Values<'a>,
    leads: Leads,
}

/// Where an index would lead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Leads {
    /// Nowhere: most rows are meant.
    Nowhere,
    /// Nowhere either, and the stage of each is sought.
    ToStages,
    /// To the rows of some days.
    ToDates,
    /// To the few rows of one account.
    ToFew,
}

/// How rows are sorted: by a column, and by connection and id where it is the same. A row that
/// lacks the value comes last.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    Ascending(&'static str),
    Descending(&'static str),
}

impl Order {
    const fn column(self) -> &'static str {
        match self {
            Self::Ascending(column) | Self::Descending(column) => column,
        }
    }

    pub(crate) fn sql(self) -> String {
        let column = self.column();
        match self {
            Self::Ascending(_) => format!("{column} ASC NULLS LAST, r.connection, r.id"),
            Self::Descending(_) => format!("{column} DESC NULLS LAST, r.connection, r.id"),
        }
    }
}

impl<'a> Conditions<'a> {
    /// The rows of the connections in scope.
    pub(crate) fn in_scope(
        scope: &'a Scope,
        connections: &[(ConnectionId, Option<OffsetDateTime>)],
    ) -> Self {
        let places = vec!["?"; connections.len()].join(", ");
        let mut values = vec![text(scope.workspace.as_str())];
        values.extend(connections.iter().map(|(connection, _)| uuid(connection.as_uuid())));
        let sql = format!("r.workspace = ? AND r.connection IN ({places}) AND r.gone_at IS NULL");
        // No index serves a list of no connections.
        let leads = if connections.is_empty() { Leads::ToFew } else { Leads::Nowhere };
        Self { sql, values, leads }
    }

    pub(crate) const fn leads(&self) -> Leads {
        self.leads
    }

    /// Adds a condition with its values.
    pub(crate) fn and(&mut self, condition: &str, values: impl IntoIterator<Item = Put<'a>>) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self.values.extend(values);
    }

    /// The name holds every one of the words; see [`NameWords`].
    pub(crate) fn named(&mut self, words: Option<&str>) {
        for word in NameWords::new(words.unwrap_or_default()).iter() {
            self.and("instr(' ' || r.name_key, ?) > 0", [owned_text(word.text.clone())]);
        }
    }

    /// The opportunity passes a filter.
    pub(crate) fn passing(&mut self, filter: &'a OpportunityFilter) {
        self.named(filter.name.as_deref());
        if let Some(account) = &filter.account {
            // Without statistics SQLite would rather walk the whole primary key than this index.
            self.and("unlikely(r.of_account = ?)", [text(account.as_str())]);
            self.leads = Leads::ToFew;
        }
        if !filter.owners.is_empty() {
            let places = vec!["?"; filter.owners.len()].join(", ");
            let condition = format!("r.owner_kind = 'user' AND r.owner IN ({places})");
            self.and(&condition, filter.owners.iter().map(|owner| text(owner.as_str())));
        }
        if let Some(status) = filter.status {
            self.and("r.status = ?", [text(status.as_word())]);
        }
        if let Some(code) = &filter.currency {
            self.and(OF_CURRENCY, [text(code.as_str())]);
        }
        if let Some(min) = filter.min_value {
            self.and("r.value >= ?", [amount(min)]);
        }
        if let Some(max) = filter.max_value {
            self.and("r.value <= ?", [amount(max)]);
        }
        let has_days = filter.close_from.is_some() || filter.close_before.is_some();
        if self.leads == Leads::Nowhere && has_days && filter.status.is_some() {
            self.leads = Leads::ToDates;
        }
        if let Some(from) = filter.close_from {
            self.and("r.close_date >= ?", [date(from)]);
        }
        if let Some(before) = filter.close_before {
            self.and("r.close_date < ?", [date(before)]);
        }
        if let Some(stage) = &filter.stage {
            if self.leads == Leads::Nowhere {
                self.leads = Leads::ToStages;
            }
            self.and(&format!("{STAGE} = ?"), [text(stage.as_str())]);
        }
    }

    /// The row comes after a place in the order.
    pub(crate) fn after(
        &mut self,
        order: Order,
        key: &'a SortKey,
        connection: ConnectionId,
        id: &'a RecordId,
    ) {
        let column = order.column();
        let place = [uuid(connection.as_uuid()), text(id.as_str())];
        let Some(key) = bound(key) else {
            let condition = format!("({column} IS NULL AND (r.connection, r.id) > (?, ?))");
            return self.and(&condition, place);
        };
        let beyond = match order {
            Order::Ascending(_) => ">",
            Order::Descending(_) => "<",
        };
        let condition = format!(
            "({column} IS NULL OR {column} {beyond} ? \
                 OR ({column} = ? AND (r.connection, r.id) > (?, ?)))"
        );
        let [connection, id] = place;
        self.and(&condition, [key.clone(), key, connection, id]);
    }

    /// The conditions as SQL.
    pub(crate) fn sql(&self) -> &str {
        &self.sql
    }

    /// The values of the conditions.
    pub(crate) fn values(&self) -> Values<'a> {
        self.values.clone()
    }

    /// The values of the conditions with one more behind them.
    pub(crate) fn values_and(&self, last: Put<'a>) -> Values<'a> {
        let mut values = self.values();
        values.push(last);
        values
    }
}

/// What a row is sorted by, as it stands in its column; `None` where the row lacks it.
fn bound(key: &SortKey) -> Option<Put<'_>> {
    match key {
        SortKey::Text(key) => Some(text(key)),
        SortKey::Date(key) => Some(date(*key)),
        SortKey::Value(Reverse(key)) => Some(amount(*key)),
        SortKey::Absent => None,
    }
}

const OF_CURRENCY: &str = "EXISTS (SELECT 1 FROM currencies c WHERE c.workspace = r.workspace \
    AND c.connection = r.connection AND c.id = r.currency AND c.code = ? \
    AND c.gone_at IS NULL)";

/// The stage of its newest active assignment, else the one on the record itself.
pub(crate) const STAGE: &str = "coalesce((SELECT t.stage FROM stage_assignments t \
    INDEXED BY stage_assignments_by_opportunity \
    WHERE t.workspace = r.workspace AND t.connection = r.connection AND t.opportunity = r.id \
        AND t.state = 'active' AND t.gone_at IS NULL \
    ORDER BY t.modified_at DESC, t.since DESC, t.id DESC LIMIT 1), r.record_stage)";
