use proptest::prelude::*;
use time::macros::datetime;
use uuid::Uuid;

use super::*;

fn connection(number: u128) -> ConnectionId {
    ConnectionId::new(Uuid::from_u128(number))
}

fn account(id: &str, name: &str, website: &str, email: &str) -> Account {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let mut account = Account::new(AccountId::new(id).unwrap());
    (account.name, account.website, account.email) = (some(name), some(website), some(email));
    account
}

/// Every company as its key and its members' ids.
fn unified(accounts: &[Account]) -> Vec<(String, Vec<String>)> {
    let companies = unify_accounts(accounts.iter().map(|account| (connection(1), account)));
    let members = |company: &UnifiedAccount| {
        company.members.iter().map(|(_, id)| id.to_string()).collect::<Vec<_>>()
    };
    companies.iter().map(|company| (company.key.to_string(), members(company))).collect()
}

fn expect(accounts: &[Account], companies: &[(&str, &[&str])]) {
    let companies: Vec<_> = companies
        .iter()
        .map(|(key, ids)| ((*key).to_owned(), ids.iter().map(|id| (*id).to_owned()).collect()))
        .collect();
    assert_eq!(unified(accounts), companies);
}

#[test]
fn acc_1_accounts_with_one_domain_are_one_company() {
    expect(
        &[
            account("a", "Contoso GmbH", "https://www.contoso.com", ""),
            account("b", "Contoso Deutschland", "shop.contoso.com/de", "x@gmail.com"),
            account("c", "C. Vertrieb", "", "info@contoso.com"),
            account("d", "Contoso", "contoso.de", "info@contoso.com"),
        ],
        &[("domain:contoso.com", &["a", "b", "c"]), ("domain:contoso.de", &["d"])],
    );
}

#[test]
fn acc_1_public_mail_and_shared_hosts_tie_nobody() {
    expect(
        &[
            account("a", "Alpha", "facebook.com/alpha", "alpha@gmail.com"),
            account("b", "Beta", "facebook.com/beta", "beta@gmail.com"),
            account("c", "Gamma", "alpha.wordpress.com", "me@outlook.com"),
        ],
        &[("name:alpha", &["a"]), ("name:beta", &["b"]), ("name:gamma", &["c"])],
    );
}

#[test]
fn acc_1_a_web_site_and_another_mail_domain_make_no_chain() {
    let accounts = [
        account("a", "Alpha", "alpha.com", ""),
        account("b", "Alpha Services", "alpha.com", "info@beta.com"),
        account("c", "Beta", "beta.com", ""),
    ];
    expect(&accounts, &[("domain:alpha.com", &["a", "b"]), ("domain:beta.com", &["c"])]);
    let companies = unify_accounts(accounts.iter().map(|account| (connection(1), account)));
    assert_eq!(companies[0].domains, ["alpha.com", "beta.com"]);
    assert_eq!(companies[1].domains, ["beta.com"]);
}

#[test]
fn acc_1_without_a_domain_the_name_decides() {
    expect(
        &[
            account("a", "Contoso GmbH", "contoso.com", ""),
            account("b", "CONTOSO", "", ""),
            account("c", "Fabrikam Inc", "", ""),
            account("d", "Fabrikam, Incorporated", "", "fabrikam@gmail.com"),
        ],
        &[("domain:contoso.com", &["a", "b"]), ("name:fabrikam", &["c", "d"])],
    );
}

#[test]
fn acc_1_a_name_at_two_domains_is_never_guessed() {
    expect(
        &[
            account("a", "Phoenix", "phoenix.com", ""),
            account("b", "Phoenix GmbH", "phoenix.de", ""),
            account("c", "Phoenix AG", "", ""),
            account("d", "Phoenix Ltd", "", ""),
        ],
        &[
            ("domain:phoenix.com", &["a"]),
            (&format!("account:{}/c", connection(1)), &["c"]),
            ("domain:phoenix.de", &["b"]),
            (&format!("account:{}/d", connection(1)), &["d"]),
        ],
    );
}

#[test]
fn acc_1_names_that_say_nothing_tie_nobody() {
    let names = ["Unknown", "UNKNOWN", "", "???", "n/a", "N.A.", "test"];
    let accounts: Vec<_> =
        names.iter().enumerate().map(|(at, name)| account(&at.to_string(), name, "", "")).collect();
    assert_eq!(unified(&accounts).len(), names.len());
}

