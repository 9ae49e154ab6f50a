//! Sums over deals and skipped opportunities, one at a time: a big org has a million of them.

use std::collections::BTreeMap;

use fluint_crm::model::{Deal, DealState, Skipped};
use rust_decimal::Decimal;

/// Live deals by stage and currency.
#[derive(Debug, Default)]
pub(crate) struct Deals {
    /// Count and sum by stage and currency.
    pub(crate) groups: BTreeMap<(String, String), (u64, Decimal)>,
    /// Deals that receive no updates.
    pub(crate) stopped: u64,
    /// The most valuable live deal.
    pub(crate) best: Option<Deal>,
}

impl Deals {
    pub(crate) fn add(&mut self, deal: &Deal) {
        match deal.state {
            DealState::Live => self.add_live(deal),
            DealState::Stopped(_) => self.stopped += 1,
            _ => {}
        }
    }

    fn add_live(&mut self, deal: &Deal) {
        let stage = deal.details.stage.as_ref();
        let name = stage.and_then(|stage| stage.name.clone());
        let process = stage.and_then(|stage| stage.process_name.clone());
        let stage = match (name, process) {
            (Some(name), Some(process)) => format!("{name} ({process})"),
            (Some(name), None) => name,
            (None, _) => "(no stage)".to_owned(),
        };
        let (currency, amount) = deal.details.value.as_ref().map_or_else(
            || ("-".to_owned(), Decimal::ZERO),
            |value| (value.currency.to_string(), value.amount.as_decimal()),
        );
        let group = self.groups.entry((stage, currency)).or_default();
        group.0 += 1;
        group.1 += amount;
        let worth = |deal: &Deal| deal.details.value.as_ref().map(|value| value.amount);
        if self.best.as_ref().is_none_or(|best| worth(best) < worth(deal)) {
            self.best = Some(deal.clone());
        }
    }
}

/// Skipped opportunities by reason.
#[derive(Debug, Default)]
pub(crate) struct Skips {
    groups: BTreeMap<String, Group>,
    pub(crate) count: u64,
}

/// The opportunities that were skipped for one reason.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) count: u64,
    pub(crate) example: Skipped,
    /// One that comes with a hint.
    pub(crate) hinted: Option<Skipped>,
}

impl Skips {
    pub(crate) fn add(&mut self, one: &Skipped) {
        self.count += 1;
        let fresh = || Group { count: 0, example: one.clone(), hinted: None };
        let group = self.groups.entry(one.reason.to_string()).or_insert_with(fresh);
        group.count += 1;
        if group.hinted.is_none() && one.reason.hint().is_some() {
            group.hinted = Some(one.clone());
        }
    }

    /// The reasons, the most frequent first.
    pub(crate) fn by_count(&self) -> Vec<(&str, &Group)> {
        let mut groups: Vec<_> =
            self.groups.iter().map(|(reason, group)| (reason.as_str(), group)).collect();
        groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.count));
        groups
    }
}
