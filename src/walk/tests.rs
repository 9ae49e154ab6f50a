use time::OffsetDateTime;
use time::macros::datetime;

use super::*;
use crate::model::{User, UserId};

const NOON: OffsetDateTime = datetime!(2026-01-01 12:00 UTC);
const EVENING: OffsetDateTime = datetime!(2026-01-01 18:00 UTC);

fn run() -> RunId {
    RunId::new(uuid::Uuid::from_u128(1))
}

fn two() -> TablePlan {
    TablePlan::sources(["a".to_owned(), "b".to_owned()])
}

fn user() -> User {
    User::new(UserId::new("u").unwrap())
}

fn more() -> Page<User> {
    Page::more(vec![user()], ResumeToken::new("next"))
}

fn last() -> Page<User> {
    Page::last(vec![user()])
}

fn walk(plan: &TablePlan, pages: &[(usize, Page<User>)]) -> Result<CompletenessProof, Incomplete> {
    let mut walk = Walk::new(run(), Table::Users, plan);
    for (chain, page) in pages {
        walk.take(*chain, page).unwrap();
    }
    walk.finish()
}

#[test]
fn r_16_a_walk_to_every_end_is_a_proof() {
    let proof = walk(&two(), &[(1, more()), (0, last()), (1, last())]);
    assert_eq!(proof.map(|proof| proof.rows()), Ok(3));
    let nothing = TablePlan::sources([]);
    assert_eq!(walk(&nothing, &[]).map(|proof| proof.rows()), Ok(0), "nothing to read is all");
}

#[test]
fn r_16_a_cut_walk_proves_nothing() {
    assert_eq!(walk(&two(), &[]), Err(Incomplete::EndNotSeen));
    assert_eq!(walk(&two(), &[(0, last()), (1, more())]), Err(Incomplete::EndNotSeen));
    assert_eq!(walk(&two(), &[(0, last())]), Err(Incomplete::EndNotSeen));
}

#[test]
fn r_16_an_unreadable_row_or_source_spoils_the_proof() {
    let mut unreadable = last();
    unreadable.unreadable = 1;
    let whole = TablePlan::whole("users");
    assert_eq!(walk(&whole, &[(0, unreadable)]), Err(Incomplete::UnreadableRow));
    let mut degraded = last();
    let (origin, detail) = ("custom".to_owned(), "refused".to_owned());
    degraded.notices.push(Notice::SourceUnreadable { origin: origin.clone(), detail });
    assert_eq!(walk(&whole, &[(0, degraded)]), Err(Incomplete::SourceUnreadable { origin }));
}

#[test]
fn r_16_pages_that_contradict_the_plan_are_refused() {
    let mut walk = Walk::new(run(), Table::Users, &two());
    walk.take(0, &last()).unwrap();
    assert!(walk.take(0, &last()).is_err(), "after its end");
    assert!(walk.take(2, &last()).is_err(), "no such chain");
}

#[test]
fn r_16_ranges_prove_a_table_only_when_they_cover_it() {
    let range =
        |from, until| ChainPlan { source: "users".to_owned(), range: TimeRange { from, until } };
    let plan = |chains| TablePlan { chains, estimate: None };
    for (chains, covers) in [
        (vec![range(None, None)], true),
        (vec![range(None, Some(NOON)), range(Some(NOON), None)], true),
        (vec![range(Some(NOON), None), range(None, Some(NOON))], true),
        (vec![range(None, Some(NOON)), range(Some(EVENING), None)], false),
        (vec![range(None, Some(EVENING)), range(Some(NOON), None)], false),
        (vec![range(None, Some(NOON))], false),
        (vec![range(Some(NOON), None)], false),
        (vec![range(None, None), range(None, None)], false),
        (vec![range(None, Some(NOON)), range(None, Some(NOON)), range(Some(NOON), None)], false),
    ] {
        let plan = plan(chains);
        let pages: Vec<_> = (0..plan.chains.len()).map(|chain| (chain, last())).collect();
        let outcome = walk(&plan, &pages);
        assert_eq!(outcome.is_ok(), covers, "{plan:?}");
        assert!(covers || outcome == Err(Incomplete::Gap), "{plan:?}");
    }
    assert!(TablePlan::ranges("users", &[NOON, EVENING]).covers());
}

#[test]
fn syn_8_a_resumed_walk_knows_the_chains_that_ended() {
    let read = |reached| ChainCursor { reached, pages: 1, rows: 5 };
    let chains = [read(Reached::End), read(Reached::At(ResumeToken::new("x")))];
    let mut walk = Walk::resume(run(), Table::Users, &two(), &chains, None);
    walk.take(1, &last()).unwrap();
    assert_eq!(walk.finish().map(|proof| (proof.run(), proof.rows())), Ok((run(), 11)));
}

#[test]
fn syn_8_a_doubt_survives_an_interruption() {
    let whole = TablePlan::whole("users");
    let chains = [ChainCursor { reached: Reached::End, pages: 1, rows: 1 }];
    let doubt = Some(Incomplete::UnreadableRow);
    let walk = Walk::resume(run(), Table::Users, &whole, &chains, doubt);
    assert!(walk.is_over(), "nothing is left to read");
    assert_eq!(walk.finish(), Err(Incomplete::UnreadableRow));
}
