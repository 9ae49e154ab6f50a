//! One page of a sorted answer, and the cursor to the next.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::fmt::Debug;

use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime};

use crate::error::{Error, Result};
use crate::model::query::{
    AccountQuery, Answer, ContactQuery, DealQuery, Found, MAX_LIMIT, OpportunityQuery,
    OpportunitySort, PageRequest, QueryCursor, StageQuery, UserQuery,
};
use crate::model::{Amount, ConnectionId, Record, RecordId, RowVersion, hex};
use crate::rules::NameKey;

/// What rows are sorted by. A row that lacks the value comes last.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(crate) enum SortKey {
    Text(String),
    Date(Date),
    Value(Reverse<Amount>),
    Newest(Reverse<OffsetDateTime>),
    Absent,
}

impl SortKey {
    /// Sorts by a name in the form that names are compared in.
    pub(crate) fn name(name: Option<&str>) -> Self {
        name.map_or(Self::Absent, |name| Self::Text(NameKey::new(name).folded().to_owned()))
    }

    /// Sorts the soonest first.
    pub(crate) fn date(date: Option<Date>) -> Self {
        date.map_or(Self::Absent, Self::Date)
    }

    /// Sorts the newest first.
    pub(crate) const fn newest(at: OffsetDateTime) -> Self {
        Self::Newest(Reverse(at))
    }

    /// Sorts the largest first.
    pub(crate) fn value_descending(value: Option<Amount>) -> Self {
        value.map_or(Self::Absent, |value| Self::Value(Reverse(value)))
    }
}

/// The place of a row in an answer: no two rows share one.
pub(crate) type Place = (SortKey, ConnectionId, RecordId);

/// Keeps the first rows of one page out of all that are offered, plus one to know of a next page.
#[derive(Debug)]
pub(crate) struct SortedPage<R> {
    limit: usize,
    after: Option<Place>,
    /// Names the question, so that a cursor fits no other.
    question: i64,
    kept: BinaryHeap<Kept<R>>,
}

/// A question that is answered page by page.
pub(crate) trait Paged: Clone + Debug {
    fn page_mut(&mut self) -> &mut PageRequest;

    /// What the answer is sorted by.
    fn kind(&self) -> SortKind {
        SortKind::Text
    }
}

/// What an answer is sorted by. A cursor is nobody's secret: one with another key is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SortKind {
    Date,
    Newest,
    Text,
    Value,
}

impl SortKind {
    const fn of(sort: OpportunitySort) -> Self {
        match sort {
            OpportunitySort::CloseDate => Self::Date,
            OpportunitySort::Name => Self::Text,
            OpportunitySort::ValueDescending => Self::Value,
        }
    }

    const fn takes(self, key: &SortKey) -> bool {
        matches!(
            (self, key),
            (_, SortKey::Absent)
                | (Self::Date, SortKey::Date(_))
                | (Self::Newest, SortKey::Newest(_))
                | (Self::Text, SortKey::Text(_))
                | (Self::Value, SortKey::Value(_))
        )
    }
}

macro_rules! paged {
    ($($type:ident $(by $sort:ident)?),+) => {
        $(impl Paged for $type {
            fn page_mut(&mut self) -> &mut PageRequest {
                &mut self.page
            }

            $(fn kind(&self) -> SortKind {
                SortKind::of(self.$sort)
            })?
        })+
    };
}

paged!(
    AccountQuery,
    ContactQuery,
    DealQuery by sort,
    OpportunityQuery by sort,
    StageQuery,
    UserQuery
);

impl<R: Record> SortedPage<R> {
    /// Keeps a row if it is among the first of this page so far.
    pub(crate) fn offer(&mut self, key: SortKey, connection: ConnectionId, row: R) {
        self.offer_at((key, connection, row.record_id()), row);
    }
}

impl<R> SortedPage<R> {
    /// Opens the page of an answer that a question asks for. A cursor belongs to all that the
    /// question says, but for the page.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a limit or a cursor that does not fit.
    pub(crate) fn of(question: &impl Paged) -> Result<Self> {
        let mut question = question.clone();
        let request = std::mem::take(question.page_mut());
        let kind = question.kind();
        Self::open(&request, &question, kind)
    }

    /// Opens a page of the answer to whatever the question is.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub(crate) fn open(
        request: &PageRequest,
        question: &impl Debug,
        kind: SortKind,
    ) -> Result<Self> {
        if !(1..=MAX_LIMIT).contains(&request.limit) {
            return Err(Error::invalid_input("limit", format!("it must be 1 to {MAX_LIMIT}")));
        }
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let question = RowVersion::from_content(&format!("{question:?}")).as_i64();
        let after = request.cursor.as_ref().map(|cursor| read_cursor(cursor, question, kind));
        Ok(Self { limit, after: after.transpose()?, question, kept: BinaryHeap::new() })
    }

    /// The most rows that the page takes.
    #[cfg(feature = "sqlite")]
    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }

    /// The place after which the page starts; `None` at the beginning.
    #[cfg(feature = "sqlite")]
    pub(crate) fn after(&self) -> Option<(&SortKey, ConnectionId, &RecordId)> {
        self.after.as_ref().map(|(key, connection, id)| (key, *connection, id))
    }

    /// Whether the page is full and the next one begun.
    #[cfg(feature = "sqlite")]
    pub(crate) fn is_full(&self) -> bool {
        self.kept.len() > self.limit
    }

    /// Keeps what stands at a place if it is among the first of this page so far.
    pub(crate) fn offer_at(&mut self, place: Place, row: R) {
        if self.after.as_ref().is_some_and(|after| place <= *after) {
            return;
        }
        self.kept.push(Kept { place, row });
        if self.kept.len() > self.limit + 1 {
            self.kept.pop();
        }
    }

    /// The page.
    pub(crate) fn answer(self, as_of: Option<OffsetDateTime>) -> Result<Answer<R>> {
        let mut kept = self.kept.into_sorted_vec();
        let more = kept.len() > self.limit;
        kept.truncate(self.limit);
        let next = kept.last().filter(|_| more);
        let next = next.map(|last| write_cursor(&last.place, self.question)).transpose()?;
        let rows = kept.into_iter().map(|Kept { place, row }| Found { connection: place.1, row });
        Ok(Answer { rows: rows.collect(), next, as_of })
    }
}

