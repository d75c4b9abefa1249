//! Probes of connections on which nothing happens, as Linux sends them for SO_KEEPALIVE (tcp(7), RFC 9293 section
//! 3.8.4): they tell an idle end that its peer is gone. Off unless a process asks for them.

use std::{io, time::Duration};

use super::{
    super::{Errno, fabric::Fabric, link::nanos, queue::What, table::Key},
    NEVER, Owner, Phase,
};

/// Linux's tcp_keepalive_time, tcp_keepalive_intvl and tcp_keepalive_probes.
const TIME: u64 = nanos(Duration::from_secs(7_200));
const INTERVAL: u64 = nanos(Duration::from_secs(75));
const PROBES: u32 = 9;

/// What a process has asked for, and how far it is.
#[derive(Debug)]
pub(super) struct Keepalive {
    /// How long nothing may be heard before the first probe.
    time: u64,
    /// From one probe to the next.
    interval: u64,
    /// How many probes may go unanswered.
    retries: u32,
    /// How many have.
    unanswered: u32,
    /// When the event for it comes; others are out of date.
    event: u64,
}

impl Fabric {
    /// Switches probes on, or changes them. The first is due when nothing was heard for `time`; the connection is given
    /// up when `retries` probes, an `interval` apart, went unanswered. Times are in nanoseconds.
    pub(in super::super) fn tcp_set_keepalive(
        &mut self,
        key: Key,
        time: u64,
        interval: u64,
        retries: u32,
    ) -> io::Result<()> {
        let now = self.tick();
        let connection = self.held(key)?;
        connection.options.keepalive = true;
        connection.keepalive =
            Some(Box::new(Keepalive { time, interval, retries, unanswered: 0, event: NEVER }));
        let at = connection.last_heard.saturating_add(time).max(now + 1);
        self.arm_keepalive(at, key);
        Ok(())
    }

    /// Starts probes, at Linux's times, on a connection whose socket has asked for them before there was a connection.
    pub(super) fn keep_alive_as_set(&mut self, key: Key) {
        if self.connections.get(key).is_some_and(|c| c.options.keepalive && c.keepalive.is_none()) {
            // It is held: whoever opened or accepted it is about to be given it.
            let _ = self.tcp_set_keepalive(key, TIME, INTERVAL, PROBES);
        }
    }

    fn arm_keepalive(&mut self, at: u64, key: Key) {
        if let Some(keepalive) = self.connections.get_mut(key).and_then(|c| c.keepalive.as_mut()) {
            keepalive.event = at;
            self.queue.push(at, What::Keepalive(key));
        }
    }

    /// The timer of probes has run out.
    pub(in super::super) fn keepalive_timer(&mut self, now: u64, at: u64, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let idle = now.saturating_sub(connection.last_heard);
        let waits_for_answer = connection.una < connection.next;
        let is_held = connection.phase == Phase::Open && connection.owner == Owner::Process;
        let serves = is_held && !connection.is_over();
        let Some(keepalive) = connection.keepalive.as_mut().filter(|k| k.event == at) else { return };
        keepalive.event = NEVER;
        if !serves {
            return;
        }
        if waits_for_answer || idle < keepalive.time {
            // Retransmissions find out by themselves, or the peer was heard of.
            keepalive.unanswered = 0;
            let rest = if waits_for_answer { keepalive.time } else { keepalive.time - idle };
            return self.arm_keepalive(now.saturating_add(rest), key);
        }
        if keepalive.unanswered >= keepalive.retries {
            self.send_reset(now, key);
            return self.fail(key, Errno::TimedOut);
        }
        keepalive.unanswered += 1;
        let next = now.saturating_add(keepalive.interval);
        self.send_probe(now, key);
        self.arm_keepalive(next, key);
    }
}
