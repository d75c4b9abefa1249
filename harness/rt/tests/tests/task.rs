//! Tasks of code under test.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use squall_rt::task;

/// madsim's `yield_now` is tokio's, which waits for a runtime that is never idle: a task that called it hung for ever.
async fn two_tasks_take_turns() {
    let turns = Arc::new(AtomicU32::new(0));
    let other = turns.clone();
    let task = task::spawn(async move {
        for _ in 0..100 {
            other.fetch_add(1, Ordering::Relaxed);
            task::yield_now().await;
        }
    });
    let mut seen = 0;
    while seen < 100 {
        task::yield_now().await;
        seen = turns.load(Ordering::Relaxed);
    }
    task.await.expect("it ends");
}

#[cfg(madsim)]
#[test]
fn a_task_that_yields_goes_on() {
    squall_rt::world::run(1, |world| async move {
        let node = world.add_node("a");
        let (done, finished) = tokio::sync::oneshot::channel();
        world.start(node, |_| async move {
            two_tasks_take_turns().await;
            let _ = done.send(());
        });
        finished.await.expect("it was not lost");
    })
    .expect("no stray tasks");
}

#[cfg(not(madsim))]
#[tokio::test]
async fn a_task_that_yields_goes_on() {
    two_tasks_take_turns().await;
}

#[cfg(madsim)]
mod told_to_the_harness {
    use std::{
        future::pending,
        panic::Location,
        sync::{
            Arc, Mutex,
            atomic::{AtomicU32, Ordering},
        },
        time::Duration,
    };

    use squall_rt::{
        task::{self, id},
        world::{Death, DiskFate, Panics, StuckTask, World, panic_ends_the_run},
    };
    use squall_rt_tests::in_a_world;
    use tokio::sync::{Notify, oneshot};

    const MS: Duration = Duration::from_millis(1);

    /// Node and line of each, and whether it is the first task of its process.
    fn told(stuck: &[StuckTask]) -> Vec<(Option<usize>, u32, bool)> {
        let one = |task: &StuckTask| {
            assert_eq!(task.spawned_at.file(), file!());
            (task.node.map(|node| node.index()), task.spawned_at.line(), task.is_main)
        };
        stuck.iter().map(one).collect()
    }

    #[test]
    fn a_task_that_nothing_can_wake_is_told_with_its_place() {
        in_a_world(1, async |world| {
            let node = world.add_node("a");
            let keeps = Arc::new(Notify::new());
            let (of_node, of_main) = (keeps.clone(), line!() + 1);
            world.start(node, |_| async move {
                // The sender is dropped without a word.
                let (sender, receiver) = oneshot::channel::<()>();
                task::spawn(receiver);
                task::spawn(async move {
                    let _kept = sender;
                    pending::<()>().await;
                });
                task::spawn(async move { of_node.notified().await });
                task::spawn(async {});
                task::spawn(squall_rt::time::sleep(MS * 1_000));
                squall_rt::time::sleep(MS * 5).await;
                pending::<()>().await;
            });
            let of_supervisor = task::spawn(pending::<()>());
            world.sleep(MS * 10).await;
            let stuck = world.stuck_tasks();
            let expected =
                [(None, of_main + 14, false), (Some(0), of_main, true), (Some(0), of_main + 4, false)];
            let mut told = told(&stuck);
            told.sort_unstable();
            assert_eq!(told, expected);
            let main = stuck.iter().find(|task| task.is_main).expect("it is among them");
            assert_eq!(main.since.as_millis(), 5, "it waits since then");
            // Whoever can be ended is stuck no more, and so are those of a dead process.
            of_supervisor.abort();
            world.crash(node, Death::Process, DiskFate::Keep);
            assert_eq!(world.stuck_tasks(), []);
        });
    }

    #[test]
    fn a_task_that_is_paused_before_its_turn_is_not_stuck() {
        in_a_world(1, async |world| {
            let node = world.add_node("a");
            let notify = Arc::new(Notify::new());
            let notified = notify.clone();
            world.start(node, |_| async move { notified.notified().await });
            world.sleep(MS).await;
            world.pause(node);
            notify.notify_one();
            world.sleep(MS).await;
            assert_eq!(world.stuck_tasks(), []);
        });
    }

    #[test]
    fn what_is_polled_can_be_read_from_another_thread() {
        in_a_world(1, async |world| {
            let node = world.add_node("a");
            let polled = world.polled();
            assert_eq!(polled.spawned_at(), None);
            let seen = Arc::new(Mutex::new(None::<&'static Location<'static>>));
            let (writes, reader) = (seen.clone(), polled.clone());
            let line = line!() + 2;
            world.start(node, |_| async move {
                let task = task::spawn(async move {
                    *writes.lock().unwrap() = reader.spawned_at();
                });
                task.await.unwrap();
            });
            world.sleep(MS).await;
            assert_eq!(seen.lock().unwrap().map(|place| (place.file(), place.line())), Some((file!(), line)));
            assert_eq!(polled.spawned_at(), None, "between polls");
        });
    }

