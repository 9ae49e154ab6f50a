//! Tools for an assistant about people, deals and syncs.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use fluint_crm::assistant::Tools;
use fluint_crm::host::{Engaged, Engagement};
use fluint_crm::model::query::Scope;
use fluint_crm::model::{
    Account, AccountId, Contact, ContactId, CustomerRef, EmailAddress, MemberId, OpportunityId,
    OpportunityStatus, Table, WorkspaceId,
};
use fluint_crm::{Budget, ConnectRequest, Crm, Error, Randomness, Result};
use serde_json::{Value, json};
use time::macros::{date, datetime};
use time::{Duration, OffsetDateTime};

use crate::support::{Failure, Host, KIND, ada, host, keys, member, opportunity, user, workspace};

const SYNCED: OffsetDateTime = datetime!(2026-02-02 09:00 UTC);

/// A host's record of e-mails, and what it was asked.
#[derive(Debug, Default)]
struct Mailboxes {
    mail: Vec<(WorkspaceId, Engaged)>,
    batches: Mutex<Vec<usize>>,
}

#[async_trait]
impl Engagement for Mailboxes {
    async fn contacted(
        &self,
        workspace: &WorkspaceId,
        addresses: &[EmailAddress],
        since: OffsetDateTime,
    ) -> Result<Vec<Engaged>> {
        self.batches.lock().unwrap().push(addresses.len());
        let asked = |one: &Engaged| addresses.contains(&one.address) && one.last_at >= since;
        let ours = self.mail.iter().filter(|(owner, _)| owner == workspace);
        Ok(ours.map(|(_, one)| one.clone()).filter(asked).collect())
    }
}

fn email(text: &str) -> EmailAddress {
    EmailAddress::new(text).unwrap()
}

fn mailed(workspace: &WorkspaceId, address: &str, days_ago: i64) -> (WorkspaceId, Engaged) {
    let last_at = SYNCED - Duration::days(days_ago);
    let last_by = Some(MemberId::new("ada").unwrap());
    (workspace.clone(), Engaged { address: email(address), last_at, last_by, messages: 2 })
}

fn contact(id: &str, name: &str, account: &str, emails: &[&str]) -> Contact {
    let mut contact = Contact::new(ContactId::new(id).unwrap());
    contact.name = Some(name.to_owned());
    contact.emails = emails.iter().map(|text| email(text)).collect();
    contact.parent = Some(CustomerRef::Account(AccountId::new(account).unwrap()));
    contact
}

fn other() -> WorkspaceId {
    WorkspaceId::new("other").unwrap()
}

fn fill(host: &Host) {
    let mut state = host.plain.state();
    let account = |id: &str, name: &str| {
        let mut account = Account::new(AccountId::new(id).unwrap());
        account.name = Some(name.to_owned());
        account
    };
    state.users = vec![user("u1", "ada@contoso.com"), user("u2", "nobody@contoso.com")];
    state.accounts =
        vec![account("a1", "Contoso"), account("a2", "Fabrikam"), account("a3", "Fabrikam")];
    state.contacts = vec![
        contact("c1", "Eve Adams", "a1", &["EVE@Contoso.com ", "eve@old.example"]),
        contact("c2", "Tom Adams", "a1", &["tom@contoso.com"]),
        contact("c3", "Kim Berg", "a1", &["kim@contoso.com"]),
        contact("c4", "Zoe Berg", "a2", &["zoe@fabrikam.com"]),
    ];
    state.users[0].name = Some("Ada Adams".to_owned());
    state.opportunities = vec![opportunity("o1", "u1"), opportunity("o2", "u2")];
    for opportunity in &mut state.opportunities {
        opportunity.account = Some(AccountId::new("a1").unwrap());
        opportunity.close_date = Some(date!(2026 - 03 - 31));
    }
}

