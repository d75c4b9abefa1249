//! The tasks of a run, as far as a harness wants to know of them: which is being polled, which can never be woken again, and what
//! becomes of a panic in one.
//!
//! madsim schedules them; each is wrapped in [`Running`](crate::task), which tells this module when it is polled and when it is gone.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    panic::{self, AssertUnwindSafe, Location},
    pin::pin,
    ptr,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use madsim::{plugin, runtime::Handle, task::NodeId as MadsimNode, time::TimeHandle};
use real_tokio::task::coop::{self, RestoreOnPending};
use slab::Slab;
use spin::Mutex;

use super::{NodeId, World, net::nanos};
use crate::task::{Id, JoinHandle, Running};

/// A place in code.
type Place = &'static Location<'static>;

/// What becomes of a panic in a task that was spawned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Panics {
    /// It ends the run: [`run`](super::run) passes it on.
    #[default]
    EndTheRun,
    /// Whoever awaits the task gets a [`JoinError`](crate::task::JoinError), and the process goes on, as in production. In the first task of a
    /// process it ends the run all the same: in production that is the end of the process. So it does in the supervisor's tasks.
    Continue,
}

/// A task that waits for something that will never happen. See [`World::stuck_tasks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StuckTask {
    /// Whose task it is; none for the supervisor's.
    pub node: Option<NodeId>,
    /// Where it was spawned; of the first task of a process, where that was started.
    pub spawned_at: Place,
    /// Whether it is the first task of its process, which [`World::start`] spawned.
    pub is_main: bool,
    /// When it was last polled, since the start of the run.
    pub since: Duration,
}

/// What is being polled in a run, for other threads to read while it is.
#[derive(Clone)]
pub struct Polled(Arc<AtomicPtr<Location<'static>>>);

impl Polled {
    fn nothing() -> Self {
        Polled(Arc::new(AtomicPtr::new(ptr::null_mut())))
    }

    /// Where the task was spawned that is being polled; none between polls, and in tasks that were not spawned through this crate.
    pub fn spawned_at(&self) -> Option<Place> {
        let place = self.0.load(Ordering::Relaxed);
        #[allow(unsafe_code, reason = "there is no atomic reference")]
        // SAFETY: null, or what `replace` was given, which is 'static and never changes.
        unsafe {
            place.as_ref()
        }
    }

    /// Returns what was polled around it.
    fn replace(&self, place: Option<Place>) -> Option<Place> {
        let around = self.spawned_at();
        let place = place.map_or(ptr::null_mut(), |place| ptr::from_ref(place).cast_mut());
        self.0.store(place, Ordering::Relaxed);
        around
    }
}

/// All tasks of one run.
pub(crate) struct Tasks {
    time: TimeHandle,
    live: Mutex<Slab<Weak<Task>>>,
    polled: Polled,
    last_id: AtomicU64,
    continues_after_panic: AtomicBool,
    /// How many tasks may be spawned until madsim is told to forget those that have ended.
    until_swept: AtomicUsize,
}

/// After how many tasks madsim's lists of them are swept, at least.
const SWEEP: usize = 1024;

/// What a task is to its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Its first one.
    Main,
    /// One that it has spawned.
    Spawned,
    /// A function that may block.
    Blocking,
}

/// One task that has not ended. Its wakers refer to it, and nothing else does for long: so it can be told when there are none.
pub(crate) struct Task {
    pub(crate) id: Id,
    spawned_at: Place,
    process: MadsimNode,
    kind: Kind,
    /// madsim's own waker, from the first poll on.
    scheduled_by: OnceLock<Waker>,
    /// Whether its next poll is on its way.
    is_scheduled: AtomicBool,
    is_aborted: AtomicBool,
    /// Whether it has an output, or never will. Its wakers may outlive it.
    has_ended: AtomicBool,
    /// When it was last polled, in nanoseconds.
    since: AtomicU64,
}

/// The task itself refers to it, and so does the waker that it is polled with.
const OWN_REFERENCES: usize = 2;

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.schedule();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.schedule();
    }
}

impl Task {
    fn schedule(&self) {
        self.is_scheduled.store(true, Ordering::Relaxed);
        // One that was never polled is on its way to its first poll.
        if let Some(waker) = self.scheduled_by.get() {
            waker.wake_by_ref();
        }
    }

