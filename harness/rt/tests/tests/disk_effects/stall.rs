//! A disk that takes its time, beside pauses.

use super::*;

const TICK: Duration = Duration::from_millis(1);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn constant(time: Duration, ops: DiskOps) -> DiskEffect {
    DiskEffect::Stall { min: time, max: time, ops }
}

impl Machine {
    /// Does something, and says how long the process took for it. It does its next task at once.
    async fn stalls(&self, f: impl FnOnce() + Send + 'static) -> Duration {
        let begun = self.world.now();
        self.run(f).await;
        let time = self.world.now() - begun;
        self.run(|| ()).await;
        assert!(about(time, self.world.now() - begun));
        time
    }

    /// Begins to sync, on a disk that stalls. Syncing is not done when this returns.
    async fn begin_sync(&self) -> oneshot::Receiver<()> {
        let mut done = self.begin(|| open().sync_all().unwrap());
        self.world.sleep(Duration::from_micros(5)).await;
        assert!(done.try_recv().is_err());
        done
    }
}

fn about(expected: Duration, found: Duration) -> bool {
    // The scheduler takes some 100 ns a step.
    expected <= found && found < expected + Duration::from_micros(50)
}

#[test]
fn a_stalled_call_stops_the_whole_process_and_no_other() {
    on_a_machine(1, async |a| {
        let b = Machine::new(&a.world, "b-0");
        a.run(ones(1)).await;
        let stall = a.impose("s", constant(ms(80), SYNCS));
        // Another task of the same process counts milliseconds.
        let ticks = Arc::new(Mutex::new(Vec::new()));
        let (count, world) = (ticks.clone(), a.world.clone());
        a.run(move || {
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(TICK).await;
                    count.lock().unwrap().push(world.now());
                }
            });
        })
        .await;
        let begun = a.world.now();
        let time = a.stalls(|| open().sync_all().unwrap()).await;
        assert!(about(ms(80), time), "{time:?}");
        let during =
            |ticks: &[Duration]| ticks.iter().filter(|t| **t - begun < ms(80) && **t > begun).count();
        assert_eq!(during(&ticks.lock().unwrap()), 0);
        a.world.sleep(ms(10)).await;
        assert!(ticks.lock().unwrap().len() >= 9, "it goes on");
        assert!(about(Duration::ZERO, b.stalls(ones(1)).await), "the other machine has a disk of its own");
        assert!(about(Duration::ZERO, a.stalls(|| open().write_all_at(b"x", 0).unwrap()).await));
        assert_eq!(a.world.disks().lift(stall), 1);
        assert!(about(Duration::ZERO, a.stalls(|| open().sync_all().unwrap()).await), "healed");
        assert_eq!(a.world.disks().lift(stall), 1);
    });
}

#[test]
fn stalls_of_one_poll_and_of_several_effects_add_up() {
    on_a_machine(1, async |a| {
        a.run(ones(1)).await;
        let first = a.impose("first", constant(ms(30), DiskOps::ALL));
        let second = a.impose("second", constant(ms(5), SYNCS));
        let work = || {
            let file = open(); // 30
            file.write_all_at(b"x", 0).unwrap(); // 30
            file.read_exact_at(&mut [0], 0).unwrap(); // 30
            file.sync_data().unwrap(); // 35
            file.len().unwrap();
            assert!(disk::exists("/f").unwrap());
        };
        assert!(about(ms(125), a.stalls(work).await));
        assert_eq!((a.world.disks().touched(first), a.world.disks().touched(second)), (4, 1));
        a.world.disks().lift(first);
        assert!(about(ms(5), a.stalls(work).await));
        a.world.disks().lift(second);
        assert!(about(ms(0), a.stalls(work).await));
    });
}

#[test]
fn stall_times_are_drawn_between_the_bounds_and_the_same_for_a_seed() {
    let times = |seed| {
        on_a_machine(seed, async |a| {
            a.run(ones(1)).await;
            a.impose("s", DiskEffect::Stall { min: ms(10), max: ms(90), ops: SYNCS });
            let mut times = Vec::new();
            for _ in 0..50 {
                times.push(a.stalls(|| open().sync_all().unwrap()).await);
            }
            times
        })
    };
    let found = times(1);
    assert!(found.iter().all(|t| *t >= ms(10) && *t < ms(91)), "{found:?}");
    assert!(found.iter().any(|t| *t < ms(25)) && found.iter().any(|t| *t > ms(75)), "{found:?}");
    assert_eq!(found, times(1));
    assert_ne!(found, times(2));
}

