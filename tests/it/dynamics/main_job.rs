//! The main job once, from the sign-in page to an answer, on the org that ships with the crate.

use std::collections::{BTreeMap, HashMap};

use fluint_crm::model::query::Scope;
use fluint_crm::model::{
    Connection, DealState, EmailAddress, FeedEvent, Member, OwnerHint, PublicationState,
    SkipReason, StageFilter,
};
use fluint_crm::testkit::{Cell, FakeDataverse};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use time::macros::date;
use time::{Date, Duration};
use uuid::Uuid;

use crate::dynamics::bench::{Bench, member, workspace};
use crate::fakes::pages::data;

/// A row's cell, which is there.
fn cell(org: &FakeDataverse, table: &str, id: Uuid, column: &str) -> Cell {
    org.cell(table, id, column).expect("the column is there")
}

fn text(cell: &Cell) -> Option<String> {
    match cell {
        Cell::Text(text) => Some(text.clone()),
        _ => None,
    }
}

fn id(cell: &Cell) -> Option<Uuid> {
    match cell {
        Cell::Guid(id) | Cell::Lookup { id, .. } => Some(*id),
        _ => None,
    }
}

/// The open opportunities with their owner's address, read from the fake's rows.
fn open_with_owner(org: &FakeDataverse) -> HashMap<Uuid, Option<String>> {
    let open = org
        .ids("opportunity")
        .into_iter()
        .filter(|row| cell(org, "opportunity", *row, "statecode") == Cell::Int(0));
    let owner = |row: &Uuid| match cell(org, "opportunity", *row, "ownerid") {
        Cell::Lookup { table, id } if table == "systemuser" => {
            text(&cell(org, "systemuser", id, "internalemailaddress"))
        }
        _ => None,
    };
    open.map(|row| (row, owner(&row))).collect()
}

/// How many opportunities these members' addresses match, by comparing text and nothing else.
fn matched(open: &HashMap<Uuid, Option<String>>, members: &[Member]) -> usize {
    let all: Vec<String> = members
        .iter()
        .flat_map(|member| std::iter::once(&member.email).chain(&member.alternate_emails))
        .map(|email| email.as_str().to_ascii_lowercase())
        .collect();
    let has = |email: &String| all.contains(&email.trim().to_ascii_lowercase());
    open.values().filter(|owner| owner.as_ref().is_some_and(has)).count()
}

/// Three in four of the org's people, by the name that they sign in with.
fn members(org: &FakeDataverse) -> Vec<Member> {
    let mut members = Vec::new();
    for (number, row) in org.ids("systemuser").into_iter().enumerate() {
        let address = text(&cell(org, "systemuser", row, "domainname"));
        if number % 4 == 3 {
            continue;
        }
        if let Some(email) = address.and_then(|address| EmailAddress::new(address).ok()) {
            members.push(member(&format!("m{number}"), email.as_str()));
        }
    }
    members
}

#[derive(Debug, Default, PartialEq)]
struct Worth {
    count: u64,
    by_currency: BTreeMap<String, (Decimal, u64)>,
    by_base: Decimal,
}

/// What is open and closes in a period, added up from the fake's rows.
fn worth(org: &FakeDataverse, from: Date, before: Date) -> Worth {
    let mut worth = Worth::default();
    for row in open_with_owner(org).into_keys() {
        let Cell::Day(day) = cell(org, "opportunity", row, "estimatedclosedate") else { continue };
        if day < from || day >= before {
            continue;
        }
        worth.count += 1;
        if let Cell::Decimal(base) = cell(org, "opportunity", row, "estimatedvalue_base") {
            worth.by_base += base;
        }
        let Cell::Decimal(value) = cell(org, "opportunity", row, "estimatedvalue") else {
            continue;
        };
        let currency = id(&cell(org, "opportunity", row, "transactioncurrencyid")).unwrap();
        let code = text(&cell(org, "transactioncurrency", currency, "isocurrencycode")).unwrap();
        let total = worth.by_currency.entry(code).or_default();
        total.0 += value;
        total.1 += 1;
    }
    worth
}

/// The same out of a tool's answer.
fn told(answer: &Value) -> Worth {
    let mut worth = Worth { count: answer["count"].as_u64().unwrap(), ..Worth::default() };
    let amount = |total: &Value| {
        let amount = &total["total"]["amount"];
        amount.as_str().expect("money is text, never a float").parse::<Decimal>().unwrap()
    };
    for total in answer["by_currency"].as_array().unwrap() {
        let code = total["total"]["currency"].as_str().unwrap().to_owned();
        worth.by_currency.insert(code, (amount(total), total["count"].as_u64().unwrap()));
    }
    worth.by_base = answer["by_base_currency"].as_array().unwrap().iter().map(amount).sum();
    worth
}

