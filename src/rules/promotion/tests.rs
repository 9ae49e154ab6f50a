//! Decisions as a table, and what must hold for all of them.

use proptest::prelude::*;
use time::OffsetDateTime;
use time::macros::date;
use url::Url;
use uuid::Uuid;

use crate::model::{
    AccountId, Amount, Candidate, ConnectionId, ContactId, Currency, CurrencyCode, CurrencyId,
    CustomerRef, Deal, DealDetails, DealState, Decision, EmailAddress, Member, MemberId, Money,
    Named, Opportunity, OpportunityId, OpportunityStatus, Outcome, OwnerProblem, OwnerRef,
    Presence, SkipReason, StageFilter, StageId, User, UserId, WorkspaceId,
};
use crate::rules::owner::{MemberIndex, Owner, match_owner};
use crate::rules::promotion::{deal_details, decide};

const MISSING: Presence = Presence::Missing { since: OffsetDateTime::UNIX_EPOCH };

fn stage(name: &str) -> StageId {
    StageId::new(name).unwrap()
}

fn filter(stages: &[&str]) -> StageFilter {
    StageFilter::new(stages.iter().map(|name| stage(name)))
}

fn members() -> MemberIndex {
    let member = |id| {
        let email = EmailAddress::new(format!("{id}@contoso.com")).unwrap();
        Member::new(MemberId::new(id).unwrap(), email)
    };
    MemberIndex::new(&[member("ada"), member("bob")])
}

/// An open opportunity at stage `s`, seen, owned by a user with this local part at our domain.
fn owned_by(local: &str) -> Candidate {
    let mut owner = User::new(UserId::new(local).unwrap());
    owner.email = Some(EmailAddress::new(format!("{local}@contoso.com")).unwrap());
    let mut candidate = Candidate::new(Opportunity::new(OpportunityId::new("o").unwrap()));
    candidate.opportunity.owner = Some(OwnerRef::User(owner.id.clone()));
    candidate.opportunity.record_stage.stage = Some(stage("s"));
    candidate.owner = Some(owner);
    candidate
}

fn details_of(candidate: &Candidate) -> DealDetails {
    let owner = match_owner(&members(), Owner::of(candidate)).unwrap();
    deal_details(candidate, owner, None)
}

fn deal(state: DealState) -> Deal {
    let mut deal = Deal::new(
        WorkspaceId::new("w").unwrap(),
        ConnectionId::new(Uuid::nil()),
        OpportunityId::new("o").unwrap(),
        details_of(&owned_by("ada")),
        OffsetDateTime::UNIX_EPOCH,
    );
    deal.state = state;
    deal
}

/// What a store does with a decision: the contract of the deals role, for one deal.
fn apply(decision: &Decision, before: Option<Deal>) -> Option<Deal> {
    let set = |state: DealState| before.clone().map(|deal| Deal { state, ..deal });
    match decision {
        Decision::Create(details) | Decision::Update(details) => {
            let deal = before.clone().unwrap_or_else(|| deal(DealState::Live));
            Some(Deal { details: details.clone(), state: DealState::Live, ..deal })
        }
        Decision::Stop(reason) => set(DealState::Stopped(reason.clone())),
        Decision::End(outcome) => set(DealState::Ended(*outcome)),
        Decision::Skip(_) | Decision::Unchanged => before,
    }
}

fn judge(candidate: &Candidate, filter: &StageFilter, existing: Option<DealState>) -> Decision {
    decide(candidate, &members(), filter, existing.map(deal).as_ref(), None)
}

/// The row of the decision table for one candidate: without a deal, live, stopped for another
/// reason, ended as won.
fn row(candidate: &Candidate, filter: &StageFilter) -> [Decision; 4] {
    [
        None,
        Some(DealState::Live),
        Some(DealState::Stopped(SkipReason::NoStage)),
        Some(DealState::Ended(Outcome::Won)),
    ]
    .map(|existing| judge(candidate, filter, existing))
}

#[test]
fn dea_6_what_is_open_and_let_through_becomes_or_stays_a_deal() {
    let candidate = owned_by("ada");
    let details = details_of(&candidate);
    let expected = [
        Decision::Create(details.clone()),
        Decision::Unchanged,
        Decision::Update(details.clone()),
        Decision::Update(details),
    ];
    assert_eq!(row(&candidate, &StageFilter::EMPTY), expected);
    assert_eq!(row(&candidate, &filter(&["s", "t"])), expected);
}

