//! Questions that are easy to answer wrongly: several connections with the same ids, accounts that
//! were merged, filters that a sentence has to tell, names with typos, and names that want to be more.

use std::sync::Arc;

use fluint_crm::assistant::Tools;
use fluint_crm::model::query::Scope;
use fluint_crm::model::{
    Account, AccountId, AccountStatus, Connection, Contact, ContactId, ContactStatus, Currency,
    CurrencyCode, CurrencyId, CurrencyRole, CustomerRef, Opportunity, OpportunityStatus,
    RowVersion, Stage, StageId,
};
use fluint_crm::{Budget, Error};
use serde_json::{Value, json};
use time::macros::date;

use crate::support::{Host, host, opportunity, user, workspace};

fn account(id: &str, name: &str) -> Account {
    let mut account = Account::new(AccountId::new(id).unwrap());
    account.name = Some(name.to_owned());
    account
}

fn contact(id: &str, name: &str, account: &str) -> Contact {
    let mut contact = Contact::new(ContactId::new(id).unwrap());
    contact.name = Some(name.to_owned());
    contact.parent = Some(CustomerRef::Account(AccountId::new(account).unwrap()));
    contact
}

fn worth(id: &str, account: &str, amount: &str) -> Opportunity {
    let mut opportunity = opportunity(id, "u1");
    opportunity.account = Some(AccountId::new(account).unwrap());
    opportunity.value = Some(amount.parse().unwrap());
    opportunity.currency = Some(CurrencyId::new("EUR").unwrap());
    opportunity.close_date = Some(date!(2026 - 03 - 01));
    opportunity
}

fn at_stage(mut opportunity: Opportunity, stage: &str) -> Opportunity {
    opportunity.record_stage.stage = Some(StageId::new(stage).unwrap());
    opportunity
}

/// Fills the CRM with what every org here has.
fn fill(host: &Host, mark: &str) {
    let mut state = host.plain.state();
    let mut ada = user("u1", "ada@contoso.com");
    ada.name = Some("Ada Lovelace".to_owned());
    state.users = vec![ada];
    let mut euro =
        Currency::new(CurrencyId::new("EUR").unwrap(), CurrencyCode::new("EUR").unwrap());
    euro.role = CurrencyRole::Base;
    state.currencies = vec![euro];
    let mut stage = Stage::new(StageId::new("s1").unwrap());
    stage.name = Some(format!("Propose{mark}"));
    state.stages = vec![stage];
    state.accounts = vec![account("a1", "Contoso")];
    state.contacts = vec![contact("c1", &format!("Eve Adams{mark}"), "a1")];
    state.opportunities =
        vec![at_stage(worth("o1", "a1", if mark.is_empty() { "100" } else { "7" }), "s1")];
}

async fn sync(host: &Host) -> Connection {
    let connection = host.connect().await;
    host.crm.run_due(&Budget::default()).await.unwrap();
    connection
}

async fn try_ask(host: &Host, tool: &str, arguments: Value) -> Result<Value, Error> {
    let tools = Tools::new(host.stores.clone(), Arc::clone(&host.clock) as _);
    tools.call(&Scope::workspace(workspace()), tool, arguments).await
}

async fn ask(host: &Host, tool: &str, arguments: Value) -> Value {
    try_ask(host, tool, arguments).await.unwrap()
}

fn sentence(answer: &Value) -> &str {
    answer["answer"].as_str().unwrap()
}

fn ids<'a>(answer: &'a Value, list: &str) -> Vec<&'a str> {
    answer[list].as_array().into_iter().flatten().map(|row| row["id"].as_str().unwrap()).collect()
}

/// Production, and a sandbox that was copied from it with all its ids.
async fn twins() -> (Host, Connection, Connection) {
    let host = host();
    fill(&host, "");
    let first = sync(&host).await;
    host.clock.advance(time::Duration::minutes(10));
    host.plain.state().organisation = "org-2".into();
    fill(&host, " 2");
    let second = sync(&host).await;
    assert_ne!(first.id, second.id);
    (host, first, second)
}