async fn synced() -> Host {
    let host = host();
    fill(&host);
    host.connect().await;
    host.crm.run_due(&Budget::default()).await.unwrap();
    host
}

async fn ask(tools: &Tools, tool: &str, arguments: Value) -> Value {
    tools.call(&Scope::workspace(workspace()), tool, arguments).await.unwrap()
}

fn ids<'a>(answer: &'a Value, list: &str) -> Vec<&'a str> {
    answer[list].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn oll_2_contacts_that_we_have_been_emailing_come_newest_first() {
    let host = synced().await;
    let mail = vec![
        mailed(&workspace(), "tom@contoso.com", 3),
        mailed(&workspace(), "eve@contoso.com", 40),
        mailed(&workspace(), "eve@old.example", 50),
        mailed(&workspace(), "kim@contoso.com", 100),
        mailed(&workspace(), "zoe@fabrikam.com", 1),
        mailed(&other(), "kim@contoso.com", 1),
    ];
    let mailboxes = Mailboxes { mail, ..Mailboxes::default() };
    let tools = host.crm.tools().with_engagement(Arc::new(mailboxes));
    let answer = ask(&tools, "contacts_emailed", json!({ "account_name": "Contoso" })).await;
    assert_eq!(ids(&answer, "contacts"), ["c2", "c1"]);
    assert_eq!(
        answer["answer"],
        "2 contacts at “Contoso” have exchanged e-mail with the team since 2025-11-04. As of \
         2026-02-02 09:00 UTC."
    );
    assert_eq!(answer["contacts"][1]["email"], "eve@contoso.com", "the address of the last mail");
    assert_eq!(answer["contacts"][1]["messages"], 4, "of all the addresses");
    assert_eq!(answer["contacts"][1]["last_by"], "ada");

    let arguments = json!({ "account_id": "a1", "days": 120, "limit": 1 });
    let answer = ask(&tools, "contacts_emailed", arguments).await;
    assert_eq!((ids(&answer, "contacts"), &answer["total"]), (vec!["c2"], &json!(3)));
    let sentence = answer["answer"].as_str().unwrap();
    assert!(sentence.contains("3 contacts at “Contoso” have"), "{sentence}");
    assert!(sentence.contains("Of these, the most recent are listed: 1."), "{sentence}");
    let mut seen = vec!["c2".to_owned()];
    let mut cursor = answer["next"].clone();
    while cursor.is_string() {
        let arguments = json!({ "account_id": "a1", "days": 120, "limit": 1, "cursor": cursor });
        let answer = ask(&tools, "contacts_emailed", arguments).await;
        seen.extend(ids(&answer, "contacts").into_iter().map(str::to_owned));
        assert!(answer["answer"].as_str().unwrap().contains("Of these, 1 further are listed."));
        cursor = answer["next"].clone();
    }
    assert_eq!(seen, ["c2", "c1", "c3"]);
    let strange = json!({ "account_id": "a1", "days": 90, "cursor": answer["next"] });
    let error = tools.call(&Scope::workspace(workspace()), "contacts_emailed", strange).await;
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with("the argument cursor is not usable: "), "{error}");

    let answer = ask(&tools, "contacts_emailed", json!({ "account_name": "Fabrikam" })).await;
    assert_eq!(ids(&answer, "candidates"), ["a2", "a3"]);
}

#[tokio::test]
async fn oll_2_a_host_without_engagement_is_said_so() {
    let host = synced().await;
    let answer =
        ask(&host.crm.tools(), "contacts_emailed", json!({ "account_name": "Contoso" })).await;
    assert_eq!(answer["engagement_known"], false);
    assert_eq!(
        answer["answer"],
        "It is not known whom the team has been e-mailing: this installation supplies no record \
         of e-mails. As of 2026-02-02 09:00 UTC."
    );
    // A host that supplies one to the builder is asked.
    let crm = Crm::builder(host.stores.clone(), Arc::new(vec![]), keys())
        .provider(host.plain.clone())
        .clock(Arc::clone(&host.clock) as _)
        .engagement(Arc::new(Mailboxes::default()))
        .build()
        .unwrap();
    let answer = ask(&crm.tools(), "contacts_emailed", json!({ "account_name": "Contoso" })).await;
    assert_eq!((&answer["engagement_known"], &answer["contacts"]), (&json!(true), &json!([])));
}

