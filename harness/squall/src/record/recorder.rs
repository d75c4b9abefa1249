//! The recorder: everything that happens in a run passes through it, once, in order. It builds the history and its digest,
//! shows each record to the judge, and tells whoever listens.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    panic::Location,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use squall_rt::world::{self, Life, NodeId, World};
use tokio::sync::Notify;

use super::{Followed, Follower, Listener, Sequel};
use crate::{
    check::{End, Violation, judge::Judge},
    history::{Digest, Digester, Fields, Kind, Lifecycle, Phase, Record},
    log::{Logged, Place},
};

struct State {
    records: Vec<Record>,
    digester: Digester,
    judge: Judge,
    roles: BTreeMap<String, BTreeSet<NodeId>>,
    incarnations: BTreeMap<NodeId, u32>,
    violation: Option<Violation>,
    /// Why the run cannot be judged.
    undecided: Option<String>,
}

/// Builds the history of one run.
pub(crate) struct Recorder {
    world: Arc<World>,
    state: Mutex<State>,
    /// How many records there are, for whoever cannot wait for the state.
    count: AtomicU64,
    /// How many lines the log has.
    lines: AtomicU64,
    stopped: Notify,
    listeners: Vec<Arc<dyn Listener>>,
    follower: Option<Follower>,
    /// What the follower was told last.
    told: Mutex<Option<Place>>,
    /// The nodes' names. They are asked for while something is being recorded, too.
    names: Mutex<Vec<Arc<str>>>,
}

