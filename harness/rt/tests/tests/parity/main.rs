//! What sockets, files, timers and tasks do, asked of real ones and of the simulated ones: the answers must be the same.
//!
//! A behaviour is a function that does something and writes down what it saw. Its text stands once and is compiled twice, against
//! `squall_rt` in the simulation and against tokio, with sockets on the loopback interface and files in a directory of their own. A transcript has no times and no port
//! numbers in it, and a behaviour is written so that Linux has but one answer: what takes effect later is
//! waited for by its effect.
//!
//! Not asked, because `squall_rt::net` has no such thing: what sizes of buffers, `SO_LINGER` that waits and `SO_REUSEPORT` do. Nor what shows
//! in times alone, as Nagle's algorithm, or takes more than one machine: tests/net has that. The loopback interface has to have ::1.
#![cfg(madsim)]

use std::{
    fmt::Debug,
    future::Future,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use squall_rt::world::{self, Panics, World};

/// What a behaviour saw.
type Log = Vec<String>;

/// A result as a transcript has it: the kind and the number of an error, not its words.
fn said<T: Debug>(result: io::Result<T>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(e) => format!("{:?} {:?}", e.kind(), e.raw_os_error()),
    }
}

/// As [`said`], without the number, which errors of simulated files do not have.
fn kind<T: Debug>(result: io::Result<T>) -> String {
    result.map_or_else(|e| format!("{:?}", e.kind()), |value| format!("{value:?}"))
}

/// Long enough for anything that is going to happen, short enough to wait for what is not.
const SOON: Duration = Duration::from_millis(300);

/// The sockets of the simulation.
#[path = "."]
mod simulated {
    use squall_rt::{disk, net, task, time};

    pub mod datagrams;
    pub mod families;
    pub mod files;
    pub mod groups;
    pub mod listening;
    pub mod states;
    pub mod streams;
    pub mod tasks;
    pub mod timing;
}

/// The files of the machine, in a directory of their own, as `squall_rt::disk` has them in production.
mod directory;

/// The sockets of the machine.
#[path = "."]
#[allow(clippy::duplicate_mod, reason = "the same text against other sockets is the point")]
mod real {
    use real_tokio::{net, time};

    use super::directory as disk;

    pub mod task {
        pub use real_tokio::{task::*, task_local};
    }

    pub mod datagrams;
    pub mod families;
    pub mod files;
    pub mod groups;
    pub mod listening;
    pub mod states;
    pub mod streams;
    pub mod tasks;
    pub mod timing;
}

/// Runs a behaviour on a node of its own, which talks to itself.
fn simulate<F: Future<Output = Log> + 'static>(behaviour: fn() -> F) -> Log {
    let run = std::thread::spawn(move || {
        world::run(1, async |world: Arc<World>| {
            world.set_panics(Panics::Continue);
            // The loopback interface does not mislead anybody.
            world.net().set_spurious_readiness(0.0);
            let node = world.add_node("node");
            let (log, written) = tokio::sync::oneshot::channel();
            world.start(node, |_| async move { log.send(behaviour().await).expect("the test waits") });
            written.await.expect("the behaviour runs to its end")
        })
    });
    run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).expect("nothing is spawned outside")
}

/// Runs a behaviour on the loopback interface.
fn perform<F: Future<Output = Log>>(behaviour: fn() -> F) -> Log {
    /// One at a time: a port that one has let go of must not be another's at once.
    static LOOPBACK: Mutex<()> = Mutex::new(());
    let _turn = LOOPBACK.lock().unwrap_or_else(PoisonError::into_inner);
    let _files = directory::enter();
    let runtime = real_tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(behaviour())
}

macro_rules! agree {
    ($($file:ident { $($behaviour:ident)* })*) => {$(
        mod $file {
            $(#[test]
            fn $behaviour() {
                let real = super::perform(super::real::$file::$behaviour);
                assert!(!real.is_empty(), "a behaviour that says nothing");
                assert_eq!(super::simulate(super::simulated::$file::$behaviour), real, "simulated, real");
            })*
        }
    )*};
}