#[tokio::test]
async fn oll_3_the_host_is_asked_in_batches_of_200_addresses() {
    let host = host();
    fill(&host);
    let many = (0..450).map(|n| {
        let emails = [format!("p{n}@contoso.com"), format!("p{n}@old.example")];
        let emails: Vec<&str> = emails.iter().map(String::as_str).collect();
        contact(&format!("p{n:03}"), &format!("Person {n:03}"), "a1", &emails)
    });
    host.plain.state().contacts = many.collect();
    host.connect().await;
    host.crm.run_due(&Budget::default()).await.unwrap();
    let mail: Vec<_> =
        (0..450).map(|n| mailed(&workspace(), &format!("p{n}@contoso.com"), n % 80)).collect();
    let mailboxes = Arc::new(Mailboxes { mail, ..Mailboxes::default() });
    let tools = host.crm.tools().with_engagement(Arc::clone(&mailboxes) as _);
    let arguments = json!({ "account_name": "Contoso", "limit": 50 });
    let answer = ask(&tools, "contacts_emailed", arguments).await;
    assert_eq!(*mailboxes.batches.lock().unwrap(), [200, 200, 200, 200, 100]);
    assert_eq!(ids(&answer, "contacts").len(), 50);
    assert_eq!(answer["total"], 450);
    assert!(answer.to_string().len() < 20_000, "{}", answer.to_string().len());
    let times: Vec<&str> = answer["contacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["last_at"].as_str().unwrap())
        .collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
}

#[tokio::test]
async fn oll_3_contacts_come_page_by_page() {
    let host = synced().await;
    let tools = host.crm.tools();
    let all = ask(&tools, "search_contacts", json!({})).await;
    assert_eq!(ids(&all, "contacts"), ["c1", "c3", "c2", "c4"]);
    assert_eq!(all["answer"], "4 contacts. As of 2026-02-02 09:00 UTC.");
    let page = |cursor: &Value| {
        let arguments = json!({ "account_name": "contoso", "limit": 2, "cursor": cursor });
        ask(&tools, "search_contacts", arguments)
    };
    let first = page(&json!("")).await;
    assert_eq!(ids(&first, "contacts"), ["c1", "c3"]);
    assert_eq!(first["answer"], "More than 2 contacts at “Contoso”. As of 2026-02-02 09:00 UTC.");
    let second = page(&first["next"]).await;
    assert_eq!((ids(&second, "contacts"), &second["next"]), (vec!["c2"], &Value::Null));
    let named = ask(&tools, "search_contacts", json!({ "name": "berg", "account_id": "a2" })).await;
    assert_eq!(ids(&named, "contacts"), ["c4"]);
    assert_eq!(named["contacts"][0]["emails"], json!(["zoe@fabrikam.com"]));
    // A cursor fits its own question only.
    let strange = json!({ "name": "berg", "cursor": first["next"] });
    let error = tools.call(&Scope::workspace(workspace()), "search_contacts", strange).await;
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with("the argument cursor is not usable: "), "{error}");
}

