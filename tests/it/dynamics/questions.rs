//! The brief's three questions and twenty more, on the org that ships with the crate, against what
//! the fake's own rows say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use fluint_crm::Result;
use fluint_crm::assistant::Tools;
use fluint_crm::host::{Engaged, Engagement};
use fluint_crm::model::query::Scope;
use fluint_crm::model::{EmailAddress, WorkspaceId};
use fluint_crm::testkit::{Cell, FakeDataverse};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use time::macros::date;
use time::{Date, Duration, OffsetDateTime};
use uuid::Uuid;

use crate::dynamics::bench::{Bench, workspace};
use crate::fakes::pages::data;

/// Rows of the CRM, as its own tables hold them.
struct Rows<'a>(&'a FakeDataverse);

#[derive(Clone)]
struct Opportunity {
    id: String,
    name: String,
    account: Option<Uuid>,
    owner: Option<Uuid>,
    close: Option<Date>,
    value: Option<Decimal>,
    base: Option<Decimal>,
    code: Option<String>,
}

impl Rows<'_> {
    fn text(&self, table: &str, id: Uuid, column: &str) -> Option<String> {
        match self.0.cell(table, id, column)? {
            Cell::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// The id that a lookup holds, when it points to a table.
    fn link(&self, table: &str, id: Uuid, column: &str, to: &str) -> Option<Uuid> {
        match self.0.cell(table, id, column)? {
            Cell::Lookup { table, id } if table == to => Some(id),
            _ => None,
        }
    }

    fn number(&self, id: Uuid, column: &str) -> Option<Decimal> {
        match self.0.cell("opportunity", id, column)? {
            Cell::Decimal(number) => Some(number),
            _ => None,
        }
    }

    fn open(&self) -> Vec<Opportunity> {
        let table = "opportunity";
        let ids = self.0.ids(table).into_iter();
        let open = ids.filter(|id| self.0.cell(table, *id, "statecode") == Some(Cell::Int(0)));
        open.map(|id| {
            let currency = self.link(table, id, "transactioncurrencyid", "transactioncurrency");
            let close = match self.0.cell(table, id, "estimatedclosedate") {
                Some(Cell::Day(day)) => Some(day),
                _ => None,
            };
            let customer = self.link(table, id, "customerid", "account");
            Opportunity {
                id: id.to_string(),
                name: self.text(table, id, "name").unwrap_or_default(),
                account: self.link(table, id, "parentaccountid", "account").or(customer),
                owner: self.link(table, id, "ownerid", "systemuser"),
                close,
                value: self.number(id, "estimatedvalue"),
                base: self.number(id, "estimatedvalue_base"),
                code: currency
                    .and_then(|id| self.text("transactioncurrency", id, "isocurrencycode")),
            }
        })
        .collect()
    }

    fn named(&self, table: &str, column: &str) -> Vec<(String, String)> {
        let ids = self.0.ids(table).into_iter();
        ids.map(|id| (id.to_string(), self.text(table, id, column).unwrap_or_default())).collect()
    }
}

/// Sums per currency: exact, and of how many.
type Sums = BTreeMap<String, (Decimal, u64)>;

fn sums<'a>(rows: impl IntoIterator<Item = &'a Opportunity>) -> Sums {
    let mut sums = Sums::new();
    for row in rows {
        if let (Some(value), Some(code)) = (row.value, row.code.clone()) {
            let sum = sums.entry(code).or_default();
            *sum = (sum.0 + value, sum.1 + 1);
        }
    }
    sums
}

fn told(totals: &Value) -> Sums {
    let rows = totals["by_currency"].as_array().unwrap().iter();
    rows.map(|one| {
        let amount = one["total"]["amount"].as_str().unwrap().parse().unwrap();
        let code = one["total"]["currency"].as_str().unwrap().to_owned();
        (code, (amount, one["count"].as_u64().unwrap()))
    })
    .collect()
}