/// Whether the process does what it is told now.
async fn answers(a: &Machine) -> bool {
    let mut answer = a.begin(|| ());
    a.world.sleep(Duration::from_micros(10)).await;
    answer.try_recv().is_ok()
}

#[test]
fn as_many_resumes_as_pauses_and_then_it_goes_on() {
    on_a_machine(1, async |a| {
        a.world.resume(a.node);
        assert!(answers(&a).await, "a resume too many is none");
        a.world.pause(a.node);
        a.world.pause(a.node);
        assert!(!answers(&a).await);
        a.world.resume(a.node);
        assert!(!answers(&a).await);
        a.world.resume(a.node);
        assert!(answers(&a).await);
        a.world.pause(a.node);
        assert!(!answers(&a).await);
        a.world.resume(a.node);
        assert!(answers(&a).await);
    });
}

#[test]
fn a_pause_and_a_stall_do_not_end_each_other() {
    on_a_machine(1, async |a| {
        a.run(ones(1)).await;
        a.impose("s", constant(ms(20), SYNCS));
        let stall = async || drop(a.begin_sync().await);

        stall().await;
        a.world.pause(a.node);
        a.world.resume(a.node);
        assert!(!answers(&a).await, "the resume was that of the pause");
        a.world.sleep(ms(20)).await;
        assert!(answers(&a).await);

        stall().await;
        a.world.pause(a.node);
        a.world.sleep(ms(30)).await;
        assert!(!answers(&a).await, "the stall is over, the pause is not");
        a.world.resume(a.node);
        assert!(answers(&a).await);

        // A supervisor that makes it slow: half of the time it stands still. The stall is 20 ms of both.
        stall().await;
        let begun = a.world.now();
        let answer = a.begin(|| ());
        let slow = {
            let (world, node) = (a.world.clone(), a.node);
            tokio::spawn(async move {
                for _ in 0..10 {
                    world.pause(node);
                    world.sleep(ms(3)).await;
                    world.resume(node);
                    world.sleep(ms(3)).await;
                }
            })
        };
        answer.await.unwrap();
        let time = a.world.now() - begun;
        assert!(about(ms(21), time), "paused again from 18 to 21 ms: {time:?}");
        slow.await.unwrap();
        assert!(answers(&a).await);
    });
}

#[test]
fn a_stall_dies_with_the_process_and_a_pause_does_not() {
    on_a_machine(1, async |a| {
        a.run(ones(1)).await;
        let stall = a.impose("s", constant(ms(1_000), SYNCS));
        drop(a.begin_sync().await);
        assert!(!answers(&a).await);
        a.crash_and_restart(DiskFate::LoseUnsynced).await;
        assert!(answers(&a).await, "the call died with its process");
        assert!(about(ms(1_000), a.stalls(|| open().sync_all().unwrap()).await), "the disk is still bad");

        // The timer of the first life's stall strikes while the second one's lasts, and is not its end.
        drop(a.begin_sync().await);
        a.world.sleep(ms(500)).await;
        a.crash_and_restart(DiskFate::LoseUnsynced).await;
        drop(a.begin_sync().await);
        let second = a.world.now();
        a.run(|| ()).await;
        assert!(a.world.now() - second >= ms(999));
        a.world.disks().lift(stall);

        a.world.pause(a.node);
        a.crash_and_restart(DiskFate::LoseUnsynced).await;
        assert!(!answers(&a).await, "paused is the machine");
        a.world.resume(a.node);
        assert!(answers(&a).await);
        a.crash(DiskFate::LoseUnsynced).await;
        a.world.pause(a.node);
        a.start();
        assert!(!answers(&a).await, "also when it was paused while it was down");
        a.world.resume(a.node);
        assert!(answers(&a).await);
    });
}