#[tokio::test]
async fn oll_3_act_2_an_opportunity_is_explained_by_id_and_by_name() {
    let host = synced().await;
    let tools = host.crm.tools();
    let deal = ask(&tools, "explain_opportunity", json!({ "opportunity_id": "o1" })).await;
    assert_eq!(
        deal["answer"],
        "“Deal o1” is a deal of ada, whose address ada@contoso.com is its owner's in the CRM. As \
         of 2026-02-02 09:00 UTC."
    );
    assert_eq!(deal["opportunity"]["verdict"], "deal");
    assert_eq!(deal["opportunity"]["owner"]["member"], "ada");
    assert_eq!(deal["opportunity"]["last_seen_at"], "2026-02-02T09:00:00Z");

    let skipped =
        ask(&tools, "explain_opportunity", json!({ "opportunity_name": "deal O2" })).await;
    assert_eq!(
        skipped["answer"],
        "“Deal o2” is no deal, because no member has its owner's address nobody@contoso.com. The \
         next sync after that has changed decides again. As of 2026-02-02 09:00 UTC."
    );
    assert_eq!(skipped["opportunity"]["verdict"], "no_deal");
    assert_eq!(skipped["opportunity"]["owner"]["email"], "nobody@contoso.com");

    let unclear = ask(&tools, "explain_opportunity", json!({ "opportunity_name": "deal" })).await;
    assert_eq!(ids(&unclear, "candidates"), ["o1", "o2"]);
    let unknown = ask(&tools, "explain_opportunity", json!({ "opportunity_id": "o9" })).await;
    let sentence = unknown["answer"].as_str().unwrap();
    assert!(sentence.starts_with("No sync has ever seen an opportunity with the id “o9”."));
    assert_eq!(unknown["opportunity"], Value::Null);
}

#[tokio::test]
async fn oll_3_act_2_what_became_of_a_deal_is_explained() {
    let host = synced().await;
    // One is won, the other is not shown any more.
    {
        let mut state = host.plain.state();
        let mut won = opportunity("o1", "u1");
        won.status = OpportunityStatus::Won;
        won.version = fluint_crm::model::RowVersion::new(2);
        state.opportunities = vec![opportunity("o3", "u1")];
        state.closed = vec![won];
    }
    host.clock.advance(Duration::hours(2));
    host.crm.run_due(&Budget::default()).await.unwrap();
    let tools = host.crm.tools();
    let won = ask(&tools, "explain_opportunity", json!({ "opportunity_id": "o1" })).await;
    let sentence = won["answer"].as_str().unwrap();
    assert!(
        sentence.starts_with("“Deal o1” is a deal that ended: its opportunity was won."),
        "{sentence}"
    );
    assert_eq!(won["opportunity"]["verdict"], "ended_deal");
    let hidden = ask(&tools, "explain_opportunity", json!({ "opportunity_id": "o2" })).await;
    let sentence = hidden["answer"].as_str().unwrap();
    assert!(sentence.contains("It has not been seen since 2026-02-02 11:00 UTC"), "{sentence}");
}

#[tokio::test]
async fn oll_3_the_status_of_a_connection_warns_of_what_is_wrong() {
    let host = host();
    fill(&host);
    let tools = host.crm.tools();
    let none = ask(&tools, "sync_status", json!({})).await;
    assert_eq!(none["answer"], "No CRM is connected.");
    let connection = host.connect().await;
    let warning = async || {
        let answer = ask(&host.crm.tools(), "sync_status", json!({})).await;
        answer["connections"][0]["warning"].as_str().map(str::to_owned)
    };
    assert_eq!(
        warning().await.as_deref(),
        Some("The first sync of plain.example has not begun: nothing of it is known yet.")
    );
    host.plain.state().fail = Some((Table::Opportunities, 0, Failure::Unavailable));
    host.crm.run_due(&Budget::default()).await.unwrap();
    assert_eq!(
        warning().await.as_deref(),
        Some(
            "The first sync of plain.example has failed once and is tried again by itself: \
             answers are incomplete."
        )
    );
    host.plain.state().fail = None;
    host.clock.advance(Duration::minutes(10));
    host.crm.run_due(&Budget::default()).await.unwrap();
    let well = ask(&tools, "sync_status", json!({})).await;
    assert_eq!(well["answer"], "1 connection, in order. As of 2026-02-02 09:10 UTC.");
    assert_eq!(well["connections"][0]["interval_minutes"], 60);
    assert_eq!(well["connections"][0]["running"], Value::Null);

    host.clock.advance(Duration::hours(2));
    assert_eq!(warning().await, None, "twice the interval is not more than twice");
    host.clock.advance(Duration::seconds(1));
    assert_eq!(
        warning().await.as_deref(),
        Some(
            "plain.example is overdue: its last sync ended on 2026-02-02 09:10 UTC, more than \
             twice its interval of 60 minutes ago."
        )
    );
    host.plain.state().fail = Some((Table::Users, 0, Failure::SignedOut));
    host.crm.run_due(&Budget::default()).await.unwrap();
    assert_eq!(
        warning().await.as_deref(),
        Some(
            "plain.example has to be connected again (Please sign in again): its data is as of \
             2026-02-02 09:10 UTC and not updated."
        )
    );
    let one = json!({ "connection": connection.id.to_string() });
    assert_eq!(ask(&tools, "sync_status", one).await["connections"].as_array().unwrap().len(), 1);
    let after = json!({ "cursor": connection.id.to_string() });
    assert_eq!(ask(&tools, "sync_status", after).await["connections"], json!([]));
}

