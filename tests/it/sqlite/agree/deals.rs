//! Deals, and questions for them.

use fluint_crm::model::query::{DealFilter, DealStanding};
use fluint_crm::model::{
    AccountId, CurrencyCode, CurrentStage, DealDetails, Decided, Decision, EmailAddress, MemberId,
    Money, Named, OpportunityId, Outcome, OwnerMatch, SkipReason, StageId, StageSource, UserId,
};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::{amount, day, id, name, words};

pub(super) fn deal_filter() -> impl Strategy<Value = DealFilter> {
    let standings = [DealStanding::Ended, DealStanding::Live, DealStanding::Stopped];
    let ids = (
        proptest::option::weighted(0.2, select(vec!["ada", "bob"])),
        proptest::option::weighted(0.2, id("a", 4)),
        proptest::option::weighted(0.2, id("s", 3)),
        proptest::option::weighted(0.3, select(standings.to_vec())),
        proptest::option::weighted(0.2, select(vec!["EUR", "USD"])),
    );
    (words(), ids, amount(), amount(), day(), day()).prop_map(|(name, ids, min, max, from, to)| {
        let mut filter = DealFilter::default();
        filter.name = name;
        filter.owner = ids.0.map(|id| MemberId::new(id).unwrap());
        filter.account = ids.1.map(|id| AccountId::new(id).unwrap());
        filter.stage = ids.2.map(|id| StageId::new(id).unwrap());
        filter.standing = ids.3;
        filter.currency = ids.4.map(|code| CurrencyCode::new(code).unwrap());
        (filter.min_value, filter.max_value) =
            (min.filter(|_| to.is_none()), max.filter(|_| from.is_none()));
        (filter.close_from, filter.close_before) = (from, to.filter(|_| min.is_none()));
        filter
    })
}

/// What is decided about the opportunities of a connection.
pub(super) fn decisions() -> impl Strategy<Value = Vec<(u8, Decided)>> {
    let parts = (name(), amount(), day(), proptest::option::of(id("a", 4)));
    let more =
        (select(vec!["ada", "bob"]), proptest::option::of(id("s", 3)), any::<bool>(), 0..8_u8);
    let one = (0..2_u8, id("o", 12), parts, more).prop_map(|(of, opportunity, parts, more)| {
        let (name, value, close, account) = parts;
        let (owner, stage, known, what) = more;
        let owner = OwnerMatch::new(
            MemberId::new(owner).unwrap(),
            UserId::new("u1").unwrap(),
            EmailAddress::new("ada@contoso.com").unwrap(),
        );
        let mut details = DealDetails::new(name.clone().unwrap_or_default(), owner);
        match known {
            true => {
                details.value =
                    value.map(|value| Money::new(value, CurrencyCode::new("EUR").unwrap()))
            }
            false => details.amount_without_currency = value,
        }
        details.close_date = close;
        details.account = account.map(|id| Named { id: AccountId::new(id).unwrap(), name: None });
        details.stage = stage.as_deref().map(at);
        let decision = match what {
            0 => Decision::Stop(SkipReason::NoStage),
            1 => Decision::End(Outcome::Won),
            2 => Decision::Skip(SkipReason::NoStage),
            3 => Decision::Update(details),
            _ => Decision::Create(details),
        };
        let opportunity = OpportunityId::new(opportunity).unwrap();
        (of, Decided { opportunity, name, decision })
    });
    proptest::collection::vec(one, 0..25)
}

fn at(stage: &str) -> CurrentStage {
    let stage = json!({ "stage": stage, "name": null, "process": null, "process_name": null,
        "since": null, "source": StageSource::RecordColumn });
    serde_json::from_value(stage).unwrap()
}
