//! Calls of the assistant's tools by a careless or a hostile caller.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use fluint_crm::assistant::Tools;
use fluint_crm::model::query::Scope;
use fluint_crm::model::{ConnectionId, RecordId, Rows, Table, WorkspaceId};
use fluint_crm::storage::{Query, Stores};
use fluint_crm::store::MemoryStore;
use fluint_crm::testkit::ManualClock;
use fluint_crm::{Error, Result};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

/// A store that counts what it is asked, and knows one connection.
#[derive(Debug, Default)]
struct Asked(AtomicUsize);

#[async_trait]
impl Query for Asked {
    async fn scan(
        &self,
        _: &WorkspaceId,
        _: ConnectionId,
        table: Table,
        _: Option<&RecordId>,
        _: u32,
    ) -> Result<Rows> {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("{table} was scanned")
    }

    async fn as_of(&self, _: &Scope) -> Result<Vec<(ConnectionId, Option<OffsetDateTime>)>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Vec::new())
    }
}

/// Lists within lists, as deep as an answer of a model may be.
fn deep(levels: usize) -> Value {
    (0..levels).fold(json!([]), |inner, _| json!([inner]))
}

/// Each call with the argument that its refusal names.
fn calls() -> Vec<(&'static str, Value, &'static str)> {
    let huge = "x".repeat(1 << 20);
    let sql = "'; DROP TABLE accounts; --";
    let mut calls = vec![
        // Nothing where something is needed.
        ("pipeline_value", json!({}), "period"),
        ("pipeline_value", Value::Null, "period"),
        ("pipeline_value", json!({ "period": null, "close_from": "" }), "period"),
        ("account_brief", json!({}), "account_name"),
        ("account_brief", json!({ "account_name": " \t" }), "account_name"),
        ("contacts_emailed", json!({}), "account_name"),
        ("explain_opportunity", json!({}), "opportunity_name"),
        // No object.
        ("pipeline_value", json!("this_quarter"), ""),
        ("search_accounts", json!(["contoso"]), ""),
        ("sync_status", json!(1), ""),
        // Words that do not exist.
        ("pipeline_value", json!({ "period": "today" }), "period"),
        ("pipeline_value", json!({ "period": "This_Quarter " }), "period"),
        ("pipeline_value", json!({ "period": "this_year", "group_by": "account" }), "group_by"),
        ("search_opportunities", json!({ "status": "closed" }), "status"),
        ("search_opportunities", json!({ "sort": "close_date; DROP" }), "sort"),
        // Wrong types.
        ("pipeline_value", json!({ "period": 3 }), "period"),
        (
            "pipeline_value",
            json!({ "period": "this_year", "fiscal_year_starts": "July" }),
            "fiscal_year_starts",
        ),
        (
            "pipeline_value",
            json!({ "period": "this_year", "fiscal_year_starts": 7.5 }),
            "fiscal_year_starts",
        ),
        (
            "pipeline_value",
            json!({ "period": "this_year", "fiscal_year_starts": -1 }),
            "fiscal_year_starts",
        ),
        ("pipeline_value", json!({ "period": "this_year", "stage": { "$ne": null } }), "stage"),
        ("search_accounts", json!({ "name": ["contoso"] }), "name"),
        ("search_accounts", json!({ "name": true }), "name"),
        ("search_accounts", json!({ "limit": "ten" }), "limit"),
        ("search_accounts", json!({ "limit": -5 }), "limit"),
        ("search_accounts", json!({ "limit": 1e40 }), "limit"),
        ("search_contacts", json!({ "account_id": 17 }), "account_id"),
        ("contacts_emailed", json!({ "account_name": "Contoso", "days": "NaN" }), "days"),
        ("search_opportunities", json!({ "min_value": 12500.5 }), "min_value"),
        // Out of range.
        (
            "pipeline_value",
            json!({ "period": "this_year", "fiscal_year_starts": 13 }),
            "fiscal_year_starts",
        ),
        ("search_accounts", json!({ "limit": 0 }), "limit"),
        ("search_contacts", json!({ "limit": 51 }), "limit"),
        ("search_opportunities", json!({ "limit": 4_294_967_296_u64 }), "limit"),
        ("contacts_emailed", json!({ "account_name": "Contoso", "days": 0 }), "days"),
        ("contacts_emailed", json!({ "account_name": "Contoso", "limit": 1_000 }), "limit"),
        // No amount, no currency, no date, no time zone.
        ("search_opportunities", json!({ "min_value": "NaN" }), "min_value"),
        ("search_opportunities", json!({ "max_value": "1,000" }), "max_value"),
        ("search_opportunities", json!({ "max_value": "9e99" }), "max_value"),
        ("search_opportunities", json!({ "min_value": "2", "max_value": "1.99" }), "max_value"),
        ("search_opportunities", json!({ "currency": "euro coins" }), "currency"),
        ("search_opportunities", json!({ "close_from": "31.03.2026" }), "close_from"),
        ("search_opportunities", json!({ "close_to": "2026-02-30" }), "close_to"),
        ("search_opportunities", json!({ "close_to": "2026-03-31T00:00:00Z" }), "close_to"),
        (
            "pipeline_value",
            json!({ "close_from": "2026-04-01", "close_to": "2026-03-31" }),
            "close_to",
        ),
        ("pipeline_value", json!({ "period": "this_year", "time_zone": "+02:00" }), "time_zone"),
        (
            "pipeline_value",
            json!({ "period": "this_year", "time_zone": "../../etc/passwd" }),
            "time_zone",
        ),
        ("pipeline_value", json!({ "period": "this_fiscal_year" }), "fiscal_year_starts"),
        // Arguments that do not exist, above all those that would widen what is seen.
        ("search_accounts", json!({ "workspace": "other" }), "workspace"),
        ("search_opportunities", json!({ "connection": "1" }), "connection"),
        ("search_opportunities", json!({ "where": "1=1" }), "where"),
        ("sync_status", json!({ sql: 1 }), sql),
        // What is no id.
        ("sync_status", json!({ "connection": sql }), "connection"),
        ("sync_status", json!({ "cursor": "0" }), "cursor"),
        ("search_opportunities", json!({ "account_id": "a\u{0}b" }), "account_id"),
        ("account_brief", json!({ "account_id": "a\nb" }), "account_id"),
        ("explain_opportunity", json!({ "opportunity_id": "x".repeat(900) }), "opportunity_id"),
        // Cursors of nowhere.
        ("search_accounts", json!({ "cursor": "garbage" }), "cursor"),
        ("search_contacts", json!({ "cursor": "7b7d" }), "cursor"),
        ("search_opportunities", json!({ "cursor": "%" }), "cursor"),
        // Deep.
        ("search_opportunities", json!({ "name": deep(100) }), "name"),
        ("pipeline_value", json!({ "period": deep(100) }), "period"),
    ];
    for (tool, argument) in [
        ("pipeline_value", "period"),
        ("search_accounts", "name"),
        ("search_contacts", "account_name"),
        ("search_opportunities", "min_value"),
        ("account_brief", "account_name"),
        ("contacts_emailed", "account_id"),
        ("explain_opportunity", "opportunity_id"),
        ("sync_status", "cursor"),
        ("search_accounts", "limit"),
    ] {
        calls.push((tool, json!({ argument: huge }), argument));
    }
    calls.push(("search_accounts", json!({ huge.clone(): 1 }), ""));
    calls
}

