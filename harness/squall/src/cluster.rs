//! What a run holds in its hands: the nodes and their processes, who is in which group and zone, who is up, who is held down or still by
//! which fault. Its clients, its network before any fault, and [whom](target) a target means.

// Uses: history, language, record, system.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::Location,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, Weak},
    time::Duration,
};

use squall_rt::world::{Death, DiskFate, Life, NodeId, World};
use tokio::sync::mpsc;

mod clients;
mod network;
pub(crate) mod target;
mod throttle;

pub(crate) use self::{clients::Clients, network::loss_model};
use self::{target::Among, throttle::Throttle};
use crate::{
    history::Lifecycle,
    language::model::{Limits, MaxDown, Network},
    record::Recorder,
    system::{AnySystem, BoxError, CLIENTS, Membership, Node, Transport, host_name, node_name},
};

/// A process whose `run_node` returned is started again after this time, as a supervisor in production would.
const RESTART_AFTER_EXIT: Duration = Duration::from_secs(1);

struct Member {
    group: Arc<str>,
    index: u32,
    name: Arc<str>,
}

/// What holds a node back. Faults stack, so these are counts.
#[derive(Default)]
struct Holds {
    /// Crashes, restarts, and having left.
    downs: u32,
    pauses: u32,
}

/// What the supervisor is asked to do, and when.
enum Request {
    Start(NodeId),
    /// The grace period of a process that was asked to end is over.
    Kill(Life),
    /// A process is to stand still and run in turns, for so long each.
    Throttle(Throttle, Duration, Duration),
}

/// The nodes of a run.
pub(crate) struct Cluster {
    world: Arc<World>,
    recorder: Arc<Recorder>,
    system: Arc<dyn AnySystem>,
    params: serde_json::Value,
    members: RwLock<Vec<Member>>,
    membership: Membership,
    clients: Arc<Clients>,
    network: Network,
    limits: Limits,
    /// How many nodes there are at the start of the run.
    first: usize,
    holds: Mutex<Vec<Holds>>,
    requests: mpsc::UnboundedSender<(Duration, Request)>,
    this: Weak<Cluster>,
}

/// What a cluster is built from.
pub(crate) struct Setting<'a> {
    pub world: Arc<World>,
    pub recorder: Arc<Recorder>,
    pub system: Arc<dyn AnySystem>,
    pub params: serde_json::Value,
    /// Groups and their sizes, in order, without the clients.
    pub groups: &'a [(Arc<str>, u32)],
    pub clients: Arc<Clients>,
    pub network: &'a Network,
    pub limits: &'a Limits,
}

impl Cluster {
    /// Creates the nodes of all groups and of the clients. Nothing runs on them yet.
    ///
    /// The second value must be polled by the supervisor: it starts and ends processes when their time has come.
    pub fn build(setting: Setting<'_>) -> (Arc<Cluster>, impl Future<Output = ()> + use<>) {
        let mut shape = setting.groups.to_vec();
        shape.push((CLIENTS.into(), setting.clients.count()));
        let (requests, mut asked) = mpsc::unbounded_channel::<(Duration, Request)>();
        let cluster = Arc::new_cyclic(|this: &Weak<Cluster>| Cluster {
            world: setting.world,
            recorder: setting.recorder,
            system: setting.system,
            params: setting.params,
            members: RwLock::default(),
            membership: Membership::new(&shape),
            clients: setting.clients,
            network: setting.network.clone(),
            limits: setting.limits.clone(),
            first: shape.iter().map(|(_, size)| *size as usize).sum(),
            holds: Mutex::default(),
            requests,
            this: this.clone(),
        });
        for (group, size) in &shape {
            for index in 0..*size {
                cluster.add(group, index);
            }
        }
        network::links(&cluster.network, &cluster);
        let server = cluster.this.clone();
        let serve = async move {
            while let Some((at, request)) = asked.recv().await {
                let Some(cluster) = server.upgrade() else { return };
                squall_rt::task::spawn(async move {
                    cluster.world.sleep_until(at).await;
                    match request {
                        Request::Start(node) => cluster.start_unless_held(node),
                        Request::Kill(life) => cluster.kill(life),
                        Request::Throttle(throttle, still, runs) => throttle.drive(still, runs).await,
                    }
                });
            }
        };
        (cluster, serve)
    }

