//! Which accounts of several CRMs are one company: by web domain, then by name (ACC-1).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::model::{Account, AccountId, AccountStatus, ConnectionId, UnifiedAccount, UnifiedKey};
use crate::rules::NameKey;

mod domain;

use domain::{email_domain, web_domain};

/// How many mergers are followed from one account to its survivor.
const MAX_MERGERS: usize = 32;

/// Groups the accounts of all a workspace's connections into companies, in whatever order they
/// come; the answer is in the order of the names and the keys.
///
/// Each account has one domain at most: its web site's, else its e-mail address's. Public mail
/// providers and hosts of many (`gmail.com`, `facebook.com`, `*.wordpress.com`) say nothing.
///
/// * Accounts with the same domain are one company, whatever they are called. There are no chains:
///   an account with the web site `x.com` and mail at `y.com` belongs to `x.com` alone and never
///   ties `x.com` to `y.com`.
/// * Accounts without a domain join the one domain that an account of the same name has. When there
///   is none, those of the same name are one company. When several domains carry the name, each
///   stands for itself: nobody can tell which one is meant.
/// * The same name at different domains is two companies.
/// * A merged account goes where its survivor goes, and its own domain and name no longer count.
///   When the survivor isn't among the accounts, it is judged like any other.
/// * An account without a domain and without a name that says anything ("Unknown") stands for
///   itself.
///
/// An account listed twice counts once, as it was changed last.
///
/// # Example
/// ```
/// use fluint_crm::model::{Account, AccountId, ConnectionId};
/// use fluint_crm::rules::unify_accounts;
/// use uuid::Uuid;
/// # fn main() -> fluint_crm::Result<()> {
/// let (sales, service) = (ConnectionId::new(Uuid::from_u128(1)), ConnectionId::new(Uuid::from_u128(2)));
/// let mut with_site = Account::new(AccountId::new("a1")?);
/// with_site.name = Some("Contoso GmbH".to_owned());
/// with_site.website = Some("https://www.contoso.com/de".to_owned());
/// let mut by_mail = Account::new(AccountId::new("b7")?);
/// by_mail.name = Some("CONTOSO".to_owned());
/// by_mail.email = Some("info@contoso.com".to_owned());
///
/// let companies = unify_accounts([(sales, &with_site), (service, &by_mail)]);
/// assert_eq!(companies.len(), 1);
/// assert_eq!(companies[0].domains, ["contoso.com"]);
/// assert_eq!(companies[0].members.len(), 2);
/// # Ok(()) }
/// ```
#[must_use]
pub fn unify_accounts<'a>(
    accounts: impl IntoIterator<Item = (ConnectionId, &'a Account)>,
) -> Vec<UnifiedAccount> {
    let rows = rows(accounts);
    let survivors = survivors(&rows);
    let names = domains_by_name(&rows, &survivors);
    let mut groups: BTreeMap<UnifiedKey, Vec<&Row<'_>>> = BTreeMap::new();
    for (row, survivor) in rows.iter().zip(&survivors) {
        let key = key_of(&rows[survivor.unwrap_or(row.place)], &names);
        groups.entry(key).or_default().push(row);
    }
    let mut companies: Vec<_> =
        groups.into_iter().map(|(key, members)| company(key, &members)).collect();
    // Stable: companies of one name stay in the order of their keys.
    companies.sort_by_cached_key(|company| {
        company.name.as_deref().map(|name| (NameKey::new(name), name.to_owned())).ok_or(())
    });
    companies
}

/// The registrable web domain that identifies an account: its web site's, else its e-mail
/// address's; in punycode when it is not ASCII. `None` when neither has one, or one that many share.
///
/// # Example
/// ```
/// use fluint_crm::model::{Account, AccountId};
/// use fluint_crm::rules::account_domain;
///
/// # fn main() -> fluint_crm::Result<()> {
/// let mut account = Account::new(AccountId::new("a1")?);
/// account.email = Some("ada@gmail.com".to_owned());
/// assert_eq!(account_domain(&account), None);
/// account.website = Some("https://shop.contoso.co.uk/en".to_owned());
/// assert_eq!(account_domain(&account).as_deref(), Some("contoso.co.uk"));
/// # Ok(()) }
/// ```
#[must_use]
pub fn account_domain(account: &Account) -> Option<String> {
    let site = account.website.as_deref().and_then(web_domain);
    site.or_else(|| account.email.as_deref().and_then(email_domain))
}

/// An account with what it is grouped by.
struct Row<'a> {
    place: usize,
    connection: ConnectionId,
    account: &'a Account,
    /// The domain that identifies it.
    domain: Option<String>,
    /// The domain of its mail, when it is another one.
    mail_domain: Option<String>,
    name: Option<NameKey>,
}

