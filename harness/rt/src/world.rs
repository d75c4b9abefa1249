//! The simulated world: nodes with a network, a disk, a clock and random numbers each, on madsim's scheduler and
//! virtual time. For harnesses; code under test uses the crate's other modules and never sees this one.
//!
//! [`run`] builds a world from a seed and runs one future in it, the *supervisor*, which creates nodes, starts and
//! crashes processes on them and shapes the network. The contract:
//!
//! - One run is one fresh thread: std seeds `HashMap`s per thread. [`run`] must be the first thing that thread does.
//! - A node is a machine. Each start of its process is a new *incarnation*. Whatever a dead incarnation still does (its
//!   futures are dropped a moment after the crash, so its `Drop` code runs) reaches nothing: see [`World::here`].
//! - Every random draw of the world comes from a [`Stream`] keyed by what it is for, never from a shared one, so that
//!   adding a fault or a node leaves all other draws as they were. madsim's own generator orders the scheduler.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    ops::{Index, IndexMut},
    panic::{self, AssertUnwindSafe, Location},
    rc::{Rc, Weak},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use madsim::{
    plugin::{self, Simulator},
    rand::GlobalRng,
    runtime::Runtime,
    task::NodeId as MadsimNode,
    time::TimeHandle,
};
use spin::Mutex;

pub mod clock;
pub mod disk;
pub mod net;
pub mod netsim;
mod process;
#[cfg(unix)]
mod real_libc;
mod redraw;
pub mod refusal;
pub mod rpc;
mod stall;
mod stream;
mod syscall;
pub(crate) mod tasks;
mod thread;
pub(crate) mod timers;
pub mod watch;

pub(crate) use self::clock::wall_clock;
pub use self::thread::put_aside;
pub(crate) use self::thread::{Threaded, blocking};
use self::{
    clock::Clocks,
    disk::Disks,
    net::{LinkPolicy, Net},
    netsim::Bridge,
    process::Control,
    refusal::Refused,
    rpc::Calls,
    tasks::{Kind, Tasks},
    thread::{Thread, Which},
    timers::Timers,
    watch::Watch,
};
pub use self::{
    disk::DiskFate,
    stream::Stream,
    tasks::{Panics, Polled, StuckTask, panic_ends_the_run},
};

/// A node of the simulated world: a machine with an address and a disk, on which a process may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The position of the node in order of creation, from 0.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One life of a process on a node: the node and which start of it this is, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Life {
    /// The machine.
    pub node: NodeId,
    /// Which start of the process on it, from 1.
    pub incarnation: u32,
}

/// How a process came to its end, which decides what its peers see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// The process ended in good order and its kernel lives on: connections are closed as if the process had dropped
    /// them, that is, what was written still arrives and the end of the stream after it (a reset instead, where
    /// something was left unread); new ones are refused.
    Exit,
    /// The process died and its kernel lives on: connections are reset, new ones refused.
    Process,
    /// The machine lost power: silence. Connections stay half-open until a peer's retransmission gives up or the
    /// machine is back and answers with a reset.
    Power,
}

struct Node {
    name: Arc<str>,
    /// What its process is to madsim. Each start is a new node there, so that nothing of a dead one is taken for it.
    madsim: MadsimNode,
    incarnation: u32,
    up: bool,
    control: Control,
    rng: Stream,
}

#[derive(Default)]
struct Nodes {
    list: Vec<Node>,
    /// Every node madsim ever had, in order of creation and so of its ids, and whose process it was.
    born: Vec<(MadsimNode, NodeId)>,
}

impl Nodes {
    /// Whose process that is, or was.
    fn whose(&self, id: MadsimNode) -> Option<NodeId> {
        let at = self.born.binary_search_by_key(&id, |(madsim, _)| *madsim).ok()?;
        Some(self.born[at].1)
    }
}

impl Index<NodeId> for Nodes {
    type Output = Node;
    fn index(&self, node: NodeId) -> &Node {
        &self.list[node.index()]
    }
}

impl IndexMut<NodeId> for Nodes {
    fn index_mut(&mut self, node: NodeId) -> &mut Node {
        &mut self.list[node.index()]
    }
}

/// The simulated world of one run. See the [module](self) for its contract.
pub struct World {
    time: TimeHandle,
    seed: OnceLock<u64>,
    /// What streams are keyed by: the seed, until all is [drawn anew](World::redraw).
    draws: AtomicU64,
    nodes: Mutex<Nodes>,
    net: Arc<Net>,
    bridge: Bridge,
    disks: Disks,
    calls: Calls,
    clocks: Clocks,
    tasks: Arc<Tasks>,
    timers: Arc<Timers>,
    watch: Watch,
}

