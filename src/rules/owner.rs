//! Which member owns an opportunity: one exact comparison of e-mail addresses (DEA-1).

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::model::{
    Candidate, EmailAddress, MatchedBy, Member, MemberId, MemberStatus, OwnerHint, OwnerMatch,
    OwnerProblem, OwnerRef, User, UserId,
};

/// The members of a workspace by their addresses: built once per sync, asked once per opportunity.
///
/// Inactive members are not in it. A member listed twice, or with the same address twice, counts
/// once. [`match_owner`] asks it.
#[derive(Default)]
pub struct MemberIndex {
    by_address: HashMap<EmailAddress, Holders>,
    by_local_part: HashMap<Box<str>, Namesakes>,
    /// Addresses of inactive members: whoever they belonged to is known, and no near miss.
    inactive: HashSet<EmailAddress>,
}

/// Who holds one address, each list in the order of the ids and without doubles.
#[derive(Default)]
struct Holders {
    primary: Vec<MemberId>,
    alternate: Vec<MemberId>,
}

/// Who has an address with one local part, at whatever domain.
enum Namesakes {
    One(MemberId),
    Several,
}

impl MemberIndex {
    /// Indexes the members; their order does not matter.
    #[must_use]
    pub fn new(members: &[Member]) -> Self {
        let mut index = Self::default();
        for member in members {
            match member.status {
                MemberStatus::Active => index.add(member),
                MemberStatus::Inactive => {
                    index.inactive.insert(member.email.clone());
                    index.inactive.extend(member.alternate_emails.iter().cloned());
                }
            }
        }
        for holders in index.by_address.values_mut() {
            for tier in [&mut holders.primary, &mut holders.alternate] {
                tier.sort_unstable();
                tier.dedup();
            }
        }
        index
    }

    fn add(&mut self, member: &Member) {
        self.add_local_part(&member.email, &member.id);
        let primary = self.by_address.entry(member.email.clone()).or_default();
        primary.primary.push(member.id.clone());
        for email in &member.alternate_emails {
            self.add_local_part(email, &member.id);
            let alternate = self.by_address.entry(email.clone()).or_default();
            alternate.alternate.push(member.id.clone());
        }
    }

    fn add_local_part(&mut self, email: &EmailAddress, member: &MemberId) {
        self.by_local_part
            .entry(email.local_part().into())
            .and_modify(|namesakes| {
                if matches!(namesakes, Namesakes::One(first) if first != member) {
                    *namesakes = Namesakes::Several;
                }
            })
            .or_insert_with(|| Namesakes::One(member.clone()));
    }

    /// Who holds an address: the primary tier, or the alternate one when nobody is in the first.
    fn holders(&self, email: &EmailAddress) -> (MatchedBy, &[MemberId]) {
        match self.by_address.get(email) {
            Some(holders) if !holders.primary.is_empty() => {
                (MatchedBy::PrimaryEmail, &holders.primary)
            }
            Some(holders) => (MatchedBy::AlternateEmail, &holders.alternate),
            None => (MatchedBy::PrimaryEmail, &[]),
        }
    }

    /// A likely remedy for an address that nobody holds: the one member with the same local part
    /// at another domain, such as the `.onmicrosoft.com` one that every tenant starts with.
    ///
    /// A customer's administrator acts on it, so it stays silent when the address could be a trap
    /// (characters that imitate others), a mailbox of many, or a person who has left.
    fn hint(&self, email: &EmailAddress) -> Option<OwnerHint> {
        if !is_plain(email) || is_shared_mailbox(email.local_part()) {
            return None;
        }
        if self.inactive.contains(email) {
            return None;
        }
        match self.by_local_part.get(email.local_part()) {
            Some(Namesakes::One(member)) => {
                Some(OwnerHint::AddAlternateEmail { member: member.clone(), email: email.clone() })
            }
            Some(Namesakes::Several) | None => None,
        }
    }
}

impl fmt::Debug for MemberIndex {
    /// Prints sizes alone: an index may hold every address of a company.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemberIndex")
            .field("addresses", &self.by_address.len())
            .field("inactive_addresses", &self.inactive.len())
            .finish_non_exhaustive()
    }
}