async fn live(bench: &Bench, connection: &Connection) -> usize {
    let deals = bench.deals(connection).await;
    deals.iter().filter(|deal| deal.state == DealState::Live).count()
}

#[tokio::test]
async fn con_syn_dea_doc_oll_the_main_job_from_sign_in_to_answer() {
    let folder = tempfile::tempdir().unwrap();
    let org = data::contoso().unwrap().build();
    let bench = Bench::on_file(org, &folder.path().join("crm.sqlite")).await;
    let dataverse = bench.fake.dataverse();
    let open = open_with_owner(dataverse);
    bench.people.set(members(dataverse));

    // First sync: every open opportunity is a deal or skipped with its reason.
    let connection = bench.connect().await;
    let report = bench.synced(&connection).await;
    let expected = matched(&open, &bench.people.all());
    assert!(expected > 100 && expected < open.len(), "the data has both: {expected}");
    let counts = report.counts;
    assert_eq!(counts.deals_created, expected as u64, "DEA-1");
    assert_eq!(counts.skipped, (open.len() - expected) as u64, "DEA-2");
    assert_eq!(live(&bench, &connection).await, expected);
    let skipped = bench.skipped(&connection).await;
    assert_eq!(skipped.len(), open.len() - expected);
    assert!(skipped.iter().any(|one| one.reason.hint().is_some()), "DEA-1: hints");

    // Second sync: two stages pass the filter.
    let mut stages = bench.crm.stages(&workspace(), connection.id).await.unwrap();
    stages.sort_by_key(|choice| std::cmp::Reverse(choice.open_opportunities));
    let chosen: Vec<_> = stages.iter().take(2).map(|choice| choice.stage.id.clone()).collect();
    let passes = |deal: &fluint_crm::model::Deal| {
        let stage = deal.details.stage.as_ref().and_then(|stage| stage.stage.as_ref());
        stage.is_some_and(|stage| chosen.contains(stage))
    };
    let before = bench.deals(&connection).await;
    let passing = before.iter().filter(|deal| passes(deal)).count();
    assert!(passing > 0 && passing < before.len());
    let filter = StageFilter::new(chosen.clone());
    bench.crm.set_stage_filter(&workspace(), connection.id, filter).await.unwrap();
    assert_eq!(live(&bench, &connection).await, expected, "DEA-4: not before the next sync");
    let report = bench.synced(&connection).await;
    assert_eq!(report.counts.deals_stopped, (expected - passing) as u64, "DEA-4");
    assert_eq!(report.counts.rows_written, 0, "SYN-6");
    let after = bench.deals(&connection).await;
    assert_eq!(after.len(), expected, "DEA-4: a deal out of the filter stays");
    for (deal, then) in after.iter().zip(&before) {
        assert_eq!(deal.details, then.details);
        assert_eq!(deal.state == DealState::Live, passes(deal));
    }

    // Third sync: the filter is removed and one hint is followed.
    bench.crm.set_stage_filter(&workspace(), connection.id, StageFilter::EMPTY).await.unwrap();
    let hint = skipped.iter().find_map(|one| one.reason.hint().cloned()).unwrap();
    let OwnerHint::AddAlternateEmail { member, email } = hint else { panic!("another hint") };
    bench.people.add_alternate(&member, &email);
    let now = matched(&open, &bench.people.all());
    assert!(now > expected);
    let report = bench.synced(&connection).await;
    assert_eq!(report.counts.deals_created, (now - expected) as u64, "DEA-2");
    assert_eq!(live(&bench, &connection).await, now, "DEA-4: back in, they resume");
    let deals = bench.deals(&connection).await;
    assert!(deals.iter().any(|deal| deal.details.owner.email == email));
    assert!(deals.iter().all(|deal| deal.details.url.is_some()), "DEA-5");

    publish_twice(&bench, &connection).await;

    // The answer is what the rows add up to.
    let scope = Scope::connection(workspace(), connection.id);
    let ask = json!({ "period": "this_quarter" });
    let answer = bench.crm.tools().call(&scope, "pipeline_value", ask).await.unwrap();
    let by_hand = worth(dataverse, date!(2026 - 01 - 01), date!(2026 - 04 - 01));
    assert!(by_hand.count > 50 && by_hand.by_currency.len() > 1, "{by_hand:?}");
    assert_eq!(told(&answer), by_hand, "OLL-2");

    the_feed_tells_it_all(&bench, &connection).await;
}

