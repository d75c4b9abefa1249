//! Workers that share out the runs of one or more explorations.
//!
//! Each worker has a driver, a thread of ours that takes runs from whichever exploration is next and has them run. Results come
//! back in any order and are handed on in the order in which their source issued them, so nothing that is reported depends on how many workers
//! there are or how runs were dealt out.
//!
//! The pool also sees to it that results can be trusted: by fresh processes. There, the first run of an exploration executes four times over,
//! and twice over those in the places 1, 2, 4, 8 and so on, every 50th, the last one, and each that failed: as the first run of a process and as
//! one that is not. Between every two 50th, one executes a second time in another worker, where there is one.

// Uses: log, run, run_id, screen, spec, system, worker.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Condvar, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

mod queue;
mod source;

use self::queue::{HandOn, Queue, Work};
pub use self::source::Statement;
pub(crate) use self::{
    queue::Checked,
    source::{Issue, Source},
};
use crate::{
    log::Level,
    plan::RunId,
    run::{self, ExecuteOptions, RunReport, Verdict},
    screen,
    spec::Spec,
    system::Registry,
    worker::{Gone, Worker, fair_share},
};

/// Why no lock of this module is ever poisoned.
const UNPOISONED: &str = "nothing panics while it holds the lock";

/// How often a run is begun whose worker somebody kills from outside.
const ATTEMPTS: u32 = 3;

/// Workers, and the explorations they work for.
pub struct Pool {
    shared: Arc<Shared>,
    drivers: Vec<JoinHandle<()>>,
}

struct Shared {
    jobs: u64,
    /// The systems, if runs execute in this process.
    in_process: Option<Registry>,
    /// How many bytes of memory each worker may have.
    memory: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    explorations: BTreeMap<u64, Exploration>,
    next_id: u64,
    /// The exploration that was served last; the one after it is next.
    served: u64,
    closing: bool,
    /// A driver panicked: a bug of ours, and nobody should wait for it.
    broken: bool,
}

struct Exploration {
    task: Arc<Task>,
    queue: Queue,
}

/// What is to be run.
struct Task {
    spec: Spec,
    /// For workers, who take it as a line.
    json: String,
    limit: Duration,
    cancelled: AtomicBool,
}

/// What waiting for a run came to.
pub(crate) enum Next {
    Run(Box<Checked>),
    /// Every run was handed on.
    Finished,
    /// It is time to look at the clock.
    Waiting,
}

impl Pool {
    /// A pool of `jobs` workers, which are started as they are needed.
    pub fn new(jobs: usize) -> Self {
        Pool::with(jobs, None)
    }

    /// A pool without workers: runs execute on threads of this process. For debuggers: a run that hangs or aborts takes everything with it.
    pub fn in_process(registry: &Registry, jobs: usize) -> Self {
        Pool::with(jobs, Some(registry.clone()))
    }

    fn with(jobs: usize, in_process: Option<Registry>) -> Self {
        let jobs = jobs.max(1);
        let shared = Arc::new(Shared {
            jobs: jobs as u64,
            in_process,
            memory: AtomicU64::new(fair_share(jobs)),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let drivers = (0..jobs)
            .map(|number| {
                let shared = shared.clone();
                std::thread::spawn(move || {
                    let _alarm = Alarm(shared.clone());
                    Driver { shared, number }.drive();
                })
            })
            .collect();
        Pool { shared, drivers }
    }

    /// Gives each worker that is started from now on so many bytes of memory, rather than 2 GiB or, where there is less, its share of
    /// three quarters of what is available. A run that takes more ends with [`Verdict::OutOfMemory`]. Only Linux says how
    /// much a process has; elsewhere there is no limit but the system's own.
    #[must_use]
    pub fn with_memory(self, limit: Option<u64>) -> Self {
        if let Some(limit) = limit {
            self.shared.memory.store(limit, Ordering::Relaxed);
        }
        self
    }

    /// One worker per core.
    pub fn default_jobs() -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }

    /// Begins an exploration, or goes on with one whose source has issued `done` runs and been shown their reports. Each run may take as long
    /// as `limit`. Runs are executed twice if it is said how many more failing runs will be wanted.
    pub(crate) fn submit(
        &self,
        spec: &Spec,
        source: Box<dyn Source>,
        done: u64,
        limit: Duration,
        rechecks: Option<u64>,
    ) -> Ticket<'_> {
        let task = Arc::new(Task::new(spec, limit));
        let mut state = self.shared.lock();
        let id = state.next_id;
        state.next_id += 1;
        state
            .explorations
            .insert(id, Exploration { task: task.clone(), queue: Queue::new(source, done, rechecks) });
        drop(state);
        self.shared.changed.notify_all();
        Ticket { pool: self, id, task }
    }