impl Recorder {
    pub fn new(
        world: Arc<World>,
        judge: Judge,
        listeners: Vec<Arc<dyn Listener>>,
        follower: Option<Follower>,
    ) -> Arc<Self> {
        Arc::new(Recorder {
            world,
            state: Mutex::new(State {
                records: Vec::new(),
                digester: Digester::new(),
                judge,
                roles: BTreeMap::new(),
                incarnations: BTreeMap::new(),
                violation: None,
                undecided: None,
            }),
            count: AtomicU64::new(0),
            lines: AtomicU64::new(0),
            stopped: Notify::new(),
            listeners,
            follower,
            told: Mutex::default(),
            names: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn names(&self) -> MutexGuard<'_, Vec<Arc<str>>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a node, in order of creation.
    pub fn add_node(&self, name: Arc<str>) {
        self.listeners.iter().for_each(|listener| listener.node(&name));
        self.names().push(name);
    }

    /// The name of the node whose code panicked, which may have happened while something was being recorded.
    pub fn name_for_panic(&self, node: NodeId) -> String {
        let name = self.names().get(node.index()).cloned();
        name.unwrap_or_else(|| self.world.name(node)).to_string()
    }

    /// Tasks that can never go on, per group and place: see [`Coverage::stuck`](crate::run::Coverage::stuck). The first task of a process may well wait for
    /// nothing, while others serve.
    pub fn stuck_tasks(&self) -> BTreeMap<String, u64> {
        let mut stuck = BTreeMap::new();
        for task in self.world.stuck_tasks().iter().filter(|task| !task.is_main) {
            let Some(node) = task.node else { continue };
            let node = self.name_for_panic(node);
            let group = node.split('[').next().unwrap_or(&node);
            *stuck.entry(format!("{group}, spawned at {}", task.spawned_at)).or_default() += 1;
        }
        stuck
    }

    /// Whose process it is that madsim has under this number.
    pub fn name_of_process(&self, number: u64) -> String {
        let node = self.world.process(number);
        node.map_or_else(|| "the harness".to_owned(), |node| self.name_for_panic(node))
    }

    /// Where the task was spawned that is being polled.
    pub fn polled_task(&self) -> Option<&'static Location<'static>> {
        self.world.polled().spawned_at()
    }

    /// The process that was started last on a node.
    pub fn last_life(&self, node: NodeId) -> Life {
        Life { node, incarnation: self.state().incarnations.get(&node).copied().unwrap_or(0) }
    }

    /// Appends to the history. After a violation nothing is recorded any more.
    pub fn record(&self, kind: Kind) {
        let now = self.world.now();
        let mut state = self.state();
        if state.violation.is_some() || state.undecided.is_some() {
            return;
        }
        let record = Record { seq: state.records.len() as u64, at: now, kind };
        state.digester.record(&record);
        // Before it is judged: an invariant may be what does not come back.
        if let Some(follower) = &self.follower {
            follower(Followed::Record(&record));
        }
        if let Some(violation) = state.judge.observe(&record) {
            state.violation = Some(violation);
            self.stopped.notify_one();
        }
        state.records.push(record);
        self.count.store(state.records.len() as u64, Ordering::Relaxed);
        self.listeners.iter().for_each(|listener| listener.recorded());
        drop(state);
        self.tell_place();
    }

    /// Whether it is an invariant or a condition whose code runs: a run is one thread, so whoever has the state is further up on this stack,
    /// and what is asked for from there would wait for itself.
    pub fn is_judging(&self) -> bool {
        matches!(self.state.try_lock(), Err(TryLockError::WouldBlock))
    }

    /// Where in the run we are; none for what a dead process does.
    pub fn place(&self) -> Option<Place> {
        let (node, _) = world::whereabouts();
        let life = self.world.here();
        (node.is_none() || life.is_some()).then(|| self.place_of(life))
    }

    fn place_of(&self, life: Option<Life>) -> Place {
        Place {
            at: self.world.now(),
            after: self.count(),
            line: self.lines.load(Ordering::Relaxed),
            node: life.map(|life| self.name_for_panic(life.node)).unwrap_or_default(),
            incarnation: life.map_or(0, |life| life.incarnation),
        }
    }

    /// A poll begins, of a task of the process that madsim has under this number.
    pub fn begin_poll(&self, process: u64) {
        if self.follower.is_some() {
            self.tell(self.place_of(self.world.process(process).map(|node| self.last_life(node))));
        }
    }

    /// Tells whoever follows the run where it is now.
    fn tell_place(&self) {
        if self.follower.is_some()
            && let Some(place) = self.place()
        {
            self.tell(place);
        }
    }

    /// Tells whoever follows the run where it is, if that has changed.
    fn tell(&self, place: Place) {
        let Some(follower) = &self.follower else { return };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.as_ref() != Some(&place) {
            follower(Followed::Place(&place));
            *told = Some(place);
        }
    }

    /// The log has one more line.
    pub fn said(&self, line: &Logged) {
        self.lines.fetch_add(1, Ordering::Relaxed);
        if let Some(follower) = &self.follower {
            follower(Followed::Logged(line));
        }
        self.tell_place();
    }

    /// How many records there are; while one is being added, how many there were.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// A node reported something.
    pub fn event(&self, life: Life, name: Cow<'static, str>, fields: Fields) {
        match &*name {
            "role.acquired" | "role.lost" => {
                if let Some(role) = fields.text("role") {
                    let roles = &mut self.state().roles;
                    if name == "role.acquired" {
                        roles.entry(role.to_owned()).or_default().insert(life.node);
                    } else if let Some(holders) = roles.get_mut(role) {
                        holders.remove(&life.node);
                    }
                }
            }
            _ => {}
        }
        let heard = self.listeners.iter().filter_map(|listener| listener.event(&name, &fields));
        let sequels: Vec<Sequel> = heard.collect();
        let node = self.node_name(life.node);
        self.record(Kind::Event { node, incarnation: life.incarnation, name, fields });
        let now = self.world.now();
        sequels.into_iter().for_each(|sequel| sequel(now));
    }

    fn node_name(&self, node: NodeId) -> Cow<'static, str> {
        Cow::Owned(self.names()[node.index()].to_string())
    }

    /// Something became of a process.
    pub fn lifecycle(&self, node: NodeId, incarnation: u32, change: Lifecycle) {
        {
            let mut state = self.state();
            state.incarnations.insert(node, incarnation);
            if matches!(change, Lifecycle::Crashed | Lifecycle::Exited(_)) {
                for holders in state.roles.values_mut() {
                    holders.remove(&node);
                }
            }
        }
        self.record(Kind::Node { node: self.node_name(node), incarnation, change });
    }

    /// Something became of the process that was started last on a node.
    pub fn lifecycle_of_last(&self, node: NodeId, change: Lifecycle) {
        let incarnation = self.state().incarnations.get(&node).copied().unwrap_or(0);
        self.lifecycle(node, incarnation, change);
    }

    /// Who holds a role now.
    pub fn role(&self, role: &str) -> BTreeSet<NodeId> {
        self.state().roles.get(role).cloned().unwrap_or_default()
    }

    /// The roles that some node has taken in this run.
    pub fn roles_taken(&self) -> BTreeSet<String> {
        self.state().roles.keys().cloned().collect()
    }

    /// The run cannot be judged: it ends here.
    pub fn give_up(&self, reason: String) {
        let mut state = self.state();
        if state.violation.is_none() {
            state.undecided.get_or_insert(reason);
            self.stopped.notify_one();
        }
    }

    /// Nothing that the run showed is to be relied on, not even a violation.
    pub fn mistrust(&self, reason: String) {
        let mut state = self.state();
        state.violation = None;
        state.undecided.get_or_insert(reason);
    }

    /// As [`give_up`](Self::give_up), from code that may be in the middle of being shown a record; then nothing is noted, but the run ends.
    pub fn give_up_if_free(&self, reason: &str) {
        if let Ok(mut state) = self.state.try_lock()
            && state.violation.is_none()
        {
            state.undecided.get_or_insert_with(|| reason.to_owned());
        }
        self.stopped.notify_one();
    }

    /// Waits for a violation, or for what makes the run undecidable.
    pub async fn stopped(&self) {
        self.stopped.notified().await;
    }

    /// The run is over: what can only be known now is judged, unless a violation has ended it.
    pub fn finish(&self, healed_at: Duration) {
        self.record(Kind::Phase(Phase::End));
        let ended_at = self.world.now();
        let mut state = self.state();
        if state.violation.is_none() {
            let last = state.records.len().saturating_sub(1) as u64;
            state.violation = state.judge.finish(&End { healed_at, ended_at }, last);
            if state.violation.is_none() && state.undecided.is_none() {
                state.undecided = state.judge.undecided();
            }
        }
    }

    /// Takes out what was recorded. `rest` is mixed into the digest.
    pub fn take(&self, rest: &[u64]) -> Recorded {
        let mut state = self.state();
        rest.iter().for_each(|rest| state.digester.mix(*rest));
        Recorded {
            digest: state.digester.digest(),
            records: std::mem::take(&mut state.records),
            violation: state.violation.take(),
            undecided: state.undecided.take(),
        }
    }

    /// Per check, how often it had something to judge; and per `sometimes` pattern, how often it was seen.
    pub fn exercised(&self) -> (BTreeMap<String, u64>, BTreeMap<String, u64>) {
        let mut state = self.state();
        (state.judge.exercised(), state.judge.sometimes())
    }
}

/// What a run left.
pub(crate) struct Recorded {
    pub digest: Digest,
    pub records: Vec<Record>,
    pub violation: Option<Violation>,
    pub undecided: Option<String>,
}