    fn add(&self, group: &Arc<str>, index: u32) -> NodeId {
        let node = self.world.add_node(&host_name(group, index));
        let name: Arc<str> = node_name(group, index).into();
        let mut members = self.members.write().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(node.index(), members.len(), "nodes are numbered in order of creation");
        members.push(Member { group: group.clone(), index, name: name.clone() });
        self.holds().push(Holds::default());
        self.recorder.add_node(name);
        node
    }

    fn holds(&self) -> MutexGuard<'_, Vec<Holds>> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn members(&self) -> RwLockReadGuard<'_, Vec<Member>> {
        self.members.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// The network that the system runs over.
    pub fn transport(&self) -> Transport {
        self.system.transport(&self.params)
    }

    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// All nodes, in order of creation.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.members().len()).map(|i| NodeId(i as u32))
    }

    /// The names of the groups, in order.
    pub fn groups(&self) -> Vec<Arc<str>> {
        let mut groups: Vec<Arc<str>> = Vec::new();
        for member in &*self.members() {
            if !groups.contains(&member.group) {
                groups.push(member.group.clone());
            }
        }
        groups
    }

    /// The nodes of a group, those included that have left; none if there is no such group.
    pub fn group(&self, group: &str) -> BTreeSet<NodeId> {
        let members = self.members();
        self.nodes().filter(|node| *members[node.index()].group == *group).collect()
    }

    /// One node of a group.
    pub fn member(&self, group: &str, index: u32) -> Option<NodeId> {
        let members = self.members();
        self.nodes()
            .find(|node| *members[node.index()].group == *group && members[node.index()].index == index)
    }

    /// The nodes of a zone; none if there is no such zone.
    pub fn zone(&self, name: &str) -> BTreeSet<NodeId> {
        let none = BTreeSet::new();
        // Zones are made of groups and members, of which nothing is drawn.
        let mut draws = self.world.stream("zone", name);
        let zone = self.network.zones.iter().find(|(zone, _)| zone.value == name);
        let of = zone.map_or(&[][..], |(_, zone)| zone.nodes.as_slice());
        of.iter().flat_map(|of| target::nodes(of, self, Among::Ever, &none, &mut draws)).collect()
    }

    /// Which client runs on a node, if it is one's.
    pub fn client_of(&self, node: NodeId) -> Option<u32> {
        let member = &self.members()[node.index()];
        (*member.group == *CLIENTS).then_some(member.index)
    }

    /// Who holds a role now.
    pub fn role(&self, role: &str) -> BTreeSet<NodeId> {
        self.recorder.role(role)
    }

    /// The node's name in histories.
    pub fn name(&self, node: NodeId) -> Arc<str> {
        self.members()[node.index()].name.clone()
    }

    /// The names of nodes, for a person.
    pub fn names(&self, nodes: &BTreeSet<NodeId>) -> String {
        let members = self.members();
        let names: Vec<&str> = nodes.iter().map(|node| &*members[node.index()].name).collect();
        if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
    }

    /// Starts every process.
    pub fn start_all(&self) {
        for node in self.nodes() {
            self.start(node);
        }
    }

    /// Whether the task that was spawned there is the first of a process: it is started here.
    pub fn is_first_task(spawned_at: &Location<'_>) -> bool {
        spawned_at.file() == file!()
    }

