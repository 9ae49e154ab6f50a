//! The tiers, the reasons and the hints of owner matching.

use proptest::prelude::*;

use crate::model::{
    Candidate, EmailAddress, MatchedBy, Member, MemberId, MemberStatus, Opportunity, OpportunityId,
    OwnerHint, OwnerMatch, OwnerProblem, OwnerRef, TeamId, User, UserId, UserStatus,
};
use crate::rules::owner::{MemberIndex, Owner, SHARED_MAILBOXES, match_owner};

fn email(text: &str) -> EmailAddress {
    EmailAddress::new(text).unwrap()
}

fn member_id(text: &str) -> MemberId {
    MemberId::new(text).unwrap()
}

/// A member with a primary address and alternate ones behind it.
fn member(id: &str, addresses: &[&str]) -> Member {
    let mut member = Member::new(member_id(id), email(addresses[0]));
    member.alternate_emails = addresses[1..].iter().map(|text| email(text)).collect();
    member
}

fn inactive(id: &str, addresses: &[&str]) -> Member {
    let mut member = member(id, addresses);
    member.status = MemberStatus::Inactive;
    member
}

fn user(address: &str) -> User {
    let mut user = User::new(UserId::new("u").unwrap());
    user.email = Some(email(address));
    user
}

fn matched(members: &[Member], address: &str) -> Result<OwnerMatch, OwnerProblem> {
    match_owner(&MemberIndex::new(members), Owner::User(&user(address)))
}

#[track_caller]
fn assert_member(members: &[Member], address: &str, id: &str, tier: MatchedBy) {
    let found = matched(members, address).unwrap();
    assert_eq!((found.member, found.matched_by), (member_id(id), tier));
    assert_eq!(found.email, email(address));
}

#[track_caller]
fn assert_ambiguous(members: &[Member], address: &str, ids: &[&str]) {
    let expected = OwnerProblem::Ambiguous {
        email: email(address),
        members: ids.iter().map(|id| member_id(id)).collect(),
    };
    assert_eq!(matched(members, address), Err(expected));
}

#[track_caller]
fn assert_hint(members: &[Member], address: &str, id: Option<&str>) {
    let hint =
        id.map(|id| OwnerHint::AddAlternateEmail { member: member_id(id), email: email(address) });
    let expected = OwnerProblem::Unmatched { email: email(address), hint };
    assert_eq!(matched(members, address), Err(expected));
}

#[test]
fn dea_1_a_primary_address_wins_over_an_alternate_one() {
    let members = [member("b", &["b@x.com", "a@x.com"]), member("a", &["a@x.com"])];
    assert_member(&members, "A@X.com", "a", MatchedBy::PrimaryEmail);
    assert_member(&members, " b@x.com", "b", MatchedBy::PrimaryEmail);
    assert_member(&members[..1], "a@x.com", "b", MatchedBy::AlternateEmail);
}

#[test]
fn dea_1_two_members_in_one_tier_are_ambiguous() {
    let members = [
        member("z", &["shared@x.com", "alias@x.com"]),
        member("a", &["Shared@X.com"]),
        member("m", &["m@x.com", "alias@x.com", "shared@x.com"]),
    ];
    assert_ambiguous(&members, "shared@x.com", &["a", "z"]);
    assert_ambiguous(&members, "alias@x.com", &["m", "z"]);
}

#[test]
fn dea_1_the_same_member_twice_is_one() {
    let twice = member("a", &["a@x.com", "A@x.com", "alias@x.com", "alias@x.com"]);
    let members = [twice.clone(), twice];
    assert_member(&members, "a@x.com", "a", MatchedBy::PrimaryEmail);
    assert_member(&members, "alias@x.com", "a", MatchedBy::AlternateEmail);
}

#[test]
fn dea_1_inactive_members_never_match() {
    let members = [inactive("gone", &["a@x.com", "b@x.com"]), member("here", &["b@x.com"])];
    assert_hint(&members, "a@x.com", None);
    assert_member(&members, "b@x.com", "here", MatchedBy::PrimaryEmail);
}

