//! Executes one run: a fresh thread, a fresh world, the supervisor that brings it from warmup to its verdict.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use squall_rt::{
    task::JoinHandle,
    world::{self, NodeId, World},
};

use super::{
    Coverage, Digest, ExecuteOptions, RunReport, Verdict, engine::Engine, idle::Idle, states::states,
    trigger::Triggers, watch::Watch,
};
use crate::{
    check::judge::Judge,
    cluster::{
        Clients, Cluster, Setting,
        target::{self, Among},
    },
    confine::{self, Backtrace, By, Panicked, Sight, as_part},
    history::{Kind, Phase},
    plan::{Drawn, Plan, PlannedFault, RunId, Start},
    record::{
        Followed, Follower, Listener, Recorded, Recorder,
        capture::{self, CaptureGuard, RunLog},
    },
    spec::{
        Spec, draws,
        model::{Heal, Panics, Target},
    },
    system::{AnySystem, CLIENTS, Registry, Transport},
    trace::{self, Traced},
};

/// The stack of a run's thread. Code under test gets what tokio would give its workers.
const STACK: usize = 2 << 20;

/// Executes the run that `spec` and `run`, a seed or a run's name, define. Blocks until it has ended.
///
/// A panic of code under test ends the run with [`Verdict::Panicked`], and what cannot be simulated with [`Verdict::Undecided`]. A run that loops for ever, aborts or overflows its
/// stack takes this process with it: workers are there for that.
///
/// # Panics
/// When the spec is not valid for the registry.
pub fn execute(
    registry: &Registry,
    spec: &Spec,
    run: impl Into<RunId>,
    options: ExecuteOptions,
) -> RunReport {
    execute_followed(registry, spec, run, options, None)
}

/// Executes a run as [`execute`] does, and shows each record to whoever follows it.
pub(crate) fn execute_followed(
    registry: &Registry,
    spec: &Spec,
    run: impl Into<RunId>,
    options: ExecuteOptions,
    follower: Option<Follower>,
) -> RunReport {
    let run = run.into();
    let system = system_of(registry, spec);
    let started = Instant::now();
    // Of a run that others are made of, everything is told.
    let options =
        if run.is_survey() { ExecuteOptions { keep_history: true, trace: true, ..options } } else { options };
    let shared = Arc::new(Shared {
        log: RunLog::new(options.log),
        recorder: OnceLock::new(),
        thread: OnceLock::new(),
        watch: OnceLock::new(),
        done: Mutex::default(),
    });
    let plan = draw_plan(&*system, spec, &run);
    if let Ok(plan) = &plan
        && let Some(reason) = plan.stranger(spec)
    {
        return RunReport::lost(run, Verdict::Undecided { reason });
    }
    let watching = follower.clone().map(|follower| PollWatch::start(shared.clone(), follower));
    let outcome = plan.and_then(|plan| {
        on_fresh_thread(|| {
            let _listening = capture::listen(options.log);
            let _ = shared.thread.set(Sight::of_this_thread());
            let schedule = spec.plan.as_ref().and_then(|plan| plan.schedule);
            world::run_scheduled(plan.seed, schedule, |world| {
                supervise(world, system.clone(), spec, plan, shared.clone(), options.trace, follower)
            })
        })
    });
    drop(watching);
    let mut report = match outcome {
        Ok(Ok(())) => shared.report(run),
        Ok(Err(stray)) => {
            RunReport { verdict: Verdict::Undecided { reason: stray.to_string() }, ..shared.report(run) }
        }
        Err(ended) => shared.ended_early(run, ended),
    };
    report.wall_us = started.elapsed().as_micros() as u64;
    if report.passed() && !options.keep_history {
        report.history = Vec::new();
    }
    report
}