    fn start(&self, node: NodeId) {
        let cluster = self.this.upgrade().expect("the cluster is alive while it is called");
        let (group, index) = self.place(node);
        let life = self.world.start(node, |life| {
            let place =
                Node { group, index, incarnation: life.incarnation, cluster: self.membership.clone() };
            async move {
                if *place.group == *CLIENTS {
                    let driver = cluster.clients.driver(index, cluster.world.clone());
                    cluster.system.run_client(place, &cluster.params, driver).await;
                } else {
                    let result = cluster.system.run_node(place, &cluster.params).await;
                    cluster.exited(node, result);
                }
            }
        });
        self.recorder.lifecycle(node, life.incarnation, Lifecycle::Started);
    }

    fn start_unless_held(&self, node: NodeId) {
        let held = self.holds()[node.index()].downs > 0;
        if !held && !self.world.is_up(node) {
            self.start(node);
        }
    }

    fn request(&self, at: Duration, request: Request) {
        // The receiver is gone only when the run is over, and then nothing is to be done.
        let _ = self.requests.send((at, request));
    }

    /// A process's `run_node` returned.
    fn exited(&self, node: NodeId, result: Result<(), BoxError>) {
        let Some(life) = self.world.here() else { return };
        let reason = result.map_or_else(|error| error.to_string(), |()| "done".to_owned());
        self.recorder.lifecycle(node, life.incarnation, Lifecycle::Exited(reason));
        self.world.exit(node);
        self.request(self.world.now() + RESTART_AFTER_EXIT, Request::Start(node));
    }

    /// Whether so many more nodes may be brought down under the limits of the spec, or the limit that forbids it.
    pub fn may_go_down(&self, nodes: &BTreeSet<NodeId>) -> Result<(), String> {
        let Some(limit) = &self.limits.max_down else { return Ok(()) };
        let holds = self.holds();
        let members = self.members();
        let mut down: BTreeMap<&str, u32> = BTreeMap::new();
        for (node, (member, holds)) in members.iter().zip(&*holds).enumerate() {
            let struck = nodes.contains(&NodeId(node as u32));
            if struck || holds.downs > 0 || holds.pauses > 0 {
                *down.entry(&member.group).or_default() += 1;
            }
        }
        for node in nodes {
            let group = &*members[node.index()].group;
            let most = match limit {
                MaxDown::Each(most) if group != CLIENTS => Some(*most),
                MaxDown::Each(_) => None,
                MaxDown::Groups(groups) => groups.get(group).copied(),
            };
            if let Some(most) = most.filter(|most| down[group] > *most) {
                return Err(format!(
                    "{} of {group} would be down at once (limits.max_down is {most})",
                    down[group]
                ));
            }
        }
        Ok(())
    }

    /// Brings a node down and holds it there. Returns whether a process died of it.
    pub fn hold_crash(&self, node: NodeId, death: Death, fate: DiskFate) -> bool {
        self.holds()[node.index()].downs += 1;
        self.end(node, death, fate)
    }

    fn end(&self, node: NodeId, death: Death, fate: DiskFate) -> bool {
        let lost_before = self.world.disks().lost(node);
        // First of all, so that nothing the process still does is seen.
        let died = self.world.cut_off(node, death, fate);
        if died {
            self.recorder.lifecycle_of_last(node, Lifecycle::Crashed);
            let lost = self.world.disks().lost(node);
            if lost != lost_before {
                let (bytes, names) = (lost.bytes - lost_before.bytes, lost.names - lost_before.names);
                self.recorder.lifecycle_of_last(node, Lifecycle::DiskLied { bytes, names });
            }
            if let Some(client) = self.client_of(node) {
                self.clients.crashed(client);
            }
            self.world.reap(node);
        }
        died
    }

    fn kill(&self, life: Life) {
        if self.world.is_alive(life) {
            self.end(life.node, Death::Process, DiskFate::Keep);
        }
    }

