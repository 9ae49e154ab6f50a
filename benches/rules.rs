//! Owner matching and deciding over a million opportunities, against loops of plain look-ups.
//!
//! `cargo bench --bench rules -- [--runs K]`.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]
#![allow(clippy::disallowed_methods, reason = "a program may measure time")]

use std::collections::{HashMap, HashSet};
use std::hint::black_box;
use std::time::Instant;

use clap::Parser;
use fluint_crm::model::{
    AccountId, Amount, AssignedStage, Candidate, ConnectionId, ContactId, Currency, CurrencyCode,
    CurrencyId, CustomerRef, Deal, Decision, EmailAddress, Member, MemberId, Opportunity,
    OpportunityId, OwnerRef, Presence, RecordId, Stage, StageAssignment, StageFilter, StageId,
    User, UserId, WorkspaceId,
};
use fluint_crm::rules::{MemberIndex, Owner, decide, match_owner};
use fluint_crm::{Error, Result};
use time::macros::{date, datetime};
use uuid::Uuid;

/// Measures the rules of promotion.
#[derive(Parser, Debug)]
struct Options {
    /// Paired runs; the table shows medians.
    #[arg(long, value_name = "K", default_value_t = 7)]
    runs: usize,

    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Opportunities judged in each run: so many different ones, so many times.
const DIFFERENT: u128 = 50_000;
const TIMES: usize = 20;
const MEMBERS: u128 = 10_000;
const USERS: u128 = 2_000;
const STAGES: u128 = 4;

fn main() -> Result<()> {
    let options = Options::parse();
    let world = World::new()?;
    println!(
        "{:24} {:>10} {:>10} {:>7}",
        "1,000,000 opportunities", "ours (s)", "plain (s)", "ratio"
    );
    world.compare(&options, "match owners", World::match_owners, World::look_owners_up);
    world.compare(&options, "decide, new deals", World::decide_new, World::judge_new);
    world.compare(&options, "decide, nothing new", World::decide_again, World::judge_again);
    Ok(())
}

struct World {
    candidates: Vec<Candidate>,
    deals: Vec<Option<Deal>>,
    members: MemberIndex,
    filter: StageFilter,
    /// What a plain loop would keep.
    by_email: HashMap<String, MemberId>,
    stages: HashSet<StageId>,
}

impl World {
    fn new() -> Result<Self> {
        let people = (0..MEMBERS).map(member).collect::<Result<Vec<_>>>()?;
        let by_email = people.iter().map(|m| (m.email.as_str().to_owned(), m.id.clone())).collect();
        let stages =
            (0..STAGES - 1).map(|n| StageId::new(id(9, n))).collect::<Result<HashSet<_>>>()?;
        let mut world = Self {
            candidates: (0..DIFFERENT).map(candidate).collect::<Result<_>>()?,
            deals: Vec::new(),
            members: MemberIndex::new(&people),
            filter: StageFilter::new(stages.iter().cloned()),
            by_email,
            stages,
        };
        let (workspace, at) = (WorkspaceId::new("acme")?, datetime!(2026-03-02 09:00 UTC));
        let connection = ConnectionId::new(Uuid::from_u128(5));
        let deal = |candidate: &Candidate| match world.decide(candidate, None) {
            Decision::Create(details) => {
                let opportunity = candidate.opportunity.id.clone();
                Some(Deal::new(workspace.clone(), connection, opportunity, details, at))
            }
            _ => None,
        };
        world.deals = world.candidates.iter().map(deal).collect();
        Ok(world)
    }

    /// Runs both in turn and prints their medians.
    fn compare(
        &self,
        options: &Options,
        name: &str,
        ours: fn(&Self) -> usize,
        plain: fn(&Self) -> usize,
    ) {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for _ in 0..options.runs.max(1) {
            let (seconds, count) = timed(|| ours(self));
            a.push(seconds);
            let (seconds, plain_count) = timed(|| plain(self));
            b.push(seconds);
            assert_eq!(count, plain_count, "both must find the same");
        }
        let (a, b) = (median(a), median(b));
        println!("{name:24} {a:>10.3} {b:>10.3} {:>7.2}", a / b);
    }

    fn each(&self, judge: impl Fn(usize, &Candidate) -> bool) -> usize {
        let once =
            || self.candidates.iter().enumerate().filter(|(at, one)| judge(*at, one)).count();
        (0..TIMES).map(|_| once()).sum()
    }

    fn match_owners(&self) -> usize {
        self.each(|_, one| black_box(match_owner(&self.members, Owner::of(one))).is_ok())
    }

    fn look_owners_up(&self) -> usize {
        self.each(|_, one| black_box(self.owner(one)).is_some())
    }

    fn decide(&self, one: &Candidate, deal: Option<&Deal>) -> Decision {
        decide(one, &self.members, &self.filter, deal, None)
    }

    fn decide_new(&self) -> usize {
        self.each(|_, one| matches!(black_box(self.decide(one, None)), Decision::Create(_)))
    }

    fn decide_again(&self) -> usize {
        self.each(|at, one| {
            let decision = self.decide(one, self.deals[at].as_ref());
            matches!(black_box(decision), Decision::Unchanged)
        })
    }