/// DOC-1, DOC-2, DOC-3: one Note, created by one request and updated by one.
async fn publish_twice(bench: &Bench, connection: &Connection) {
    let dataverse = bench.fake.dataverse();
    let deals = bench.deals(connection).await;
    let deal = deals.iter().max_by_key(|deal| deal.details.value.as_ref().map(|v| v.amount));
    let deal = deal.unwrap();
    let publication = bench.publish(deal, "account-plan", 1).await;
    assert!(bench.run().await.publications.is_empty(), "DOC-3: edits have to pause first");
    assert_eq!(dataverse.requests("annotations"), 0);
    bench.run_after(Duration::seconds(61)).await;
    let first = bench.publication(publication).await;
    assert_eq!(first.state, PublicationState::Published);
    assert_eq!(dataverse.requests("annotations"), 1, "one request creates it");
    let note = bench.crm.read_note(&workspace(), &first).await.unwrap().expect("it is there");
    assert_eq!(note.subject.as_deref(), Some("Plan account-plan"));
    assert_eq!(note.handle.opportunity.as_ref(), Some(&deal.opportunity));
    let file = note.attachment.expect("it has a file");
    assert_eq!(file.media_type, "text/html");
    let page = String::from_utf8(file.bytes).unwrap();
    assert!(page.contains("Revision <strong>1</strong> of account-plan."), "{page}");
    let id: Uuid = note.handle.id.as_str().parse().unwrap();
    let words = text(&cell(dataverse, "annotation", id, "notetext"));
    let expected = "Synced from Fluint. Open the attachment to view the document.";
    assert_eq!(words.as_deref(), Some(expected));

    assert_eq!(bench.publish(deal, "account-plan", 2).await, publication);
    let sent = dataverse.requests("annotations");
    bench.run_after(Duration::seconds(61)).await;
    assert_eq!(dataverse.requests("annotations"), sent + 1, "one request updates it");
    assert_eq!(dataverse.ids("annotation"), [id], "DOC-2: the same Note");
    let second = bench.publication(publication).await;
    let note = bench.crm.read_note(&workspace(), &second).await.unwrap().unwrap();
    let page = String::from_utf8(note.attachment.unwrap().bytes).unwrap();
    assert!(page.contains("Revision <strong>2</strong>"));
    // Publishing what stands there already sends nothing.
    let sent = dataverse.requests("annotations");
    bench.publish(deal, "account-plan", 1).await;
    bench.run_after(Duration::minutes(11)).await;
    assert_eq!(dataverse.requests("annotations"), sent);
}

async fn the_feed_tells_it_all(bench: &Bench, connection: &Connection) {
    let mut before = None;
    let mut events = Vec::new();
    loop {
        let page = bench.crm.feed(&workspace(), connection.id, before, 500).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.seq);
        events.extend(page.into_iter().map(|entry| entry.event));
    }
    let count = |wanted: fn(&FeedEvent) -> bool| events.iter().filter(|e| wanted(e)).count();
    assert_eq!(count(|event| matches!(event, FeedEvent::Connected { .. })), 1);
    assert_eq!(count(|event| matches!(event, FeedEvent::SyncFinished { .. })), 3);
    assert_eq!(count(|event| matches!(event, FeedEvent::NotePublished { .. })), 1);
    assert_eq!(count(|event| matches!(event, FeedEvent::NoteUpdated { .. })), 1);
    assert_eq!(count(|event| matches!(event, FeedEvent::SyncFailed { .. })), 0);
    let deals = bench.deals(connection).await.len();
    assert_eq!(count(|event| matches!(event, FeedEvent::DealCreated { .. })), deals, "ACT-1");
    let hinted = |event: &FeedEvent| matches!(event, FeedEvent::OpportunitySkipped { reason, .. } if reason.hint().is_some());
    assert!(events.iter().any(hinted));
    let out = |event: &FeedEvent| {
        let FeedEvent::DealStopped { reason, .. } = event else { return false };
        matches!(reason, SkipReason::OutsideFilter { .. } | SkipReason::NoStage)
    };
    assert!(events.iter().any(out));
}
