//! Every way in which a connection ends: closed by its process, with its process, reset, forgotten, timed out.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use super::{
    super::{Errno, fabric::Fabric, link::nanos, table::Key},
    Owner, Phase,
    nagle::Small,
};

/// How long the one who closed first remembers a connection (Linux's TCP_TIMEWAIT_LEN).
const TIME_WAIT: u64 = nanos(Duration::from_secs(60));

impl Fabric {
    /// The process lets go of a connection.
    pub(in super::super) fn tcp_close(&mut self, key: Key) {
        let now = self.tick();
        let Ok(connection) = self.held(key) else { return };
        let wakers = [connection.reader.take(), connection.writer.take()];
        let watchers = connection.watchers.take();
        self.woken.silent.extend(wakers.into_iter().flatten());
        if let Some(watchers) = watchers {
            watchers.silence(&mut self.woken);
        }
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.phase != Phase::Open {
            self.forget(key);
        } else if connection.inbox.waiting() > 0
            || (connection.options.linger == Some(0) && !connection.is_over())
        {
            self.send_reset(now, key);
            self.forget(key);
        } else {
            connection.owner = Owner::Kernel;
            if !connection.fin_sent {
                self.send_fin(now, key);
            }
            self.finish_if_done(now, key);
        }
    }

    /// A process has ended: closes all it had.
    pub(in super::super) fn tcp_close_all(&mut self, node: u32) {
        self.unlisten_all(node);
        self.unbind_all(node);
        for key in self.held_on(node) {
            self.tcp_close(key);
        }
    }

    /// A process has died: resets all it had. What it had closed before, the kernel goes on closing.
    pub(in super::super) fn tcp_reset_all(&mut self, node: u32) {
        let now = self.tick();
        self.unlisten_all(node);
        self.unbind_all(node);
        for key in self.held_on(node) {
            self.send_reset(now, key);
            self.forget(key);
        }
    }

    /// A machine has lost its power: nothing is left, and nobody hears of it.
    pub(in super::super) fn tcp_lose_all(&mut self, node: u32) {
        self.unbind_all(node);
        self.host(node).lose_tcp();
        for key in self.listeners.keys_where(|l| l.binding.at.node == node) {
            if let Some(listener) = self.listeners.remove(key) {
                listener.silence(&mut self.woken);
            }
        }
        for key in self.connections.keys_where(|c| c.local.node == node) {
            if let Some(connection) = self.connections.remove(key) {
                connection.silence(&mut self.woken);
            }
        }
    }

    fn unlisten_all(&mut self, node: u32) {
        for key in self.listeners.keys_where(|l| l.binding.at.node == node) {
            self.tcp_unlisten(key);
        }
    }

    fn held_on(&self, node: u32) -> Vec<Key> {
        self.connections.keys_where(|c| c.local.node == node && c.owner == Owner::Process)
    }

    /// Resets both ends of all connections between two nodes, and says how many connections that were.
    pub(in super::super) fn reset_between(&mut self, a: u32, b: u32) -> u64 {
        self.tick();
        let mut connections = BTreeSet::new();
        for key in self.live_ends(|local, peer| (local, peer) == (a, b) || (local, peer) == (b, a)) {
            if let Some(connection) = self.connections.get(key) {
                let (local, peer) = (connection.local, connection.peer);
                connections.insert((local.min(peer), local.max(peer)));
            }
            self.reset_arrives(key);
        }
        connections.len() as u64
    }

    /// Breaks one node's ends of all connections with a peer, which hears nothing, and says how many ends that were.
    pub(in super::super) fn forget_between(&mut self, forgetful: u32, peer: u32) -> u64 {
        self.tick();
        let ends = self.live_ends(|local, other| (local, other) == (forgetful, peer));
        for &key in &ends {
            self.fail(key, Errno::ConnectionAborted);
        }
        ends.len() as u64
    }

    /// The ends, between nodes that `which` picks, of connections that are opening or open.
    fn live_ends(&self, which: impl Fn(u32, u32) -> bool) -> Vec<Key> {
        self.connections.keys_where(|c| {
            let live = matches!(c.phase, Phase::Opening | Phase::Granting(_) | Phase::Open);
            which(c.local.node, c.peer.node) && live && !c.is_over()
        })
    }

    /// Removes a connection and frees its port.
    pub(super) fn forget(&mut self, key: Key) {
        if let Some(connection) = self.connections.remove(key) {
            if connection.is_outgoing {
                let way = (connection.peer, connection.address, connection.local.port);
                self.host(connection.local.node).leave_way(way);
            }
            connection.silence(&mut self.woken);
        }
    }

    /// Lets go of a connection that the process has closed, as far as the peer allows.
    pub(super) fn finish_if_done(&mut self, now: u64, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.owner != Owner::Kernel || !connection.is_done_sending() {
            return;
        }
        if !connection.inbox.is_complete() {
            // FIN_WAIT_2 without a process: the peer has as long as Linux's tcp_fin_timeout.
            self.arm_retransmission_at(now + TIME_WAIT, key);
        } else if connection.closed_first {
            connection.phase = Phase::TimeWait;
            connection.retransmit_at = None;
            self.lingering.push_back((now + TIME_WAIT, key));
            self.end_time_waits(now);
        } else {
            self.forget(key);
        }
    }

    /// Forgets the connections whose TIME_WAIT is over. Called now and then: their answers matter, not their end.
    pub(super) fn end_time_waits(&mut self, now: u64) {
        while let Some(&(end, key)) = self.lingering.front()
            && end <= now
        {
            self.lingering.pop_front();
            self.forget(key);
        }
    }

    /// Marks a connection as broken and tells whoever waits for it.
    pub(super) fn fail(&mut self, key: Key, error: Errno) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if let (Phase::Granting(listener), Some(peer)) = (connection.phase, connection.peer_key) {
            if let Some(listener) = self.listeners.get_mut(listener) {
                listener.granting.remove(&peer);
            }
            return self.forget(key);
        }
        if connection.owner == Owner::Kernel {
            return self.forget(key);
        }
        connection.phase = Phase::Failed;
        connection.error = Some(error);
        connection.unacknowledged = VecDeque::new();
        connection.small = Small::default();
        connection.retransmit_at = None;
        connection.acknowledge_at = None;
        connection.wake_both(&mut self.woken);
    }
}