impl Simulator for World {
    fn new(_rand: &GlobalRng, time: &TimeHandle, _config: &madsim::Config) -> Self {
        World {
            time: time.clone(),
            seed: OnceLock::new(),
            draws: AtomicU64::new(0),
            nodes: Mutex::default(),
            net: Net::new(time.clone()),
            bridge: Bridge::default(),
            disks: Disks::default(),
            calls: Calls::default(),
            clocks: Clocks::new(time.clone()),
            tasks: Tasks::new(time.clone()),
            timers: Timers::new(time.clone()),
            watch: Watch::default(),
        }
    }
}

thread_local! {
    /// The world of the run on this thread.
    static CURRENT: RefCell<Option<Arc<World>>> = const { RefCell::new(None) };
}

/// What is asked of the world has no answer.
const NO_RUN: &str =
    "no simulation runs on this thread: call it in a task of one, which `squall_rt::world::run` starts";

/// Tasks were found on the real tokio runtime after a run: some dependency calls `tokio::spawn` itself rather than
/// through this crate (or madsim-tokio), so its work never ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StrayTasks(pub usize);

impl std::fmt::Display for StrayTasks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} task(s) were spawned on the real tokio runtime, where nothing runs them: depend on madsim-tokio \
             (`tokio = {{ package = \"madsim-tokio\" }}`) or spawn with squall_rt::task::spawn",
            self.0
        )
    }
}

impl std::error::Error for StrayTasks {}

/// Builds a world from `seed` and runs `main`, its supervisor, to completion.
///
/// # Errors
/// [`StrayTasks`] when something was spawned on the real tokio runtime.
///
/// # Panics
/// When code under test panics (the payload is passed on), or when every task waits for something that will never
/// happen. When called on a thread that has already built a `HashMap`.
pub fn run<F: Future>(seed: u64, main: impl FnOnce(Arc<World>) -> F) -> Result<F::Output, StrayTasks> {
    run_scheduled(seed, None, main)
}

/// As [`run`], where tasks that are ready at the same time run in another order: one of its own for each `schedule`. Whatever is drawn from a
/// [`Stream`] is the same.
///
/// # Errors
/// As [`run`].
///
/// # Panics
/// As [`run`].
pub fn run_scheduled<F: Future>(
    seed: u64,
    schedule: Option<u64>,
    main: impl FnOnce(Arc<World>) -> F,
) -> Result<F::Output, StrayTasks> {
    let schedule = schedule.map_or(String::new(), |schedule| schedule.to_string());
    syscall::keep();
    // First of all, so that std's RandomState takes its keys from the seed.
    let runtime = Rc::new(Runtime::with_seed_and_config(
        Stream::new(seed, "schedule", &schedule).next_u64(),
        madsim::Config::default(),
    ));
    runtime.add_simulator::<World>();
    RUNTIME.set(Rc::downgrade(&runtime));
    // `tokio::select!` takes its branch order from the runtime it is called in, so that one has to be seeded too.
    let select_seed = Stream::new(seed, "select", &schedule).next_u64().to_le_bytes();
    let outer = real_tokio::runtime::Builder::new_current_thread()
        .rng_seed(real_tokio::runtime::RngSeed::from_bytes(&select_seed))
        .on_task_spawn(|task| refusal::refuse(Refused::Task(task.spawned_at())))
        .build()
        .expect("a tokio runtime without drivers needs nothing that can fail");
    ENDING.set(false);
    thread::begin();
    // By its handle: inside its scheduler tokio's `yield_now` would put off the wake-up until the runtime is idle, which is never.
    // Unconstrained: the whole run is one poll to tokio, whose budget would otherwise run out once and for all.
    outer.handle().block_on(tasks::with_budgets(real_tokio::task::unconstrained(async move {
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async {
                let world = plugin::simulator::<World>();
                CURRENT.set(Some(world.clone()));
                world.seed.set(seed).expect("a world is seeded once");
                world.draws.store(seed, Ordering::Relaxed);
                world.timers.start_pump();
                world.net.init(seed);
                world.bridge.set_default(LinkPolicy::default()).expect("a local network is uniform");
                let output = main(world.clone()).await;
                world.shut_down().await;
                output
            })
        }));
        let output = outcome.unwrap_or_else(|cause| {
            ENDING.set(true);
            // Tasks, timers and sockets refer to each other in circles, so a world that is just dropped stays in memory.
            let shut_down = || runtime.block_on(async { World::current().shut_down().await });
            // What panics while it is dropped is a consequence of the first panic, which is the one to tell.
            let _ = panic::catch_unwind(AssertUnwindSafe(shut_down));
            CURRENT.set(None);
            panic::resume_unwind(cause)
        });
        drop(runtime);
        CURRENT.set(None);
        match real_tokio::runtime::Handle::current().metrics().num_alive_tasks() {
            0 => Ok(output),
            n => Err(StrayTasks(n)),
        }
    })))
}