/// The words of a name in lower case and without the accents that the org's names have.
fn words(name: &str) -> Vec<String> {
    let plain = |c: char| match c {
        'á' | 'à' | 'â' | 'ã' | 'ä' | 'å' | 'ą' => 'a',
        'é' | 'è' | 'ê' | 'ë' | 'ę' => 'e',
        'í' | 'ï' | 'î' => 'i',
        'ó' | 'ô' | 'õ' | 'ö' => 'o',
        'ú' | 'ü' | 'û' => 'u',
        'ç' | 'ć' | 'č' => 'c',
        'ñ' | 'ń' => 'n',
        'ś' | 'š' => 's',
        'ý' | 'ÿ' => 'y',
        'ž' | 'ż' | 'ź' => 'z',
        other => other,
    };
    let lower: String = name.to_lowercase().chars().map(plain).collect();
    let parts = lower.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

struct Asker {
    tools: Tools,
}

impl Asker {
    async fn ask(&self, tool: &str, arguments: Value) -> Value {
        let scope = Scope::workspace(workspace());
        self.tools.call(&scope, tool, arguments).await.unwrap()
    }

    /// The ids of every page of a list, in their order.
    async fn all(&self, tool: &str, list: &str, mut arguments: Value) -> Vec<String> {
        let mut ids = Vec::new();
        arguments["limit"] = json!(50);
        loop {
            let answer = self.ask(tool, arguments.clone()).await;
            ids.extend(listed(&answer, list));
            if answer["next"].is_null() {
                return ids;
            }
            arguments["cursor"] = answer["next"].clone();
        }
    }
}

fn listed(answer: &Value, list: &str) -> Vec<String> {
    let rows = answer[list].as_array().unwrap().iter();
    rows.map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

fn set(ids: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    ids.into_iter().collect()
}

/// The host's own record: one message a day with each of these.
#[derive(Debug)]
struct Mailboxes(Vec<(EmailAddress, OffsetDateTime)>);

#[async_trait]
impl Engagement for Mailboxes {
    async fn contacted(
        &self,
        _: &WorkspaceId,
        addresses: &[EmailAddress],
        since: OffsetDateTime,
    ) -> Result<Vec<Engaged>> {
        let known = self.0.iter().filter(|(one, at)| addresses.contains(one) && *at >= since);
        Ok(known
            .map(|(address, last_at)| Engaged {
                address: address.clone(),
                last_at: *last_at,
                last_by: None,
                messages: 1,
            })
            .collect())
    }
}

#[tokio::test]
async fn oll_1_oll_2_acc_1_twenty_three_questions_on_the_shipped_org_are_answered_as_its_rows_say()
{
    let folder = tempfile::tempdir().unwrap();
    let org = data::contoso().unwrap().build();
    let bench = Bench::on_file(org, &folder.path().join("crm.sqlite")).await;
    let connection = bench.connect().await;
    bench.synced(&connection).await;
    let rows = Rows(bench.fake.dataverse());
    let asker = Asker { tools: bench.crm.tools() };
    let open = rows.open();
    let accounts = rows.named("account", "name");
    let today = bench.crm.now().date();
    assert_eq!((today.year(), u8::from(today.month())), (2026, 2), "the periods below count on it");

    // An account of a name that no other has, with most of the opportunities.
    let unique = accounts.iter().filter(|(_, name)| {
        !name.is_empty()
            && accounts.iter().filter(|(_, other)| words(other) == words(name)).count() == 1
    });
    let of = |id: &str| {
        let id: Uuid = id.parse().unwrap();
        open.iter().filter(move |one| one.account == Some(id))
    };
    let people_at = |account: &str| -> Vec<Uuid> {
        let ids = rows.0.ids("contact").into_iter();
        let at = |id: &Uuid| rows.link("contact", *id, "parentcustomerid", "account");
        ids.filter(|id| at(id).is_some_and(|at| at.to_string() == account)).collect()
    };
    let mut busy: Vec<_> = unique.filter(|(id, _)| of(id).count() > 1).collect();
    busy.sort_by_key(|(id, _)| std::cmp::Reverse(people_at(id).len()));
    let (account, name) = busy[0];
    let at_account: Vec<&Opportunity> = of(account).collect();
    assert!(at_account.len() > 1, "{name}");

    // 1 to 3: the open opportunities of an account, by its name as people type it.
    for typed in [name.clone(), name.to_uppercase(), format!("  {}  ", name.to_lowercase())] {
        let found = asker
            .all("search_opportunities", "opportunities", json!({ "account_name": typed }))
            .await;
        assert_eq!(set(found), set(at_account.iter().map(|one| one.id.clone())), "{typed}");
    }
    // 4: the same with a typo is asked back, the one of the legal form that was typed first.
    let typo: String =
        name.chars().enumerate().filter(|(at, _)| *at != 2).map(|(_, c)| c).collect();
    let asked_back = asker.ask("search_opportunities", json!({ "account_name": typo })).await;
    let offered = asked_back["candidates"].as_array().unwrap();
    assert!((1..=5).contains(&offered.len()), "{typo}: {asked_back}");
    assert_eq!(offered[0]["id"], account.as_str(), "{typo}: {asked_back}");
    assert!(asked_back["as_of"].is_string() && listed(&asked_back, "opportunities").is_empty());

    // 5: whom at the account we have been e-mailing.
    let contacts: Vec<(String, Option<String>)> = people_at(account)
        .into_iter()
        .map(|id| (id.to_string(), rows.text("contact", id, "emailaddress1")))
        .collect();
    assert!(contacts.len() > 1, "{name}");
    let mailed: Vec<(&String, EmailAddress)> = contacts
        .iter()
        .step_by(2)
        .filter_map(|(id, email)| Some((id, EmailAddress::new(email.as_deref()?).ok()?)))
        .collect();
    let at = |number: usize| bench.crm.now() - Duration::days(i64::try_from(number).unwrap() + 1);
    let sent = mailed.iter().enumerate().map(|(number, (_, email))| (email.clone(), at(number)));
    let mailboxes = Arc::new(Mailboxes(sent.collect()));
    let mailing = Asker { tools: bench.crm.tools().with_engagement(mailboxes) };
    let emailed =
        mailing.ask("contacts_emailed", json!({ "account_name": name, "limit": 50 })).await;
    let newest: Vec<String> = mailed.iter().map(|(id, _)| (*id).clone()).collect();
    assert_eq!(listed(&emailed, "contacts"), newest, "the newest first");

    // 6 to 14: what closes in a period is worth.
    for (arguments, from, last) in [
        (json!({ "period": "this_quarter" }), date!(2026 - 01 - 01), date!(2026 - 03 - 31)),
        (json!({ "period": "next_quarter" }), date!(2026 - 04 - 01), date!(2026 - 06 - 30)),
        (json!({ "period": "last_quarter" }), date!(2025 - 10 - 01), date!(2025 - 12 - 31)),
        (json!({ "period": "this_month" }), date!(2026 - 02 - 01), date!(2026 - 02 - 28)),
        (json!({ "period": "next_month" }), date!(2026 - 03 - 01), date!(2026 - 03 - 31)),
        (json!({ "period": "this_year" }), date!(2026 - 01 - 01), date!(2026 - 12 - 31)),
        (
            json!({ "period": "this_fiscal_quarter", "fiscal_year_starts": 2 }),
            date!(2026 - 02 - 01),
            date!(2026 - 04 - 30),
        ),
        (
            json!({ "period": "this_fiscal_year", "fiscal_year_starts": 7 }),
            date!(2025 - 07 - 01),
            date!(2026 - 06 - 30),
        ),
        (
            json!({ "close_from": "2026-03-15", "close_to": "2026-03-15" }),
            date!(2026 - 03 - 15),
            date!(2026 - 03 - 15),
        ),
    ] {
        let answer = asker.ask("pipeline_value", arguments.clone()).await;
        let expected: Vec<_> = open
            .iter()
            .filter(|one| one.close.is_some_and(|day| (from..=last).contains(&day)))
            .collect();
        assert_eq!(answer["count"], expected.len(), "{arguments}");
        assert_eq!(told(&answer), sums(expected.iter().copied()), "{arguments}");
        let base: Decimal = expected.iter().filter_map(|one| one.base).sum();
        let told_base = answer["by_base_currency"][0]["total"]["amount"].as_str().unwrap_or("0");
        assert_eq!(told_base.parse::<Decimal>().unwrap(), base, "{arguments}");
    }

    // 15: the same, one person's, by e-mail address.
    let mut owners: BTreeMap<Uuid, usize> = BTreeMap::new();
    for owner in open.iter().filter_map(|one| one.owner) {
        *owners.entry(owner).or_default() += 1;
    }
    let (&owner, _) = owners.iter().max_by_key(|(_, count)| **count).unwrap();
    let email = rows.text("systemuser", owner, "internalemailaddress").unwrap();
    let hers: Vec<_> = open.iter().filter(|one| one.owner == Some(owner)).collect();
    let of_this_year = hers.iter().filter(|one| one.close.is_some_and(|day| day.year() == 2026));
    let answer =
        asker.ask("pipeline_value", json!({ "period": "this_year", "owner": email })).await;
    assert_eq!(told(&answer), sums(of_this_year.copied()), "{email}");

    // 16: her opportunities, page after page, the soonest first.
    let found = asker.all("search_opportunities", "opportunities", json!({ "owner": email })).await;
    let mut expected: Vec<_> =
        hers.iter().map(|one| (one.close.is_none(), one.close, &one.id)).collect();
    expected.sort();
    let expected: Vec<String> = expected.into_iter().map(|(_, _, id)| id.clone()).collect();
    assert_eq!(found, expected, "{email}");

    // 17: month by month.
    let year = json!({ "period": "this_year", "group_by": "month" });
    let answer = asker.ask("pipeline_value", year).await;
    let mut months: BTreeMap<String, Vec<&Opportunity>> = BTreeMap::new();
    for one in open.iter().filter(|one| one.close.is_some_and(|day| day.year() == 2026)) {
        months.entry(one.close.unwrap().to_string()[..7].to_owned()).or_default().push(one);
    }
    let groups = answer["groups"].as_array().unwrap();
    assert!(groups.len() > 3 && groups.len() == months.len());
    for (group, (month, expected)) in groups.iter().zip(months) {
        assert_eq!(group["group"], month);
        assert_eq!(told(group), sums(expected), "{month}");
    }

    // 18: the large ones in one currency, the largest first.
    let arguments = json!({ "currency": "eur", "min_value": "50000", "sort": "value" });
    let found = asker.all("search_opportunities", "opportunities", arguments).await;
    let is_large = |one: &&Opportunity| {
        one.code.as_deref() == Some("EUR")
            && one.value.is_some_and(|value| value >= Decimal::from(50_000))
    };
    let large: Vec<_> = open.iter().filter(is_large).collect();
    assert!(large.len() > 3);
    assert_eq!(set(found.clone()), set(large.iter().map(|one| one.id.clone())));
    let value = |id: &String| large.iter().find(|one| one.id == *id).unwrap().value;
    assert!(found.is_sorted_by(|a, b| value(a) >= value(b)));

    // 19 to 21: accounts, contacts and opportunities by the beginning of a word.
    let beginning = |text: &str| words(text)[0].chars().take(3).collect::<String>();
    let holds = |text: &str, word: &str| words(text).iter().any(|one| one.starts_with(word));
    let word = beginning(name);
    let found = asker.all("search_accounts", "accounts", json!({ "name": word })).await;
    assert_eq!(
        set(found),
        set(accounts.iter().filter(|(_, n)| holds(n, &word)).map(|(id, _)| id.clone())),
        "{word}"
    );
    let people = rows.named("contact", "fullname");
    let word = beginning(&people.iter().find(|(_, name)| !name.is_empty()).unwrap().1);
    let found = asker.all("search_contacts", "contacts", json!({ "name": word })).await;
    assert_eq!(
        set(found),
        set(people.iter().filter(|(_, n)| holds(n, &word)).map(|(id, _)| id.clone())),
        "{word}"
    );
    let word = beginning(&open[0].name);
    let found = asker.all("search_opportunities", "opportunities", json!({ "name": word })).await;
    assert_eq!(
        set(found),
        set(open.iter().filter(|one| holds(&one.name, &word)).map(|one| one.id.clone())),
        "{word}"
    );

    // 22: the contacts of the account.
    let found = asker.all("search_contacts", "contacts", json!({ "account_name": name })).await;
    assert_eq!(set(found), set(contacts.iter().map(|(id, _)| id.clone())));

    // 23: the account at a glance. Other accounts may belong to the company; these are counted.
    let brief = asker.ask("account_brief", json!({ "account_name": name })).await;
    let members = listed(&brief["company"], "accounts");
    assert!(members.contains(account));
    let of_company: Vec<_> = members.iter().flat_map(|id| of(id)).collect();
    assert_eq!(brief["pipeline"]["count"], of_company.len());
    assert_eq!(told(&brief["pipeline"]), sums(of_company));

    // 24 and 25: why the first is a deal or none, and whether all this can be relied on.
    let why = asker.ask("explain_opportunity", json!({ "opportunity_id": open[0].id })).await;
    assert_eq!(why["opportunity"]["id"], open[0].id.as_str(), "{why}");
    let status = asker.ask("sync_status", json!({})).await;
    assert_eq!(status["connections"][0]["health"], "connected");
    assert_eq!(status["connections"][0]["warning"], Value::Null);
}