#[tokio::test]
async fn oll_3_malformed_calls_are_refused_with_what_to_do_and_without_a_question() {
    let clock = Arc::new(ManualClock::new(datetime!(2026-02-02 09:00 UTC)));
    let mut stores = Stores::all(Arc::new(MemoryStore::new(Arc::clone(&clock) as _)));
    let asked = Arc::new(Asked::default());
    stores.query = Arc::clone(&asked) as _;
    let tools = Tools::new(stores, clock);
    let scope = Scope::workspace(WorkspaceId::new("acme").unwrap());
    let calls = calls();
    assert!(calls.len() >= 60, "{}", calls.len());
    let mut wrong = Vec::new();
    for (tool, arguments, culprit) in calls {
        let shown: String = arguments.to_string().chars().take(80).collect();
        let answer = tools.call(&scope, tool, arguments).await;
        let questions = asked.0.swap(0, Ordering::SeqCst);
        let text = match answer {
            Ok(answer) => {
                wrong.push(format!("{tool} {shown} was answered: {answer}"));
                continue;
            }
            Err(error @ Error::InvalidInput { .. }) => error.to_string(),
            Err(error) => format!("another error, {error:?}"),
        };
        let names = if culprit.is_empty() {
            text.starts_with("the ")
        } else {
            text.starts_with(&format!("the argument {culprit} is not usable: "))
        };
        let teaches = ["a good value is", "there are", "such as", "bytes are taken"];
        let teaches = teaches.iter().any(|word| text.contains(word));
        if !names || !teaches || text.len() >= 1_000 || questions > 0 {
            wrong.push(format!("{tool} {shown}, {questions} questions: {text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