/// A row at its place; compared by the place alone.
#[derive(Debug)]
struct Kept<R> {
    place: Place,
    row: R,
}

impl<R> PartialEq for Kept<R> {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl<R> Eq for Kept<R> {}

impl<R> PartialOrd for Kept<R> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<R> Ord for Kept<R> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place.cmp(&other.place)
    }
}

/// Writes a cursor: JSON in hexadecimal digits, so that it passes unchanged through every
/// transport.
fn write_cursor(place: &Place, question: i64) -> Result<QueryCursor> {
    let json = serde_json::to_vec(&(question, place))
        .map_err(|cause| Error::store("write a cursor", cause))?;
    Ok(QueryCursor::new(hex(&json)))
}

fn read_cursor(cursor: &QueryCursor, question: i64, kind: SortKind) -> Result<Place> {
    let refused = || Error::invalid_input("cursor", "it does not belong to this question");
    let (pairs, rest) = cursor.as_str().as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| {
        let digits = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(digits, 16).ok()
    };
    let json: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    let json = json.filter(|_| rest.is_empty()).ok_or_else(refused)?;
    let (asked, place): (i64, Place) = serde_json::from_slice(&json).map_err(|_| refused())?;
    if asked == question && kind.takes(&place.0) { Ok(place) } else { Err(refused()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Account, AccountId};
    use proptest::prelude::*;
    use uuid::Uuid;

    const QUESTION: &str = "a question";

    fn page(limit: u32, cursor: Option<QueryCursor>) -> Result<SortedPage<Account>> {
        SortedPage::open(&PageRequest { limit, cursor }, &QUESTION, SortKind::Value)
    }

    fn offer(page: &mut SortedPage<Account>, value: Option<i64>, connection: u8, id: u8) {
        let value = value.map(|value| Amount::new(value.into()).unwrap());
        let connection = ConnectionId::new(Uuid::from_u128(connection.into()));
        let row = Account::new(AccountId::new(format!("a{id:03}")).unwrap());
        page.offer(SortKey::value_descending(value), connection, row);
    }

    #[test]
    fn oll_1_a_page_keeps_no_more_rows_than_it_shows_and_one() {
        let mut page = page(3, None).unwrap();
        for id in 0..200 {
            offer(&mut page, Some(i64::from(id % 7)), 1, id);
            assert!(page.kept.len() <= 4);
        }
        assert_eq!(page.answer(None).unwrap().rows.len(), 3);
    }

    #[test]
    fn oll_3_a_cursor_with_a_key_of_another_order_is_refused() {
        let place = |key| {
            let id = RecordId::new("a001").unwrap();
            let question = RowVersion::from_content(&format!("{QUESTION:?}")).as_i64();
            write_cursor(&(key, ConnectionId::new(Uuid::from_u128(1)), id), question).unwrap()
        };
        assert!(page(1, Some(place(SortKey::value_descending(Some(Amount::ZERO))))).is_ok());
        assert!(page(1, Some(place(SortKey::Absent))).is_ok());
        for key in [SortKey::name(Some("a")), SortKey::newest(OffsetDateTime::UNIX_EPOCH)] {
            assert!(page(1, Some(place(key))).is_err());
        }
    }

    #[test]
    fn oll_3_a_cursor_is_cut_or_changed_to_no_effect() {
        let mut first = page(1, None).unwrap();
        (0..2).for_each(|id| offer(&mut first, None, 1, id));
        let cursor = first.answer(None).unwrap().next.unwrap();
        assert!(page(1, Some(cursor.clone())).is_ok());
        for length in 0..cursor.as_str().len() {
            let cut = QueryCursor::new(&cursor.as_str()[..length]);
            assert!(page(1, Some(cut)).is_err(), "a cursor of {length} digits was accepted");
        }
        let request = PageRequest { limit: 1, cursor: Some(cursor) };
        let another = SortedPage::<Account>::open(&request, &"another question", SortKind::Value);
        assert!(another.is_err());
    }

    proptest! {
        #[test]
        fn oll_1_pages_put_together_are_the_sorted_whole(
            rows in prop::collection::btree_map((0..3_u8, 0..30_u8), prop::option::of(-3..3_i64), 0..60),
            limit in 1..9_u32,
        ) {
            let mut expected: Vec<_> = rows
                .iter()
                .map(|((connection, id), value)| (value.is_none(), value.map(Reverse), *connection, *id))
                .collect();
            expected.sort_unstable();
            let (mut found, mut cursor) = (Vec::new(), None);
            loop {
                let mut page = page(limit, cursor).unwrap();
                for ((connection, id), value) in &rows {
                    offer(&mut page, *value, *connection, *id);
                }
                let answer = page.answer(None).unwrap();
                found.extend(answer.rows.into_iter().map(|found| (found.connection, found.row.id)));
                cursor = answer.next;
                if cursor.is_none() {
                    break;
                }
            }
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(_, _, connection, id)| {
                    let connection = ConnectionId::new(Uuid::from_u128(connection.into()));
                    (connection, AccountId::new(format!("a{id:03}")).unwrap())
                })
                .collect();
            prop_assert_eq!(found, expected);
        }
    }
}
