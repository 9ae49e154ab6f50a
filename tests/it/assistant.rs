//! Questions that an assistant asks over synced data.

use std::sync::Arc;

use fluint_crm::assistant::Tools;
use fluint_crm::model::query::Scope;
use fluint_crm::model::{
    Account, AccountId, Contact, ContactId, Currency, CurrencyCode, CurrencyId, CurrencyRole,
    CustomerRef, Opportunity, WorkspaceId,
};
use fluint_crm::{Budget, Error};
use serde_json::{Value, json};
use time::Date;
use time::macros::date;

use crate::support::{Host, host, opportunity, user, workspace};

fn account(id: &str, name: &str) -> Account {
    let mut account = Account::new(AccountId::new(id).unwrap());
    account.name = Some(name.to_owned());
    account
}

fn currency(code: &str, role: CurrencyRole) -> Currency {
    let id = CurrencyId::new(code).unwrap();
    let mut currency = Currency::new(id, CurrencyCode::new(code).unwrap());
    currency.role = role;
    currency
}

fn currencies() -> Vec<Currency> {
    vec![currency("EUR", CurrencyRole::Base), currency("USD", CurrencyRole::Other)]
}

fn worth(id: &str, account: &str, amount: &str, code: &str, close: Date) -> Opportunity {
    let mut opportunity = opportunity(id, "u1");
    opportunity.account = Some(AccountId::new(account).unwrap());
    opportunity.value = Some(amount.parse().unwrap());
    opportunity.base_value = Some(amount.parse().unwrap());
    opportunity.currency = Some(CurrencyId::new(code).unwrap());
    opportunity.close_date = Some(close);
    opportunity
}

/// An org of three accounts, synced on 2 February 2026.
async fn synced() -> Host {
    let host = host();
    {
        let mut state = host.plain.state();
        state.users = vec![user("u1", "ada@contoso.com")];
        state.currencies = currencies();
        state.accounts = vec![
            account("a1", "Contoso"),
            account("a2", "Contoso Pharma"),
            account("a3", "Fabrikam"),
            account("a4", "Fabrikam"),
        ];
        state.opportunities = vec![
            worth("o1", "a1", "12500.50", "EUR", date!(2026 - 03 - 31)),
            worth("o2", "a1", "0.10", "EUR", date!(2026 - 01 - 01)),
            worth("o3", "a2", "300", "USD", date!(2026 - 02 - 15)),
            worth("o4", "a2", "99", "USD", date!(2026 - 04 - 01)),
            worth("o5", "a3", "1", "EUR", date!(2025 - 12 - 31)),
        ];
    }
    host.connect().await;
    host.crm.run_due(&Budget::default()).await.unwrap();
    host
}

fn tools(host: &Host) -> Tools {
    Tools::new(host.stores.clone(), Arc::clone(&host.clock) as _)
}

async fn ask(host: &Host, tool: &str, arguments: Value) -> Result<Value, Error> {
    tools(host).call(&Scope::workspace(workspace()), tool, arguments).await
}