#[tokio::test]
async fn oll_3_a_sync_under_way_tells_how_far_it_is() {
    let host = host();
    fill(&host);
    host.connect().await;
    host.plain.state().fail = Some((Table::Contacts, 1, Failure::NeverAnswers));
    let tools = host.crm.tools();
    let budget = Budget::default();
    let look = async {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        ask(&tools, "sync_status", json!({})).await
    };
    let answer = tokio::select! {
        biased;
        answer = look => answer,
        _ = host.crm.run_due(&budget) => panic!("it never answers"),
    };
    let row = &answer["connections"][0];
    assert_eq!((&row["first_sync"], &row["running"]["phase"]), (&json!(true), &json!("reading")));
    let warning = row["warning"].as_str().unwrap();
    assert!(warning.starts_with("The first sync of plain.example is under way ("), "{warning}");
}

#[tokio::test]
async fn oll_3_bad_arguments_of_each_further_tool_name_themselves() {
    let host = synced().await;
    let mut tools = host.crm.tools();
    tools = tools.with_engagement(Arc::new(Mailboxes::default()));
    let scope = Scope::workspace(workspace());
    for (tool, arguments, argument, reason) in [
        ("search_contacts", json!({ "limit": 0 }), "limit", "it must be 1 to 50"),
        ("search_contacts", json!({ "cursor": "x" }), "cursor", "it does not belong to this"),
        ("search_contacts", json!({ "name": 7 }), "name", "invalid type: integer"),
        ("search_contacts", json!({ "nam": "x" }), "nam", "there is no such argument"),
        ("search_contacts", json!({ "account_id": "a\u{0}" }), "account_id", "it holds a control"),
        ("contacts_emailed", json!({}), "account_name", "it is missing; a good value is"),
        ("contacts_emailed", json!({ "account_id": "a1", "days": 0 }), "days", "it must be 1 to"),
        ("contacts_emailed", json!({ "account_id": "a1", "days": -1 }), "days", "invalid value"),
        ("contacts_emailed", json!({ "account_id": "a1", "limit": 51 }), "limit", "it must be 1"),
        ("explain_opportunity", json!({}), "opportunity_name", "it is missing"),
        (
            "explain_opportunity",
            json!({ "opportunity_id": "\u{7}x" }),
            "opportunity_id",
            "it holds",
        ),
        ("explain_opportunity", json!({ "id": "o1" }), "id", "there is no such argument"),
        ("sync_status", json!({ "connection": "c1" }), "connection", "it must be the id of a"),
        ("sync_status", json!({ "cursor": "next" }), "cursor", "it must be the id of a"),
        ("sync_status", json!({ "verbose": true }), "verbose", "there is no such argument"),
    ] {
        let error = tools.call(&scope, tool, arguments.clone()).await.unwrap_err();
        assert!(matches!(error, Error::InvalidInput { .. }), "{tool} {arguments}");
        let text = error.to_string();
        let expected = format!("the argument {argument} is not usable: {reason}");
        assert!(text.starts_with(&expected), "{tool} {arguments}: {text}");
        assert!(text.contains("good value") || text.contains("there are "), "{text}");
    }
    for definition in tools.definitions() {
        let schema = &definition.input_schema;
        assert_eq!(schema["additionalProperties"], false, "{}", definition.name);
        for (name, property) in schema["properties"].as_object().unwrap() {
            assert!(property["description"].is_string(), "{name} is not described: {property}");
        }
        let example = schema["examples"][0].clone();
        tools.call(&scope, definition.name, example).await.unwrap();
    }
    assert_eq!(tools.definitions().len(), 8);
}

