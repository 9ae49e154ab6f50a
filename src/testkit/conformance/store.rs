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

pub mod candidates;
pub mod changes;
pub mod connections;
pub mod deals;
pub mod due;
pub mod feed;
mod fixtures;
pub mod found_deals;
pub mod freshness;
pub mod gates;
pub mod mirror;
pub mod opportunities;
pub mod people;
pub mod presence;
pub mod progress;
pub mod publications;
pub mod query;
pub mod skipped;
pub mod sweeps;
pub mod totals;

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

            $crate::store_conformance!(@role candidates, $store;
                syn_1_candidates_are_joined
                syn_1_a_candidate_joins_only_what_the_mirror_holds
                syn_1_a_candidate_lists_every_assignment
                syn_1_a_candidate_says_which_assignments_are_missing
                syn_1_an_assignment_that_moves_leaves_its_old_opportunity
                candidates_come_in_pages_in_the_order_of_their_ids
                dea_3_stages_come_in_process_order
                dea_3_stages_count_open_opportunities
            );
            $crate::store_conformance!(@role changes, $store;
                acc_1_what_a_first_read_finds_is_no_change
                acc_1_a_later_run_tells_what_came_changed_and_went
                acc_1_a_new_version_alone_is_no_change
                acc_1_a_change_is_told_once_in_a_run
                acc_1_a_replaced_run_hands_its_changes_on
                acc_1_there_and_back_in_a_run_is_no_change
                acc_1_a_stage_is_told_by_its_best_source
                acc_1_a_stage_is_told_where_the_opportunity_stands
                acc_1_changes_are_found_by_account
                acc_1_a_row_that_moved_says_where_from
                acc_1_the_newest_changes_come_first
                acc_1_what_is_gone_is_told_until_it_is_put_back
                acc_1_changes_of_the_last_runs_are_kept
                acc_1_a_flood_of_changes_is_kept_in_part
                con_8_purging_erases_the_changes
                r_26_a_stale_claim_records_no_change
                oll_4_changes_of_two_workspaces_keep_apart
                r_21_absent_fields_are_no_change
            );
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
            $crate::store_conformance!(@role due, $store;
                host_3_nothing_is_due_at_first
                host_3_work_is_due_at_its_time
                host_3_the_next_due_time_is_the_earliest
                host_3_scheduling_again_never_delays
                host_3_a_claimed_item_is_not_claimed_again
                host_3_an_ended_lease_frees_the_item
                host_3_each_kind_of_work_is_claimed_apart
                host_3_the_longest_overdue_comes_first
                host_3_twenty_workers_share_the_work
                host_3_tokens_grow_with_every_claim
                host_3_an_extended_lease_keeps_the_item
                host_3_an_ended_lease_that_nobody_took_can_be_extended
                r_26_a_stale_claim_cannot_extend
                r_26_a_stale_claim_cannot_complete
                r_26_a_claim_that_was_never_given_is_refused
                host_3_completed_work_is_due_at_its_next_time
                host_3_completed_work_without_a_next_time_rests
                host_3_work_can_be_completed_after_its_lease
                host_3_completing_twice_changes_nothing
                host_3_a_schedule_during_a_claim_outlives_never
                host_3_a_schedule_during_a_claim_outlives_a_later_time
                host_3_an_earlier_next_time_comes_before_a_schedule
                host_3_a_schedule_after_the_lease_is_not_lost
                host_3_a_pull_and_a_publication_are_apart
                oll_4_work_of_two_workspaces_is_apart
            );
            $crate::store_conformance!(@role feed, $store;
                act_1_a_feed_starts_empty
                act_1_the_newest_line_comes_first
                dea_7_a_key_is_added_once
                dea_7_a_key_is_added_once_by_twenty_at_once
                act_1_lines_come_in_pages
                act_1_events_are_kept_whole
                host_7_how_far_deals_were_followed_is_remembered
                host_7_a_step_that_follows_nothing_keeps_the_place
                host_7_a_repeated_step_changes_nothing
                oll_4_feeds_keep_apart
            );
            $crate::store_conformance!(@role found_deals, $store;
                oll_1_deals_are_found_by_each_part_of_a_filter
                oll_1_deals_are_sorted
                oll_1_pages_of_deals_follow_one_another
                oll_1_a_changed_deal_is_found_as_it_is_now
                oll_4_deals_are_found_in_their_scope
            );
            $crate::store_conformance!(@role freshness, $store;
                oll_1_as_of_lists_every_connection_in_scope
                oll_1_as_of_is_the_last_finished_sync
                oll_1_an_answer_is_as_of_the_oldest_sync
                oll_1_what_was_disconnected_and_erased_is_not_waited_for
                oll_1_without_a_connection_an_answer_is_empty
            );
            $crate::store_conformance!(@role gates, $store;
                syn_5_nobody_is_held_back_at_first
                syn_5_a_throttle_holds_until_its_time
                syn_5_the_longest_throttle_is_kept
                syn_5_the_longest_of_twenty_throttles_at_once_is_kept
                syn_5_a_gate_closes_again
                syn_5_every_part_of_a_gate_key_counts
            );
            $crate::store_conformance!(@role mirror, $store;
                syn_8_an_unfinished_pull_is_gone_on_with
                syn_8_a_replaced_pull_gives_way_to_a_fresh_one
                r_19_a_run_keeps_its_reader
                syn_8_cursors_are_kept_with_their_pages
                syn_8_the_cursors_of_several_chains_come_back_in_order
                syn_8_the_first_plan_of_a_table_wins
                syn_8_a_page_of_an_unplanned_chain_is_refused
                syn_8_a_pull_goes_on_after_its_lease_was_lost
                syn_8_a_page_stored_twice_counts_once
                syn_8_a_repeated_page_does_not_move_the_cursor_back
                syn_8_a_restarted_table_is_read_from_its_start
                syn_8_a_restarted_table_keeps_its_rows
                syn_8_a_restarted_table_forgets_what_was_seen
                syn_8_a_restarted_table_takes_its_first_page_again
                syn_8_a_page_of_an_abandoned_attempt_is_refused
                syn_8_a_page_behind_a_gap_is_refused
                syn_6_new_changed_and_unchanged_rows_are_counted
                syn_6_a_row_of_the_same_version_is_not_written
                syn_6_every_table_keeps_its_rows_whole
                dea_5_amounts_are_kept_exactly
                r_26_a_stale_claim_cannot_start_a_pull
                r_26_a_stale_claim_cannot_restart_a_table
                r_26_a_stale_claim_cannot_store_a_page
                r_26_a_stale_claim_cannot_end_a_pull
                r_26_a_stale_claim_cannot_finish_a_run
                r_26_a_claim_that_was_never_given_is_refused
                oll_4_two_workspaces_with_the_same_ids_keep_apart
                oll_4_two_connections_with_the_same_ids_keep_apart
            );
            $crate::store_conformance!(@role opportunities, $store;
                oll_1_opportunities_sort_by_name
                oll_1_opportunities_sort_by_close_date
                oll_1_opportunities_sort_by_value
                oll_1_pages_of_opportunities_follow_one_another
                oll_1_ties_go_by_connection_and_id
                oll_1_opportunities_are_filtered_by_account
                oll_1_opportunities_are_filtered_by_owner
                oll_1_opportunities_are_filtered_by_status
                oll_1_opportunities_are_filtered_by_currency
                oll_1_opportunities_are_filtered_by_value
                oll_1_opportunities_are_filtered_by_close_date
                oll_1_opportunities_are_filtered_by_the_day_they_closed
                oll_1_an_owner_or_stage_is_one_of_its_connection
                oll_1_opportunities_are_filtered_by_name
                dea_3_opportunities_are_filtered_by_their_best_stage
                oll_1_the_parts_of_a_filter_are_combined
                oll_1_large_tables_are_answered_in_full
            );
            $crate::store_conformance!(@role people, $store;
                oll_1_users_are_found_by_name_id_and_address
                oll_1_stages_are_found_by_name_id_and_process
                oll_1_pages_of_users_and_stages_follow_one_another
                oll_2_the_nearest_of_every_table_with_names_come_first
                oll_4_people_stages_and_names_stay_in_their_scope
            );
            $crate::store_conformance!(@role presence, $store;
                r_16_rows_that_a_proved_run_did_not_see_are_missing
                r_16_a_missing_row_stays_as_it_is
                r_16_a_proved_table_without_a_page_is_missing
                r_16_a_table_without_proof_loses_nothing
                r_16_a_row_that_could_not_be_decoded_counts_as_seen
                r_16_a_missing_row_that_is_seen_again_is_missing_no_more
                r_16_a_missing_row_whose_id_is_seen_is_missing_no_more
                r_16_what_is_missing_already_is_not_newly_missing
                r_16_since_when_a_row_is_missing_stays
                syn_8_ending_a_pull_twice_reports_the_same
                syn_7_a_summary_counts_what_is_seen_present_and_missing
                syn_7_a_missing_candidate_says_since_when
            );
            $crate::store_conformance!(@role progress, $store;
                syn_2_a_fresh_pull_has_read_nothing
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
            );
            $crate::store_conformance!(@role publications, $store;
                doc_1_a_new_key_makes_a_fresh_publication
                doc_2_the_very_same_revision_changes_nothing
                doc_2_a_lower_revision_changes_nothing
                doc_3_a_higher_revision_replaces_the_document
                doc_2_the_same_revision_with_other_content_replaces_it
                doc_2_a_newer_revision_moves_connection_and_opportunity
                doc_2_the_highest_of_twenty_revisions_at_once_is_left
                r_25_a_new_revision_starts_a_parked_one_again
                r_25_the_same_revision_leaves_it_parked
                doc_6_changed_settings_start_a_parked_one_again
                doc_4_unpublished_ones_are_listed_by_themselves
                doc_3_a_revision_after_a_receipt_waits_anew
                doc_2_a_create_is_recorded_before_it_is_sent
                doc_2_a_receipt_keeps_what_is_unsettled
                doc_6_a_refusal_is_kept_until_the_note_stands
                doc_1_a_published_revision_is_sent_again_when_asked
                doc_7_a_higher_epoch_drops_the_receipt
                doc_7_the_same_epoch_keeps_the_receipt
                doc_7_a_lower_epoch_is_refused
                doc_1_a_receipt_of_the_newest_revision_publishes_it
                doc_3_a_receipt_of_an_older_revision_goes_on_waiting
                doc_3_a_receipt_of_other_content_goes_on_waiting
                doc_2_a_receipt_recorded_twice_is_recorded_once
                doc_2_a_later_receipt_replaces_the_earlier
                doc_4_a_publication_is_set_aside
                doc_6_a_newer_revision_is_not_set_aside
                doc_2_a_receipt_starts_the_attempts_again
                r_26_a_stale_claim_cannot_record_a_create
                r_26_a_stale_claim_cannot_record_a_receipt
                r_26_a_stale_claim_cannot_set_aside
                r_26_a_receipt_after_the_lease_counts_while_nobody_came
                con_8_the_ledger_survives_a_purge
                publications_come_in_pages_in_the_order_of_their_ids
                oll_4_publications_of_two_workspaces_keep_apart
                oll_4_a_claim_reaches_its_own_workspace_alone
            );
            $crate::store_conformance!(@role query, $store;
                a_scan_comes_in_pages_in_the_order_of_ids
                a_scan_of_nothing_is_empty
                rows_are_read_by_their_ids
                oll_1_accounts_come_by_name
                oll_1_every_word_must_be_found
                oll_1_words_are_compared_without_case_beyond_ascii
                oll_2_the_accounts_nearest_to_a_name_come_first
                r_15_words_are_never_patterns
                oll_1_a_row_without_a_name_matches_no_word
                oll_1_pages_of_accounts_follow_one_another
                oll_1_an_account_is_found_by_its_id_or_its_domain
                oll_1_the_last_page_has_no_cursor
                oll_1_a_cursor_survives_changed_rows
                oll_3_limits_are_checked
                oll_3_made_up_cursors_are_refused
                oll_3_a_cursor_of_another_question_is_refused
                oll_2_contacts_are_found_by_account
                oll_1_pages_of_contacts_follow_one_another
                syn_7_missing_rows_still_count
                oll_4_questions_stay_in_their_scope
            );
            $crate::store_conformance!(@role skipped, $store;
                dea_2_a_skipped_opportunity_is_listed
                dea_2_since_stays_while_the_reason_stays
                dea_2_since_moves_with_another_reason
                dea_2_a_created_deal_leaves_the_list_of_skipped_ones
                dea_2_every_other_decision_takes_off_the_list
                dea_2_skipped_ones_come_in_pages_in_the_order_of_their_ids
            );
            $crate::store_conformance!(@role sweeps, $store;
                syn_7_missing_rows_come_in_pages
                syn_7_a_row_that_is_found_is_missing_no_more
                dea_5_a_closed_opportunity_is_not_missed_again
                r_18_a_row_that_is_gone_is_in_no_answer
                r_18_a_row_that_is_there_is_never_called_gone
                r_18_a_row_that_comes_back_is_there_again
                r_18_a_sweep_is_undone
                r_18_after_thirty_days_nothing_can_be_undone
                r_17_the_newest_sweep_of_a_table_is_kept
                r_17_an_approval_is_for_one_run
                r_17_an_approval_is_used_up_by_the_run_that_knew_it
                r_17_a_newer_approval_reaches_further
                r_26_a_stale_claim_cannot_settle_or_record
                oll_4_a_decision_about_a_sweep_stays_in_its_workspace
                r_18_a_stage_that_is_gone_is_no_choice
                r_21_absent_fields_keep_what_is_stored
                r_21_a_row_that_is_found_keeps_what_did_not_come
                r_21_a_field_that_comes_back_is_written
            );
            $crate::store_conformance!(@role totals, $store;
                oll_2_totals_are_exact_beyond_floating_point
                oll_2_totals_may_be_negative_or_zero
                oll_2_totals_count_what_has_no_value
                oll_2_totals_in_base_currency
                oll_2_base_values_need_a_known_base_currency
                oll_2_totals_span_connections
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

#[cfg(test)]
mod tests {
    /// The macro names every behaviour; one that is forgotten would never run.
    #[test]
    fn host_2_the_macro_runs_every_behaviour() {
        let suites = [
            include_str!("store/candidates.rs"),
            include_str!("store/changes.rs"),
            include_str!("store/connections.rs"),
            include_str!("store/deals.rs"),
            include_str!("store/due.rs"),
            include_str!("store/feed.rs"),
            include_str!("store/found_deals.rs"),
            include_str!("store/freshness.rs"),
            include_str!("store/gates.rs"),
            include_str!("store/mirror.rs"),
            include_str!("store/opportunities.rs"),
            include_str!("store/people.rs"),
            include_str!("store/presence.rs"),
            include_str!("store/progress.rs"),
            include_str!("store/publications.rs"),
            include_str!("store/query.rs"),
            include_str!("store/skipped.rs"),
            include_str!("store/sweeps.rs"),
            include_str!("store/totals.rs"),
        ];
        let listed: Vec<_> = include_str!("store.rs").lines().map(str::trim).collect();
        let behaviours = suites.iter().flat_map(|suite| suite.split("\npub async fn ").skip(1));
        let mut count = 0;
        for behaviour in behaviours {
            let name = behaviour.split('(').next().unwrap();
            assert!(listed.contains(&name), "{name} is missing in store_conformance!");
            count += 1;
        }
        assert!(count > 150, "only {count} behaviours were found");
    }
}
