//! What sockets do, asked of real ones on the loopback interface and of the simulated ones: the answers must be the same.
//!
//! A behaviour is a function that does something with sockets and writes down what it saw. Its text stands once and is
//! compiled twice, against `squall_rt::net` of the simulation and against `tokio::net`. A transcript has no times and no
//! port numbers in it, and a behaviour is written so that Linux has but one answer: what takes effect later is
//! waited for by its effect.
//!
//! Not asked, because `squall_rt::net` has no such thing: sizes of buffers, `SO_LINGER` that waits, `SO_REUSEPORT`,
//! broadcast and multicast. Nor what shows in times alone, as Nagle's algorithm: tests/net has that.
#![cfg(madsim)]

use std::{
    fmt::Debug,
    future::Future,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use squall_rt::world::{self, World};

/// What a behaviour saw.
type Log = Vec<String>;

/// A result as a transcript has it: the kind and the number of an error, not its words.
fn said<T: Debug>(result: io::Result<T>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(e) => format!("{:?} {:?}", e.kind(), e.raw_os_error()),
    }
}

/// Long enough for anything that is going to happen, short enough to wait for what is not.
const SOON: Duration = Duration::from_millis(300);

/// The sockets of the simulation.
#[path = "."]
mod simulated {
    use squall_rt::{net, time};

    pub mod datagrams;
    pub mod listening;
    pub mod streams;
}

/// The sockets of the machine.
#[path = "."]
#[allow(clippy::duplicate_mod, reason = "the same text against other sockets is the point")]
mod real {
    use real_tokio::{net, time};

    pub mod datagrams;
    pub mod listening;
    pub mod streams;
}

/// Runs a behaviour on a node of its own, which talks to itself.
fn simulate<F: Future<Output = Log> + Send + 'static>(behaviour: fn() -> F) -> Log {
    let run = std::thread::spawn(move || {
        world::run(1, async |world: Arc<World>| {
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
        version_six_is_another_family
    }
}