#[test]
fn a_call_that_stalls_has_done_nothing_when_a_crash_comes_in_the_middle() {
    on_a_machine(1, async |a| {
        a.run(ones(1)).await;
        let stall = a.impose("s", constant(ms(100), DiskOps { read: false, ..DiskOps::ALL }));
        let written = a.begin(|| open().write_all_at(&[2; PAGE], 0).unwrap());
        a.world.sleep(ms(50)).await;
        a.crash_and_restart(DiskFate::Keep).await;
        assert!(written.await.is_err(), "the process died in the call");
        assert_eq!(a.run(content).await, [1; PAGE]);
        a.run(|| open().write_all_at(&[2; PAGE], 0).unwrap()).await;
        drop(a.begin_sync().await);
        a.world.sleep(ms(50)).await;
        a.crash_and_restart(DiskFate::LoseUnsynced).await;
        assert_eq!(a.run(content).await, [1; PAGE]);
        assert_eq!(a.world.disks().lift(stall), 3);
    });
}

/// Runs on `a`, whose disk stalls a sync for 100 ms.
fn with_a_slow_sync<F: Future<Output = T>, T: Send + 'static>(
    main: impl FnOnce(Machine) -> F + Send + 'static,
) -> T {
    on_a_machine(1, async |a| {
        a.run(ones(1)).await;
        a.impose("s", constant(ms(100), SYNCS));
        main(a).await
    })
}

/// What the process did before the call is done at once, and what it does after it is so much later, although all is one poll.
#[test]
fn what_a_process_does_after_a_stalled_call_is_later_by_what_it_took() {
    with_a_slow_sync(async |a| {
        let begun = a.world.now();
        let (tell_before, before) = oneshot::channel();
        let (tell_after, after) = oneshot::channel();
        let done = a.begin(move || {
            let (instant, wall) = (squall_rt::time::Instant::now(), squall_rt::clock::now());
            tell_before.send(()).unwrap();
            open().sync_all().unwrap();
            tell_after.send(()).unwrap();
            let timer = squall_rt::time::sleep(ms(10)).deadline() - instant;
            (instant.elapsed(), squall_rt::clock::now().duration_since(wall).unwrap(), timer)
        });
        before.await.unwrap();
        assert!(a.world.now() - begun < ms(1));
        after.await.unwrap();
        assert!(about(ms(100), a.world.now() - begun));
        let (monotonic, wall, timer) = done.await.unwrap();
        for time in [monotonic, wall] {
            assert!(about(ms(100), time), "{time:?}");
        }
        assert!(timer >= ms(110), "{timer:?}");
    });
}

#[test]
fn a_packet_sent_after_a_stalled_call_leaves_after_it() {
    with_a_slow_sync(async |a| {
        let b = a.world.add_node("b-0");
        let (tell, told) = oneshot::channel();
        let world = a.world.clone();
        a.world.start(b, move |_| async move {
            let socket = squall_rt::net::UdpSocket::bind("0.0.0.0:7").await.unwrap();
            let mut arrivals = Vec::new();
            for _ in 0..2 {
                socket.recv_from(&mut [0; 8]).await.unwrap();
                arrivals.push(world.now());
            }
            let _ = tell.send(arrivals);
        });
        a.world.sleep(ms(1)).await;
        let begun = a.world.now();
        a.run(|| {
            squall_rt::task::spawn(async {
                let socket = squall_rt::net::UdpSocket::bind("0.0.0.0:0").await.unwrap();
                let send = || socket.try_send_to(b"x", "10.0.0.2:7".parse().unwrap()).unwrap();
                send();
                open().sync_all().unwrap();
                send();
            })
        })
        .await;
        let arrivals = told.await.unwrap();
        assert!(
            arrivals[0] - begun < ms(50) && arrivals[1] - begun >= ms(100),
            "{arrivals:?} from {begun:?}"
        );
    });
}