impl World {
    /// The world of the running simulation.
    ///
    /// # Panics
    /// Outside of [`run`].
    #[track_caller]
    pub fn current() -> Arc<World> {
        CURRENT.with_borrow(Clone::clone).expect(NO_RUN)
    }

    /// Something of the world of the running simulation.
    #[track_caller]
    pub(crate) fn of_current<T>(part: impl FnOnce(&World) -> T) -> T {
        CURRENT.with_borrow(|world| world.as_deref().map(part)).expect(NO_RUN)
    }

    /// The seed of this run.
    pub fn seed(&self) -> u64 {
        *self.seed.get().expect("the world is seeded before anything runs in it")
    }

    /// Virtual time since the start of the run.
    pub fn now(&self) -> Duration {
        self.time.elapsed()
    }

    /// The network, to shape and to break.
    pub fn net(&self) -> &Arc<Net> {
        &self.net
    }

    /// madsim's own network, for systems that speak through madsim's crates.
    pub fn bridge(&self) -> &Bridge {
        &self.bridge
    }

    /// Faults of single calls.
    pub fn calls(&self) -> &Calls {
        &self.calls
    }

    /// The disks of the nodes.
    pub fn disks(&self) -> &Disks {
        &self.disks
    }

    /// The wall clocks of the nodes.
    pub fn clocks(&self) -> &Clocks {
        &self.clocks
    }

    /// A random stream of its own for `concern` and `entity`; the same arguments give the same stream, until all is
    /// [drawn anew](World::redraw).
    pub fn stream(&self, concern: &str, entity: &str) -> Stream {
        Stream::new(self.draws.load(Ordering::Relaxed), concern, entity)
    }

    /// Creates a node: an address, an empty disk, no process yet. Its name is its host name.
    pub fn add_node(&self, name: &str) -> NodeId {
        let mut nodes = self.nodes.lock();
        let id = NodeId(nodes.list.len() as u32);
        let madsim = self.bridge.add_node(id, name);
        nodes.born.push((madsim, id));
        nodes.list.push(Node {
            name: name.into(),
            madsim,
            incarnation: 0,
            up: false,
            control: Control::default(),
            rng: self.stream("node", name),
        });
        self.net.add_node(id, name);
        self.disks.add_node(id, self.stream("disk", name).next_u64());
        id
    }

    /// The host name of a node.
    pub fn name(&self, node: NodeId) -> Arc<str> {
        self.nodes.lock()[node].name.clone()
    }

    /// Whether a process runs on the node.
    pub fn is_up(&self, node: NodeId) -> bool {
        self.nodes.lock()[node].up
    }

    /// Whether this life of the process is the one that runs now.
    pub fn is_alive(&self, life: Life) -> bool {
        let nodes = self.nodes.lock();
        let node = &nodes[life.node];
        node.up && node.incarnation == life.incarnation
    }

    /// The process that the calling task belongs to. `None` for the supervisor, and for what is left of a dead
    /// process: whoever gets `None` must leave the world as it is.
    pub fn here(&self) -> Option<Life> {
        let nodes = self.nodes.lock();
        let id = plugin::node();
        let node = nodes.whose(id)?;
        let Node { up, madsim, incarnation, .. } = nodes[node];
        (up && madsim == id).then_some(Life { node, incarnation })
    }

    /// The thread of the calling process, if there is one.
    fn thread(&self) -> Option<Arc<Thread>> {
        let life = self.here()?;
        Some(self.nodes.lock()[life.node].control.thread())
    }

    /// Whose process it is, or was, that madsim has under this number; none for the supervisor. (The whole simulation is number 0.)
    pub fn process(&self, number: u64) -> Option<NodeId> {
        let at = usize::try_from(number.checked_sub(1)?).ok()?;
        self.nodes.lock().born.get(at).map(|(_, node)| *node)
    }