/// What the mirror knows of an opportunity's owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Owner<'a> {
    /// The CRM names no owner that we can read.
    Missing,
    /// A team.
    Team,
    /// A user that the mirror does not hold.
    UnknownUser(&'a UserId),
    /// A user.
    User(&'a User),
}

impl<'a> Owner<'a> {
    /// The owner of a candidate.
    #[must_use]
    pub fn of(candidate: &'a Candidate) -> Self {
        match (&candidate.opportunity.owner, &candidate.owner) {
            (None, _) => Self::Missing,
            (Some(OwnerRef::Team(_)), _) => Self::Team,
            (Some(OwnerRef::User(id)), Some(user)) if user.id == *id => Self::User(user),
            (Some(OwnerRef::User(id)), _) => Self::UnknownUser(id),
        }
    }
}

/// Matches an owner with the one member who has the same address.
///
/// A primary address wins over an alternate one. A disabled CRM user matches like any other, since
/// leavers still own opportunities; [`OwnerMatch::owner_status`] tells.
///
/// # Errors
/// The reason when no single active member has the owner's address, with a hint on a near miss.
///
/// # Example
/// ```
/// use fluint_crm::model::{EmailAddress, Member, MemberId, User, UserId};
/// use fluint_crm::rules::{MemberIndex, Owner, match_owner};
/// # fn main() -> fluint_crm::Result<()> {
/// let ada = Member::new(MemberId::new("ada")?, EmailAddress::new("ada@contoso.com")?);
/// let members = MemberIndex::new(&[ada]);
///
/// let mut user = User::new(UserId::new("7d1f")?);
/// user.email = Some(EmailAddress::new(" Ada@Contoso.COM ")?);
/// let matched = match_owner(&members, Owner::User(&user)).expect("the same address");
/// assert_eq!(matched.member.as_str(), "ada");
/// # Ok(()) }
/// ```
pub fn match_owner(members: &MemberIndex, owner: Owner<'_>) -> Result<OwnerMatch, OwnerProblem> {
    let user = match owner {
        Owner::Missing => return Err(OwnerProblem::NoOwner),
        Owner::Team => return Err(OwnerProblem::Team),
        Owner::UnknownUser(user) => return Err(OwnerProblem::UnknownUser { user: user.clone() }),
        Owner::User(user) => user,
    };
    let Some(email) = &user.email else {
        return Err(OwnerProblem::NoEmail { user: user.id.clone() });
    };
    let (matched_by, holders) = members.holders(email);
    match holders {
        [] => Err(OwnerProblem::Unmatched { email: email.clone(), hint: members.hint(email) }),
        [member] => Ok(OwnerMatch {
            member: member.clone(),
            user: user.id.clone(),
            email: email.clone(),
            matched_by,
            owner_status: user.status,
        }),
        several => Err(OwnerProblem::Ambiguous { email: email.clone(), members: several.to_vec() }),
    }
}

/// Whether an address has nothing in it that could imitate another character: ASCII alone, and no
/// domain label that stands for something else (punycode).
fn is_plain(email: &EmailAddress) -> bool {
    email.as_str().is_ascii() && !email.domain().split('.').any(|label| label.starts_with("xn--"))
}

/// Whether a local part names a function rather than a person: the same word at two domains says
/// nothing about who is behind it.
///
/// Single characters say too little as well.
fn is_shared_mailbox(local_part: &str) -> bool {
    local_part.len() < 2 || SHARED_MAILBOXES.binary_search(&local_part).is_ok()
}

/// Local parts of mailboxes that many people read, in order. English, and the German, French,
/// Spanish, Italian and Dutch ones that are common in Europe.
const SHARED_MAILBOXES: &[&str] = &[
    "abuse",
    "account",
    "accounting",
    "accounts",
    "admin",
    "administrator",
    "all",
    "billing",
    "bookings",
    "buchhaltung",
    "buero",
    "career",
    "careers",
    "ceo",
    "commercial",
    "contact",
    "contacto",
    "crm",
    "customerservice",
    "do-not-reply",
    "donotreply",
    "einkauf",
    "enquiries",
    "enquiry",
    "everyone",
    "export",
    "finance",
    "hello",
    "help",
    "helpdesk",
    "hi",
    "hostmaster",
    "hr",
    "info",
    "infos",
    "inquiries",
    "inquiry",
    "invoice",
    "invoices",
    "it",
    "jobs",
    "kontakt",
    "legal",
    "mail",
    "mailbox",
    "mailer-daemon",
    "marketing",
    "me",
    "news",
    "newsletter",
    "no-reply",
    "no.reply",
    "noreply",
    "office",
    "operations",
    "ops",
    "order",
    "orders",
    "partner",
    "partners",
    "post",
    "postmaster",
    "press",
    "privacy",
    "procurement",
    "purchasing",
    "reception",
    "rechnung",
    "root",
    "sales",
    "security",
    "service",
    "services",
    "shop",
    "support",
    "system",
    "team",
    "test",
    "user",
    "vendas",
    "vendite",
    "ventas",
    "verkauf",
    "verkoop",
    "vertrieb",
    "webmaster",
    "welcome",
];

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;