    /// Has its future dropped at its next turn, which comes soon. A function that has begun cannot be stopped.
    pub(crate) fn abort(&self) {
        let has_begun = self.scheduled_by.get().is_some();
        if self.kind != Kind::Blocking || !has_begun {
            self.cut();
        }
    }

    fn cut(&self) {
        self.is_aborted.store(true, Ordering::Relaxed);
        self.schedule();
    }

    pub(crate) fn is_aborted(&self) -> bool {
        self.is_aborted.load(Ordering::Relaxed)
    }

    pub(crate) fn end(&self) {
        self.has_ended.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }
}

thread_local! {
    /// The task that is being polled.
    static CURRENT: Cell<Option<Id>> = const { Cell::new(None) };
    /// Whether a panic is under way that ends the run in any case.
    static ENDS_THE_RUN: Cell<bool> = const { Cell::new(false) };
    /// To drop it gives what is polled the budget of a task. None outside of a run.
    static BUDGET: Cell<Option<RestoreOnPending>> = const { Cell::new(None) };
}

/// Runs `run` with a budget in store for each poll of a task.
///
/// tokio gives each poll of a task so many operations, after which they all say that they are not ready, and the task gives way to
/// others. The whole simulation is one poll of one task, and has no limit; to count for each poll of ours, with what tokio has for the public,
/// one operation is begun here within a budget, and never ended: to drop it restores the budget there was before it. The next is begun
/// at once, so that our tasks have one operation less than tokio's, 127.
pub(super) async fn with_budgets<F: Future>(run: F) -> F::Output {
    poll_fn(|cx| coop::poll_proceed(cx).map(|full| BUDGET.set(Some(full)))).await;
    let output = run.await;
    BUDGET.set(None);
    output
}

/// Calls `f` with the budget of one poll of a task. Around it there is what there was before.
fn within_budget<T>(f: impl FnOnce() -> T) -> T {
    let mut f = Some(f);
    let limited = poll_fn(|cx| {
        drop(BUDGET.take());
        if let Poll::Ready(full) = coop::poll_proceed(cx) {
            BUDGET.set(Some(full));
        }
        Poll::Ready(f.take().map(|f| f()))
    });
    let called = pin!(coop::unconstrained(limited)).poll(&mut Context::from_waker(Waker::noop()));
    match called {
        Poll::Ready(Some(output)) => output,
        _ => unreachable!("it is polled once and always ready"),
    }
}

/// The panic that is under way on this thread ends the run, also where tasks [continue](Panics::Continue): it is of a part of the harness, which
/// happened to run in a task of a process.
pub fn panic_ends_the_run() {
    ENDS_THE_RUN.set(true);
}

/// Keeps in mind which task is being polled, until what is returned is called.
pub(super) fn put_aside() -> Box<dyn FnOnce()> {
    let current = CURRENT.get();
    Box::new(move || CURRENT.set(current))
}

/// The id of the task that is being polled, if it was spawned through this crate.
pub(crate) fn current_id() -> Option<Id> {
    CURRENT.get()
}

impl Tasks {
    pub(super) fn new(time: TimeHandle) -> Arc<Self> {
        Arc::new(Tasks {
            time,
            live: Mutex::default(),
            polled: Polled::nothing(),
            last_id: AtomicU64::new(0),
            continues_after_panic: AtomicBool::new(false),
            until_swept: AtomicUsize::new(SWEEP),
        })
    }