    /// Asks the process on a node to end, kills it if it has not within `grace`, and holds the node down. Returns whether one ran
    /// there.
    pub fn hold_stop(&self, node: NodeId, grace: Duration) -> bool {
        self.holds()[node.index()].downs += 1;
        if !self.world.is_up(node) {
            return false;
        }
        let life = self.recorder.last_life(node);
        self.recorder.lifecycle_of_last(node, Lifecycle::Stopping);
        if self.world.terminate(node) {
            self.request(self.world.now() + grace, Request::Kill(life));
        } else {
            // It does not listen, so the signal kills it.
            self.kill(life);
        }
        true
    }

    /// Lets go of a node that [`hold_crash`](Self::hold_crash) or [`hold_stop`](Self::hold_stop) brought down; it starts once
    /// nothing holds it, not before `at`.
    pub fn release_down(&self, node: NodeId, at: Duration) {
        let free = {
            let mut holds = self.holds();
            let downs = &mut holds[node.index()].downs;
            *downs -= 1;
            *downs == 0
        };
        if !free {
            return;
        }
        // A process that was asked to end and is still at it ends now.
        let ended = self.world.is_up(node) && self.end(node, Death::Process, DiskFate::Keep);
        let now = self.world.now();
        let at = if ended { at.max(now + Duration::from_millis(1)) } else { at };
        if at > now {
            self.request(at, Request::Start(node));
        } else {
            self.start_unless_held(node);
        }
    }

    /// Stops a node's tasks and holds them. Returns whether a running process was stopped by it.
    pub fn hold_pause(&self, node: NodeId) -> bool {
        let first = {
            let mut holds = self.holds();
            holds[node.index()].pauses += 1;
            holds[node.index()].pauses == 1
        };
        self.world.pause(node);
        let stopped = first && self.world.is_up(node);
        if stopped {
            self.recorder.lifecycle_of_last(node, Lifecycle::Paused);
        }
        stopped
    }

    /// Lets go of a paused node; it goes on once no pause holds it.
    pub fn release_pause(&self, node: NodeId) {
        let free = {
            let mut holds = self.holds();
            holds[node.index()].pauses -= 1;
            holds[node.index()].pauses == 0
        };
        self.world.resume(node);
        if free && self.world.is_up(node) {
            self.recorder.lifecycle_of_last(node, Lifecycle::Resumed);
        }
    }

    /// Lets a node run for `runs`, then stand still for `still`, in turns, until the handle is lifted.
    pub fn throttle(&self, node: NodeId, still: Duration, runs: Duration) -> Throttle {
        let throttle = Throttle::new(self.world.clone(), node);
        self.request(self.world.now(), Request::Throttle(throttle.clone(), still, runs));
        throttle
    }

    /// Adds a node to a group and starts it.
    pub fn join(&self, group: &str) -> NodeId {
        let (group, index) = {
            let members = self.members();
            let last = members.iter().rfind(|member| *member.group == *group);
            let last = last.expect("a group that nodes join has some");
            (last.group.clone(), last.index + 1)
        };
        let node = self.add(&group, index);
        network::links(&self.network, self);
        self.membership.set(&group, index, true);
        self.start(node);
        node
    }

    /// Takes a node out of its group, asks its process to end, and holds it down.
    pub fn leave(&self, node: NodeId, grace: Duration) -> bool {
        let (group, index) = self.place(node);
        self.membership.set(&group, index, false);
        self.hold_stop(node, grace)
    }

    /// Has a node that left join again, with the disk it had.
    pub fn rejoin(&self, node: NodeId) {
        let (group, index) = self.place(node);
        self.membership.set(&group, index, true);
        self.release_down(node, self.world.now());
    }

    /// Whether a node is a member of its group, or has left it.
    pub fn is_member(&self, node: NodeId) -> bool {
        let (group, index) = self.place(node);
        self.membership.of(&group).contains(&index)
    }

    /// Whether a node is one of those that the run began with.
    pub fn was_there_at_the_start(&self, node: NodeId) -> bool {
        node.index() < self.first
    }

    fn place(&self, node: NodeId) -> (Arc<str>, u32) {
        let member = &self.members()[node.index()];
        (member.group.clone(), member.index)
    }
}