fn ids(answer: &Value) -> Vec<&str> {
    let rows = answer["opportunities"].as_array().unwrap();
    rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn oll_2_pipeline_value_of_this_quarter() {
    let host = synced().await;
    let answer = ask(&host, "pipeline_value", json!({ "period": "this_quarter" })).await.unwrap();
    assert_eq!(
        answer["answer"],
        "3 open opportunities close from 2026-01-01 to 2026-03-31, worth 12500.60 EUR and \
         300.00 USD (in base currency 12800.60 EUR). As of 2026-02-02 09:00 UTC."
    );
    assert_eq!(answer["count"], 3);
    assert_eq!(answer["by_currency"][0]["total"]["currency"], "EUR");
    assert_eq!(answer["by_currency"][0]["count"], 2);
    assert_eq!((&answer["from"], &answer["to"]), (&json!("2026-01-01"), &json!("2026-03-31")));
}

/// The groups add up to the whole, and are called what people call them.
#[tokio::test]
async fn oll_2_pipeline_value_is_broken_down_by_month_owner_and_stage() {
    let host = synced().await;
    let asked = |by: &str| json!({ "period": "this_year", "group_by": by });
    let groups = async |by: &str| {
        let answer = ask(&host, "pipeline_value", asked(by)).await.unwrap();
        let groups = answer["groups"].as_array().unwrap().clone();
        let counted: u64 = groups.iter().map(|group| group["count"].as_u64().unwrap()).sum();
        assert_eq!(answer["count"], counted, "{by}");
        assert_eq!(answer["groups_left_off"], 0);
        groups.iter().map(|group| group["group"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(groups("month").await, ["2026-01", "2026-02", "2026-03", "2026-04"]);
    assert_eq!(groups("owner").await, ["u1"]);
    assert_eq!(groups("stage").await, ["none"]);
    let answer = ask(&host, "pipeline_value", asked("month")).await.unwrap();
    assert_eq!(answer["groups"][2]["by_currency"][0]["total"]["amount"], "12500.5");
    assert_eq!(answer["groups"][1]["by_currency"][0]["total"]["currency"], "USD");
    let error = ask(&host, "pipeline_value", asked("moon")).await.unwrap_err();
    assert!(error.to_string().contains("group_by") && error.to_string().contains("\"month\""));
}

#[tokio::test]
async fn oll_2_fiscal_quarters_and_time_zones_count() {
    let host = synced().await;
    let fiscal = json!({ "period": "this_fiscal_quarter", "fiscal_year_starts": 2 });
    let answer = ask(&host, "pipeline_value", fiscal).await.unwrap();
    assert_eq!((&answer["from"], &answer["to"]), (&json!("2026-02-01"), &json!("2026-04-30")));
    assert_eq!(answer["count"], 3);

    // The last hour of a month is the next month already, an hour to the east.
    host.clock.set(time::macros::datetime!(2026-01-31 23:00 UTC));
    for (zone, from) in
        [("UTC", "2026-01-01"), ("Europe/Berlin", "2026-02-01"), ("Pacific/Honolulu", "2026-01-01")]
    {
        let arguments = json!({ "period": "this_month", "time_zone": zone });
        let answer = ask(&host, "pipeline_value", arguments).await.unwrap();
        assert_eq!(answer["from"], from, "{zone}");
    }
}

#[tokio::test]
async fn oll_2_before_the_first_sync_the_answer_says_so() {
    let host = host();
    host.connect().await;
    let answer = ask(&host, "pipeline_value", json!({ "period": "this_year" })).await.unwrap();
    assert_eq!(answer["as_of"], Value::Null);
    let sentence = answer["answer"].as_str().unwrap();
    assert!(
        sentence.ends_with(
            "No sync has finished yet, so this may be incomplete. The first sync of \
             plain.example has not begun: nothing of it is known yet."
        ),
        "{sentence}"
    );
    assert_eq!(answer["warnings"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn oll_1_every_answer_warns_of_data_that_is_late() {
    let host = synced().await;
    let tools = host.crm.tools();
    let scope = Scope::workspace(workspace());
    for days in [0, 3] {
        host.clock.advance(time::Duration::days(days));
        for definition in tools.definitions().iter().filter(|one| one.name != "sync_status") {
            let example = definition.input_schema["examples"][0].clone();
            let answer = tools.call(&scope, definition.name, example).await.unwrap();
            let (warnings, name) = (answer["warnings"].as_array().unwrap(), definition.name);
            let sentence = answer["answer"].as_str().unwrap();
            match warnings.first().map(|warning| warning.as_str().unwrap()) {
                None => assert_eq!(days, 0, "{name}"),
                Some(warning) => {
                    assert!(days == 3 && warning.contains("is overdue"), "{name}: {warning}");
                    assert!(sentence.ends_with(warning), "{name}: {sentence}");
                }
            }
        }
    }
}

#[tokio::test]
async fn oll_2_an_exact_account_name_wins_over_longer_ones() {
    let host = synced().await;
    let answer =
        ask(&host, "search_opportunities", json!({ "account_name": " contoso " })).await.unwrap();
    assert_eq!(answer["account"]["id"], "a1");
    assert_eq!(ids(&answer), ["o2", "o1"], "the soonest close date first");
    assert_eq!(answer["opportunities"][1]["value"], "12500.5");
    assert_eq!(answer["opportunities"][1]["currency"], "EUR");
    assert_eq!(answer["opportunities"][1]["close_date"], "2026-03-31");
    assert_eq!(answer["answer"], "2 open opportunities at “Contoso”. As of 2026-02-02 09:00 UTC.");
}

#[tokio::test]
async fn oll_2_an_unclear_name_is_never_guessed() {
    let host = synced().await;
    for (name, candidates) in [
        ("Fabrikam", &["a3", "a4"][..]),
        ("Pharma", &["a2"]),
        ("Contso", &["a1", "a2"]),
        ("cont", &["a1", "a2"]),
    ] {
        let arguments = json!({ "account_name": name });
        let answer = ask(&host, "search_opportunities", arguments).await.unwrap();
        let found: Vec<&str> = answer["candidates"]
            .as_array()
            .unwrap_or_else(|| panic!("{name} was guessed: {answer}"))
            .iter()
            .map(|one| one["id"].as_str().unwrap())
            .collect();
        assert_eq!(found, candidates, "{name}");
        assert!(ids(&answer).is_empty(), "{name}");
    }
    let chosen = ask(&host, "search_opportunities", json!({ "account_id": "a3" })).await.unwrap();
    assert_eq!(ids(&chosen), ["o5"]);
    let unknown = json!({ "account_name": "Northwind" });
    let answer = ask(&host, "search_opportunities", unknown).await.unwrap();
    assert_eq!(
        answer["answer"],
        "No account is called anything like “Northwind”. As of 2026-02-02 09:00 UTC."
    );
}

#[tokio::test]
async fn oll_2_accounts_are_found_by_the_beginnings_of_their_words_or_offered() {
    let host = synced().await;
    let search = async |arguments| ask(&host, "search_accounts", arguments).await.unwrap();
    let of = |answer: &Value, list: &str| -> Vec<String> {
        let rows = answer[list].as_array().into_iter().flatten();
        rows.map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    let answer = search(json!({ "name": "CONT" })).await;
    assert_eq!(of(&answer, "accounts"), ["a1", "a2"]);
    assert_eq!(answer["answer"], "2 accounts for “CONT”. As of 2026-02-02 09:00 UTC.");
    let answer = search(json!({ "name": "phar con" })).await;
    assert_eq!(of(&answer, "accounts"), ["a2"]);
    let answer = search(json!({ "name": "Contosso Farma" })).await;
    assert_eq!(
        (of(&answer, "accounts").len(), of(&answer, "candidates")),
        (0, vec!["a2".into(), "a1".into()])
    );
    // Page after page, and the end says so.
    let (mut seen, mut cursor) = (Vec::new(), Value::Null);
    for _ in 0..3 {
        let answer = search(json!({ "limit": 2, "cursor": cursor })).await;
        seen.extend(of(&answer, "accounts"));
        cursor = answer["next"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(seen, ["a1", "a2", "a3", "a4"]);
    // What is no name finds nothing, and is no pattern.
    for name in ["%", "*", "'; DROP TABLE accounts; --", "\u{0}"] {
        let answer = search(json!({ "name": name })).await;
        assert_eq!(of(&answer, "accounts"), [""; 0], "{name:?}");
    }
}

#[tokio::test]
async fn oll_3_a_cursor_of_another_question_and_huge_texts_are_refused() {
    let host = synced().await;
    let first = ask(&host, "search_accounts", json!({ "limit": 1 })).await.unwrap();
    for arguments in [
        json!({ "name": "contoso", "limit": 1, "cursor": first["next"] }),
        json!({ "cursor": "garbage" }),
    ] {
        let error = ask(&host, "search_accounts", arguments).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the argument cursor is not usable: it does not belong to this question; a good value \
             is the next of the previous answer to the same question, or \"\" to start from the \
             beginning"
        );
    }
    for argument in ["name", "cursor"] {
        let arguments = json!({ argument: "x".repeat(1 << 20) });
        let error = ask(&host, "search_accounts", arguments).await.unwrap_err();
        assert!(error.to_string().contains("too long"), "{argument}: {error}");
    }
}

#[tokio::test]
async fn oll_3_answers_are_bounded_and_say_that_there_is_more() {
    let host = synced().await;
    let answer = ask(&host, "search_opportunities", json!({ "limit": 2 })).await.unwrap();
    assert_eq!(ids(&answer), ["o5", "o2"]);
    assert!(answer["next"].is_string());
    assert_eq!(answer["answer"], "More than 2 open opportunities. As of 2026-02-02 09:00 UTC.");
}

#[tokio::test]
async fn oll_3_bad_arguments_name_themselves_and_show_a_good_value() {
    let host = host();
    for (tool, arguments, message) in [
        (
            "pipeline_value",
            json!({}),
            "the argument period is not usable: it is missing; a good value is \"this_quarter\", or \
             \"any\" for the whole pipeline, or give close_from and close_to",
        ),
        (
            "pipeline_value",
            json!({ "period": "this_quarter", "perod": 1 }),
            "the argument perod is not usable: there is no such argument; there are \
             account_id, account_name, close_from, close_to, connection, fiscal_year_starts, \
             group_by, owner, period, stage, time_zone",
        ),
        (
            "pipeline_value",
            json!({ "period": "this_quarter", "fiscal_year_starts": 13 }),
            "the argument fiscal_year_starts is not usable: it must be a month, 1 to 12; a good \
             value is 7",
        ),
        (
            "pipeline_value",
            json!({ "period": "this_quarter", "time_zone": "Berlin" }),
            "the argument time_zone is not usable: it must be the IANA name of a time zone; a \
             good value is \"Europe/Berlin\"",
        ),
        (
            "search_opportunities",
            json!({ "limit": 51 }),
            "the argument limit is not usable: it must be 1 to 50; a good value is 20",
        ),
        (
            "search_opportunities",
            json!({ "limit": "many" }),
            "the argument limit is not usable: invalid type: string \"many\", expected u32; a good \
             value is 20",
        ),
    ] {
        let error = ask(&host, tool, arguments.clone()).await.unwrap_err();
        assert!(matches!(error, Error::InvalidInput { .. }), "{arguments}");
        assert_eq!(error.to_string(), message);
    }
    let quarter = ask(&host, "pipeline_value", json!({ "period": "Q3" })).await.unwrap_err();
    assert!(
        quarter.to_string().starts_with("the argument period is not usable: it must be one of")
    );
    let list = ask(&host, "pipeline_value", json!(["this_quarter"])).await.unwrap_err();
    assert!(
        list.to_string().starts_with("the list of arguments is not usable: they must be an object")
    );
    let unknown = ask(&host, "drop_table", json!({})).await.unwrap_err();
    assert!(matches!(unknown, Error::NotFound { .. }));
}

#[tokio::test]
async fn oll_1_opportunities_are_narrowed_and_sorted_page_by_page() {
    let host = synced().await;
    let search = async |arguments| ask(&host, "search_opportunities", arguments).await;
    for (arguments, found) in [
        (json!({ "currency": "usd" }), &["o3", "o4"][..]),
        (json!({ "currency": "EUR", "min_value": "0.11" }), &["o5", "o1"]),
        (json!({ "min_value": "1", "max_value": "300", "sort": "value" }), &["o3", "o4", "o5"]),
        (json!({ "period": "this_quarter", "sort": "value" }), &["o1", "o3", "o2"]),
        (json!({ "close_from": "2026-02-15", "close_to": "2026-03-31" }), &["o3", "o1"]),
        (json!({ "owner": "ADA@contoso.com", "close_to": "2025-12-31" }), &["o5"]),
        (json!({ "status": "won" }), &[]),
    ] {
        let answer = search(arguments.clone()).await.unwrap();
        assert_eq!(ids(&answer), found, "{arguments}");
    }
    let answer = search(json!({ "period": "this_quarter", "limit": 1 })).await.unwrap();
    assert_eq!(
        answer["answer"],
        "More than 1 open opportunity closing from 2026-01-01 to 2026-03-31. As of 2026-02-02 \
         09:00 UTC."
    );
    let row = &answer["opportunities"][0];
    assert_eq!((&row["account"], &row["account_name"]), (&json!("a1"), &json!("Contoso")));
    assert_eq!(row["owner"], "u1");
    let (mut seen, mut cursor) = (Vec::new(), json!(""));
    while !cursor.is_null() {
        let arguments = json!({ "sort": "name", "limit": 2, "cursor": cursor });
        let answer = search(arguments).await.unwrap();
        seen.extend(ids(&answer).into_iter().map(str::to_owned));
        cursor = answer["next"].clone();
    }
    assert_eq!(seen, ["o1", "o2", "o3", "o4", "o5"]);
}

#[tokio::test]
async fn oll_2_money_beyond_64_bits_of_cents_is_summed_exactly() {
    let host = host();
    {
        let mut state = host.plain.state();
        (state.users, state.currencies) = (vec![user("u1", "ada@contoso.com")], currencies());
        state.accounts = vec![account("a1", "Contoso")];
        state.opportunities = vec![
            worth("o1", "a1", "500000000000000000.99", "EUR", date!(2026 - 03 - 31)),
            worth("o2", "a1", "400000000000000000.0001", "EUR", date!(2026 - 03 - 30)),
            worth("o3", "a1", "0.0000000001", "EUR", date!(2026 - 03 - 29)),
        ];
    }
    host.connect().await;
    host.crm.run_due(&Budget::default()).await.unwrap();
    let sum = json!({ "amount": "900000000000000000.9901000001", "currency": "EUR" });
    let year = json!({ "period": "this_year", "group_by": "owner" });
    let answer = ask(&host, "pipeline_value", year).await.unwrap();
    assert_eq!(answer["by_currency"], json!([{ "total": sum, "count": 3 }]));
    assert_eq!(answer["groups"][0]["by_currency"][0]["total"], sum);
    let brief = json!({ "account_name": "Contoso" });
    let brief = ask(&host, "account_brief", brief).await.unwrap();
    assert_eq!(brief["pipeline"]["by_currency"][0]["total"], sum);
}

#[tokio::test]
async fn acc_1_a_brief_joins_the_accounts_of_a_company() {
    let host = host();
    {
        let mut state = host.plain.state();
        let account = |id: &str, name: &str, website: &str| {
            let mut account = Account::new(AccountId::new(id).unwrap());
            (account.name, account.website) = (Some(name.to_owned()), Some(website.to_owned()));
            account
        };
        let contact = |id: &str, account: &str| {
            let mut contact = Contact::new(ContactId::new(id).unwrap());
            contact.name = Some(format!("Person {id}"));
            contact.parent = Some(CustomerRef::Account(AccountId::new(account).unwrap()));
            contact
        };
        state.users = vec![user("u1", "ada@contoso.com")];
        state.currencies = currencies();
        state.accounts = vec![
            account("a1", "Contoso Ltd", "https://www.contoso.com"),
            account("a2", "Contoso Services", "contoso.com/services"),
            account("a3", "Fabrikam", "fabrikam.com"),
        ];
        state.contacts = (1..=11).map(|at| contact(&format!("c{at:02}"), "a1")).collect();
        state.contacts.extend([contact("c12", "a2"), contact("c13", "a3")]);
        state.opportunities = vec![
            worth("o1", "a1", "12500.50", "EUR", date!(2026 - 03 - 31)),
            worth("o2", "a2", "0.10", "EUR", date!(2026 - 01 - 01)),
            worth("o3", "a2", "300", "USD", date!(2026 - 02 - 15)),
            worth("o4", "a3", "99", "USD", date!(2026 - 04 - 01)),
        ];
    }
    host.connect().await;
    host.crm.run_due(&Budget::default()).await.unwrap();
    for arguments in [
        json!({ "account_name": "contoso services" }),
        json!({ "account_id": "a1" }),
        json!({ "account_id": "a2", "account_name": "Fabrikam" }),
    ] {
        let answer = ask(&host, "account_brief", arguments).await.unwrap();
        assert_eq!(
            answer["answer"],
            "“Contoso Ltd”: 2 accounts, more than 10 contacts, 3 open opportunities, worth 12500.60 \
             EUR and 300.00 USD. No changes in the last syncs. As of 2026-02-02 09:00 UTC."
        );
        assert_eq!(answer["company"]["key"], json!({ "domain": "contoso.com" }));
        assert_eq!(answer["company"]["accounts"].as_array().unwrap().len(), 2);
        assert_eq!(ids(&answer), ["o2", "o3", "o1"]);
        assert_eq!(answer["more_contacts"], true);
        assert_eq!(answer["contacts"].as_array().unwrap().len(), 10);
    }
    let unclear =
        ask(&host, "account_brief", json!({ "account_name": "Contoso S" })).await.unwrap();
    assert_eq!(unclear["candidates"][0]["id"], "a2");
    let unknown = ask(&host, "account_brief", json!({ "account_id": "a9" })).await.unwrap();
    assert_eq!(unknown["answer"], "No account has the id “a9”. As of 2026-02-02 09:00 UTC.");
    let none = ask(&host, "account_brief", json!({ "account_id": " " })).await.unwrap_err();
    assert!(none.to_string().ends_with("it is missing; a good value is \"Contoso\""), "{none}");
}

#[tokio::test]
async fn oll_3_owners_and_stages_are_never_guessed() {
    let host = host();
    {
        let mut state = host.plain.state();
        let named = |id: &str, name: &str, email: &str| {
            let mut user = user(id, email);
            user.name = Some(name.to_owned());
            user
        };
        state.users = vec![
            named("u1", "Ada Lovelace", "ada@contoso.com"),
            named("u2", "Eve Adams", "eve@contoso.com"),
            named("u3", "Eve Adams", "eve.adams@contoso.com"),
        ];
        state.opportunities = vec![opportunity("o1", "u1"), opportunity("o2", "u3")];
    }
    host.connect().await;
    host.crm.run_due(&Budget::default()).await.unwrap();
    let search = async |owner| ask(&host, "search_opportunities", json!({ "owner": owner })).await;
    for (owner, found) in [
        ("Ada Lovelace", "o1"),
        ("ada lovelace", "o1"),
        ("Lovelace, Ada", "o1"),
        ("eve.adams@contoso.com", "o2"),
        ("U3", "o2"),
    ] {
        match search(owner).await {
            Ok(answer) => assert_eq!(ids(&answer), [found], "{owner}"),
            Err(error) => assert!(error.to_string().contains("with the id u1"), "{owner}: {error}"),
        }
    }
    for (owner, offered) in [
        (
            "Eve Adams",
            "“Eve Adams” (eve@contoso.com) with the id u2; “Eve Adams” (eve.adams@contoso.com) with the",
        ),
        ("Ada Lovelac", "“Ada Lovelace” (ada@contoso.com) with the id u1"),
        ("lace", "“Ada Lovelace” (ada@contoso.com) with the id u1"),
        ("Zorro", "“Eve Adams” (eve@contoso.com) with the id u2"),
    ] {
        let error = search(owner).await.unwrap_err().to_string();
        assert!(error.starts_with("the argument owner is not usable"), "{owner}: {error}");
        assert!(error.contains(offered), "{owner}: {error}");
    }
    let error = ask(&host, "pipeline_value", json!({ "period": "this_year", "stage": "Propose" }));
    let error = error.await.unwrap_err().to_string();
    assert!(error.ends_with("no stage is known yet; leave it out"), "{error}");
}

#[tokio::test]
async fn oll_3_schemas_describe_what_the_tools_accept() {
    let host = synced().await;
    let definitions = tools(&host).definitions();
    assert_eq!(definitions.len(), 8);
    for definition in definitions {
        let schema = &definition.input_schema;
        assert_eq!(schema["type"], "object", "{}", definition.name);
        assert_eq!(schema["additionalProperties"], false, "{}", definition.name);
        for (name, property) in schema["properties"].as_object().unwrap() {
            assert!(property["description"].is_string(), "{name} is not described: {property}");
        }
        let example = schema["examples"][0].clone();
        ask(&host, definition.name, example).await.unwrap();
    }
    let schema = &tools(&host).definitions()[0].input_schema;
    for period in schema["properties"]["period"]["enum"].as_array().unwrap() {
        let arguments = json!({ "period": period, "fiscal_year_starts": 7 });
        ask(&host, "pipeline_value", arguments).await.unwrap();
    }
}

#[tokio::test]
async fn oll_4_another_workspace_sees_nothing() {
    let host = synced().await;
    let stranger = Scope::workspace(WorkspaceId::new("other").unwrap());
    let tools = tools(&host);
    let year = json!({ "period": "this_year" });
    assert_eq!(tools.call(&stranger, "pipeline_value", year).await.unwrap()["count"], 0);
    let all = tools.call(&stranger, "search_opportunities", json!({})).await.unwrap();
    assert!(ids(&all).is_empty());
    let named = json!({ "account_name": "Contoso" });
    let answer = tools.call(&stranger, "search_opportunities", named).await.unwrap();
    assert_eq!(
        answer["answer"],
        "No account is called anything like “Contoso”. No CRM is connected, so there is nothing to \
         answer from."
    );
}
