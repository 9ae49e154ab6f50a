use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use time::macros::{date, datetime};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::*;
use crate::model::{
    Connection, ConnectionId, CrmKind, CurrencyCode, CurrentStage, Deal, DealDetails, EmailAddress,
    FeedEntry, FeedEvent, Identity, Money, Named, Opportunity, OwnerMatch, RunId, StageFilter,
    StageSource, SyncCounts,
};

fn id<T: TryFrom<String, Error = crate::error::Error>>(text: &str) -> T {
    T::try_from(text.to_owned()).unwrap()
}

fn deal() -> Deal {
    let owner = OwnerMatch::new(id("m1"), id("u1"), EmailAddress::new("kim@acme.example").unwrap());
    let mut details = DealDetails::new("Bikes".to_owned(), owner);
    let mut stage = CurrentStage::new(id("s1"), StageSource::ActiveProcess);
    stage.since = Some(datetime!(2026-01-15 08:30:00.000_001 UTC));
    details.stage = Some(stage);
    let euros = CurrencyCode::new("EUR").unwrap();
    details.value = Some(Money::new("9007199254740993.5".parse().unwrap(), euros));
    details.close_date = Some(date!(2026 - 03 - 31));
    details.account = Some(Named { id: id("a1"), name: Some("Contoso".to_owned()) });
    details.probability = Some(40);
    details.url = Some("https://crm.example/o1".parse().unwrap());
    let at = datetime!(2026-02-01 09:00 UTC);
    let connection = ConnectionId::new(Uuid::from_u128(7));
    Deal::new(id("acme"), connection, id("o1"), details, at)
}

fn connection() -> Connection {
    let mut connection = Connection::new(
        ConnectionId::new(Uuid::from_u128(7)),
        id("acme"),
        CrmKind::new("dynamics"),
        "https://crm.example".to_owned(),
        Identity::new(id("org"), id("me")),
        id("m1"),
        datetime!(2026-02-01 09:00 UTC),
    );
    connection.filter = StageFilter::new([id("s1"), id("s2")]);
    connection.interval = Some(std::time::Duration::from_secs(900));
    connection
}

/// Compares text, not values: the order of fields and the spelling of numbers count, too.
fn stands_as<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T, text: &str) {
    let text: String = text.lines().map(str::trim_start).collect();
    assert_eq!(serde_json::to_string(value).unwrap(), text);
    assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value);
}

#[test]
fn the_json_of_a_deal_is_this_text() {
    stands_as(
        &deal(),
        r#"{"id":"f04f94f9-1dc2-5322-9a99-e20bcb62d679","workspace":"acme",
        "connection":"00000000-0000-0000-0000-000000000007","opportunity":"o1",
        "details":{"name":"Bikes",
        "owner":{"member":"m1","user":"u1","email":"kim@acme.example",
        "matched_by":"primary_email","owner_status":"enabled"},
        "stage":{"stage":"s1","name":null,"process":null,"process_name":null,
        "since":"2026-01-15T08:30:00.000001Z","source":"active_process"},
        "value":{"amount":"9007199254740993.5","currency":"EUR"},
        "base_value":null,"amount_without_currency":null,"close_date":"2026-03-31",
        "account":{"id":"a1","name":"Contoso"},"contact":null,"probability":40,
        "url":"https://crm.example/o1"},
        "state":{"state":"live"},"revision":1,
        "created_at":"2026-02-01T09:00:00Z","updated_at":"2026-02-01T09:00:00Z"}"#,
    );
}

#[test]
fn the_json_of_a_connection_is_this_text() {
    stands_as(
        &connection(),
        r#"{"id":"00000000-0000-0000-0000-000000000007","workspace":"acme","kind":"dynamics",
        "address":"https://crm.example","moved_to":null,
        "identity":{"organisation":"org","user":"me","unit":null,"tenant":null,"rights":null},
        "connected_by":"m1","connected_at":"2026-02-01T09:00:00Z",
        "health":{"health":"connected"},"filter":["s1","s2"],"filter_revision":0,
        "note_limits":{"writable":null,"html":null,"largest_file":null},
        "interval":{"secs":900,"nanos":0},"failures":0,"revision":1}"#,
    );
}

#[test]
fn the_json_of_a_finished_sync_is_this_text() {
    let event = FeedEvent::SyncFinished {
        run: RunId::new(Uuid::from_u128(9)),
        counts: SyncCounts::default(),
        took: Duration::milliseconds(12_345),
    };
    let entry = FeedEntry { seq: 3, at: datetime!(2026-02-01 09:00:00.25 UTC), event };
    stands_as(
        &entry,
        r#"{"seq":3,"at":"2026-02-01T09:00:00.25Z",
        "event":{"event":"sync_finished","run":"00000000-0000-0000-0000-000000000009",
        "counts":{"rows_read":0,"rows_written":0,"rows_missing":0,"pages":0,"deals_created":0,
        "deals_updated":0,"deals_stopped":0,"skipped":0},"took":12345}}"#,
    );
}

/// Dates and times that are not known are `null`, and may as well be left out.
#[test]
fn what_is_not_known_may_be_left_out() {
    let opportunity = Opportunity::new(id("o1"));
    let Value::Object(mut fields) = json!(opportunity) else { panic!("an object") };
    for name in ["close_date", "closed_on", "created_at", "modified_at"] {
        assert_eq!(fields.remove(name), Some(Value::Null), "{name}");
    }
    assert_eq!(serde_json::from_value::<Opportunity>(fields.into()).unwrap(), opportunity);
}

#[test]
fn what_is_no_date_is_refused() {
    for text in ["2026-02-30", "2026-13-01", "2026-02", "20260201", "2026-02-01T00:00:00Z", ""] {
        assert_eq!(parse_date(text), None, "{text:?} was read as a date");
    }
}

proptest! {
    #[test]
    fn a_date_comes_back_and_sorts_as_text(a in 0..3_652_000_i64, b in -700_000_i64..3_652_000) {
        let day = |number| Date::MIN.saturating_add(Duration::days(number + 3_652_059));
        let (a, b) = (day(a), day(b));
        prop_assert_eq!(parse_date(&date_text(a)), Some(a));
        prop_assert_eq!(parse_date(&date_text(b)), Some(b));
        if a.year() >= 0 && b.year() >= 0 {
            prop_assert_eq!(date_text(a).cmp(&date_text(b)), a.cmp(&b));
        }
    }

    #[test]
    fn a_deal_comes_back_whole(nanos in -62_135_596_800_000_000_000_i128..253_402_300_799_999_999_999) {
        let mut deal = deal();
        deal.updated_at = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap();
        let text = serde_json::to_string(&deal).unwrap();
        prop_assert_eq!(serde_json::from_str::<Deal>(&text).unwrap(), deal);
    }
}