#[test]
fn dea_6_a_change_of_anything_shown_is_an_update() {
    let mut candidate = owned_by("ada");
    candidate.opportunity.name = Some("Renamed".to_owned());
    let update = Decision::Update(details_of(&candidate));
    assert_eq!(judge(&candidate, &StageFilter::EMPTY, Some(DealState::Live)), update);
    let moved = owned_by("bob");
    let update = Decision::Update(details_of(&moved));
    assert_eq!(judge(&moved, &StageFilter::EMPTY, Some(DealState::Live)), update);
}

#[test]
fn dea_2_an_owner_who_is_no_member_makes_no_deal_and_stops_one() {
    let candidate = owned_by("zoe");
    let email = EmailAddress::new("zoe@contoso.com").unwrap();
    let problem = OwnerProblem::Unmatched { email, hint: None };
    let reason = SkipReason::Owner { problem };
    let stop = || Decision::Stop(reason.clone());
    let expected = [Decision::Skip(reason.clone()), stop(), stop(), stop()];
    assert_eq!(row(&candidate, &StageFilter::EMPTY), expected);
    let stopped = Some(DealState::Stopped(reason.clone()));
    assert_eq!(judge(&candidate, &StageFilter::EMPTY, stopped), Decision::Unchanged);
    // The owner comes first: with a filter that it does not pass either, the reason is the same.
    assert_eq!(judge(&candidate, &filter(&["t"]), None), Decision::Skip(reason));
}

#[test]
fn dea_4_leaving_the_filter_stops_a_deal_and_coming_back_resumes_it() {
    let candidate = owned_by("ada");
    let narrow = filter(&["t"]);
    let reason = SkipReason::OutsideFilter { stage: stage("s"), name: None };
    let stop = || Decision::Stop(reason.clone());
    assert_eq!(row(&candidate, &narrow), [Decision::Skip(reason.clone()), stop(), stop(), stop()]);

    let stopped = apply(&stop(), Some(deal(DealState::Live))).unwrap();
    assert_eq!(stopped.details, deal(DealState::Live).details, "a stopped deal stays as it is");
    let again = decide(&candidate, &members(), &narrow, Some(&stopped), None);
    assert_eq!(again, Decision::Unchanged);
    let back = decide(&candidate, &members(), &StageFilter::EMPTY, Some(&stopped), None);
    assert_eq!(back, Decision::Update(details_of(&candidate)));
}

#[test]
fn dea_3_without_a_stage_id_a_filter_skips() {
    let mut candidate = owned_by("ada");
    candidate.opportunity.record_stage.stage = None;
    candidate.opportunity.record_stage.label = Some("s".to_owned());
    let skip = Decision::Skip(SkipReason::NoStage);
    assert_eq!(judge(&candidate, &filter(&["s"]), None), skip);
}

#[test]
fn dea_5_won_and_lost_end_a_deal_once_also_a_stopped_one() {
    for presence in [Presence::Seen, MISSING] {
        let mut candidate = owned_by("nobody");
        candidate.presence = presence;
        candidate.opportunity.status = OpportunityStatus::Won;
        let skip = Decision::Skip(SkipReason::NotOpen { status: OpportunityStatus::Won });
        let won = || Decision::End(Outcome::Won);
        let expected = [skip, won(), won(), Decision::Unchanged];
        assert_eq!(row(&candidate, &filter(&["t"])), expected);

        candidate.opportunity.status = OpportunityStatus::Lost;
        let skip = Decision::Skip(SkipReason::NotOpen { status: OpportunityStatus::Lost });
        let lost = || Decision::End(Outcome::Lost);
        assert_eq!(row(&candidate, &filter(&["t"])), [skip, lost(), lost(), lost()]);
    }
}

#[test]
fn dea_5_a_deal_ended_as_deleted_comes_back_with_its_opportunity() {
    let candidate = owned_by("ada");
    let deleted = Some(DealState::Ended(Outcome::Deleted));
    let update = Decision::Update(details_of(&candidate));
    assert_eq!(judge(&candidate, &StageFilter::EMPTY, deleted), update);
}

