//! Which rows a question is about, as SQL with bound values.
//!
//! The SQL is put together from the words in this file alone; whatever a person or a CRM wrote is
//! bound.

use std::cmp::Reverse;

use time::OffsetDateTime;

use crate::model::ConnectionId;
use crate::model::query::Scope;
use crate::rules::NameWords;
use crate::storage::fallback::SortKey;
use crate::store::sqlite::codec::{NULL, Put, Values, amount, date, owned_text, text, uuid};

/// Conditions on the rows of a table that goes by the name `r`, all of which must hold.
#[derive(Clone, Debug)]
pub(crate) struct Conditions<'a> {
    /// Which connections, as a list in brackets; `None` for whichever there are.
    connections: Option<String>,
    /// What else must hold, each with ` AND ` in front.
    others: String,
    values: Values<'a>,
    leads: Leads,
}

/// Where an index would lead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Leads {
    /// Nowhere: most rows are meant, along an order that this names the index of.
    Along(&'static str),
    /// Nowhere: most rows are meant.
    Nowhere,
    /// To few rows, by what this says behind the table's name.
    ToFew(&'static str),
    /// To no rows at all.
    ToNothing,
}

/// How rows are sorted: by a column, and by connection and id where it is the same. A row that
/// lacks the value comes last.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    Ascending(&'static str),
    Descending(&'static str),
}

/// A stretch of an order: where rows have the value that it goes by, or behind those, where they
/// lack it. Each is read by itself, for only then an index leads to its start.
#[derive(Clone, Debug)]
pub(crate) enum Stretch<'a> {
    /// The rows with a value, from after a place.
    Having(Option<Place<'a>>),
    /// The rows without, from after a row.
    Lacking(Option<(ConnectionId, Put<'a>)>),
}

/// The place of a row in an order, its id as it stands in the table.
pub(crate) type Place<'a> = (&'a SortKey, ConnectionId, Put<'a>);

impl<'a> Stretch<'a> {
    /// The stretches behind a place, the first one first.
    pub(crate) fn after(place: Option<Place<'a>>) -> Vec<Self> {
        match place {
            Some((SortKey::Absent, connection, id)) => vec![Self::Lacking(Some((connection, id)))],
            place => vec![Self::Having(place), Self::Lacking(None)],
        }
    }
}

impl Order {
    const fn column(self) -> &'static str {
        match self {
            Self::Ascending(column) | Self::Descending(column) => column,
        }
    }

    pub(crate) const fn is_by_name(self) -> bool {
        matches!(self, Self::Ascending(column) if matches!(column.as_bytes(), b"r.name_key"))
    }

    /// The order within a stretch.
    pub(crate) fn sql(self, stretch: &Stretch<'_>) -> String {
        match (self, stretch) {
            (_, Stretch::Lacking(_)) => "r.connection, r.id".to_owned(),
            (Self::Ascending(column), _) => format!("{column}, r.connection, r.id"),
            (Self::Descending(column), _) => format!("{column} DESC, r.connection, r.id"),
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
        let leads = if connections.is_empty() { Leads::ToNothing } else { Leads::Nowhere };
        let others = " AND r.gone_at IS NULL".to_owned();
        Self { connections: Some(format!("({places})")), others, values, leads }
    }

    /// The rows in scope of a table that knows nothing of connections and of rows that are gone.
    pub(crate) fn of(scope: &'a Scope) -> Self {
        let mut values = vec![text(scope.workspace.as_str())];
        values.extend(scope.connection.map(|connection| uuid(connection.as_uuid())));
        let connections = scope.connection.map(|_| "(?)".to_owned());
        Self { connections, others: String::new(), values, leads: Leads::Nowhere }
    }

    pub(crate) const fn leads(&self) -> Leads {
        self.leads
    }

    /// Says where an index leads, unless something leads better already.
    pub(crate) fn lead(&mut self, leads: Leads) {
        if self.leads == Leads::Nowhere {
            self.leads = leads;
        }
    }

    /// Adds a condition with its values.
    pub(crate) fn and(&mut self, condition: &str, values: impl IntoIterator<Item = Put<'a>>) {
        self.others.push_str(" AND ");
        self.others.push_str(condition);
        self.values.extend(values);
    }

    /// The name holds every one of the words; see [`NameWords`].
    pub(crate) fn named(&mut self, words: Option<&str>) {
        for word in NameWords::new(words.unwrap_or_default()).iter() {
            self.and("instr(' ' || r.name_key, ?) > 0", [owned_text(word.text.clone())]);
        }
    }

    /// The row stands in a stretch of an order.
    pub(crate) fn in_stretch(&mut self, order: Order, stretch: Stretch<'a>) {
        let column = order.column();
        match stretch {
            Stretch::Having(None) => self.and(&format!("{column} IS NOT NULL"), []),
            Stretch::Lacking(None) => self.and(&format!("{column} IS NULL"), []),
            Stretch::Lacking(Some((connection, id))) => self.and(
                &format!("{column} IS NULL AND (r.connection, r.id) > (?, ?)"),
                [uuid(connection.as_uuid()), id],
            ),
            Stretch::Having(Some((key, connection, id))) => {
                let (beyond, key) = match order {
                    Order::Ascending(_) => (">", bound(key)),
                    Order::Descending(_) => ("<", bound(key)),
                };
                // What comes first is for the index, which the alternative says nothing.
                let condition = format!(
                    "{column} {beyond}= ? \
                         AND ({column} {beyond} ? OR (r.connection, r.id) > (?, ?))"
                );
                let place = [uuid(connection.as_uuid()), id];
                self.and(&condition, [key.clone(), key].into_iter().chain(place));
            }
        }
    }

    /// The conditions as SQL, for the index that [`leads`](Self::leads) names, or else for an index
    /// that goes by the workspace and then by the order asked for.
    pub(crate) fn sql(&self) -> String {
        // The sign keeps the connections out of the choice of an index: one connection alone would
        // be taken for a constant, and an index that has the order asked for for one that lacks it.
        let sign = match self.leads {
            Leads::Along(_) | Leads::Nowhere => "+",
            Leads::ToFew(_) | Leads::ToNothing => "",
        };
        let connections = self.connections.as_ref();
        let connections =
            connections.map(|connections| format!(" AND {sign}r.connection IN {connections}"));
        format!("r.workspace = ?{}{}", connections.unwrap_or_default(), self.others)
    }

    /// What to say behind the table's name.
    pub(crate) const fn index(&self) -> &'static str {
        match self.leads {
            Leads::Along(index) | Leads::ToFew(index) => index,
            Leads::Nowhere | Leads::ToNothing => "",
        }
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

/// What a row is sorted by, as it stands in its column.
fn bound(key: &SortKey) -> Put<'_> {
    match key {
        SortKey::Text(key) => text(key),
        SortKey::Date(key) => date(*key),
        SortKey::Value(Reverse(key)) => amount(*key),
        // No column holds these.
        SortKey::Absent | SortKey::Newest(_) => NULL,
    }
}