#[test]
fn a_stalled_call_goes_on_when_the_effect_is_lifted_and_not_before() {
    on_a_machine(1, async |a| {
        a.run(ones(1)).await;
        let long = a.impose("long", constant(ms(60_000), SYNCS));
        let short = a.impose("short", constant(ms(100), SYNCS));
        let begun = a.world.now();
        let done = a.begin_sync().await;
        a.world.sleep(ms(20)).await;
        assert!(!answers(&a).await);
        assert_eq!(a.world.disks().lift(long), 1);
        done.await.unwrap();
        assert!(about(ms(120), a.world.now() - begun), "what is left is the other's");
        let done = a.begin_sync().await;
        a.world.disks().lift(short);
        let lifted = a.world.now();
        done.await.unwrap();
        assert!(about(Duration::ZERO, a.world.now() - lifted));
        // The timers of what was lifted strike nobody.
        a.impose("last", constant(ms(70_000), SYNCS));
        assert!(about(ms(70_000), a.stalls(|| open().sync_all().unwrap()).await));
    });
}

/// A mutex may be held across a call that blocks: nothing else of the process runs before the poll is over.
#[test]
fn no_task_of_a_process_runs_in_the_middle_of_a_poll_of_another() {
    for seed in 0..20 {
        on_a_machine(seed, async |a| {
            a.run(ones(1)).await;
            a.impose("s", constant(ms(10), DiskOps::ALL));
            let busy = Arc::new(Mutex::new(0));
            let (tell, mut told) = mpsc::unbounded_channel();
            a.run(move || {
                for _ in 0..5 {
                    let (busy, tell) = (busy.clone(), tell.clone());
                    squall_rt::task::spawn(async move {
                        for _ in 0..10 {
                            {
                                let mut count = busy.try_lock().expect("the thread is in no other poll");
                                open().sync_all().unwrap();
                                *count += 1;
                            }
                            squall_rt::task::yield_now().await;
                        }
                        tell.send(()).unwrap();
                    });
                }
            })
            .await;
            let begun = a.world.now();
            for _ in 0..5 {
                told.recv().await.unwrap();
            }
            // Each opens and syncs 10 times.
            assert!(a.world.now() - begun >= ms(5 * 10 * 20), "one after the other");
        });
    }
}

#[test]
fn a_disk_that_hangs_stops_what_blocks_on_a_thread_of_its_own_and_nothing_else() {
    with_a_slow_sync(async |a| {
        let (tell, told) = oneshot::channel();
        let world = a.world.clone();
        a.run(move || {
            squall_rt::task::spawn(async move {
                let begun = world.now();
                let sync = || {
                    open().sync_all().unwrap();
                    open().sync_all().unwrap();
                    7
                };
                let (first, second) =
                    (squall_rt::task::spawn_blocking(sync), squall_rt::task::spawn_blocking(sync));
                let mut beats = 0;
                while !first.is_finished() {
                    squall_rt::time::sleep(ms(10)).await;
                    beats += 1;
                }
                let answers = (first.await.unwrap(), second.await.unwrap());
                let _ = tell.send((beats, answers, world.now() - begun));
            });
        })
        .await;
        let (beats, answers, time) = told.await.unwrap();
        assert!(beats >= 18, "{beats}");
        assert_eq!(answers, (7, 7));
        assert!(time >= ms(200) && time < ms(220), "both at a time: {time:?}");
    });
}

/// Code that a call failed for goes on: its process is dead, and nobody minds what it does.
#[test]
fn code_of_a_process_that_died_in_a_call_comes_to_an_end() {
    struct Fails(Arc<Mutex<u32>>);
    impl Drop for Fails {
        fn drop(&mut self) {
            *self.0.lock().unwrap() += 1;
            disk::write("/g", "x").expect("not while the process is dead");
        }
    }
    let dies_in = |f: fn(Fails)| {
        with_a_slow_sync(async move |a| {
            let drops = Arc::new(Mutex::new(0));
            let held = Fails(drops.clone());
            let done = a.begin(move || f(held));
            a.world.sleep(ms(10)).await;
            a.crash_and_restart(DiskFate::Keep).await;
            assert!(done.await.is_err());
            assert!(answers(&a).await);
            *drops.lock().unwrap()
        })
    };
    let with_its_error = dies_in(|held| {
        assert!(open_or(|file| file.sync_all()).is_err());
        drop(held);
    });
    assert_eq!(with_its_error, 1, "a destructor that panics ends nothing else");
    let with_a_panic = dies_in(|held| {
        let panicked = std::panic::catch_unwind(|| open_or(|file| file.sync_all()).unwrap());
        assert!(panicked.is_err());
        drop(held);
    });
    assert_eq!(with_a_panic, 1);
    let again_and_again = dies_in(|held| {
        std::mem::forget(held);
        while open_or(|file| file.sync_all()).is_err() {}
    });
    assert_eq!(again_and_again, 0);
}

