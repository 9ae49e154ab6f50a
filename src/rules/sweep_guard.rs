//! Whether rows that vanished may be swept, or the whole table looks wrong.

use crate::model::WithheldReason;

/// What a complete pull of one table found, after the missing rows were asked for by id.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "four numbers that every caller has to give")]
pub struct SweepEvidence {
    /// Rows that the pull saw.
    pub seen: u64,
    /// Rows that the mirror held before the pull, missing ones included.
    pub known_before: u64,
    /// Rows that are missing and were not explained by a read of their ids: neither closed nor
    /// still there.
    pub missing_unexplained: u64,
    /// Rows that were live before the pull: what the missing ones are measured against.
    pub live: u64,
}

/// Whether the missing rows of a table may be swept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SweepVerdict {
    /// They may.
    Allowed,
    /// None of them may; it has to be reported.
    Withheld(WithheldReason),
}

/// Judges whether missing rows may be swept.
///
/// Rows that a read of their ids explained (won, lost, still there) do not count: a quarter end
/// that closes half the pipeline is no shrinkage.
#[must_use]
pub const fn judge_sweep(evidence: SweepEvidence) -> SweepVerdict {
    let SweepEvidence { seen, known_before, missing_unexplained: missing, live } = evidence;
    if seen == 0 && known_before > 0 {
        return SweepVerdict::Withheld(WithheldReason::NothingSeen { known: known_before });
    }
    let tenth = live / 10;
    let allowed = if tenth > ALWAYS_ALLOWED { tenth } else { ALWAYS_ALLOWED };
    if missing > allowed {
        return SweepVerdict::Withheld(WithheldReason::TooManyMissing { missing, allowed });
    }
    SweepVerdict::Allowed
}

/// Rows that may always go: in a small org one deleted campaign is more than a tenth.
const ALWAYS_ALLOWED: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn judge(seen: u64, known_before: u64, missing_unexplained: u64, live: u64) -> SweepVerdict {
        judge_sweep(SweepEvidence { seen, known_before, missing_unexplained, live })
    }

    fn too_many(missing: u64, allowed: u64) -> SweepVerdict {
        SweepVerdict::Withheld(WithheldReason::TooManyMissing { missing, allowed })
    }

    #[test]
    fn r_17_the_limit_is_ten_rows_or_a_tenth_whichever_is_more() {
        for (missing, live, expected) in [
            (0, 0, SweepVerdict::Allowed),
            (10, 12, SweepVerdict::Allowed),
            (11, 12, too_many(11, 10)),
            (11, 109, too_many(11, 10)),
            (11, 110, SweepVerdict::Allowed),
            (100, 1000, SweepVerdict::Allowed),
            (100, 999, too_many(100, 99)),
            (101, 1000, too_many(101, 100)),
            (u64::MAX, u64::MAX, too_many(u64::MAX, u64::MAX / 10)),
        ] {
            assert_eq!(judge(1, live, missing, live), expected, "{missing} of {live}");
        }
    }

    #[test]
    fn r_17_a_table_that_came_back_empty_is_never_swept() {
        let nothing = WithheldReason::NothingSeen { known: 3 };
        assert_eq!(judge(0, 3, 3, 3), SweepVerdict::Withheld(nothing));
        assert_eq!(judge(0, 3, 0, 0), SweepVerdict::Withheld(nothing));
        assert_eq!(judge(0, 0, 0, 0), SweepVerdict::Allowed);
        assert!(!nothing.is_approvable());
        assert!(WithheldReason::TooManyMissing { missing: 11, allowed: 10 }.is_approvable());
    }

    #[test]
    fn r_17_a_quarter_end_is_no_shrinkage() {
        assert_eq!(judge(500, 1000, 3, 1000), SweepVerdict::Allowed);
    }

    #[test]
    fn r_17_the_reason_is_a_sentence() {
        let reason = WithheldReason::TooManyMissing { missing: 40, allowed: 12 };
        assert_eq!(reason.to_string(), "40 rows are missing, more than the 12 that may be");
        let reason = WithheldReason::NothingSeen { known: 7 };
        assert_eq!(reason.to_string(), "the CRM showed no row, though 7 were known");
    }

    proptest! {
        /// whatever was allowed kept to the limit, said in other words than the code.
        #[test]
        fn r_17_what_is_allowed_is_within_the_limit(
            seen in 0..50_u64, known in 0..500_u64, missing in 0..100_u64, live in 0..1000_u64,
        ) {
            let within = missing <= 10 || missing * 10 <= live;
            let allowed = (seen > 0 || known == 0) && within;
            prop_assert_eq!(judge(seen, known, missing, live) == SweepVerdict::Allowed, allowed);
        }
    }
}