#[tokio::test]
async fn oll_2_an_id_of_two_connections_is_asked_back_and_chosen_by_connection() {
    let (host, first, second) = twins().await;
    for arguments in [json!({ "account_name": "Contoso" }), json!({ "account_id": "a1" })] {
        for tool in ["account_brief", "search_opportunities", "search_contacts", "contacts_emailed"]
        {
            if tool == "contacts_emailed" {
                continue;
            }
            let answer = ask(&host, tool, arguments.clone()).await;
            assert_eq!(ids(&answer, "candidates"), ["a1", "a1"], "{tool} {arguments}");
            assert_ne!(
                answer["candidates"][0]["connection"],
                answer["candidates"][1]["connection"]
            );
            assert!(sentence(&answer).contains("sk which one"), "{answer}");
        }
        let mut arguments = arguments.clone();
        arguments["period"] = json!("any");
        let answer = ask(&host, "pipeline_value", arguments).await;
        assert_eq!(ids(&answer, "candidates"), ["a1", "a1"]);
    }
    for (connection, mark, sum) in [(&first, "", "100"), (&second, " 2", "7")] {
        let chosen =
            |key: &str, value: &str| json!({ key: value, "connection": connection.id.to_string() });
        let answer = ask(&host, "search_contacts", chosen("account_id", "a1")).await;
        assert_eq!(answer["contacts"][0]["name"], format!("Eve Adams{mark}"));
        assert_eq!(answer["contacts"].as_array().unwrap().len(), 1);
        let answer = ask(&host, "account_brief", chosen("account_name", "contoso")).await;
        assert_eq!(answer["pipeline"]["by_currency"][0]["total"]["amount"], sum);
        let answer = ask(&host, "explain_opportunity", chosen("opportunity_id", "o1")).await;
        assert_eq!(answer["opportunity"]["connection"], connection.id.to_string());
        let answer = ask(&host, "explain_opportunity", chosen("opportunity_name", "deal o1")).await;
        assert_eq!(answer["opportunity"]["connection"], connection.id.to_string());
    }
    let answer = ask(&host, "explain_opportunity", json!({ "opportunity_id": "o1" })).await;
    assert_eq!(
        (ids(&answer, "candidates"), &answer["opportunity"]),
        (vec!["o1", "o1"], &Value::Null)
    );
    // One person, by her address or her name, is a user of both.
    for owner in ["ada@contoso.com", "Ada Lovelace", "U1"] {
        let arguments = json!({ "period": "any", "owner": owner });
        let answer = ask(&host, "pipeline_value", arguments).await;
        assert_eq!(answer["by_currency"][0]["total"]["amount"], "107", "{owner}");
        assert!(sentence(&answer).contains("owned by “Ada Lovelace”"), "{answer}");
    }
    // A stage that one of them renamed is still found by what each calls it.
    for (stage, sum) in [("Propose", "100"), ("propose 2", "7")] {
        let answer = ask(&host, "pipeline_value", json!({ "period": "any", "stage": stage })).await;
        assert_eq!(answer["by_currency"][0]["total"]["amount"], sum, "{stage}");
        assert!(sentence(&answer).contains("at stage “Propose"), "{answer}");
    }
    // By its id alone it could be either; with the connection it is clear.
    let by_id = json!({ "period": "any", "stage": "S1" });
    let error = try_ask(&host, "pipeline_value", by_id).await.unwrap_err().to_string();
    assert!(error.contains(&format!("with the id s1 of the connection {}", first.id)), "{error}");
    assert!(
        error.ends_with("a good value is \"s1\", with its connection as connection"),
        "{error}"
    );
    let by_id = json!({ "period": "any", "stage": "s1", "connection": second.id.to_string() });
    let answer = ask(&host, "pipeline_value", by_id).await;
    assert_eq!(answer["by_currency"][0]["total"]["amount"], "7");
    for strange in ["7d2f0e64-0f5e-5c0e-9a55-0d5a3f1c9b10", "contoso"] {
        let arguments = json!({ "connection": strange, "name": "x" });
        let error = try_ask(&host, "search_accounts", arguments).await.unwrap_err().to_string();
        assert!(error.starts_with("the argument connection is not usable: "), "{error}");
        assert!(error.contains("a good value is \""), "{error}");
    }
}