    /// Each finished task kept 164 bytes in madsim's list of its process's tasks.
    #[test]
    fn finished_tasks_leave_nothing_behind() {
        let grown = in_a_world(1, async |world| {
            let node = world.add_node("a");
            let (done, grown) = oneshot::channel();
            world.start(node, |_| async move {
                let spawn_many = async || {
                    for _ in 0..20_000 {
                        task::spawn(async {}).await.unwrap();
                    }
                };
                spawn_many().await;
                let before = resident_pages();
                for _ in 0..10 {
                    spawn_many().await;
                }
                done.send(resident_pages().saturating_sub(before)).unwrap();
            });
            grown.await.unwrap()
        });
        // 200,000 tasks at 164 bytes are 8,000 pages.
        assert!(grown < 1_000, "{grown} pages");
    }

    /// Of this process, which other tests share.
    fn resident_pages() -> u64 {
        let statm = std::fs::read_to_string("/proc/self/statm").expect("only Linux tells");
        statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number of pages")
    }

    struct PanicsInDrop;

    impl Drop for PanicsInDrop {
        fn drop(&mut self) {
            panic!("in its destructor");
        }
    }

    #[test]
    fn a_panic_is_an_error_if_the_harness_says_so() {
        in_a_world(1, async |world| {
            world.set_panics(Panics::Continue);
            let node = world.add_node("a");
            let (done, is_done) = oneshot::channel();
            world.start(node, |_| async move {
                let error = task::spawn(async { panic!("with {} words", id()) }).await.unwrap_err();
                assert!(error.is_panic() && !error.is_cancelled());
                let words = format!("with {} words", error.id());
                assert_eq!(error.to_string(), format!("task {} panicked with message {words:?}", error.id()));
                assert_eq!(*error.into_panic().downcast::<String>().unwrap(), words);
                let aborted = task::spawn(async {
                    let _panics = PanicsInDrop;
                    pending::<()>().await;
                });
                squall_rt::time::sleep(MS).await;
                aborted.abort();
                assert!(aborted.await.unwrap_err().is_panic());
                done.send(()).unwrap();
            });
            is_done.await.unwrap();
        });
    }

    #[test]
    fn some_panics_end_the_run_whatever_the_harness_says() {
        let ends = |panics: fn(&World)| {
            let run = std::thread::spawn(move || {
                in_a_world(1, async move |world| {
                    world.set_panics(Panics::Continue);
                    panics(&world);
                    world.sleep(MS).await;
                });
            });
            assert_eq!(*run.join().unwrap_err().downcast::<&str>().unwrap(), "the end");
        };
        // In the first task of a process, in one of the supervisor's, and in a part of the harness that a process happens to call.
        ends(|world| {
            world.start(world.add_node("a"), |_| async { panic!("the end") });
        });
        ends(|_| drop(task::spawn(async { panic!("the end") })));
        ends(|world| {
            world.start(world.add_node("a"), |_| async {
                drop(task::spawn(async {
                    panic_ends_the_run();
                    panic!("the end");
                }));
            });
        });
    }

    #[test]
    fn a_panic_in_the_destructor_of_an_aborted_task_ends_the_run() {
        let run = std::thread::spawn(|| {
            in_a_world(1, async |world| {
                let node = world.add_node("a");
                world.start(node, |_| async move {
                    let aborted = task::spawn(async {
                        let _panics = PanicsInDrop;
                        pending::<()>().await;
                    });
                    squall_rt::time::sleep(MS).await;
                    aborted.abort();
                    pending::<()>().await;
                });
                world.sleep(MS * 10).await;
            });
        });
        assert_eq!(*run.join().unwrap_err().downcast::<&str>().unwrap(), "in its destructor");
    }

    #[test]
    fn destructors_of_a_dead_process_may_panic() {
        in_a_world(1, async |world| {
            let node = world.add_node("a");
            world.start(node, |_| async move {
                let _panics = PanicsInDrop;
                pending::<()>().await;
            });
            world.sleep(MS).await;
            world.crash(node, Death::Process, DiskFate::Keep);
            world.sleep(MS).await;
        });
    }

    /// What was ready when another task panicked ran once more while the world was cleaned up, in every other seed.
    #[test]
    fn nothing_runs_after_a_panic() {
        static TURNS_AFTER: AtomicU32 = AtomicU32::new(0);
        for seed in 0..20 {
            let run = std::thread::spawn(move || {
                in_a_world(seed, async |world| {
                    let node = world.add_node("a");
                    world.start(node, |_| async {
                        let panicked = Arc::new(AtomicU32::new(0));
                        for _ in 0..5 {
                            let panicked = panicked.clone();
                            task::spawn(async move {
                                loop {
                                    TURNS_AFTER
                                        .fetch_add(panicked.load(Ordering::Relaxed), Ordering::Relaxed);
                                    task::yield_now().await;
                                }
                            });
                        }
                        squall_rt::time::sleep(MS).await;
                        panicked.store(1, Ordering::Relaxed);
                        panic!("the end");
                    });
                    world.sleep(MS * 10).await;
                });
            });
            run.join().unwrap_err();
        }
        assert_eq!(TURNS_AFTER.load(Ordering::Relaxed), 0);
    }
}