#[test]
fn acc_1_a_merged_account_goes_where_its_survivor_goes() {
    let mut accounts = [
        account("a", "Contoso", "contoso.com", ""),
        account("b", "Kontoso", "kontoso.com", ""),
        account("c", "Kontoso Alt", "", ""),
        account("d", "Kontoso", "", ""),
    ];
    accounts[1].status = AccountStatus::MergedInto(accounts[0].id.clone());
    accounts[2].status = AccountStatus::MergedInto(accounts[1].id.clone());
    // The name of a merged account no longer ties others to it.
    expect(&accounts, &[("domain:contoso.com", &["a", "b", "c"]), ("name:kontoso", &["d"])]);
    // A survivor that isn't there, and a circle: judged like any other.
    accounts[0].status = AccountStatus::MergedInto(AccountId::new("gone").unwrap());
    accounts[1].status = AccountStatus::MergedInto(accounts[2].id.clone());
    expect(
        &accounts,
        &[
            ("domain:contoso.com", &["a"]),
            ("domain:kontoso.com", &["b", "d"]),
            ("name:kontoso alt", &["c"]),
        ],
    );
}

#[test]
fn acc_1_the_name_shown_is_that_of_the_active() {
    let names = |accounts: &[Account]| {
        let companies = unify_accounts(accounts.iter().map(|account| (connection(1), account)));
        companies.into_iter().map(|company| company.name).collect::<Vec<_>>()
    };
    let mut accounts = ["Alt", "Alt", " Contoso GmbH ", "Contoso", "Contoso GmbH", ""]
        .iter()
        .enumerate()
        .map(|(at, name)| account(&at.to_string(), name, "contoso.com", ""))
        .collect::<Vec<_>>();
    accounts[0].status = AccountStatus::Inactive;
    accounts[1].status = AccountStatus::Inactive;
    assert_eq!(names(&accounts), [Some("Contoso GmbH".to_owned())]);
    assert_eq!(names(&accounts[..4]), [Some("Contoso".to_owned())]);
    assert_eq!(names(&accounts[..2]), [Some("Alt".to_owned())]);
    assert_eq!(names(&accounts[5..]), [None]);
}

#[test]
fn acc_1_ids_of_two_connections_are_two_accounts_and_doubles_are_one() {
    let old = account("a", "Contoso", "contoso.com", "");
    let mut new = account("a", "Fabrikam", "fabrikam.com", "");
    new.modified_at = Some(datetime!(2026-01-01 00:00 UTC));
    let companies =
        unify_accounts([(connection(1), &old), (connection(2), &old), (connection(1), &new)]);
    assert_eq!(companies.len(), 2);
    assert_eq!(companies[0].members, [(connection(2), old.id.clone())]);
    assert_eq!(companies[1].members, [(connection(1), old.id.clone())]);
    assert_eq!(companies[1].key, UnifiedKey::Domain("fabrikam.com".to_owned()));
    assert!(unify_accounts([]).is_empty());
}

fn any_account() -> impl Strategy<Value = (u128, Account)> {
    let name = prop::sample::select(vec!["", "Contoso", "Contoso GmbH", "Fabrikam", "unknown"]);
    let site = prop::sample::select(vec!["", "", "contoso.com", "contoso.de", "fb.com/x"]);
    let email = prop::sample::select(vec!["", "", "a@contoso.com", "a@fabrikam.de", "a@gmx.de"]);
    (0..2_u128, 0..20_u8, 0..25_u8, name, site, email).prop_map(
        |(connection, id, other, name, site, email)| {
            let mut account = account(&id.to_string(), name, site, email);
            account.status = match other {
                0..20 if other % 3 == 0 => {
                    AccountStatus::MergedInto(AccountId::new(other.to_string()).unwrap())
                }
                20 | 21 => AccountStatus::Inactive,
                _ => AccountStatus::Active,
            };
            (connection, account)
        },
    )
}

proptest! {
    #[test]
    fn acc_1_the_order_of_accounts_does_not_matter(
        (accounts, shuffled) in prop::collection::vec(any_account(), 0..24).prop_flat_map(|mut all| {
            all.sort_by(|(left, a), (right, b)| (left, &a.id).cmp(&(right, &b.id)));
            all.dedup_by(|(left, a), (right, b)| (&*left, &a.id) == (&*right, &b.id));
            (Just(all.clone()), Just(all).prop_shuffle())
        })
    ) {
        let unify = |accounts: &[(u128, Account)]| {
            unify_accounts(accounts.iter().map(|(number, account)| (connection(*number), account)))
        };
        let companies = unify(&accounts);
        prop_assert_eq!(&companies, &unify(&shuffled));

        // Every account is in one company, and no two companies have one key.
        let mut members: Vec<_> =
            companies.iter().flat_map(|company| company.members.clone()).collect();
        members.sort();
        let given =
            accounts.iter().map(|(number, account)| (connection(*number), account.id.clone()));
        prop_assert_eq!(members, given.collect::<Vec<_>>());
        let keys: BTreeSet<_> = companies.iter().map(|company| &company.key).collect();
        prop_assert_eq!(keys.len(), companies.len());
    }
}