#[tokio::test]
async fn oll_1_an_answer_is_as_fresh_as_what_was_asked() {
    let (host, first, second) = twins().await;
    let old = "As of 2026-02-02 09:00 UTC.";
    let new = "As of 2026-02-02 09:10 UTC.";
    for (arguments, expected) in [
        (json!({ "name": "Eve" }), old),
        (json!({ "name": "Eve", "connection": first.id.to_string() }), old),
        (json!({ "name": "Eve", "connection": second.id.to_string() }), new),
    ] {
        let answer = ask(&host, "search_contacts", arguments).await;
        assert!(sentence(&answer).contains(expected), "{answer}");
    }
    // What joins accounts of all connections is as old as the oldest of them.
    {
        let account = &mut host.plain.state().accounts[0];
        (account.name, account.version) = (Some("Fabrikam".to_owned()), RowVersion::new(2));
    }
    host.crm.sync_now(&workspace(), second.id).await.unwrap();
    host.crm.run_due(&Budget::default()).await.unwrap();
    let answer = ask(&host, "account_brief", json!({ "account_name": "Fabrikam" })).await;
    assert!(sentence(&answer).contains(old), "{answer}");
    assert_eq!(answer["as_of"], answer["pipeline"]["as_of"]);
    // One that has not finished its first sync is said, and by how many.
    host.plain.state().organisation = "org-3".into();
    host.connect().await;
    let answer = ask(&host, "search_contacts", json!({})).await;
    assert!(
        sentence(&answer).contains("1 of 3 connections have not finished their first sync"),
        "{answer}"
    );
    assert_eq!(answer["as_of"], Value::Null);
}

#[tokio::test]
async fn con_8_oll_1_what_was_disconnected_and_erased_is_not_waited_for() {
    let (host, first, _) = twins().await;
    let purge = fluint_crm::MirrorFate::Purge;
    host.crm.disconnect(&workspace(), first.id, purge).await.unwrap();
    let answer = ask(&host, "search_accounts", json!({})).await;
    assert_eq!(sentence(&answer), "1 account. As of 2026-02-02 09:10 UTC.");
    assert_eq!(answer["warnings"], json!([]));
}

#[tokio::test]
async fn oll_2_an_exact_name_is_found_also_when_it_is_closed_and_a_merged_one_is_followed() {
    let host = host();
    fill(&host, "");
    {
        let mut state = host.plain.state();
        let with = |mut account: Account, status| {
            account.status = status;
            account
        };
        let closed = with(account("a2", "Fabrikam"), AccountStatus::Inactive);
        let merged = AccountStatus::MergedInto(AccountId::new("a1").unwrap());
        let merged = with(account("a4", "Contoso Old"), merged);
        state.accounts.extend([closed, account("a3", "Fabrikam Asia"), merged]);
        state.opportunities.push(worth("o2", "a2", "5"));
    }
    sync(&host).await;
    let answer = ask(&host, "search_opportunities", json!({ "account_name": "fabrikam" })).await;
    assert_eq!(
        (ids(&answer, "opportunities"), &answer["account"]["id"]),
        (vec!["o2"], &json!("a2"))
    );
    assert_eq!(answer["account"]["status"], "inactive");
    for arguments in [json!({ "account_name": "Contoso Old" }), json!({ "account_id": "a4" })] {
        let answer = ask(&host, "search_opportunities", arguments.clone()).await;
        assert_eq!(
            (ids(&answer, "opportunities"), &answer["account"]["id"]),
            (vec!["o1"], &json!("a1"))
        );
        let answer = ask(&host, "account_brief", arguments).await;
        assert_eq!(answer["company"]["accounts_known"], 1, "{answer}");
        assert!(sentence(&answer).starts_with("“Contoso”: 1 account, 1 contact, 1 open"));
    }
    for tool in ["search_opportunities", "search_contacts", "account_brief", "contacts_emailed"] {
        let answer = ask(&host, tool, json!({ "account_id": "a9" })).await;
        if tool != "contacts_emailed" {
            assert!(sentence(&answer).starts_with("No account has the id “a9”."), "{answer}");
        }
    }
}