    /// Those of the run on this thread.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub(crate) fn current() -> Arc<Tasks> {
        World::of_current(|world| world.tasks.clone())
    }

    /// A task around `future`, to be run on `process`, and its handle.
    pub(super) fn wrap<F: Future>(
        self: &Arc<Self>,
        future: F,
        spawned_at: Place,
        process: MadsimNode,
        kind: Kind,
    ) -> (Running<F>, JoinHandle<F::Output>) {
        self.sweep();
        let task = Arc::new(Task {
            id: Id::nth(self.last_id.fetch_add(1, Ordering::Relaxed) + 1),
            spawned_at,
            process,
            kind,
            scheduled_by: OnceLock::new(),
            is_scheduled: AtomicBool::new(true),
            is_aborted: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            since: AtomicU64::new(0),
        });
        let key = self.live.lock().insert(Arc::downgrade(&task));
        Running::new(future, task, key, self.clone())
    }

    /// As [`wrap`](Tasks::wrap), on the process of the task that calls it.
    pub(crate) fn wrap_here<F: Future>(
        self: &Arc<Self>,
        future: F,
        spawned_at: Place,
        kind: Kind,
    ) -> (Running<F>, JoinHandle<F::Output>) {
        self.wrap(future, spawned_at, plugin::node(), kind)
    }

    /// madsim keeps something of each task until its process dies, unless it is asked how many there are. It is, each time as many have been
    /// spawned as were left the last time.
    fn sweep(&self) {
        if self.until_swept.fetch_sub(1, Ordering::Relaxed) == 1 {
            let left = Handle::current().metrics().num_tasks();
            self.until_swept.store(SWEEP.max(left), Ordering::Relaxed);
        }
    }

    /// Polls a task once, by `poll`. A panic in it is an error here.
    pub(crate) fn poll<T>(
        &self,
        task: &Task,
        scheduled_by: &Waker,
        poll: impl FnOnce() -> T,
    ) -> thread::Result<T> {
        task.scheduled_by.get_or_init(|| scheduled_by.clone());
        task.is_scheduled.store(false, Ordering::Relaxed);
        let around = (CURRENT.replace(Some(task.id)), self.polled.replace(Some(task.spawned_at)));
        let polled = panic::catch_unwind(AssertUnwindSafe(|| within_budget(poll)));
        CURRENT.set(around.0);
        self.polled.replace(around.1);
        task.since.store(nanos(self.time.elapsed()), Ordering::Relaxed);
        polled
    }

    /// A task is gone.
    pub(crate) fn remove(&self, task: &Task, key: usize) {
        task.end();
        self.live.lock().remove(key);
    }

    pub(crate) fn continues_after_panic(&self, task: &Task) -> bool {
        let may_continue = self.continues_after_panic.load(Ordering::Relaxed) && !ENDS_THE_RUN.get();
        // The supervisor is no code under test.
        may_continue
            && task.kind != Kind::Main
            && World::of_current(|world| world.nodes.lock().whose(task.process).is_some())
    }

    /// Has all tasks that are left end. Those of dead processes do anyway.
    pub(super) fn abort_all(&self) {
        let tasks: Vec<_> = self.live.lock().iter().filter_map(|(_, task)| task.upgrade()).collect();
        for task in tasks {
            task.cut();
        }
    }
}

impl World {
    /// Says what becomes of panics in tasks from now on.
    pub fn set_panics(&self, panics: Panics) {
        self.tasks.continues_after_panic.store(panics == Panics::Continue, Ordering::Relaxed);
    }

    /// What is being polled now, for other threads.
    pub fn polled(&self) -> Polled {
        self.tasks.polled.clone()
    }

    /// The tasks that can never go on, in order of creation: each waits, and nothing is left that could wake it. What it waited for was
    /// dropped without a word, or there never was anything, as with [`pending`](std::future::pending).
    ///
    /// A task that something could wake is not among them even if nothing ever will: one that waits for a message while it holds the sender
    /// itself, or for another task that is stuck. Nor are tasks that were not spawned through this crate, and those of dead processes.
    pub fn stuck_tasks(&self) -> Vec<StuckTask> {
        let live = self.tasks.live.lock();
        let stuck = live.iter().filter(|(_, task)| task.strong_count() == OWN_REFERENCES);
        let mut tasks: Vec<Arc<Task>> = stuck.filter_map(|(_, task)| task.upgrade()).collect();
        drop(live);
        tasks.retain(|task| !task.is_scheduled.load(Ordering::Relaxed));
        tasks.sort_by_key(|task| task.id);
        let nodes = self.nodes.lock();
        let told = |task: &Arc<Task>| {
            let node = nodes.whose(task.process);
            let is_dead = node.is_some_and(|node| !nodes[node].up || nodes[node].madsim != task.process);
            (!is_dead).then(|| StuckTask {
                node,
                spawned_at: task.spawned_at,
                is_main: task.kind == Kind::Main,
                since: Duration::from_nanos(task.since.load(Ordering::Relaxed)),
            })
        };
        tasks.iter().filter_map(told).collect()
    }
}