/// Tells a follower whose code runs when it keeps the run's thread for long. From a thread of its own, so until it is dropped.
struct PollWatch {
    over: Option<mpsc::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl PollWatch {
    /// How long is long.
    const LONG: Duration = Duration::from_millis(50);
    /// After how many times that it is looked at what the code is doing.
    const PATIENCE: u32 = 8;

    fn start(shared: Arc<Shared>, follower: Follower) -> Self {
        let (over, is_over) = mpsc::channel();
        // From the run's first poll on: it may be over, or hang, before the thread looks for the first time.
        let (mut last, _) = capture::polled();
        let mut told = last;
        let mut times = 0;
        let thread = thread::spawn(move || {
            while is_over.recv_timeout(Self::LONG) == Err(mpsc::RecvTimeoutError::Timeout) {
                let (poll, process) = capture::polled();
                times = if poll == last { times + 1 } else { 0 };
                let looks = times == Self::PATIENCE;
                if poll == last
                    && (poll != told || looks)
                    && let (Some(recorder), Some(process)) = (shared.recorder.get(), process)
                {
                    let mut polled = recorder.name_of_process(process);
                    if let Some(at) = recorder.polled_task().filter(|at| !Cluster::is_first_task(at)) {
                        polled += &format!(", in the task spawned at {at}");
                    }
                    if let Some(seen) = shared.thread.get().filter(|_| looks).and_then(|thread| thread.look())
                    {
                        polled += &format!(", {seen}");
                    }
                    follower(Followed::Polled(&polled));
                    told = poll;
                }
                last = poll;
            }
        });
        PollWatch { over: Some(over), thread: Some(thread) }
    }
}

impl Drop for PollWatch {
    fn drop(&mut self) {
        self.over = None;
        if let Some(thread) = self.thread.take() {
            // If it panicked, it has said so.
            let _ = thread.join();
        }
    }
}

/// Draws the plan that [`execute`] would run, without running it.
///
/// # Panics
/// When the spec is not valid for the registry, or a strategy of the system does.
pub fn explain(registry: &Registry, spec: &Spec, run: impl Into<RunId>) -> Plan {
    try_explain(registry, spec, &run.into()).unwrap_or_else(|ended| panic!("{ended}"))
}

/// Runs `f`, which calls code under test, on a thread like that of a run.
pub(crate) fn apart<T: Send>(f: impl FnOnce() -> T + Send) -> Result<T, Ended> {
    on_fresh_thread(|| {
        listen_apart();
        f()
    })
}

/// What is refused on this thread, where there are no nodes, is noted.
fn listen_apart() {
    confine::listen(|node| node.index().to_string(), |_| ());
}

/// As [`explain`], with a panic of the system's code as a value.
pub(crate) fn try_explain(registry: &Registry, spec: &Spec, run: &RunId) -> Result<Plan, Ended> {
    let system = system_of(registry, spec);
    draw_plan(&*system, spec, run)
}

/// Draws a plan, or says why the system's strategies have none.
fn draw_plan(system: &dyn AnySystem, spec: &Spec, run: &RunId) -> Result<Plan, Ended> {
    let drawn = on_fresh_thread(|| {
        listen_apart();
        let params = |seed| params_of(system, spec, seed);
        world::run(run.seed, |_| async move { Plan::of_run(system, &params, spec, run) })
    })?;
    drawn.map_err(|stray| Ended::Refused(stray.to_string()))
}

/// Has `f` take the operations of a run's plan, as they were drawn: proptest values, which can be made simpler. On a thread of its own, as
/// they were drawn then.
///
/// # Errors
/// A panic of the system's code, in drawing them or in `f`.
///
/// # Panics
/// When the spec is not valid for the registry.
pub(crate) fn with_drawn_operations<T: Send>(
    registry: &Registry,
    spec: &Spec,
    run: &RunId,
    f: impl FnOnce(Vec<Drawn>) -> T + Send,
) -> Result<T, Ended> {
    let system = system_of(registry, spec);
    let system = &*system;
    let plan = try_explain(registry, spec, run)?;
    apart(|| {
        let params = |seed| params_of(system, spec, seed);
        let drawn =
            world::run(run.seed, |_| async { Plan::drawn_operations(system, &params, spec, run, &plan) });
        f(drawn.unwrap_or_default())
    })
}

fn system_of(registry: &Registry, spec: &Spec) -> Arc<dyn AnySystem> {
    registry.get(&spec.system.value).expect("a valid spec names a known system").clone()
}

/// The parameters of a spec with what is drawn in them for this seed, and its variant applied.
fn params_of(system: &dyn AnySystem, spec: &Spec, seed: u64) -> serde_json::Value {
    let flaw = spec.variant.as_ref().and_then(|name| system.flaws().iter().find(|f| f.name == name.value));
    let (params, _) = draws::resolve(&spec.params.value, seed);
    match flaw {
        Some(flaw) => system.with_flaw(&params, flaw.name),
        None => params,
    }
}

/// Why what was to be executed has no outcome.
pub(crate) enum Ended {
    /// Something in it panicked.
    Panicked(Panicked),
    /// It asked for what cannot be simulated.
    Refused(String),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Refused(told) => f.write_str(told),
            Ended::Panicked(Panicked { message, location, by, .. }) => {
                if let By::Part(part) = by {
                    write!(f, "{part} panicked in ")?;
                }
                write!(f, "{location}: {message}")
            }
        }
    }
}