    /// Starts a process on a node that has none: `main` runs there as a new incarnation. The process ends when
    /// [`World::crash`] says so; a `main` that returns leaves its tasks running.
    ///
    /// # Panics
    /// When a process already runs on the node.
    #[track_caller]
    pub fn start<F>(&self, node: NodeId, main: impl FnOnce(Life) -> F) -> Life
    where
        F: Future<Output = ()> + 'static,
    {
        let (madsim, life, still, thread) = {
            let mut nodes = self.nodes.lock();
            let n = &mut nodes[node];
            assert!(!n.up, "a process already runs on {}", n.name);
            n.up = true;
            n.incarnation += 1;
            n.control.renew();
            let still = n.control.is_still();
            let life = Life { node, incarnation: n.incarnation };
            if life.incarnation > 1 {
                n.madsim = self.bridge.node_up(node);
                let madsim = n.madsim;
                nodes.born.push((madsim, node));
            }
            let node = &nodes[node];
            (node.madsim, life, still, node.control.thread())
        };
        self.net.node_up(life);
        self.disks.node_up(life);
        let handle = madsim::runtime::Handle::current();
        if still {
            handle.pause(madsim);
        }
        let main = Threaded::new(main(life), Some(thread), Which::Shared);
        let (main, _) = self.tasks.wrap(main, Location::caller(), madsim, Kind::Main);
        handle.get_node(madsim).expect("the node was created by add_node").spawn(main);
        life
    }

    /// Cuts a process off from the world at once: from here on nothing it does reaches network, disk or history. Its
    /// tasks still hold the processor until [`World::crash`] ends them. Returns false if it was not running.
    pub fn cut_off(&self, node: NodeId, death: Death, fate: DiskFate) -> bool {
        {
            let mut nodes = self.nodes.lock();
            let n = &mut nodes[node];
            if !n.up {
                return false;
            }
            n.up = false;
            n.control.renew();
        }
        self.net.node_down(node, death);
        self.bridge.node_down(node);
        self.disks.node_down(node, fate);
        true
    }

    /// Ends the process on a node. Its peers see what `death` says, its disk keeps what `fate` says. Returns false if
    /// no process was running. It may be started again a millisecond later, not before: the tasks of the dead one are
    /// dropped in the meantime.
    pub fn crash(&self, node: NodeId, death: Death, fate: DiskFate) -> bool {
        let was_up = self.cut_off(node, death, fate);
        self.reap(node);
        was_up
    }

    /// Drops the tasks of a process that was [cut off](World::cut_off).
    pub fn reap(&self, node: NodeId) {
        let madsim = self.nodes.lock()[node].madsim;
        let handle = madsim::runtime::Handle::current();
        // A paused node's tasks would be dropped inside `kill`, under madsim's lock and in the caller's name.
        handle.resume(madsim);
        handle.kill(madsim);
    }

    /// Waits until exactly `at`, to the nanosecond, since the start of the run. Returns at once if that is past.
    pub async fn sleep_until(&self, at: Duration) {
        let now = self.time.elapsed();
        if at > now {
            crate::time::sleep(at - now).await;
        }
    }

    /// Waits for exactly `duration`, to the nanosecond.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep_until(self.now() + duration).await;
    }

    /// Ends every process, so that all tasks, timers and sockets are freed with the run.
    async fn shut_down(&self) {
        let count = self.nodes.lock().list.len();
        for i in 0..count {
            self.crash(NodeId(i as u32), Death::Power, DiskFate::Keep);
        }
        self.tasks.abort_all();
        madsim::time::sleep(Duration::from_millis(1)).await;
        self.net.shut_down();
        self.timers.close();
    }
}

/// The node whose task runs now and the virtual time, for a panic hook: where there is no world or no task, the
/// answer is none, and zero.
pub fn whereabouts() -> (Option<NodeId>, Duration) {
    let Some(time) = TimeHandle::try_current() else { return (None, Duration::ZERO) };
    let world = CURRENT.with_borrow(Clone::clone);
    // A panic may come from within the list's lock.
    let node = world.and_then(|world| world.nodes.try_lock()?.whose(plugin::node()));
    (node, time.elapsed())
}

thread_local! {
    static ENDING: Cell<bool> = const { Cell::new(false) };
    /// That of the run on this thread.
    static RUNTIME: RefCell<Weak<Runtime>> = const { RefCell::new(Weak::new()) };
}

/// Runs the world within a call of a task, until `over` is.
fn run_until(over: impl Future<Output = ()>) {
    let runtime = RUNTIME.with_borrow(Weak::upgrade).expect("a task runs in a run");
    runtime.block_on(over);
}

/// Whether the run on this thread has panicked, and is only being cleaned up.
pub fn is_ending() -> bool {
    ENDING.get()
}

thread_local! {
    /// Numbers for dead processes, which must not draw from a node's stream. No one sees what they do with them.
    static AFTERLIFE: Cell<u64> = const { Cell::new(0) };
}

/// The next number of the calling node's stream.
pub(crate) fn node_random() -> u64 {
    let world = World::current();
    let Some(life) = world.here() else {
        return AFTERLIFE.with(|n| n.replace(n.get().wrapping_add(0x9E37_79B9_7F4A_7C15)));
    };
    let mut nodes = world.nodes.lock();
    nodes[life.node].rng.next_u64()
}