/// The accounts by connection and id, each once.
fn rows<'a>(accounts: impl IntoIterator<Item = (ConnectionId, &'a Account)>) -> Vec<Row<'a>> {
    let mut accounts: Vec<_> = accounts.into_iter().collect();
    accounts.sort_by(|(left_connection, left), (right_connection, right)| {
        let by_id = (left_connection, &left.id).cmp(&(right_connection, &right.id));
        by_id.then_with(|| right.modified_at.cmp(&left.modified_at))
    });
    accounts.dedup_by(|later, first| (later.0, &later.1.id) == (first.0, &first.1.id));
    let row = |(place, (connection, account)): (usize, (ConnectionId, &'a Account))| {
        let site = account.website.as_deref().and_then(web_domain);
        let mail = account.email.as_deref().and_then(email_domain);
        let mail_domain =
            mail.clone().filter(|mail| site.as_ref().is_some_and(|site| site != mail));
        let name = account.name.as_deref().map(NameKey::new).filter(says_anything);
        Row { place, connection, account, domain: site.or(mail), mail_domain, name }
    };
    accounts.into_iter().enumerate().map(row).collect()
}

/// Whether a name tells one company from another. What people type where a name is asked for and
/// none is known does not, nor does a text so long that it was cut.
fn says_anything(name: &NameKey) -> bool {
    const PLACEHOLDERS: [&str; 12] = [
        "dummy",
        "n a",
        "na",
        "new account",
        "no name",
        "none",
        "null",
        "tba",
        "tbd",
        "test",
        "unbekannt",
        "unknown",
    ];
    !name.core().is_empty() && !name.is_cut() && PLACEHOLDERS.binary_search(&name.core()).is_err()
}

/// For each merged account the place of the one that survives in the end, if it is there.
fn survivors(rows: &[Row<'_>]) -> Vec<Option<usize>> {
    let place = |connection: ConnectionId, id: &AccountId| {
        rows.binary_search_by(|row| (row.connection, &row.account.id).cmp(&(connection, id))).ok()
    };
    let follow = |row: &Row<'_>| {
        let mut at = row.place;
        for _ in 0..MAX_MERGERS {
            let AccountStatus::MergedInto(survivor) = &rows[at].account.status else {
                return (at != row.place).then_some(at);
            };
            at = place(row.connection, survivor)?;
        }
        // A circle, or as good as one.
        None
    };
    rows.iter().map(follow).collect()
}

/// The domain that carries a name, or that several do.
#[derive(PartialEq, Eq)]
enum Carriers<'a> {
    One(&'a str),
    Several,
}

/// Which domains carry which names. Merged accounts don't speak for their survivors.
fn domains_by_name<'a>(
    rows: &'a [Row<'_>],
    survivors: &[Option<usize>],
) -> HashMap<&'a str, Carriers<'a>> {
    let mut names = HashMap::new();
    for (row, survivor) in rows.iter().zip(survivors) {
        if let (Some(domain), Some(name), None) = (&row.domain, &row.name, survivor) {
            names
                .entry(name.core())
                .and_modify(|carriers| {
                    if *carriers != Carriers::One(domain.as_str()) {
                        *carriers = Carriers::Several;
                    }
                })
                .or_insert(Carriers::One(domain.as_str()));
        }
    }
    names
}

fn key_of(row: &Row<'_>, names: &HashMap<&str, Carriers<'_>>) -> UnifiedKey {
    if let Some(domain) = &row.domain {
        return UnifiedKey::Domain(domain.clone());
    }
    let itself = || UnifiedKey::Account(row.connection, row.account.id.clone());
    row.name.as_ref().map_or_else(itself, |name| match names.get(name.core()) {
        Some(Carriers::One(domain)) => UnifiedKey::Domain((*domain).to_owned()),
        Some(Carriers::Several) => itself(),
        None => UnifiedKey::Name(name.core().to_owned()),
    })
}

fn company(key: UnifiedKey, members: &[&Row<'_>]) -> UnifiedAccount {
    let own = match &key {
        UnifiedKey::Domain(domain) => Some(domain.clone()),
        UnifiedKey::Name(_) | UnifiedKey::Account(..) => None,
    };
    let mentioned = members.iter().flat_map(|row| [&row.domain, &row.mail_domain]);
    let others: BTreeSet<&String> =
        mentioned.flatten().filter(|domain| own.as_ref() != Some(*domain)).collect();
    let others: Vec<String> = others.into_iter().cloned().collect();
    let mut company = UnifiedAccount::new(key);
    company.name = shown_name(members);
    company.domains = own.into_iter().chain(others).collect();
    company.members = members.iter().map(|row| (row.connection, row.account.id.clone())).collect();
    company
}

/// The name that most of the members carry that are still in use, the first one in a tie.
fn shown_name(members: &[&Row<'_>]) -> Option<String> {
    let mut votes: BTreeMap<(u8, &str), usize> = BTreeMap::new();
    for row in members {
        if let Some(name) = row.account.name.as_deref().map(str::trim).filter(|n| !n.is_empty()) {
            let rank = match row.account.status {
                AccountStatus::Active => 0,
                AccountStatus::Inactive => 1,
                AccountStatus::MergedInto(_) => 2,
            };
            *votes.entry((rank, name)).or_default() += 1;
        }
    }
    let (&(best, _), _) = votes.first_key_value()?;
    let among = votes.into_iter().filter(|((rank, _), _)| *rank == best);
    let chosen = among.max_by_key(|((_, name), count)| (*count, Reverse(*name)));
    chosen.map(|((_, name), _)| name.to_owned())
}

#[cfg(test)]
mod tests;
