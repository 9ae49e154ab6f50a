use super::*;
use crate::model::{User, UserId};

fn run() -> RunId {
    RunId::new(uuid::Uuid::from_u128(1))
}

fn fresh() -> Walk {
    Walk::new(run(), Table::Users)
}

fn page(index: u32, of: u32, position: Position) -> Page<User> {
    let resume = (position == Position::More).then(|| ResumeToken::new("next"));
    let user = User::new(UserId::new(format!("u{index}")).unwrap());
    Page { chain: Chain { index, of }, position, resume, ..Page::whole_table(vec![user]) }
}

fn walk(pages: &[Page<User>]) -> Result<CompletenessProof, Incomplete> {
    let mut walk = fresh();
    for page in pages {
        walk.take(page).unwrap();
    }
    walk.finish()
}

#[test]
fn r_16_a_walk_to_every_end_is_a_proof() {
    let proof = walk(&[
        page(1, 2, Position::More),
        page(0, 2, Position::ChainEnd),
        page(1, 2, Position::TableEnd),
    ]);
    assert_eq!(proof.map(|proof| proof.rows()), Ok(3));
}

#[test]
fn r_16_a_cut_walk_proves_nothing() {
    assert_eq!(walk(&[]), Err(Incomplete::EndNotSeen));
    assert_eq!(walk(&[page(0, 1, Position::More)]), Err(Incomplete::EndNotSeen));
    assert_eq!(walk(&[page(0, 2, Position::ChainEnd)]), Err(Incomplete::EndNotSeen));
    // A connector that forgets a chain.
    assert!(fresh().take(&page(0, 2, Position::TableEnd)).is_err());
}

#[test]
fn r_16_an_unreadable_row_or_source_spoils_the_proof() {
    let mut unreadable = page(0, 1, Position::TableEnd);
    unreadable.unreadable = 1;
    assert_eq!(walk(&[unreadable]), Err(Incomplete::UnreadableRow));
    let mut degraded = page(0, 1, Position::TableEnd);
    degraded
        .notices
        .push(Notice::SourceUnreadable { origin: "custom".into(), detail: "refused".into() });
    assert_eq!(walk(&[degraded]), Err(Incomplete::SourceUnreadable { origin: "custom".into() }));
}

#[test]
fn r_16_pages_that_contradict_each_other_are_refused() {
    let refused = |first: Page<User>, second: Page<User>| {
        let mut walk = fresh();
        walk.take(&first).unwrap();
        assert!(walk.take(&second).is_err());
    };
    refused(page(0, 1, Position::TableEnd), page(0, 1, Position::TableEnd));
    refused(page(0, 2, Position::ChainEnd), page(0, 2, Position::More));
    refused(page(0, 2, Position::More), page(0, 3, Position::More));
    let mut lost = page(0, 1, Position::More);
    lost.resume = None;
    assert!(fresh().take(&lost).is_err());
}

#[test]
fn syn_8_a_resumed_walk_knows_the_chains_that_ended() {
    let from = [
        ChainCursor { chain: Chain { index: 0, of: 2 }, resume: None },
        ChainCursor { chain: Chain { index: 1, of: 2 }, resume: Some(ResumeToken::new("x")) },
    ];
    let mut walk = Walk::resume(run(), Table::Users, &from, None);
    walk.take(&page(1, 2, Position::TableEnd)).unwrap();
    assert_eq!(walk.finish().map(|proof| proof.run()), Ok(run()));
}

#[test]
fn syn_8_a_doubt_survives_an_interruption() {
    let from = [ChainCursor { chain: Chain::ONLY, resume: None }];
    let doubt = Some(Incomplete::UnreadableRow);
    let walk = Walk::resume(run(), Table::Users, &from, doubt);
    assert!(walk.is_over(), "nothing is left to read");
    assert_eq!(walk.finish(), Err(Incomplete::UnreadableRow));
}
