//! What every store must do, one function per behaviour, for the authors of stores.
//!
//! [`store_conformance!`](crate::store_conformance) makes one test of each. A behaviour panics,
//! saying what was expected, when the store breaks the contract of [`storage`](crate::storage).
//!
//! # Example
//! ```
//! use std::sync::Arc;
//! use fluint_crm::storage::Stores;
//! use fluint_crm::store::MemoryStore;
//! use fluint_crm::testkit::conformance::store::StoreUnderTest;
//!
//! fn in_memory() -> StoreUnderTest {
//!     StoreUnderTest::open(|clock| Stores::all(Arc::new(MemoryStore::new(clock))))
//! }
//!
//! fluint_crm::store_conformance!(memory, in_memory());
//! # fn main() {}
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a behaviour is a test: to panic is how it says no"
)]

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use time::macros::datetime;

use crate::clock::Clock;
use crate::storage::Stores;
use crate::testkit::ManualClock;

pub mod connections;
pub mod deals;
mod fixtures;
pub mod mirror;

/// A store in the state in which a host opens it for the first time, and the clock it was given.
pub struct StoreUnderTest {
    /// The roles.
    pub stores: Stores,
    /// The clock that the store takes its time from.
    pub clock: Arc<ManualClock>,
    /// What must outlive the store, such as a folder that is deleted at the end.
    keep: Option<Box<dyn Any + Send + Sync>>,
}

impl StoreUnderTest {
    /// Opens an empty store with a clock that is moved by hand.
    #[must_use]
    pub fn open(open: impl FnOnce(Arc<dyn Clock>) -> Stores) -> Self {
        let clock = Arc::new(ManualClock::new(datetime!(2026-02-01 09:00 UTC)));
        let stores = open(Arc::<ManualClock>::clone(&clock));
        Self::new(stores, clock)
    }

    /// Puts an empty store and the clock it was given together.
    #[must_use]
    pub const fn new(stores: Stores, clock: Arc<ManualClock>) -> Self {
        Self { stores, clock, keep: None }
    }

    /// Keeps something until the store is dropped, such as the guard of a temporary folder.
    #[must_use]
    pub fn keeping(mut self, guard: impl Any + Send + Sync) -> Self {
        self.keep = Some(Box::new(guard));
        self
    }
}

impl fmt::Debug for StoreUnderTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreUnderTest")
            .field("stores", &self.stores)
            .field("kept", &self.keep.is_some())
            .finish_non_exhaustive()
    }
}