    /// Executes these runs one after the other in one fresh process, with their histories, apart from all explorations.
    pub(crate) fn run_apart(&self, spec: &Spec, runs: &[RunId], limit: Duration) -> Vec<RunReport> {
        self.run_telling(spec, runs, ExecuteOptions::default(), limit)
    }

    /// As [`run_apart`](Self::run_apart), with what these options say.
    pub(crate) fn run_telling(
        &self,
        spec: &Spec,
        runs: &[RunId],
        options: ExecuteOptions,
        limit: Duration,
    ) -> Vec<RunReport> {
        let options = ExecuteOptions { keep_history: true, ..options };
        let task = Arc::new(Task::new(spec, limit));
        let mut reports = Vec::new();
        self.shared.run(&mut Lane::default(), &task, runs, options, |report| reports.push(report));
        reports
    }

    /// A place for runs one at a time, apart from all explorations, whose process is kept from one to the next.
    pub(crate) fn apart(&self) -> Apart {
        Apart { shared: self.shared.clone(), lane: Lane::default() }
    }
}

/// See [`Pool::apart`].
pub(crate) struct Apart {
    shared: Arc<Shared>,
    lane: Lane,
}

impl Apart {
    /// Executes a run, and returns it with its history.
    pub(crate) fn run(&mut self, spec: &Spec, run: &RunId, limit: Duration) -> RunReport {
        let task = Arc::new(Task::new(spec, limit));
        let mut done = None;
        let one = std::slice::from_ref(run);
        let options = ExecuteOptions { keep_history: true, log: Level::Warn, ..ExecuteOptions::default() };
        self.shared.run(&mut self.lane, &task, one, options, |report| done = Some(report));
        done.expect("one run makes one report")
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.changed.notify_all();
        for driver in self.drivers.drain(..) {
            // One that panicked has said so itself.
            let _ = driver.join();
        }
    }
}

/// An exploration that was submitted; dropping it ends it.
pub(crate) struct Ticket<'a> {
    pool: &'a Pool,
    id: u64,
    task: Arc<Task>,
}

impl Ticket<'_> {
    /// How many runs there will be in all, as far as that is known.
    pub(crate) fn total(&self) -> u64 {
        self.with_queue(|queue| queue.total())
    }

    /// What the runs so far cover.
    pub(crate) fn statements(&self) -> Vec<Statement> {
        self.with_queue(|queue| queue.statements())
    }

    fn with_queue<T>(&self, f: impl FnOnce(&Queue) -> T) -> T {
        let state = self.pool.shared.lock();
        f(&state.explorations.get(&self.id).expect("it is there until this is dropped").queue)
    }

    /// Waits for the next run in order, but not long.
    pub(crate) fn next(&self) -> Next {
        let shared = &self.pool.shared;
        let mut state = shared.lock();
        loop {
            assert!(!state.broken, "a driver of the worker pool panicked");
            let exploration =
                state.explorations.get_mut(&self.id).expect("it is there until this is dropped");
            match exploration.queue.hand_on() {
                HandOn::Nothing => {}
                HandOn::Asked => shared.changed.notify_all(),
                HandOn::Finished => return Next::Finished,
                HandOn::Run(run) => {
                    drop(state);
                    // There may be room ahead again.
                    shared.changed.notify_all();
                    return Next::Run(run);
                }
            }
            let (again, timeout) =
                shared.changed.wait_timeout(state, Duration::from_millis(100)).expect(UNPOISONED);
            state = again;
            if timeout.timed_out() {
                return Next::Waiting;
            }
        }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.task.cancelled.store(true, Ordering::Relaxed);
        self.pool.shared.lock().explorations.remove(&self.id);
    }
}

impl Task {
    fn new(spec: &Spec, limit: Duration) -> Self {
        let json = serde_json::to_string(spec).expect("a spec serialises");
        Task { spec: spec.clone(), json, limit, cancelled: AtomicBool::new(false) }
    }

    fn wanted(&self) -> bool {
        !self.cancelled.load(Ordering::Relaxed)
    }
}

/// Tells everybody when a driver panics.
struct Alarm(Arc<Shared>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().broken = true;
            self.0.changed.notify_all();
        }
    }
}

/// Where runs execute.
#[derive(Default)]
struct Lane {
    worker: Option<Worker>,
    /// The task whose spec the worker has.
    knows: Option<Arc<Task>>,
}

impl Lane {
    fn knows(&self, task: &Arc<Task>) -> bool {
        self.knows.as_ref().is_some_and(|known| Arc::ptr_eq(known, task))
    }
}

struct Driver {
    shared: Arc<Shared>,
    number: usize,
}