/// As a service that passes errors on.
fn open_or<T>(f: impl FnOnce(&disk::File) -> std::io::Result<T>) -> std::io::Result<T> {
    f(&disk::OpenOptions::new().read(true).write(true).open("/f")?)
}

/// A task that panics while calls may block is dropped after the panic, as elsewhere: its destructors may panic too.
#[test]
fn a_panic_where_calls_may_block_is_an_error_of_whoever_awaits_the_task() {
    struct Twice;
    impl Future for Twice {
        type Output = ();
        fn poll(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<()> {
            open().sync_all().unwrap();
            panic!("once");
        }
    }
    impl Drop for Twice {
        fn drop(&mut self) {
            panic!("twice");
        }
    }
    with_a_slow_sync(async |a| {
        a.world.set_panics(Panics::Continue);
        let begun = a.world.now();
        let (tell, told) = oneshot::channel();
        a.run(move || {
            squall_rt::task::spawn(async move {
                tell.send(squall_rt::task::spawn(Twice).await).unwrap();
            })
        })
        .await;
        let error = told.await.unwrap().unwrap_err();
        assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "once");
        assert!(about(ms(100), a.world.now() - begun));
        assert!(answers(&a).await);
    });
}

/// Stacks share a thread of the machine, and what code keeps in its `thread_local!`s while it runs is not for code on another stack.
#[test]
fn a_process_in_a_call_lends_its_local_set_and_its_task_to_no_other() {
    with_a_slow_sync(async |a| {
        let b = Machine::new(&a.world, "b-0");
        let (tell, told) = oneshot::channel();
        a.run(move || {
            squall_rt::task::spawn(async move {
                let outer = squall_rt::task::id();
                // The set is made where it is awaited: it cannot be sent.
                let within = async move {
                    let inner = squall_rt::task::id();
                    open().sync_all().unwrap();
                    let after = squall_rt::task::id();
                    let answer = squall_rt::task::spawn_local(async { 7 }).await.unwrap();
                    let _ = tell.send((outer, inner, after, answer));
                };
                LocalOf(Box::pin(async move {
                    let set = squall_rt::task::LocalSet::new();
                    set.run_until(async { squall_rt::task::spawn_local(within).await.unwrap() }).await;
                }))
                .await;
            })
        })
        .await;
        a.world.sleep(ms(50)).await;
        let borrowed = b
            .run(|| {
                std::panic::catch_unwind(|| drop(squall_rt::task::spawn_local(async {})))
                    .map_err(|panic| panic.downcast::<String>().map(|text| *text))
            })
            .await;
        let message = borrowed.expect_err("it is in no set");
        assert!(message.is_ok_and(|text| text.contains("outside of a `task::LocalSet`")));
        let (outer, inner, after, answer) = told.await.unwrap();
        assert_ne!(outer, inner);
        assert_eq!((inner, answer), (after, 7));
    });
}