    /// What a plain loop makes of an owner: the same strings as a match holds.
    fn owner(&self, one: &Candidate) -> Option<(MemberId, UserId, EmailAddress)> {
        let user = one.owner.as_ref()?;
        let email = user.email.as_ref()?;
        let member = self.by_email.get(email.as_str())?;
        Some((member.clone(), user.id.clone(), email.clone()))
    }

    fn plain_deal(&self, one: &Candidate) -> Option<Plain> {
        let owner = self.owner(one)?;
        let assigned = one.assignments.first()?;
        let stage = self.stages.get(&assigned.assignment.stage)?.clone();
        let opportunity = &one.opportunity;
        Some(Plain {
            name: opportunity.name.clone(),
            owner,
            stage,
            stage_name: assigned.stage.as_ref().and_then(|stage| stage.name.clone()),
            value: opportunity.value.zip(one.currency.as_ref().map(|c| c.code.clone())),
            base: opportunity.base_value.zip(one.base_currency.as_ref().map(|c| c.code.clone())),
            account: opportunity.account.clone().zip(one.account_name.clone()),
            contact: opportunity.contact.clone().zip(one.contact_name.clone()),
        })
    }

    fn judge_new(&self) -> usize {
        self.each(|_, one| black_box(self.plain_deal(one)).is_some())
    }

    /// The same again, and compared with what the deal says.
    fn judge_again(&self) -> usize {
        self.each(|at, one| match (black_box(self.plain_deal(one)), &self.deals[at]) {
            (Some(now), Some(deal)) => {
                let (before, (member, user, email)) = (&deal.details, &now.owner);
                now.name.as_ref() == Some(&before.name)
                    && *member == before.owner.member
                    && *user == before.owner.user
                    && *email == before.owner.email
                    && now.value.map(|(amount, _)| amount)
                        == before.value.as_ref().map(|v| v.amount)
            }
            _ => false,
        })
    }
}

/// A deal as a plain loop would make it.
#[expect(dead_code, reason = "making it is what costs")]
struct Plain {
    name: Option<String>,
    owner: (MemberId, UserId, EmailAddress),
    stage: StageId,
    stage_name: Option<String>,
    value: Option<(Amount, CurrencyCode)>,
    base: Option<(Amount, CurrencyCode)>,
    account: Option<(AccountId, String)>,
    contact: Option<(ContactId, String)>,
}

fn id(kind: u128, number: u128) -> String {
    Uuid::from_u128(kind << 120 | number.wrapping_mul(0x9E37_79B9_7F4A_7C15) << 8 | number)
        .to_string()
}

fn email(number: u128) -> Result<EmailAddress> {
    EmailAddress::new(format!("firstname.lastname{number}@contoso.com"))
}

fn member(number: u128) -> Result<Member> {
    Ok(Member::new(MemberId::new(id(1, number))?, email(number)?))
}

/// Nine in ten owners are members; three in four opportunities are in a stage that passes.
fn candidate(number: u128) -> Result<Candidate> {
    let mut opportunity = Opportunity::new(OpportunityId::new(id(2, number))?);
    let owner = number % USERS;
    let mut user = User::new(UserId::new(id(3, owner))?);
    user.email = Some(email(if owner.is_multiple_of(10) { MEMBERS + owner } else { owner })?);
    let account = AccountId::new(id(4, number))?;
    opportunity.name = Some(format!("Lindqvist: framework contract ({number:07})"));
    opportunity.owner = Some(OwnerRef::User(user.id.clone()));
    opportunity.customer = Some(CustomerRef::Account(account.clone()));
    opportunity.account = Some(account);
    opportunity.contact = Some(ContactId::new(id(5, number))?);
    let amount = i128::try_from(number).map_err(|_| Error::config("amount", "too large"))?;
    opportunity.value = Some(Amount::from_scaled(amount * 10_000)?);
    opportunity.base_value = opportunity.value;
    opportunity.close_date = Some(date!(2026 - 06 - 30));
    let stage = StageId::new(id(9, number / USERS % STAGES))?;
    let record = RecordId::new(id(6, number))?;
    let assignment = StageAssignment::new(record, opportunity.id.clone(), stage.clone());
    let mut known = Stage::new(stage);
    known.name = Some("Propose".to_owned());
    let currency = Currency::new(CurrencyId::new(id(7, 1))?, CurrencyCode::new("EUR")?);
    let mut candidate = Candidate::new(opportunity);
    candidate.owner = Some(user);
    candidate.assignments =
        vec![AssignedStage { assignment, stage: Some(known), presence: Presence::Seen }];
    candidate.account_name = Some("Lindqvist Precision Optics AB".to_owned());
    candidate.contact_name = Some("Henrietta Montgomery".to_owned());
    candidate.currency = Some(currency.clone());
    candidate.base_currency = Some(currency);
    Ok(candidate)
}

fn timed(work: impl FnOnce() -> usize) -> (f64, usize) {
    let begin = Instant::now();
    let count = work();
    (begin.elapsed().as_secs_f64(), count)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
