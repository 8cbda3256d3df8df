//! What every catalog must do, whatever database is behind it: published once and whole (P4),
//! rebuilt equal from its events (P9), one behaviour (P10).
//!
//! The tests are functions over [`Databases`]; each engine runs all of them. What only one engine
//! can do to us is in `opening.rs` (a file) and `server.rs` (a server).
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod commits;
mod danger;
mod databases;
mod derivations;
mod history;
mod jobs;
mod laws;
mod leases;
mod lists;
mod live;
mod marks;
mod measured;
mod opening;
mod openlineage;
mod people;
mod promotions;
mod reads;
mod rebuilds;
mod references;
mod runs;
mod server;
mod tokens;
mod uploads;
mod world;

use databases::Databases;

macro_rules! on_every_engine {
    ($($module:ident :: $test:ident,)+) => {
        on_every_engine!(@engine sqlite, $($module::$test,)+);
        on_every_engine!(@engine postgres, $($module::$test,)+);
    };
    (@engine $engine:ident, $($module:ident :: $test:ident,)+) => {
        mod $engine {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    if let Some(databases) = crate::Databases::$engine() {
                        crate::$module::$test(&databases).await;
                    }
                }
            )+
        }
    };
}

on_every_engine! {
    commits::a_commit_is_one_time_and_consecutive_places,
    commits::times_grow_even_when_the_clock_goes_back,
    commits::several_datasets_change_together,
    commits::a_dataset_is_created_once,
    commits::a_version_follows_the_newest_or_conflicts,
    commits::a_head_moves_from_where_it_is,
    commits::what_does_not_exist_is_not_found,
    commits::changes_that_no_retry_can_save_are_invalid,
    commits::a_conflict_in_the_last_change_leaves_nothing_of_the_first,
    commits::an_object_may_be_named_again_but_not_otherwise,
    commits::the_same_key_is_the_same_commit,
    commits::a_key_belongs_to_its_actor,
    danger::sixteen_writers_on_two_handles_make_one_order,
    danger::one_key_from_sixteen_tasks_is_one_commit,
    danger::of_two_who_move_the_mark_one_does,
    danger::a_commit_abandoned_at_any_point_is_whole_or_absent,
    danger::readers_never_see_half_a_commit,
    derivations::versions_are_walked_both_ways,
    derivations::nothing_is_computed_from_what_is_not_there,
    derivations::a_lock_is_an_actors_own_name_for_versions,
    live::a_live_version_comes_into_files_once,
    jobs::a_job_is_read_back_by_its_owner_alone,
    jobs::the_same_key_is_the_same_job,
    jobs::a_job_is_written_by_the_server_that_runs_it,
    jobs::jobs_are_given_back_cancelled_and_forgotten,
    jobs::outcomes_are_forgotten_before_their_jobs,
    uploads::an_upload_is_read_back_by_its_owner_alone,
    uploads::what_waits_is_counted_together,
    uploads::of_two_that_do_not_fit_together_one_is_recorded,
    uploads::an_upload_moves_on_from_where_it_is,
    uploads::what_nothing_came_for_is_stale,
    history::versions_come_newest_first_in_pages,
    history::events_come_oldest_first_in_pages,
    laws::any_history_is_answered_as_it_was_and_rebuilds_equal,
    laws::no_event_makes_replay_panic_or_leave_a_trace,
    leases::a_lease_has_one_holder_until_it_ends,
    leases::of_sixteen_who_ask_at_once_one_gets_the_lease,
    lists::datasets_come_with_their_newest_version_and_heads,
    lists::objects_are_found_by_name_and_size,
    measured::what_was_measured_first_is_the_fact,
    measured::findings_wait_for_the_mark,
    measured::nothing_is_found_of_what_is_not_there,
    marks::nothing_above_the_mark_is_visible,
    marks::a_mark_in_between_shows_exactly_what_is_below,
    marks::the_mark_moves_only_forward_and_within_the_record,
    marks::planning_sees_above_the_mark,
    opening::an_open_catalog_keeps_its_lake,
    opening::eight_who_create_it_at_once_get_one_catalog,
    openlineage::what_was_told_is_found_by_what_it_names,
    openlineage::the_same_is_told_once,
    openlineage::what_no_database_keeps_is_refused,
    openlineage::a_sink_is_never_told_back,
    people::a_catalog_replaces_the_one_it_was_planned_against,
    people::a_catalog_with_another_digest_is_refused,
    people::an_object_belongs_to_every_dataset_that_names_it,
    people::what_nobody_recorded_is_not_shared,
    promotions::a_promotion_holds_against_what_it_was_decided_from,
    promotions::what_was_said_is_found_again,
    promotions::a_version_knows_the_stages_it_came_to,
    reads::records_are_numbered_as_they_are_written,
    reads::what_is_written_twice_is_there_once,
    reads::many_records_go_in_and_out_in_pages,
    reads::records_come_back_from_their_segments,
    rebuilds::replaying_the_journal_gives_an_equal_catalog,
    rebuilds::a_rebuilt_catalog_goes_on_like_the_first,
    rebuilds::events_that_do_not_continue_are_refused,
    rebuilds::events_that_cannot_be_are_refused_by_name,
    references::each_form_resolves_by_the_table,
    references::what_is_missing_is_said,
    references::digests_resolve_by_unique_prefix,
    references::many_references_share_one_snapshot,
    references::many_references_mean_what_each_means_alone,
    references::a_time_means_what_the_bare_name_meant_then,
    references::an_answer_at_its_own_time_never_changes,
    runs::a_run_is_its_owners_and_alive_while_it_is_heard_of,
    runs::a_run_that_was_given_up_is_not_committed,
    runs::a_run_is_committed_once_and_seen_above_the_mark,
    tokens::a_token_is_found_with_everything_that_is_kept_of_it,
    tokens::a_token_waits_for_the_mark_and_a_revocation_does_not,
    tokens::a_tree_of_tokens_goes_together,
    tokens::tokens_that_cannot_be_are_refused,
    tokens::tokens_and_revocations_are_rebuilt,
}
