//! Proves that every back end keeps objects as promised: whole, once, and verified when read.
//!
//! The cases in `objects`, `reading`, `damage`, `files`, `reader`, `waiting`, `results` and `faults` are
//! run on a folder, on memory and on a real S3 server; `folder` and `s3` hold what only those can be asked. Azure and
//! Google's stores are opened in unit tests, and exercised nowhere. (P1, P2, P3, P4, P10)

#![allow(clippy::unwrap_used, missing_docs, reason = "tests may, and their names say it")]
#![allow(clippy::single_range_in_vec_init, reason = "one range is a list of ranges here")]

mod damage;
mod faults;
mod files;
mod folder;
mod lake;
mod objects;
mod reader;
mod reading;
mod results;
mod s3;
mod waiting;

/// Runs each case on every back end.
macro_rules! on_every_backend {
    ($($module:ident::$case:ident,)*) => {
        mod on_a_folder {
            $(#[tokio::test] async fn $case() {
                crate::$module::$case(crate::lake::Lake::folder()).await;
            })*
        }
        mod on_memory {
            $(#[tokio::test] async fn $case() {
                crate::$module::$case(crate::lake::Lake::memory()).await;
            })*
        }
        mod on_s3 {
            $(#[tokio::test] async fn $case() {
                // Without a server S3 is left out, and one line has said so.
                if let Some(lake) = crate::lake::Lake::s3().await {
                    crate::$module::$case(lake).await;
                }
            })*
        }
    };
}

on_every_backend! {
    objects::what_is_put_is_got,
    objects::a_staged_file_and_a_stream_are_the_same_object,
    objects::the_same_bytes_are_stored_once,
    objects::many_writers_of_one_object_all_succeed,
    objects::a_large_object_goes_up_in_parts,
    objects::a_stream_that_breaks_off_leaves_nothing,
    objects::a_torn_object_that_nobody_named_is_healed,
    objects::a_damaged_object_of_the_right_length_is_healed_if_nobody_named_it,
    objects::a_named_object_costs_one_look_at_its_length,
    objects::a_named_object_that_was_lost_or_torn_is_stored_again,
    reading::ranges_are_slices,
    reading::ranges_outside_are_refused,
    reading::a_stream_is_the_range,
    reading::a_copy_in_scratch_is_the_object,
    reading::an_object_whose_tree_nobody_named_is_verified_too,
    damage::a_flipped_bit_in_a_small_object_is_an_error,
    damage::a_flipped_bit_in_a_group_spoils_that_group_alone,
    damage::a_flipped_bit_in_a_tree_is_an_error,
    damage::a_tree_that_was_proved_is_verified_again_by_verify,
    damage::an_object_of_the_wrong_length_is_an_error,
    damage::an_object_that_is_gone_is_not_found,
    damage::a_tree_that_is_gone_is_not_found,
    damage::a_tree_of_another_object_is_refused,
    damage::a_wrong_length_in_the_catalog_gives_no_wrong_bytes,
    damage::a_stream_ends_at_the_first_damage,
    files::of_many_creators_one_is_first,
    files::what_was_created_is_read_and_stays,
    files::a_torn_file_is_replaced,
    files::lists_are_by_name,
    files::keys_that_leave_the_lake_are_refused,
    reader::it_reads_like_any_object_store,
    reader::it_knows_only_what_it_was_given,
    reader::heads_ask_nothing,
    reader::writing_and_listing_are_refused,
    reader::damage_is_recognised_through_it,
    reader::parts_in_one_group_are_read_once,
    waiting::parts_are_gathered_in_order,
    waiting::the_first_writer_at_a_place_wins,
    waiting::what_does_not_add_up_is_lost,
    waiting::equal_bytes_are_recognised_across_parts,
    waiting::what_was_gathered_replaces_its_parts,
    waiting::what_goes_while_it_is_gathered_is_no_error,
    waiting::a_whole_file_waits_and_goes,
    results::a_chunk_is_read_back_by_anyone_who_knows_it,
    results::a_chunk_that_is_not_itself_is_an_error,
    results::a_later_run_outlives_those_before_it,
    results::results_are_neither_uploads_nor_objects,
    faults::a_create_that_broke_off_is_looked_at,
    faults::a_put_that_broke_off_is_looked_at,
    faults::a_crash_at_any_write_leaves_no_lie,
}