#[tokio::test]
async fn oll_2_a_sentence_tells_what_it_was_narrowed_to() {
    let host = host();
    fill(&host, "");
    {
        let mut state = host.plain.state();
        state.accounts.push(account("a2", "Fabrikam"));
        let mut undated = worth("o2", "a2", "5");
        undated.close_date = None;
        state.opportunities.extend([undated, worth("o3", "a2", "20")]);
    }
    sync(&host).await;
    let answer = ask(
        &host,
        "pipeline_value",
        json!({ "period": "this_quarter", "owner": "Ada Lovelace", "stage": "propose",
                "account_name": "Contoso", "group_by": "month" }),
    )
    .await;
    assert_eq!(
        sentence(&answer),
        "1 open opportunity at “Contoso” owned by “Ada Lovelace” at stage “Propose” closes from \
         2026-01-01 to 2026-03-31, worth 100.00 EUR. As of 2026-02-02 09:00 UTC."
    );
    let answer = ask(&host, "pipeline_value", json!({ "period": "any" })).await;
    assert_eq!(
        sentence(&answer),
        "3 open opportunities, whenever expected to close, worth 125.00 EUR. As of 2026-02-02 \
         09:00 UTC."
    );
    // Without a date it closes on no day, not even by the end of the calendar.
    let answer = ask(&host, "pipeline_value", json!({ "close_to": "9999-12-31" })).await;
    assert_eq!((&answer["count"], &answer["groups"]), (&json!(2), &Value::Null));
    let by_owner = json!({ "period": "any", "group_by": "owner" });
    let answer = ask(&host, "pipeline_value", by_owner).await;
    assert_eq!((&answer["count"], &answer["groups"][0]["count"]), (&json!(3), &json!(3)));
    let answer = ask(
        &host,
        "search_opportunities",
        json!({ "name": "deal", "owner": "u1", "currency": "eur", "min_value": "10", "max_value": "50" }),
    )
    .await;
    assert_eq!(ids(&answer, "opportunities"), ["o3"]);
    assert_eq!(
        sentence(&answer),
        "1 open opportunity named “deal” owned by “Ada Lovelace” in eur worth 10 to 50. As of \
         2026-02-02 09:00 UTC."
    );
    let apart = json!({ "period": "this_quarter", "close_from": "2027-01-01" });
    let error = try_ask(&host, "pipeline_value", apart).await.unwrap_err().to_string();
    assert!(error.contains("are none of those from close_from to close_to"), "{error}");
}