impl Driver {
    fn drive(self) {
        let mut lane = Lane::default();
        let mut last = None;
        let mut state = self.shared.lock();
        while !state.closing {
            let Some((id, task, work, follow)) = state.deal(self.number, self.shared.jobs, last) else {
                state = self.shared.changed.wait(state).expect(UNPOISONED);
                continue;
            };
            drop(state);
            last = Some(id);
            // What a run leaves behind in its process, an alarm or a child, is never another spec's.
            if !lane.knows(&task) {
                lane = Lane::default();
            }
            let mut fresh = Lane::default();
            let (lane, runs) = match &work {
                Work::Runs(_, runs) => (&mut lane, runs.clone()),
                Work::Repeat(_, run) => (&mut lane, vec![run.clone()]),
                Work::Fresh(_, run, times) => (&mut fresh, vec![run.clone(); *times as usize]),
            };
            // What a failing run says is told, and a failing run is confirmed; to all others to log costs nothing.
            let log = if matches!(work, Work::Fresh(..)) { Level::Warn } else { Level::Off };
            let options = ExecuteOptions { log, follow, ..ExecuteOptions::default() };
            let mut done = 0;
            self.shared.run(lane, &task, &runs, options, |report| {
                if let Some(exploration) = self.shared.lock().explorations.get_mut(&id) {
                    match &work {
                        Work::Runs(first, _) => exploration.queue.store(first + done, report, self.number),
                        Work::Repeat(place, _) | Work::Fresh(place, ..) => {
                            exploration.queue.store_again(*place, report);
                        }
                    }
                }
                done += 1;
                self.shared.changed.notify_all();
            });
            state = self.shared.lock();
        }
    }
}

impl State {
    /// The next work for driver `me`, from the exploration it had last or else from all in turn, and whether to follow it record by record.
    fn deal(&mut self, me: usize, jobs: u64, last: Option<u64>) -> Option<(u64, Arc<Task>, Work, bool)> {
        let (before, after): (Vec<u64>, Vec<u64>) =
            self.explorations.keys().partition(|id| **id <= self.served);
        for id in last.into_iter().chain(after).chain(before) {
            let Some(exploration) = self.explorations.get_mut(&id) else { continue };
            if let Some(work) = exploration.queue.deal(me, jobs) {
                self.served = id;
                // What is left of a run that took its process with it is seen when it does so again.
                let follow = exploration.queue.was_lost(&work);
                return Some((id, exploration.task.clone(), work, follow));
            }
        }
        None
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(UNPOISONED)
    }

    /// Executes these runs in this lane and delivers a report for each, in order, unless the task is cancelled first. A worker that is
    /// lost is replaced for the runs after the one that took it; and for that one too, if it was not the one to blame.
    fn run(
        &self,
        lane: &mut Lane,
        task: &Arc<Task>,
        mut runs: &[RunId],
        options: ExecuteOptions,
        mut deliver: impl FnMut(RunReport),
    ) {
        if let Some(registry) = &self.in_process {
            for id in runs.iter().take_while(|_| task.wanted()) {
                let report = run::execute(registry, &task.spec, id, options);
                screen::retake();
                deliver(report);
            }
            return;
        }
        let mut attempts = 0;
        while !runs.is_empty() && task.wanted() {
            if lane.worker.is_none() {
                lane.knows = None;
                match Worker::start(self.memory.load(Ordering::Relaxed)) {
                    Ok(worker) => lane.worker = Some(worker),
                    Err(error) => {
                        let why = format!("no worker process could be started: {error}");
                        for id in runs {
                            deliver(RunReport::lost(id.clone(), Verdict::Interrupted { why: why.clone() }));
                        }
                        return;
                    }
                }
            }
            let known = lane.knows(task);
            let worker = lane.worker.as_mut().expect("it was just started");
            let spec = (!known).then_some(task.json.as_str());
            let mut delivered = 0;
            let end = worker.run(spec, runs, options, task.limit, &|| task.wanted(), |report| {
                delivered += 1;
                deliver(report);
            });
            runs = &runs[delivered..];
            if delivered > 0 {
                attempts = 0;
            }
            match end {
                Ok(()) => lane.knows = Some(task.clone()),
                Err(Gone::Done | Gone::Swollen) => *lane = Lane::default(),
                Err(Gone::FromOutside(how)) => {
                    *lane = Lane::default();
                    attempts += 1;
                    if attempts == ATTEMPTS {
                        attempts = 0;
                        let why = format!(
                            "its worker process was ended {ATTEMPTS} times, and not by squall: something outside does it, as the \
                             system does when memory runs out, or the run does it to itself; at last by {how}"
                        );
                        deliver(RunReport::lost(runs[0].clone(), Verdict::Interrupted { why }));
                        runs = &runs[1..];
                    }
                }
            }
        }
    }
}