/// Runs `f` on a thread of its own, where a panic is noted rather than printed.
fn on_fresh_thread<T: Send>(f: impl FnOnce() -> T + Send) -> Result<T, Ended> {
    thread::scope(|scope| {
        let run = || {
            let outcome = confine::catch(f);
            match (confine::take_refused(), outcome) {
                (Some(told), _) => Err(Ended::Refused(told)),
                (None, outcome) => outcome.map_err(Ended::Panicked),
            }
        };
        thread::Builder::new()
            .name("run".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, run)
            .expect("the system can start a thread")
            .join()
            .expect("panics are caught on the thread itself")
    })
}

/// What outlives the run's thread.
struct Shared {
    log: Arc<RunLog>,
    recorder: OnceLock<Arc<Recorder>>,
    /// The thread of the run.
    thread: OnceLock<Sight>,
    watch: OnceLock<Arc<Watch>>,
    done: Mutex<Option<(Recorded, Coverage, Duration)>>,
}

impl Shared {
    fn report(&self, run: RunId) -> RunReport {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (recorded, coverage, virtual_time) =
            done.expect("a supervisor that returned has left its results");
        RunReport {
            run,
            verdict: match (recorded.violation, recorded.undecided) {
                (Some(violation), _) => Verdict::Violated(violation),
                (None, Some(reason)) => Verdict::Undecided { reason },
                (None, None) => Verdict::Passed,
            },
            digest: recorded.digest,
            virtual_time,
            wall_us: 0,
            coverage,
            history: recorded.records,
            trace: self.trace(),
            polled: None,
            backtrace: Backtrace::default(),
            log: self.log.take(),
        }
    }

    fn trace(&self) -> Vec<Traced> {
        self.watch.get().map_or_else(Vec::new, |watch| watch.take())
    }

    /// The report of a run whose supervisor did not return, or is not to be believed.
    fn ended_early(&self, run: RunId, ended: Ended) -> RunReport {
        if self.done.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            let report = self.report(run);
            return match (&report.verdict, ended) {
                // What was seen before the refusal was seen.
                (Verdict::Violated(_), Ended::Refused(_)) => report,
                (_, ended) => RunReport { verdict: self.verdict(ended), ..report },
            };
        }
        let (at, backtrace) = match &ended {
            Ended::Panicked(panicked) => (panicked.at, panicked.backtrace.clone()),
            Ended::Refused(_) => (Duration::ZERO, Backtrace::default()),
        };
        let recorded = self.recorder.get().map(|recorder| recorder.take(&[]));
        let (digest, history) =
            recorded.map_or((Digest::default(), Vec::new()), |recorded| (recorded.digest, recorded.records));
        RunReport {
            digest,
            virtual_time: at.max(history.last().map_or(Duration::ZERO, |record| record.at)),
            history,
            trace: self.trace(),
            backtrace,
            log: self.log.take(),
            ..RunReport::lost(run, self.verdict(ended))
        }
    }

    fn verdict(&self, ended: Ended) -> Verdict {
        match ended {
            Ended::Refused(reason) => Verdict::Undecided { reason },
            Ended::Panicked(Panicked { message, location, by, at, .. }) => Verdict::Panicked {
                message,
                location,
                node: match by {
                    By::Node(node) => self.recorder.get().map(|recorder| recorder.name_for_panic(node)),
                    By::Part(part) => Some(part),
                    By::Harness => None,
                }
                .unwrap_or_else(|| "the harness".to_owned()),
                at,
            },
        }
    }
}