/// Two workspaces connect the same org, so that all ids of the CRM are the same.
#[tokio::test]
async fn oll_4_workspaces_that_share_all_ids_see_only_their_own() {
    let host = synced().await;
    let members = vec![member("bob", "nobody@contoso.com")];
    let theirs = Crm::builder(host.stores.clone(), Arc::new(members), keys())
        .provider(host.plain.clone())
        .clock(Arc::clone(&host.clock) as _)
        .randomness(Randomness::seeded(2))
        .build()
        .unwrap();
    {
        let mut state = host.plain.state();
        for contact in &mut state.contacts {
            contact.name = Some(format!("Their {}", contact.id));
        }
        for opportunity in &mut state.opportunities {
            opportunity.name = Some(format!("Their {}", opportunity.id));
        }
        for account in &mut state.accounts {
            account.name = Some(format!("Their {}", account.id));
        }
        for user in &mut state.users {
            user.name = Some(format!("Their {}", user.id));
        }
    }
    let request = ConnectRequest::new(other(), ada(), KIND, "theirs.example");
    let started = theirs.begin_connect(request).await.unwrap();
    let state = started.url.query_pairs().next().unwrap().1.into_owned();
    let callback = fluint_crm::connector::Callback::new([
        ("state", state),
        ("code", "marker-code".to_owned()),
    ]);
    let theirs_id = theirs.finish_connect(&other(), &ada(), &callback).await.unwrap().id;
    theirs.run_due(&Budget::default()).await.unwrap();

    let mail =
        vec![mailed(&workspace(), "tom@contoso.com", 3), mailed(&other(), "kim@contoso.com", 4)];
    let tools =
        theirs.tools().with_engagement(Arc::new(Mailboxes { mail, ..Mailboxes::default() }));
    let (ours, others) = (Scope::workspace(workspace()), Scope::workspace(other()));
    let ask = async |scope: &Scope, tool: &str, arguments: Value| {
        tools.call(scope, tool, arguments).await.unwrap()
    };
    let emailed = json!({ "account_id": "a1" });
    assert_eq!(ids(&ask(&ours, "contacts_emailed", emailed.clone()).await, "contacts"), ["c2"]);
    assert_eq!(ids(&ask(&others, "contacts_emailed", emailed).await, "contacts"), ["c3"]);
    for (scope, name) in [(&ours, "Eve Adams"), (&others, "Their c1")] {
        let found = ask(scope, "search_contacts", json!({ "name": name })).await;
        assert_eq!(ids(&found, "contacts"), ["c1"]);
    }
    assert!(
        ids(&ask(&ours, "search_contacts", json!({ "name": "Their" })).await, "contacts")
            .is_empty()
    );
    for (scope, id, name, verdict) in [
        (&ours, "o1", "Deal o1", "deal"),
        (&ours, "o2", "Deal o2", "no_deal"),
        (&others, "o1", "Their o1", "no_deal"),
        (&others, "o2", "Their o2", "deal"),
    ] {
        let answer = ask(scope, "explain_opportunity", json!({ "opportunity_id": id })).await;
        assert_eq!(answer["opportunity"]["name"], name);
        assert_eq!(answer["opportunity"]["verdict"], verdict, "{id}");
    }
    let unnamed = json!({ "opportunity_name": "Their o1" });
    let answer = ask(&ours, "explain_opportunity", unnamed).await;
    assert_eq!(answer["opportunity"], Value::Null, "{answer}");
    // Not even when it names the other's connection.
    let named = json!({ "connection": theirs_id.to_string() });
    assert_eq!(ask(&ours, "sync_status", named.clone()).await["connections"], json!([]));
    let row = ask(&others, "sync_status", named).await;
    assert_eq!(row["connections"][0]["address"], "theirs.example");
    // Whatever is asked, by the ids that both have: nothing of the other's is in the answer.
    let ours_id = host.crm.connections(&workspace()).await.unwrap()[0].id.to_string();
    let theirs_id_text = theirs_id.to_string();
    let ours_alone = ["Adams", "Berg", "Contoso", "Fabrikam", "Deal o", &ours_id];
    let theirs_alone = ["Their", "theirs.example", &theirs_id_text];
    let calls = [
        ("pipeline_value", json!({ "period": "this_year", "group_by": "owner" })),
        ("search_accounts", json!({ "name": "a1" })),
        ("search_accounts", json!({ "name": "Contoso" })),
        ("account_brief", json!({ "account_id": "a1" })),
        ("account_brief", json!({ "account_name": "Contoso" })),
        ("search_opportunities", json!({ "owner": "u1" })),
        ("search_opportunities", json!({ "account_id": "a1" })),
        ("search_opportunities", json!({ "name": "o1" })),
        ("search_contacts", json!({ "account_id": "a1" })),
        ("search_contacts", json!({ "name": "Adams" })),
        ("contacts_emailed", json!({ "account_id": "a1" })),
        ("explain_opportunity", json!({ "opportunity_id": "o2" })),
        ("explain_opportunity", json!({ "opportunity_name": "Deal o1" })),
        ("sync_status", json!({})),
        ("sync_status", json!({ "connection": ours_id })),
    ];
    for definition in tools.definitions() {
        let of_it = calls.iter().filter(|(tool, _)| *tool == definition.name);
        let (mut ours_told, mut theirs_told) = (0, 0);
        for (tool, arguments) in of_it {
            let asked = arguments.to_string();
            for (scope, own, strange, told) in [
                (&ours, &ours_alone[..], &theirs_alone[..], &mut ours_told),
                (&others, &theirs_alone[..], &ours_alone[..], &mut theirs_told),
            ] {
                let mut answer = ask(scope, tool, arguments.clone()).await;
                // What was asked is told back.
                let sentence = answer.as_object_mut().unwrap().remove("answer").unwrap();
                let sentence = sentence.as_str().unwrap();
                let text = answer.to_string();
                for word in strange {
                    assert!(!text.contains(word), "{tool} {asked}: {word} is in {text}");
                    let is_told = sentence.contains(word) && !asked.contains(word);
                    assert!(!is_told, "{tool} {asked}: {word} is in {sentence}");
                }
                *told += usize::from(own.iter().any(|word| text.contains(word)));
            }
        }
        assert!(ours_told > 0 && theirs_told > 0, "{} told nothing of its own", definition.name);
    }
    // A scope of one connection is kept, too.
    let narrow = Scope::connection(workspace(), theirs_id);
    let id = json!({ "opportunity_id": OpportunityId::new("o1").unwrap() });
    assert_eq!(ask(&narrow, "explain_opportunity", id).await["opportunity"], Value::Null);
    assert_eq!(ask(&narrow, "sync_status", json!({})).await["connections"], json!([]));
}