#[test]
fn dea_6_a_state_that_nobody_knows_stops_but_never_reopens() {
    let mut candidate = owned_by("ada");
    candidate.opportunity.status = OpportunityStatus::Unknown;
    let reason = SkipReason::NotOpen { status: OpportunityStatus::Unknown };
    let stop = || Decision::Stop(reason.clone());
    let expected = [Decision::Skip(reason.clone()), stop(), stop(), Decision::Unchanged];
    assert_eq!(row(&candidate, &StageFilter::EMPTY), expected);
    let stopped = Some(DealState::Stopped(reason.clone()));
    assert_eq!(judge(&candidate, &StageFilter::EMPTY, stopped), Decision::Unchanged);
}

#[test]
fn syn_7_absence_alone_changes_nothing() {
    for status in [OpportunityStatus::Open, OpportunityStatus::Unknown] {
        let mut candidate = owned_by("ada");
        candidate.presence = MISSING;
        candidate.opportunity.name = Some("Renamed".to_owned());
        candidate.opportunity.status = status;
        assert_eq!(row(&candidate, &filter(&["t"])), [(); 4].map(|()| Decision::Unchanged));
    }
}

fn currency(id: &str, code: &str) -> Currency {
    Currency::new(CurrencyId::new(id).unwrap(), CurrencyCode::new(code).unwrap())
}

fn money(amount: &str, code: &str) -> Money {
    Money::new(amount.parse().unwrap(), CurrencyCode::new(code).unwrap())
}

#[test]
fn dea_5_a_deal_carries_what_the_opportunity_says() {
    let mut candidate = owned_by("ada");
    let opportunity = &mut candidate.opportunity;
    opportunity.name = Some("Big one".to_owned());
    opportunity.value = Some("12500.5".parse().unwrap());
    opportunity.base_value = Some("11000".parse().unwrap());
    opportunity.close_date = Some(date!(2026 - 03 - 31));
    opportunity.probability = Some(70);
    opportunity.customer = Some(CustomerRef::Account(AccountId::new("acc").unwrap()));
    opportunity.contact = Some(ContactId::new("con").unwrap());
    candidate.account_name = Some("Contoso".to_owned());
    candidate.currency = Some(currency("1", "USD"));
    candidate.base_currency = Some(currency("2", "EUR"));
    let url = Url::parse("https://crm.example/opportunity/o").unwrap();

    let owner = match_owner(&members(), Owner::of(&candidate)).unwrap();
    let details = deal_details(&candidate, owner.clone(), Some(url.clone()));
    assert_eq!(details.name, "Big one");
    assert_eq!(details.owner, owner);
    assert_eq!(details.stage.unwrap().stage, Some(stage("s")));
    assert_eq!(details.value, Some(money("12500.5", "USD")));
    assert_eq!(details.base_value, Some(money("11000", "EUR")));
    assert_eq!(details.amount_without_currency, None);
    assert_eq!(details.close_date, Some(date!(2026 - 03 - 31)));
    assert_eq!(details.probability, Some(70));
    assert_eq!(details.url, Some(url));
    let account = Named { id: AccountId::new("acc").unwrap(), name: Some("Contoso".to_owned()) };
    assert_eq!(details.account, Some(account));
    assert_eq!(details.contact, Some(Named { id: ContactId::new("con").unwrap(), name: None }));
}

#[test]
fn dea_5_an_amount_without_its_currency_is_no_money() {
    let amount: Amount = "5".parse().unwrap();
    let mut candidate = owned_by("ada");
    candidate.opportunity.value = Some(amount);
    candidate.opportunity.base_value = Some(amount);
    let details = details_of(&candidate);
    assert_eq!((details.value, details.base_value), (None, None));
    assert_eq!(details.amount_without_currency, Some(amount));

    candidate.opportunity.value = None;
    candidate.currency = Some(currency("1", "USD"));
    let details = details_of(&candidate);
    assert_eq!((details.value, details.amount_without_currency), (None, None));
}

fn any_candidate() -> impl Strategy<Value = Candidate> {
    let status = prop_oneof![
        4 => Just(OpportunityStatus::Open),
        1 => Just(OpportunityStatus::Won),
        1 => Just(OpportunityStatus::Lost),
        1 => Just(OpportunityStatus::Unknown),
    ];
    let owner = prop::sample::select(vec!["ada", "bob", "zoe", ""]);
    let at = prop::sample::select(vec!["s", "t", ""]);
    (status, owner, at, prop::option::of("[ab]"), any::<bool>()).prop_map(
        |(status, owner, at, name, seen)| {
            let mut candidate = owned_by(if owner.is_empty() { "ada" } else { owner });
            if owner.is_empty() {
                candidate.owner = None;
            }
            candidate.opportunity.status = status;
            candidate.opportunity.name = name;
            candidate.opportunity.record_stage.stage = (!at.is_empty()).then(|| stage(at));
            candidate.presence = if seen { Presence::Seen } else { MISSING };
            candidate
        },
    )
}