/// Makes a module with one test per behaviour of a store.
///
/// Takes the module's name and an expression that gives a fresh, empty
/// [`StoreUnderTest`](crate::testkit::conformance::store::StoreUnderTest). The expression is
/// evaluated once per test, inside an async function: it may `.await`. The caller needs `tokio`
/// with `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! store_conformance {
    ($module:ident, $store:expr) => {
        mod $module {
            #[allow(unused_imports, clippy::wildcard_imports)]
            use super::*;

            $crate::store_conformance!(@role connections, $store;
                con_2_an_open_sign_in_is_listed_for_its_workspace_alone
                con_3_a_sign_in_is_taken_once
                con_3_a_sign_in_is_taken_once_by_twenty_at_once
                con_3_a_sign_in_that_nobody_opened_is_not_there
                con_3_a_taken_sign_in_is_whole
                con_3_connecting_makes_the_pull_due_at_once
                con_4_expired_sign_ins_are_still_listed_newest_first
                con_7_a_change_moves_the_revision_on
                con_7_a_change_of_a_connection_that_is_not_there_is_refused
                con_7_a_change_with_an_old_revision_is_refused
                con_7_a_refused_change_writes_nothing
                con_7_connecting_again_replaces_the_connection
                con_7_one_of_twenty_changes_at_once_wins
                con_8_disconnecting_erases_the_tokens
                con_8_tokens_that_were_erased_cannot_be_swapped
                con_5_swapped_tokens_are_the_ones_kept
                con_5_a_swap_with_an_old_version_is_refused
                con_5_one_of_twenty_swaps_at_once_wins
                con_5_token_versions_go_on_counting_when_connecting_again
                con_5_token_versions_go_on_counting_after_disconnecting
                con_9_sealed_tokens_come_back_byte_for_byte
                every_setting_of_a_connection_is_kept
                connections_are_listed_in_the_order_of_their_ids
                oll_4_a_workspace_sees_only_its_connections
                oll_4_a_workspace_cannot_touch_the_tokens_of_another
                oll_4_a_workspace_cannot_change_the_connection_of_another
            );
            $crate::store_conformance!(@role mirror, $store;
                syn_2_a_fresh_pull_has_read_nothing
                syn_8_an_unfinished_pull_is_gone_on_with
                syn_8_cursors_are_kept_with_their_pages
                syn_8_the_cursors_of_several_chains_come_back_in_order
                syn_8_a_pull_goes_on_after_its_lease_was_lost
                syn_8_a_page_stored_twice_counts_once
                syn_8_a_repeated_page_does_not_move_the_cursor_back
                syn_8_a_restarted_table_is_read_from_its_start
                syn_8_a_restarted_table_keeps_its_rows
                syn_8_a_restarted_table_forgets_what_was_seen
                syn_8_a_restarted_table_takes_its_first_page_again
                syn_6_new_changed_and_unchanged_rows_are_counted
                syn_6_a_row_of_the_same_version_is_not_written
                syn_6_every_table_keeps_its_rows_whole
                dea_5_amounts_are_kept_exactly
                r_16_rows_that_a_proved_run_did_not_see_are_missing
                r_16_a_missing_row_stays_as_it_is
                r_16_a_table_without_proof_loses_nothing
                r_16_a_row_that_could_not_be_decoded_counts_as_seen
                r_16_a_missing_row_that_is_seen_again_is_missing_no_more
                r_16_what_is_missing_already_is_not_newly_missing
                r_16_since_when_a_row_is_missing_stays
                syn_8_ending_a_pull_twice_reports_the_same
                syn_7_a_summary_counts_what_is_seen_present_and_missing
                syn_8_ending_the_pull_leaves_it_promoting
                syn_8_a_run_in_promotion_is_gone_on_with
                syn_2_a_finished_run_is_followed_by_a_fresh_one
                syn_8_finishing_a_run_twice_changes_nothing
                syn_9_there_is_no_progress_before_the_first_pull
                syn_9_progress_counts_rows_pages_and_writes
                syn_9_progress_expects_what_the_connector_estimates_at_first
                syn_9_progress_expects_what_the_last_run_saw
                syn_9_progress_of_a_finished_run_stays
                con_8_a_purge_erases_rows_runs_and_cursors
                con_8_a_purge_leaves_other_connections_alone
                syn_1_candidates_are_joined
                syn_1_a_candidate_joins_only_what_the_mirror_holds
                syn_1_a_candidate_lists_every_assignment
                syn_1_a_candidate_says_which_assignments_are_missing
                syn_1_an_assignment_that_moves_leaves_its_old_opportunity
                syn_7_a_missing_candidate_says_since_when
                candidates_come_in_pages_in_the_order_of_their_ids
                dea_3_stages_come_in_process_order
                dea_3_stages_count_open_opportunities
                r_26_a_stale_claim_cannot_start_a_pull
                r_26_a_stale_claim_cannot_restart_a_table
                r_26_a_stale_claim_cannot_store_a_page
                r_26_a_stale_claim_cannot_end_a_pull
                r_26_a_stale_claim_cannot_finish_a_run
                r_26_a_claim_that_was_never_given_is_refused
                oll_4_two_workspaces_with_the_same_ids_keep_apart
                oll_4_two_connections_with_the_same_ids_keep_apart
            );
            $crate::store_conformance!(@role deals, $store;
                dea_5_a_created_deal_is_whole
                dea_5_amounts_of_a_deal_are_exact
                dea_7_creating_twice_makes_one_deal
                dea_7_the_same_update_is_not_written_again
                dea_7_an_update_moves_revision_and_time_on
                dea_7_an_update_of_no_deal_does_nothing
                dea_4_a_stopped_deal_keeps_its_details
                dea_4_an_update_resumes_a_stopped_deal
                dea_4_creating_a_stopped_deal_makes_it_live
                dea_4_a_stop_for_another_reason_is_a_change
                dea_5_an_ended_deal_records_its_outcome
                dea_5_a_stopped_deal_can_end
                dea_7_stopping_or_ending_no_deal_does_nothing
                dea_7_unchanged_writes_nothing
                dea_2_a_skipped_opportunity_is_listed
                dea_2_since_stays_while_the_reason_stays
                dea_2_since_moves_with_another_reason
                dea_2_a_created_deal_leaves_the_list_of_skipped_ones
                dea_2_every_other_decision_takes_off_the_list
                dea_2_skipped_ones_come_in_pages_in_the_order_of_their_ids
                host_7_changes_are_ordered_and_complete
                host_7_changes_come_in_pages
                host_7_what_is_already_so_makes_no_entry
                host_7_changes_carry_the_deal_as_it_was_written
                dea_7_applied_counts_what_really_changed
                deals_are_found_by_id
                deals_come_in_pages_in_the_order_of_their_ids
                con_8_deals_survive_a_purge
                r_26_a_stale_claim_cannot_apply_decisions
                oll_4_deals_of_two_workspaces_keep_apart
                oll_4_deals_of_two_connections_keep_apart
            );
        }
    };
    (@role $role:ident, $store:expr; $($behaviour:ident)*) => {
        mod $role {
            #[allow(unused_imports, clippy::wildcard_imports)]
            use super::*;

            $(
                #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $behaviour() {
                    let store = $store;
                    $crate::testkit::conformance::store::$role::$behaviour(&store).await;
                }
            )*
        }
    };
}
