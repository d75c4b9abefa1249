//! Watching a world: numbers, fates, and acting before something takes effect.
#![cfg(madsim)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use squall_rt::{
    net::{TcpListener, TcpStream, UdpSocket},
    world::{
        self, Death, DiskFate, NodeId, World,
        net::{Latency, LinkEffect, LinkPolicy, LossModel, MessageOutcome, PacketKind},
        watch::{CallStage, Message, PacketFate, Ticket, Watcher, WorldEvent},
    },
};
use squall_rt_tests::in_a_world;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

mod calls;
mod disks;
mod packets;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What a watcher has seen, as text, and when.
type Seen = Vec<(Duration, String)>;

/// Writes everything down, and acts when it sees a certain line.
struct Script {
    seen: Mutex<Seen>,
    cue: &'static str,
    act: Box<dyn Fn(&World) + Send + Sync>,
    acted: Mutex<u64>,
}

impl Watcher for Script {
    fn see(&self, at: Duration, event: WorldEvent<'_>) -> Option<Ticket> {
        let line = line(event);
        let is_cue = !self.cue.is_empty() && line.starts_with(self.cue);
        self.seen.lock().unwrap().push((at, line));
        is_cue.then_some(7)
    }

    fn act(&self, ticket: Ticket) {
        assert_eq!(ticket, 7, "the ticket it gave");
        *self.acted.lock().unwrap() += 1;
        (self.act)(&World::current());
    }
}

impl Script {
    /// Has a world watched; whenever a line begins with `cue`, `act` is called before it comes to pass.
    fn on(world: &World, cue: &'static str, act: impl Fn(&World) + Send + Sync + 'static) -> Arc<Script> {
        let script =
            Arc::new(Script { seen: Mutex::default(), cue, act: Box::new(act), acted: Mutex::new(0) });
        world.watch(script.clone());
        script
    }

    /// Has a world watched by one who never acts.
    fn idle(world: &World) -> Arc<Script> {
        Script::on(world, "", |_| unreachable!("it never asked to act"))
    }

    fn acted(&self) -> u64 {
        *self.acted.lock().unwrap()
    }

    /// The lines that begin so.
    fn lines(&self, start: &str) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(_, line)| line.starts_with(start)).map(|(_, line)| line.clone()).collect()
    }

    /// When the one line came that begins so.
    fn at(&self, start: &str) -> Duration {
        let seen = self.seen.lock().unwrap();
        let found: Vec<_> = seen.iter().filter(|(_, line)| line.starts_with(start)).collect();
        assert_eq!(found.len(), 1, "{start}: {found:?}");
        found[0].0
    }
}

fn line(event: WorldEvent<'_>) -> String {
    let packet = |Message { from, to, kind, number }: Message| {
        format!("{}->{} {} {number}", from.0, to.0, kind.name())
    };
    match event {
        WorldEvent::Sent { message, bytes } => format!("{}, {bytes} bytes", packet(message)),
        WorldEvent::Ended { message, fate } => format!("fate of {}: {}", packet(message), fate_name(fate)),
        WorldEvent::Call { stage, from, to, method, number } => {
            let stage = match stage {
                CallStage::Called => "called",
                CallStage::Arrived => "arrived",
                CallStage::Replied => "replied",
            };
            format!("{stage} {}->{} {method} {number}", from.0, to.0)
        }
        WorldEvent::Sync { node, number } => format!("sync {} {number}", node.0),
        WorldEvent::Synced { node, number } => format!("synced {} {number}", node.0),
    }
}

fn fate_name(fate: PacketFate) -> String {
    match fate {
        PacketFate::Delivered(after) => format!("delivered after {after:?}"),
        other => format!("{other:?}"),
    }
}

/// Nodes `a` and `b`, 5 ms apart.
fn two_nodes(world: &World) -> (NodeId, NodeId) {
    let latency = Latency::Constant(ms(5));
    world.net().set_default(LinkPolicy { latency, ..LinkPolicy::default() });
    (world.add_node("a"), world.add_node("b"))
}

fn impose(world: &World, from: NodeId, to: NodeId, effect: LinkEffect) -> world::net::EffectId {
    world.net().impose(from, to, effect, world.stream("test", &format!("{effect:?}")))
}