async fn supervise(
    world: Arc<World>,
    system: Arc<dyn AnySystem>,
    spec: &Spec,
    plan: Plan,
    shared: Arc<Shared>,
    trace: bool,
    follower: Option<Follower>,
) {
    let params = params_of(&*system, spec, world.seed());
    world.set_panics(match spec.panics {
        Panics::Finding => world::Panics::EndTheRun,
        Panics::Continue => world::Panics::Continue,
    });
    let watch = watch(&world, &plan, trace);
    if let Some(watch) = &watch {
        let _ = shared.watch.set(watch.clone());
    }
    let triggers = Arc::new(Triggers::default());
    let watching = watch.clone().map(|watch| watch as Arc<dyn Listener>);
    let listeners = watching.into_iter().chain([triggers.clone() as Arc<dyn Listener>]).collect();
    let judge = judge(spec, &system, &params);
    let recorder = Recorder::new(world.clone(), judge, listeners, follower);
    let _ = shared.recorder.set(recorder.clone());
    let (names, ends) = (recorder.clone(), recorder.clone());
    confine::listen(move |node| names.name_for_panic(node), move |told| ends.give_up_if_free(told));
    let clients =
        Clients::new(recorder.clone(), *spec.workload.clients, &plan.operations, plan.left_out.operations());
    let groups: Vec<(Arc<str>, u32)> =
        as_part(&mut (), |()| "System::groups".to_owned(), |()| system.groups(&params))
            .iter()
            .map(|group| {
                let size = spec.topology.iter().find(|(name, _)| name.value == group.name);
                (group.name.into(), size.map_or(group.size, |(_, size)| size.value))
            })
            .collect();
    let declared = capture::Declared::new(system.events(), system.roles());
    let (cluster, serve) = Cluster::build(Setting {
        world: world.clone(),
        recorder: recorder.clone(),
        system,
        params,
        groups: &groups,
        clients: clients.clone(),
        network: &spec.network,
        limits: &spec.limits,
    });

    let guard = CaptureGuard::enter(recorder.clone(), world.clone(), declared, shared.log.clone());
    let mut tasks = AbortOnDrop(vec![squall_rt::task::spawn(serve)]);
    recorder.record(Kind::Phase(Phase::Warmup));
    let ids = spec.faults.iter().map(|fault| fault.id.value.clone());
    let most = spec.limits.max_concurrent.as_ref().map(|most| most.value);
    let futures: Vec<(Duration, u64)> =
        plan.futures.iter().map(|future| (future.from.0, future.key)).collect();
    let phases = plan.phases;
    let heal = plan.heal.clone();
    let (engine, fault_tasks) =
        Engine::start(cluster.clone(), recorder.clone(), triggers, watch, plan, most, ids);
    tasks.0.extend(fault_tasks);
    cluster.start_all();
    tasks.0.extend(engine.strike_first());

    // Not a task of its own: up to then the scheduler has as many to choose from as ever.
    let drawn_anew = async {
        let mut tasks = AbortOnDrop(Vec::new());
        for (nth, (from, key)) in futures.into_iter().enumerate() {
            world.sleep_until(from).await;
            world.redraw(key).await;
            tasks.0.extend(engine.redraw(nth));
        }
        std::future::pending::<()>().await;
    };
    let run_through = async {
        world.sleep_until(phases.warmup.0).await;
        recorder.record(Kind::Phase(Phase::Chaos));
        world.sleep_until(phases.chaos.0).await;
        engine.settle(core(&heal, &cluster).as_ref());
        recorder.record(Kind::Phase(Phase::Settle));
        world.sleep_until(phases.settle.0).await;
    };
    tokio::select! {
        biased;
        () = recorder.stopped() => {}
        () = drawn_anew => {}
        () = run_through => {
            clients.close();
            recorder.finish(phases.chaos.0);
        }
    }
    let stuck = recorder.stuck_tasks();
    drop(guard);
    drop(tasks);
    if let Some(reason) = over_another_network(&cluster) {
        recorder.mistrust(reason);
    }
    let virtual_time = world.now();
    let (exercised, sometimes) = recorder.exercised();
    let recorded = recorder.take(&[world.net().digest(), world.disks().digest()]);
    engine.close();
    let counts = engine.counts();
    let untouched = |id: &&String| counts.get(*id).is_none_or(|count| count.touched == 0);
    let idle = |id: &String| (id.clone(), Idle::of(id, engine.planned(), &recorded.records));
    let coverage = Coverage {
        idle: spec.faults.iter().map(|fault| &fault.id.value).filter(untouched).map(idle).collect(),
        faults: counts,
        states: states(&recorded.records, &exercised),
        exercised,
        sometimes,
        roles: recorder.roles_taken(),
        stuck,
        ops: count_outcomes(&recorded),
    };
    *shared.done.lock().unwrap_or_else(PoisonError::into_inner) = Some((recorded, coverage, virtual_time));
}