#[tokio::test]
async fn oll_2_what_was_won_in_a_period_is_what_closed_in_it() {
    let host = host();
    fill(&host, "");
    let connection = sync(&host).await;
    {
        let mut state = host.plain.state();
        let mut won = state.opportunities.remove(0);
        (won.status, won.version) = (OpportunityStatus::Won, RowVersion::new(2));
        won.closed_on = Some(date!(2026 - 02 - 03));
        won.close_date = Some(date!(2026 - 09 - 30));
        state.closed = vec![won];
    }
    host.clock.advance(time::Duration::days(1));
    host.crm.sync_now(&workspace(), connection.id).await.unwrap();
    host.crm.run_due(&Budget::default()).await.unwrap();
    let won = |period: &str| json!({ "status": "won", "period": period });
    let answer = ask(&host, "search_opportunities", won("this_month")).await;
    assert_eq!(ids(&answer, "opportunities"), ["o1"]);
    assert_eq!(answer["opportunities"][0]["closed_on"], "2026-02-03");
    assert!(
        sentence(&answer).starts_with(
            "1 won opportunity closed from 2026-02-01 to 2026-02-28. Of those that are over, only \
             those are known that were open in a sync."
        ),
        "{answer}"
    );
    let answer = ask(&host, "search_opportunities", won("last_month")).await;
    assert!(ids(&answer, "opportunities").is_empty());
}

#[tokio::test]
async fn oll_1_names_with_a_typo_are_asked_back_in_every_search() {
    let host = host();
    fill(&host, "");
    {
        let mut state = host.plain.state();
        state.contacts.push(contact("c2", "Ada Lovelace", "a1"));
        state.accounts.push(account("a2", "Fabrikam"));
        state.contacts.push(contact("c3", "Ada Lovelock", "a2"));
        let mut won = worth("o2", "a1", "5");
        (won.name, won.status) = (Some("Fiber renewal".to_owned()), OpportunityStatus::Won);
        state.opportunities.push(won);
    }
    sync(&host).await;
    let answer = ask(&host, "search_contacts", json!({ "name": "Ada Lovelase" })).await;
    assert_eq!(ids(&answer, "contacts"), [""; 0]);
    assert_eq!(ids(&answer, "close_matches"), ["c2", "c3"]);
    assert!(
        sentence(&answer).starts_with(
            "0 contacts named “Ada Lovelase”. Did the person mean “Ada Lovelace” or “Ada Lovelock”? \
             Ask."
        ),
        "{answer}"
    );
    let at_account = json!({ "name": "Ada Lovelase", "account_name": "Fabrikam" });
    let answer = ask(&host, "search_contacts", at_account).await;
    assert_eq!(ids(&answer, "close_matches"), ["c3"]);
    let answer = ask(&host, "search_contacts", json!({ "name": "Zorro" })).await;
    assert_eq!(sentence(&answer), "0 contacts named “Zorro”. As of 2026-02-02 09:00 UTC.");
    let answer = ask(&host, "search_opportunities", json!({ "name": "Fibre renewal" })).await;
    assert_eq!(ids(&answer, "close_matches"), ["o2"]);
    assert!(
        sentence(&answer).contains("Did the person mean “Fiber renewal” at “Contoso” (won)? Ask."),
        "{answer}"
    );
    let answer =
        ask(&host, "explain_opportunity", json!({ "opportunity_name": "Fibre renewal" })).await;
    assert_eq!(ids(&answer, "candidates"), ["o2"]);
    assert!(sentence(&answer).contains("Did the person mean “Fiber renewal”"), "{answer}");
    let answer =
        ask(&host, "explain_opportunity", json!({ "opportunity_name": "fiber Renewal" })).await;
    assert_eq!(answer["opportunity"]["id"], "o2");
    assert_eq!(answer["opportunity"]["last_seen_at"], Value::Null, "no pull shows what is over");
}

#[tokio::test]
async fn oll_3_lists_of_long_names_are_paged_to_their_end() {
    let host = host();
    fill(&host, "");
    {
        let name = |n: usize| format!("{}{n}", "株式会社東京商事".repeat(36));
        let mut state = host.plain.state();
        state.accounts = (0..3).map(|n| account(&format!("a{n}"), &name(n))).collect();
    }
    sync(&host).await;
    let (mut seen, mut cursor) = (Vec::new(), json!(""));
    while cursor.is_string() {
        let arguments = json!({ "limit": 1, "cursor": cursor });
        let answer = ask(&host, "search_accounts", arguments).await;
        seen.extend(ids(&answer, "accounts").into_iter().map(str::to_owned));
        cursor = answer["next"].clone();
    }
    assert_eq!(seen, ["a0", "a1", "a2"]);
}