agree! {
    streams {
        addresses_are_each_others
        nobody_listens
        port_zero_refuses
        zero_address_is_this_machine
        addresses_that_make_no_sense
        the_end_comes_after_the_data_and_stays
        the_end_stops_read_exact
        the_client_may_end_first_and_still_read
        the_server_may_end_first_and_still_read
        writing_after_the_end_of_ones_own
        ending_twice
        closing_with_unread_data_resets
        data_before_a_reset_can_be_read
        a_reset_is_told_to_the_writer_first
        writing_to_one_who_has_closed
        peeking_leaves_it_there
        empty_buffers
        slices_are_written_together
        halves_that_borrow
        halves_are_put_together_again
        halves_of_others_are_not
        dropping_the_write_half_ends_the_stream
        dropping_the_read_half_does_nothing
        a_read_that_is_dropped_takes_nothing
        a_write_waits_for_the_reader
        megabytes_both_ways_at_once
        no_delay_as_set
        no_delay_by_default_and_as_unset
        both_ends_close
        errors_have_their_numbers
        ending_a_stream_that_was_reset
        an_empty_read_of_nothing
        the_peer_has_an_address_until_the_end
        an_error_is_taken_once
        an_error_of_an_open_stream_is_none
        trying_does_not_wait
        trying_fills_the_window
        what_is_written_after_the_window_opened_arrives
        one_may_wait_until_there_is_something_to_read
        the_end_and_a_reset_can_be_read
        several_may_wait_for_the_same
        what_is_accepted_seems_to_be_readable
        one_who_has_read_all_is_told_that_there_is_more
        halves_are_ready_and_tried
        trying_fills_several_buffers
        no_lingering_resets
        no_lingering_loses_nothing_that_was_ended
        lingering_is_off_by_default
        time_to_live
        small_writes_arrive_whole
    }
    listening {
        a_port_is_taken_once
        a_port_is_free_again
        the_whole_machine_includes_loopback
        any_port_is_another
        addresses_of_others
        the_listener_knows_its_address
        connections_wait_in_order
        data_waits_for_accept
        one_who_left_is_accepted
        an_accept_that_is_dropped_takes_nothing
        two_may_accept
        without_listener_new_ones_are_refused_and_old_ones_live
        those_who_wait_go_with_the_listener
        a_port_of_a_connection_can_be_listened_on_again
        tcp_and_udp_ports_are_apart
        a_socket_has_no_address_before_it_is_bound
        a_socket_is_bound_once
        a_socket_that_is_dropped_frees_its_port
        a_socket_listens
        a_socket_listens_without_a_port
        a_backlog_holds_one_more
        a_socket_connects_from_its_port
        a_loopback_socket_connects_to_its_machine
        a_port_of_a_connection_is_taken_without_reuse
        options_of_a_listener_go_to_what_it_accepts
        options_of_a_socket_go_to_its_connection
        a_socket_for_version_four_takes_no_other
    }
    datagrams {
        they_come_and_say_from_where
        ports_are_taken_once
        the_whole_machine_includes_loopback
        any_port_is_another
        what_does_not_fit_is_lost
        empty_ones_arrive
        the_longest_arrives
        nobody_there_is_no_error_without_a_peer
        only_the_peer_is_heard
        what_came_before_the_peer_was_chosen_stays
        another_may_still_be_sent_to
        the_peer_can_be_changed
        no_peer_no_address
        peeking_leaves_it_there
        trying_does_not_wait
        a_receive_that_is_dropped_takes_nothing
        two_may_receive
        they_come_in_order_on_loopback
        what_the_buffer_cannot_hold_is_lost
        one_may_talk_to_oneself
        the_whole_machine_sends_from_loopback
        what_waits_is_gone_with_the_socket
        longer_ones_are_refused
        nobody_there_is_told_to_the_one_who_chose_the_peer
        nobody_there_is_told_on_the_next_send
        nobody_there_is_taken_once
        nobody_there_is_not_told_of_another
        one_who_has_chosen_another_is_nobody
        a_peer_that_has_gone_and_one_that_comes
        sending_without_a_peer
        sending_to_port_zero
        choosing_a_peer_chooses_the_address
        choosing_another_keeps_the_address
        one_may_wait_until_there_is_something_to_receive
        one_who_has_received_is_told_that_there_is_more
        looking_at_what_is_there_takes_nothing
        what_is_received_goes_behind_what_there_is
        version_six_is_another_family
    }
    families {
        a_connection_over_version_six
        all_addresses_are_those_of_both_families
        an_address_of_one_family_is_not_reached_by_the_other
        mapped_addresses_are_those_of_version_four
        a_port_is_taken_once_at_each_address
        a_port_of_datagrams_is_taken_once_at_each_address
        both_families_have_a_listener_at_one_port
        a_socket_for_version_six
        a_socket_of_the_other_family
        datagrams_over_version_six
        a_socket_of_both_families_takes_datagrams_of_either
        datagrams_to_the_other_family
        several_addresses_are_tried_in_turn
        addresses_are_looked_up
        options_of_a_socket
        options_of_datagrams
    }
    groups {
        who_may_not_broadcast_does_not
        groups_that_are_none
        a_group_is_joined_once
        a_group_of_version_six_is_joined_once
        a_member_hears_what_is_sent_to_its_group
        who_sends_to_a_group_may_not_want_to_hear_it
    }
    timing {
        past_deadlines_do_not_hold_up
        as_long_as_can_be_is_no_error
        sleeps_end_in_order
        a_sleep_has_not_ended_before_it_is_polled
        a_sleep_that_has_ended_stays_so_until_it_is_reset
        a_sleep_that_is_put_off_does_not_end_before
        a_sleep_that_is_brought_forward_wakes_whoever_waits
        what_is_ready_is_in_time
        what_is_not_ready_is_too_late
        the_inner_deadline_comes_first
        what_was_too_late_is_dropped_with_its_deadline
        a_future_survives_its_deadline
        ticks_are_at_equal_distances_from_the_start
        the_first_tick_is_at_once_or_when_it_is_said
        missed_ticks_come_all_at_once
        missed_ticks_put_off_the_next
        missed_ticks_are_skipped
        ticks_that_are_missed_burst_by_default
        a_tick_that_is_dropped_is_not_lost
        an_interval_is_put_off_and_brought_forward
        instants_before_others_are_no_time_apart
    }
    tasks {
        a_panic_is_an_error_of_the_one_who_awaits
        what_it_panicked_with_can_be_had
        a_panic_does_not_touch_the_others
        an_aborted_task_ends_where_it_waits
        a_task_that_is_aborted_at_once_never_runs
        to_abort_what_has_ended_does_nothing
        a_task_that_aborts_itself_goes_on_until_it_waits
        a_destructor_that_panics_is_an_error
        a_task_without_a_handle_runs_on
        a_task_knows_its_id
        a_loop_over_what_is_ready_gives_way
        a_loop_over_sleeps_of_nothing_gives_way
        a_loop_that_sends_gives_way
        a_loop_that_reads_gives_way
        a_loop_over_what_is_ready_sees_its_deadline
        a_task_has_a_budget
        a_task_may_do_without_a_budget
        tasks_that_yield_take_turns
        a_value_of_a_task_is_its_own
        a_set_gives_its_tasks_as_they_end
        a_set_is_asked_without_waiting
        a_set_aborts_its_tasks_when_it_is_dropped
        a_set_is_awaited_as_a_whole
        local_tasks_need_not_be_sent
        a_local_set_ends_with_its_last_task
        a_local_set_drops_its_tasks
        a_local_task_panics_and_is_aborted_as_any
        a_local_task_has_a_budget_of_its_own
        local_tasks_are_spawned_within_a_set_only
        a_set_joins_local_tasks
        a_handle_is_polled_before_its_task_ends
    }
    files {
        what_is_written_is_read
        reading_stops_at_the_end
        a_gap_reads_as_zeros
        a_gap_of_many_pages
        writing_nothing_beyond_the_end_leaves_the_length
        appending
        two_handles_are_one_file
        cutting_off_and_growing_again_leaves_zeros
        cutting_off_within_pages
        setting_the_length_without_the_right
        creating_empties
        opening_what_is_not_there
        creating_what_must_not_be_there
        options_that_make_no_sense
        opening_with_truncate_and_without_create
        a_file_is_no_directory
        a_directory_is_no_file
        names_are_listed_in_order
        directories_are_created_above_too
        renaming_moves
        renaming_replaces_a_file
        renaming_keeps_what_is_open
        renaming_to_itself
        renaming_what_is_not_there
        renaming_a_directory
        renaming_a_directory_over_others
        renaming_across_kinds
        renaming_into_itself
        removing
        a_removed_file_is_there_for_those_who_have_it_open
        syncing
        reading_and_writing_without_the_right
        paths_with_dots
        paths_through_what_is_not_there
        a_file_with_a_slash_at_its_end
        the_empty_path
    }
}

macro_rules! agree_in_states {
    ($($state:ident)*) => {
        mod states {$(
            mod $state {
                agree_in_states!(@ $state: read peek write write_then_read end error error_then_read addresses readiness ready trying close cancelled_read);
            }
        )*}
    };
    (@ $state:ident: $($call:ident)*) => {
        $(#[test]
        fn $call() {
            let real = crate::perform(crate::real::states::$state::$call);
            assert_eq!(crate::simulate(crate::simulated::states::$state::$call), real, "simulated, real");
        })*
    };
}

agree_in_states!(open with_data ended left left_with_data over closed_by_the_peer closed_and_written_to ended_and_closed_by_the_peer reset
    reset_after_the_end reset_after_the_peers_end);