/// Why a run says nothing in which something was sent where no fault of the spec and no `network:` acts.
fn over_another_network(cluster: &Cluster) -> Option<String> {
    let world = cluster.world();
    let (says, other, sent, remedy) = match cluster.transport() {
        Transport::Squall => (
            "Squall",
            "madsim's own network (NetSim)",
            world.bridge().messages(),
            "return `Transport::NetSim` from it, or talk over `squall_rt::net`, `http` and `rpc` alone",
        ),
        Transport::NetSim => (
            "NetSim",
            "squall's network (`squall_rt::net`)",
            world.net().sent(),
            "return `Transport::Squall` from it, or talk over madsim's crates alone",
        ),
    };
    (sent > 0).then(|| {
        format!(
            "its processes talk over {other} (messages sent: {sent}), while `transport()` of the system says `{says}`: neither \
             faults nor `network:` of the spec act there. Remedy: {remedy}"
        )
    })
}

/// The checks of the spec, with the invariants and conditions of its system.
fn judge(spec: &Spec, system: &Arc<dyn AnySystem>, params: &serde_json::Value) -> Judge {
    let own = as_part(&mut (), |()| "System::invariants".to_owned(), |()| system.build_invariants(params));
    let conditions =
        || as_part(&mut (), |()| "System::conditions".to_owned(), |()| system.build_conditions(params));
    Judge::new(&spec.check, own, &conditions)
}

/// Has the world watched, if anybody wants to know.
fn watch(world: &World, plan: &Plan, trace: bool) -> Option<Arc<Watch>> {
    let waits = |fault: &PlannedFault| matches!(&fault.start, Start::When(t) if trace::world_event(&t.event).is_some());
    let drawn_later = plan.futures.iter().flat_map(|future| &future.faults);
    let wanted = trace || plan.faults.iter().chain(drawn_later).any(waits);
    wanted.then(|| {
        let watch = Watch::new(trace);
        world.watch(watch.clone());
        watch
    })
}

/// Tasks of the supervisor, which no crash of a node ends.
struct AbortOnDrop(Vec<JoinHandle<()>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

fn count_outcomes(recorded: &Recorded) -> [u64; 3] {
    let mut ops = [0; 3];
    for record in &recorded.records {
        match record.kind {
            Kind::Ok(..) => ops[0] += 1,
            Kind::Fail(..) => ops[1] += 1,
            Kind::Info(..) => ops[2] += 1,
            _ => {}
        }
    }
    ops
}

/// Which nodes the heal at settle concerns, if not all.
fn core(heal: &Heal, cluster: &Cluster) -> Option<BTreeSet<NodeId>> {
    let mut draws = cluster.world().stream("heal", "core");
    let mut core = BTreeSet::new();
    match heal {
        Heal::All => return None,
        Heal::RandomQuorum => {
            for group in cluster.groups() {
                let all = Target::Group(group.to_string());
                let of = if *group == *CLIENTS { all } else { Target::Majority(Box::new(all)) };
                core.extend(target::nodes(&of, cluster, Among::Members, &BTreeSet::new(), &mut draws));
            }
        }
        Heal::Core(of) => {
            for of in of {
                core.extend(target::nodes(of, cluster, Among::Members, &BTreeSet::new(), &mut draws));
            }
        }
    }
    Some(core)
}