#[tokio::test]
async fn oll_3_no_answer_grows_with_what_somebody_wrote() {
    let host = host();
    fill(&host, "");
    {
        let mut state = host.plain.state();
        // A megabyte of what takes six bytes each in JSON, with words that pass for ours.
        let long =
            |n: usize| format!("Contoso{n}”. As of 2030-01-01.\n{}", "\u{1}".repeat(1 << 20));
        state.accounts = (0..60).map(|n| account(&format!("a{n:02}"), &long(n))).collect();
        for account in &mut state.accounts {
            (account.city, account.website) = (account.name.clone(), account.name.clone());
        }
        state.contacts = (0..60).map(|n| contact(&format!("c{n:02}"), &long(n), "a00")).collect();
        state.opportunities = (0..60)
            .map(|n| {
                let mut row = worth(&format!("o{n:02}"), "a00", "1");
                row.name = Some(long(n));
                row
            })
            .collect();
        state.users[0].name = Some(long(0));
    }
    sync(&host).await;
    for (tool, arguments) in [
        ("search_accounts", json!({ "limit": 50 })),
        ("search_accounts", json!({ "name": "contoso", "limit": 50 })),
        ("search_contacts", json!({ "limit": 50 })),
        ("search_opportunities", json!({ "limit": 50, "account_name": "Contoso" })),
        ("search_opportunities", json!({ "limit": 50, "account_id": "a00" })),
        ("account_brief", json!({ "account_id": "a00" })),
        ("explain_opportunity", json!({ "opportunity_id": "o00" })),
        ("explain_opportunity", json!({ "opportunity_name": "contoso" })),
        ("pipeline_value", json!({ "period": "any", "group_by": "owner" })),
    ] {
        let answer = ask(&host, tool, arguments.clone()).await;
        let (size, told) = (answer.to_string().len(), sentence(&answer));
        assert!(size < 64 << 10, "{tool} {arguments}: {size} bytes");
        assert!(told.len() < 3_000 && !told.contains('\n'), "{tool}: {told}");
        assert!(!told.contains("”. As of 2030"), "{tool}: {told}");
        assert!(told.ends_with("As of 2026-02-02 09:00 UTC."), "{tool}: {told}");
    }
}

#[tokio::test]
async fn acc_1_a_brief_begins_with_the_account_asked_for_and_adds_up_all() {
    let host = host();
    fill(&host, "");
    {
        let mut state = host.plain.state();
        let at = |n: usize| {
            let mut account = account(&format!("a{n:02}"), &format!("Contoso {n:02}"));
            account.website = Some("contoso.com".to_owned());
            account
        };
        state.accounts = (0..55).map(at).collect();
        let mut merged = contact("c2", "Eve Adams", "a54");
        merged.status = ContactStatus::MergedInto(ContactId::new("c1").unwrap());
        state.contacts = vec![contact("c1", "Eve Adams", "a54"), merged];
        state.opportunities =
            (0..55).map(|n| worth(&format!("o{n}"), &format!("a{n:02}"), "1")).collect();
    }
    sync(&host).await;
    let answer = ask(&host, "account_brief", json!({ "account_id": "a54" })).await;
    assert_eq!(answer["company"]["accounts"][0]["id"], "a54");
    assert_eq!(answer["company"]["accounts"].as_array().unwrap().len(), 10);
    assert_eq!(answer["company"]["accounts_known"], 55);
    assert_eq!(ids(&answer, "contacts"), ["c1"], "the merged one is the other");
    assert!(
        sentence(&answer).starts_with(
            "“Contoso 00”: 55 accounts, of which 50 were looked into, 1 contact, 50 open \
             opportunities, worth 50.00 EUR."
        ),
        "{answer}"
    );
}