/// A run is one thread, so a future may be sent although it holds a set.
struct LocalOf(std::pin::Pin<Box<dyn Future<Output = ()>>>);
#[allow(unsafe_code, reason = "a task that is spawned has to be sent, and none ever is")]
// SAFETY: a run is one thread.
unsafe impl Send for LocalOf {}
impl Future for LocalOf {
    type Output = ();
    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

/// As tokio's.
#[test]
fn a_function_that_blocks_cannot_be_aborted_once_it_has_begun() {
    with_a_slow_sync(async |a| {
        let (tell, told) = oneshot::channel();
        a.run(move || {
            squall_rt::task::spawn(async move {
                let never =
                    squall_rt::task::spawn_blocking(|| unreachable!("it was aborted before it began"));
                never.abort();
                let begun = squall_rt::task::spawn_blocking(|| open().sync_all().unwrap());
                squall_rt::time::sleep(ms(50)).await;
                begun.abort();
                let cancelled = never.await.is_err_and(|error| error.is_cancelled());
                let _ = tell.send((cancelled, begun.await.is_ok()));
            })
        })
        .await;
        assert_eq!(told.await.unwrap(), (true, true));
    });
}

/// As tokio's.
#[test]
fn a_process_has_512_threads_for_what_blocks() {
    with_a_slow_sync(async |a| {
        let (tell, told) = oneshot::channel();
        let world = a.world.clone();
        a.run(move || {
            squall_rt::task::spawn(async move {
                let begun = world.now();
                let sync = |_| {
                    let world = world.clone();
                    squall_rt::task::spawn_blocking(move || {
                        open().sync_all().unwrap();
                        world.now() - begun
                    })
                };
                let all: Vec<_> = (0..514).map(sync).collect();
                let mut ends = Vec::new();
                for one in all {
                    ends.push(one.await.unwrap());
                }
                ends.sort();
                let _ = tell.send(ends);
            })
        })
        .await;
        let ends = told.await.unwrap();
        let waited = ends.iter().filter(|end| **end >= ms(200)).count();
        assert_eq!(waited, 2, "{:?}", ends.last());
        assert!(ends[513] < ms(202), "{:?}", ends.last());
    });
}

/// What is on the stack of a call that blocks is dropped with its process.
#[test]
fn a_process_that_dies_in_a_call_drops_what_it_holds() {
    struct Dropped(Arc<Mutex<u32>>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            // Destructors reach nothing any more.
            assert!(disk::write("/g", "x").is_err());
            *self.0.lock().unwrap() += 1;
        }
    }
    with_a_slow_sync(async |a| {
        let drops = Arc::new(Mutex::new(0));
        let held = Dropped(drops.clone());
        let done = a.begin(move || {
            let _held = held;
            open().sync_all().unwrap();
            unreachable!("the process is dead");
        });
        a.world.sleep(ms(10)).await;
        assert_eq!(*drops.lock().unwrap(), 0);
        a.crash_and_restart(DiskFate::Keep).await;
        assert_eq!(*drops.lock().unwrap(), 1);
        assert!(done.await.is_err());
        assert!(answers(&a).await);
        assert!(!a.run(|| disk::exists("/g").unwrap()).await);
    });
}

/// madsim's crates spawn tasks past this one.
#[test]
fn a_call_that_stalls_takes_its_time_in_tasks_that_others_have_spawned() {
    with_a_slow_sync(async |a| {
        let (tell, told) = oneshot::channel();
        let world = a.world.clone();
        let beats = Arc::new(Mutex::new(0));
        let (count, seen) = (beats.clone(), beats.clone());
        a.run(move || {
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(TICK).await;
                    *count.lock().unwrap() += 1;
                }
            });
            tokio::spawn(async move {
                let (begun, before) = (world.now(), *seen.lock().unwrap());
                // Held across the call: nothing else of the process may want it meanwhile.
                let held = seen.lock().unwrap();
                open().sync_all().unwrap();
                let answer = (world.now() - begun, *held - before);
                drop(held);
                let _ = tell.send(answer);
            })
        })
        .await;
        let (time, beats) = told.await.unwrap();
        assert!(about(ms(100), time), "{time:?}");
        assert_eq!(beats, 0);

        let drops = beats_after_a_crash(&a).await;
        assert_eq!(drops, 0);
    });
}

/// How often code after a call goes on although its process died in it.
async fn beats_after_a_crash(a: &Machine) -> u32 {
    let went_on = Arc::new(Mutex::new(0));
    let count = went_on.clone();
    a.run(move || {
        tokio::spawn(async move {
            if open().sync_all().is_ok() {
                *count.lock().unwrap() += 1;
            }
        })
    })
    .await;
    a.world.sleep(ms(10)).await;
    a.crash_and_restart(DiskFate::Keep).await;
    a.world.sleep(ms(200)).await;
    assert!(answers(a).await);
    *went_on.lock().unwrap()
}