#[test]
fn dea_1_a_disabled_user_still_matches_and_is_flagged() {
    let index = MemberIndex::new(&[member("a", &["a@x.com"])]);
    let mut leaver = user("a@x.com");
    leaver.status = UserStatus::Disabled;
    let found = match_owner(&index, Owner::User(&leaver)).unwrap();
    assert_eq!(found.owner_status, UserStatus::Disabled);
    assert_eq!(found.user, leaver.id);
}

#[test]
fn dea_1_every_owner_without_an_address_has_its_reason() {
    let index = MemberIndex::new(&[member("a", &["a@x.com"])]);
    let id = UserId::new("u").unwrap();
    let mute = User::new(id.clone());
    for (owner, problem) in [
        (Owner::Missing, OwnerProblem::NoOwner),
        (Owner::Team, OwnerProblem::Team),
        (Owner::UnknownUser(&id), OwnerProblem::UnknownUser { user: id.clone() }),
        (Owner::User(&mute), OwnerProblem::NoEmail { user: id.clone() }),
    ] {
        assert_eq!(match_owner(&index, owner), Err(problem));
    }
}

#[test]
fn dea_1_the_owner_of_a_candidate_is_the_one_its_row_names() {
    let person = user("a@x.com");
    let mut candidate = Candidate::new(Opportunity::new(OpportunityId::new("o").unwrap()));
    candidate.owner = Some(person.clone());
    assert_eq!(Owner::of(&candidate), Owner::Missing);

    candidate.opportunity.owner = Some(OwnerRef::Team(TeamId::new("u").unwrap()));
    assert_eq!(Owner::of(&candidate), Owner::Team);

    candidate.opportunity.owner = Some(OwnerRef::User(person.id.clone()));
    assert_eq!(Owner::of(&candidate), Owner::User(&person));

    let other = UserId::new("other").unwrap();
    candidate.opportunity.owner = Some(OwnerRef::User(other.clone()));
    assert_eq!(Owner::of(&candidate), Owner::UnknownUser(&other));
}

#[test]
fn dea_1_a_near_miss_hints_at_the_alternate_address() {
    let members = [member("ada", &["ada@contoso.com"]), member("bob", &["bob@contoso.com"])];
    assert_hint(&members, "ada@contoso.onmicrosoft.com", Some("ada"));
    assert_hint(&members, "ADA@fabrikam.de", Some("ada"));
    assert_hint(&members, "adah@contoso.com", None);
}

#[test]
fn dea_1_an_alternate_address_makes_a_near_miss_too() {
    let members = [member("ada", &["lovelace@contoso.com", "ada@contoso.com"])];
    assert_hint(&members, "ada@contoso.onmicrosoft.com", Some("ada"));
}

#[test]
fn dea_1_a_hint_never_chooses_between_two_members() {
    let members = [member("one", &["ada@contoso.com"]), member("two", &["ada@fabrikam.com"])];
    assert_hint(&members, "ada@contoso.onmicrosoft.com", None);
    // The same member at both domains is one.
    let alone = [member("one", &["ada@contoso.com", "ada@fabrikam.com"])];
    assert_hint(&alone, "ada@contoso.onmicrosoft.com", Some("one"));
}

#[test]
fn dea_1_a_shared_mailbox_is_no_near_miss() {
    for local in SHARED_MAILBOXES.iter().chain(&["a"]) {
        let members = [member("ada", &[&format!("{local}@contoso.com")])];
        assert_hint(&members, &format!("{local}@contoso.onmicrosoft.com"), None);
        assert_member(&members, &format!("{local}@contoso.com"), "ada", MatchedBy::PrimaryEmail);
    }
    assert!(SHARED_MAILBOXES.is_sorted(), "the list is searched by halves");
}

#[test]
fn dea_1_an_address_that_could_be_a_trap_gives_no_hint() {
    let members = [member("ada", &["ada@contoso.com"])];
    for address in ["ada@c\u{43e}ntoso.com", "ada@xn--cntoso-vnf.com", "ada@mail.xn--e1afmkfd.org"]
    {
        assert_hint(&members, address, None);
    }
}