fn any_filter() -> impl Strategy<Value = StageFilter> {
    proptest::sample::subsequence(vec!["s", "t", "u"], 0..=2).prop_map(|stages| filter(&stages))
}

fn any_history() -> impl Strategy<Value = Vec<(Candidate, StageFilter)>> {
    proptest::collection::vec((any_candidate(), any_filter()), 0..6)
}

/// The deal after a history of syncs.
fn after(history: &[(Candidate, StageFilter)]) -> Option<Deal> {
    history.iter().fold(None, |deal, (candidate, filter)| {
        let decision = decide(candidate, &members(), filter, deal.as_ref(), None);
        apply(&decision, deal)
    })
}

proptest! {
    /// DEA-7: deciding again after applying writes nothing, whatever happened before.
    #[test]
    fn dea_7_a_second_sync_without_a_change_writes_nothing(
        history in any_history(), candidate in any_candidate(), filter in any_filter(),
    ) {
        let before = after(&history);
        let first = decide(&candidate, &members(), &filter, before.as_ref(), None);
        let deal = apply(&first, before);
        let second = decide(&candidate, &members(), &filter, deal.as_ref(), None);
        match first {
            Decision::Skip(_) => prop_assert_eq!(second, first),
            _ => prop_assert_eq!(second, Decision::Unchanged),
        }
    }

    /// DEA-6: a deal is made or brought up to date only for its matched owner, within the filter,
    /// of an open opportunity that was seen.
    #[test]
    fn dea_6_a_deal_follows_only_what_it_may_follow(
        history in any_history(), candidate in any_candidate(), filter in any_filter(),
    ) {
        let before = after(&history);
        let decision = decide(&candidate, &members(), &filter, before.as_ref(), None);
        if let Decision::Create(details) | Decision::Update(details) = &decision {
            let owner = match_owner(&members(), Owner::of(&candidate));
            prop_assert_eq!(owner.as_ref(), Ok(&details.owner));
            prop_assert_eq!(candidate.opportunity.status, OpportunityStatus::Open);
            prop_assert_eq!(candidate.presence, Presence::Seen);
            let at = details.stage.as_ref().and_then(|stage| stage.stage.as_ref());
            prop_assert!(filter.is_empty() || at.is_some_and(|at| filter.contains(at)));
        }
        match decision {
            Decision::Create(_) | Decision::Skip(_) => prop_assert!(before.is_none()),
            Decision::Update(_) | Decision::Stop(_) | Decision::End(_) => {
                prop_assert!(before.is_some());
            }
            Decision::Unchanged => {}
        }
    }

    /// DEA-4: whatever the filter, a deal is never ended by it, and comes back without it.
    #[test]
    fn dea_4_a_filter_alone_never_ends_a_deal(
        history in any_history(), stages in any_filter(),
    ) {
        let candidate = owned_by("ada");
        let Some(deal) = after(&history) else { return Ok(()) };
        let decision = decide(&candidate, &members(), &stages, Some(&deal), None);
        prop_assert!(!matches!(decision, Decision::End(_)), "{decision:?}");
        let deal = apply(&decision, Some(deal));
        let back = decide(&candidate, &members(), &StageFilter::EMPTY, deal.as_ref(), None);
        let deal = apply(&back, deal).unwrap();
        prop_assert_eq!(deal.state, DealState::Live);
        prop_assert_eq!(deal.details, details_of(&candidate));
    }

    /// SYN-7: a deal ends as the CRM says it did, and by nothing else.
    #[test]
    fn syn_7_only_won_or_lost_end_a_deal(
        history in any_history(), candidate in any_candidate(), filter in any_filter(),
    ) {
        let before = after(&history);
        let decision = decide(&candidate, &members(), &filter, before.as_ref(), None);
        if let Decision::End(outcome) = decision {
            let said = match candidate.opportunity.status {
                OpportunityStatus::Won => Some(Outcome::Won),
                OpportunityStatus::Lost => Some(Outcome::Lost),
                OpportunityStatus::Open | OpportunityStatus::Unknown => None,
            };
            prop_assert_eq!(Some(outcome), said);
        }
    }
}
