//! Which stages' opportunities become deals (DEA-3).

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::model::{CurrentStage, SkipReason, Stage, StageFilter, StageId};

/// Tells whether an opportunity at this stage becomes a deal.
///
/// An empty filter lets everything pass. Otherwise only a stage's id counts, never its words.
///
/// # Errors
/// The reason why it does not pass.
pub fn passes_filter(
    filter: &StageFilter,
    stage: Option<&CurrentStage>,
) -> std::result::Result<(), SkipReason> {
    if filter.is_empty() {
        return Ok(());
    }
    let Some((stage, id)) = stage.and_then(|stage| Some((stage, stage.stage.as_ref()?))) else {
        return Err(SkipReason::NoStage);
    };
    if filter.contains(id) {
        return Ok(());
    }
    Err(SkipReason::OutsideFilter { stage: id.clone(), name: stage.name.clone() })
}

/// Checks a new filter against the synced stages.
///
/// # Errors
/// [`Error::InvalidInput`] naming the stages that nobody knows.
pub fn validate_filter(filter: &StageFilter, known: &[Stage]) -> Result<()> {
    let unknown = vanished_stages(filter, known);
    let Some(first) = unknown.first() else { return Ok(()) };
    let reason = match unknown.len() - 1 {
        0 => format!("there is no stage {first} in the CRM"),
        more => format!("there is no stage {first} in the CRM, nor {more} more of those given"),
    };
    Err(Error::invalid_input("stage filter", reason))
}

/// The stages of a filter that the CRM no longer has, in the order of their ids.
#[must_use]
pub fn vanished_stages(filter: &StageFilter, known: &[Stage]) -> Vec<StageId> {
    let known: HashSet<&StageId> = known.iter().map(|stage| &stage.id).collect();
    filter.iter().filter(|id| !known.contains(id)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StageSource;
    use proptest::prelude::*;

    fn id(text: &str) -> StageId {
        StageId::new(text).unwrap()
    }

    fn filter(ids: &[&str]) -> StageFilter {
        StageFilter::new(ids.iter().map(|text| id(text)))
    }

    fn stages(ids: &[&str]) -> Vec<Stage> {
        ids.iter().map(|text| Stage::new(id(text))).collect()
    }

    #[test]
    fn dea_3_an_empty_filter_lets_everything_pass() {
        let somewhere = CurrentStage::new(id("a"), StageSource::RecordColumn);
        assert_eq!(passes_filter(&StageFilter::EMPTY, None), Ok(()));
        assert_eq!(passes_filter(&StageFilter::EMPTY, Some(&somewhere)), Ok(()));
    }

    #[test]
    fn dea_3_only_a_stage_id_satisfies_a_filter() {
        let set = filter(&["a", "b"]);
        let mut stage = CurrentStage::new(id("a"), StageSource::ActiveProcess);
        assert_eq!(passes_filter(&set, Some(&stage)), Ok(()));

        stage.stage = Some(id("c"));
        stage.name = Some("a".to_owned());
        let outside = SkipReason::OutsideFilter { stage: id("c"), name: Some("a".to_owned()) };
        assert_eq!(passes_filter(&set, Some(&stage)), Err(outside));

        stage.stage = None;
        assert_eq!(passes_filter(&set, Some(&stage)), Err(SkipReason::NoStage));
        assert_eq!(passes_filter(&set, None), Err(SkipReason::NoStage));
    }

    #[test]
    fn dea_3_an_unknown_stage_is_refused_by_name() {
        let known = stages(&["a", "b"]);
        assert!(validate_filter(&filter(&["a", "b"]), &known).is_ok());
        assert!(validate_filter(&StageFilter::EMPTY, &[]).is_ok());
        let refused = |ids: &[&str]| validate_filter(&filter(ids), &known).unwrap_err().to_string();
        assert_eq!(
            refused(&["a", "x"]),
            "stage filter is not usable: there is no stage x in the CRM"
        );
        assert_eq!(
            refused(&["z", "x", "y"]),
            "stage filter is not usable: there is no stage x in the CRM, nor 2 more of those given"
        );
    }

    #[test]
    fn dea_3_a_stage_that_disappeared_is_reported() {
        let set = filter(&["c", "a", "b"]);
        assert_eq!(vanished_stages(&set, &stages(&["b", "d"])), [id("a"), id("c")]);
    }

    proptest! {
        #[test]
        fn dea_3_passing_is_exactly_membership(
            set in proptest::collection::btree_set("[a-d]", 0..4),
            stage in prop::option::of("[a-d]"),
        ) {
            let set = StageFilter::new(set.iter().map(|text| id(text)));
            let stage = stage.map(|text| CurrentStage::new(id(&text), StageSource::ActiveProcess));
            let expected = set.is_empty()
                || stage.as_ref().and_then(|s| s.stage.as_ref()).is_some_and(|s| set.contains(s));
            prop_assert_eq!(passes_filter(&set, stage.as_ref()).is_ok(), expected);
        }
    }
}