#[test]
fn dea_1_the_address_of_a_leaver_is_not_offered_to_a_namesake() {
    let members = [inactive("old", &["ada@crm.com"]), member("new", &["ada@contoso.com"])];
    assert_hint(&members, "ada@crm.com", None);
}

#[test]
fn an_index_prints_no_address() {
    let index = MemberIndex::new(&[member("ada", &["ada@contoso.com"])]);
    assert_eq!(format!("{index:?}"), "MemberIndex { addresses: 1, inactive_addresses: 0, .. }");
}

/// The rule in its plainest words, over every member, to hold the index against.
fn by_the_letter(members: &[Member], address: &str) -> Vec<MemberId> {
    let same = |email: &EmailAddress| email.as_str() == address.trim().to_ascii_lowercase();
    let active = || members.iter().filter(|member| member.status == MemberStatus::Active);
    let ids = |holds: &dyn Fn(&Member) -> bool| {
        let mut ids: Vec<_> = active().filter(|m| holds(m)).map(|m| m.id.clone()).collect();
        ids.sort();
        ids.dedup();
        ids
    };
    let primary = ids(&|member| same(&member.email));
    if primary.is_empty() {
        return ids(&|member| member.alternate_emails.iter().any(same));
    }
    primary
}

fn any_member() -> impl Strategy<Value = Member> {
    let address = "[a-c]@[xy]\\.com";
    ("[m-p]", address, proptest::collection::vec(address, 0..3), any::<bool>()).prop_map(
        |(id, primary, alternates, active)| {
            let mut addresses = vec![primary.as_str()];
            addresses.extend(alternates.iter().map(String::as_str));
            if active { member(&id, &addresses) } else { inactive(&id, &addresses) }
        },
    )
}

proptest! {
    /// DEA-1: whatever the members, the index says what a reading of the whole list says.
    #[test]
    fn dea_1_the_index_agrees_with_a_reading_of_the_list(
        members in proptest::collection::vec(any_member(), 0..6),
        address in " ?[a-dA-D]@[xyXY]\\.(com|COM) ?",
    ) {
        let expected = by_the_letter(&members, &address);
        match matched(&members, &address) {
            Ok(found) => prop_assert_eq!(vec![found.member], expected),
            Err(OwnerProblem::Ambiguous { members, .. }) => {
                prop_assert!(members.len() > 1);
                prop_assert_eq!(members, expected);
            }
            Err(OwnerProblem::Unmatched { .. }) => prop_assert!(expected.is_empty()),
            Err(other) => prop_assert!(false, "{other:?}"),
        }
    }

    /// DEA-1: the order in which a host lists its members never decides.
    #[test]
    fn dea_1_the_order_of_the_members_does_not_matter(
        members in proptest::collection::vec(any_member(), 0..6),
        address in "[a-d]@[xy]\\.com",
    ) {
        let mut reversed = members.clone();
        reversed.reverse();
        prop_assert_eq!(matched(&members, &address), matched(&reversed, &address));
    }

    /// DEA-1: following a hint makes the owner match that member, alone.
    #[test]
    fn dea_1_following_a_hint_solves_it(
        local in "[a-z]{2,5}", others in proptest::collection::vec("[a-z]{2,5}", 0..4),
    ) {
        let mut members = vec![member("hinted", &[&format!("{local}@contoso.com")])];
        for (n, other) in others.iter().enumerate() {
            members.push(member(&format!("m{n}"), &[&format!("{other}@contoso.com")]));
        }
        let address = format!("{local}@contoso.onmicrosoft.com");
        let Err(OwnerProblem::Unmatched { hint, .. }) = matched(&members, &address) else {
            return Err(TestCaseError::fail("nobody has that address"));
        };
        let namesake = others.contains(&local);
        let shared = SHARED_MAILBOXES.contains(&local.as_str());
        prop_assert_eq!(hint.is_some(), !namesake && !shared);
        if let Some(OwnerHint::AddAlternateEmail { member: id, email }) = hint {
            let hinted = members.iter_mut().find(|member| member.id == id).unwrap();
            hinted.alternate_emails.push(email);
            prop_assert_eq!(matched(&members, &address).unwrap().member, id);
        }
    }
}
