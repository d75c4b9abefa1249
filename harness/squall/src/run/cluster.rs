//! The nodes of a run and their processes: who is in which group, who is up, who is held down or still by which fault.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use squall_rt::world::{Death, DiskFate, NodeId, World};
use tokio::sync::mpsc;

use super::{clients::Clients, record::Recorder};
use crate::{
    history::Lifecycle,
    system::{AnySystem, BoxError, Node, Transport, host_name, node_name},
};

/// The group that clients form.
pub(crate) const CLIENTS: &str = "clients";

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
    crashes: u32,
    pauses: u32,
}

/// A process to start, and when.
struct StartRequest {
    node: NodeId,
    at: Duration,
}

/// The nodes of a run.
pub(crate) struct Cluster {
    world: Arc<World>,
    recorder: Arc<Recorder>,
    system: Arc<dyn AnySystem>,
    params: serde_json::Value,
    members: Vec<Member>,
    shape: Arc<[(Arc<str>, u32)]>,
    clients: Arc<Clients>,
    holds: Mutex<Vec<Holds>>,
    starts: mpsc::UnboundedSender<StartRequest>,
    this: Weak<Cluster>,
}

impl Cluster {
    /// Creates the nodes of `shape` (group and size, in order) and of the clients. Nothing runs on them yet.
    ///
    /// The second value must be polled by the supervisor: it starts processes when their time has come.
    pub fn build(
        world: Arc<World>,
        recorder: Arc<Recorder>,
        system: Arc<dyn AnySystem>,
        params: serde_json::Value,
        groups: &[(Arc<str>, u32)],
        clients: Arc<Clients>,
    ) -> (Arc<Cluster>, impl Future<Output = ()> + use<>) {
        let mut shape = groups.to_vec();
        shape.push((CLIENTS.into(), clients.count()));
        let mut members = Vec::new();
        for (group, size) in &shape {
            for index in 0..*size {
                let id = world.add_node(&host_name(group, index));
                assert_eq!(id.index(), members.len(), "nodes are numbered in order of creation");
                members.push(Member { group: group.clone(), index, name: node_name(group, index).into() });
            }
        }
        let holds = members.iter().map(|_| Holds::default()).collect();
        let (starts, mut requests) = mpsc::unbounded_channel::<StartRequest>();
        let cluster = Arc::new_cyclic(|this: &Weak<Cluster>| Cluster {
            world,
            recorder,
            system,
            params,
            members,
            shape: shape.into(),
            clients,
            holds: Mutex::new(holds),
            starts,
            this: this.clone(),
        });
        let starter = cluster.this.clone();
        let serve_starts = async move {
            while let Some(StartRequest { node, at }) = requests.recv().await {
                let Some(cluster) = starter.upgrade() else { return };
                squall_rt::task::spawn(async move {
                    cluster.world.sleep_until(at).await;
                    cluster.start_unless_held(node);
                });
            }
        };
        (cluster, serve_starts)
    }

    fn holds(&self) -> MutexGuard<'_, Vec<Holds>> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// What the system's processes speak through.
    pub fn transport(&self) -> Transport {
        self.system.transport()
    }

    pub fn seed(&self) -> u64 {
        self.world.seed()
    }

    /// All nodes, in order of creation.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        (0..self.members.len()).map(|i| NodeId(i as u32))
    }

    /// The nodes of a group; none if there is no such group.
    pub fn group<'a>(&'a self, group: &'a str) -> impl Iterator<Item = NodeId> + 'a {
        self.nodes().filter(move |node| *self.members[node.index()].group == *group)
    }

    /// One node of a group.
    pub fn member(&self, group: &str, index: u32) -> Option<NodeId> {
        self.group(group).nth(index as usize)
    }

    /// Who holds a role now.
    pub fn role(&self, role: &str) -> BTreeSet<NodeId> {
        self.recorder.role(role)
    }

    /// The node's name in histories.
    pub fn name(&self, node: NodeId) -> &Arc<str> {
        &self.members[node.index()].name
    }

    /// The names of nodes, for a person.
    pub fn names(&self, nodes: &BTreeSet<NodeId>) -> String {
        let names: Vec<&str> = nodes.iter().map(|node| &**self.name(*node)).collect();
        if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
    }

    /// Starts every process.
    pub fn start_all(&self) {
        for node in self.nodes() {
            self.start(node);
        }
    }

    fn start(&self, node: NodeId) {
        let cluster = self.this.upgrade().expect("the cluster is alive while it is called");
        let member = &self.members[node.index()];
        let life = self.world.start(node, |life| {
            let place = Node {
                group: member.group.clone(),
                index: member.index,
                incarnation: life.incarnation,
                cluster: self.shape.clone(),
            };
            async move {
                let member = &cluster.members[node.index()];
                if *member.group == *CLIENTS {
                    let driver = cluster.clients.driver(member.index, cluster.world.clone());
                    cluster.system.run_client(place, &cluster.params, driver).await;
                } else {
                    let result = cluster.system.run_node(place, &cluster.params).await;
                    cluster.exited(node, result);
                }
            }
        });
        let change = Lifecycle::Started;
        self.recorder.lifecycle(node, life.incarnation, change);
        if self.holds()[node.index()].pauses > 0 {
            self.world.pause(node);
        }
    }

    fn start_unless_held(&self, node: NodeId) {
        let held = self.holds()[node.index()].crashes > 0;
        if !held && !self.world.is_up(node) {
            self.start(node);
        }
    }

    fn request_start(&self, node: NodeId, at: Duration) {
        // The receiver is gone only when the run is over, and then nothing is to be started.
        let _ = self.starts.send(StartRequest { node, at });
    }

    /// A process's `run_node` returned.
    fn exited(&self, node: NodeId, result: Result<(), BoxError>) {
        let Some(life) = self.world.here() else { return };
        let reason = result.map_or_else(|error| error.to_string(), |()| "done".to_owned());
        self.recorder.lifecycle(node, life.incarnation, Lifecycle::Exited(reason));
        self.world.crash(node, Death::Process, DiskFate::Keep);
        self.request_start(node, self.world.now() + RESTART_AFTER_EXIT);
    }

    /// Brings a node down and holds it there. Returns whether a process died of it.
    pub fn hold_crash(&self, node: NodeId, death: Death, fate: DiskFate) -> bool {
        self.holds()[node.index()].crashes += 1;
        // First of all, so that nothing the process still does is seen.
        let died = self.world.cut_off(node, death, fate);
        if died {
            self.recorder.lifecycle_of_last(node, Lifecycle::Crashed);
            let member = &self.members[node.index()];
            if *member.group == *CLIENTS {
                self.clients.crashed(member.index);
            }
            self.world.reap(node);
        }
        died
    }

    /// Lets go of a node that [`hold_crash`](Self::hold_crash) brought down; it starts once no crash holds it, not before
    /// `at`.
    pub fn release_crash(&self, node: NodeId, at: Duration) {
        let free = {
            let mut holds = self.holds();
            let crashes = &mut holds[node.index()].crashes;
            *crashes -= 1;
            *crashes == 0
        };
        if !free {
            return;
        }
        if at > self.world.now() {
            self.request_start(node, at);
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
        let stopped = first && self.world.is_up(node);
        if stopped {
            self.world.pause(node);
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
        if free && self.world.is_up(node) {
            self.world.resume(node);
            self.recorder.lifecycle_of_last(node, Lifecycle::Resumed);
        }
    }
}
