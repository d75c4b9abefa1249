//! A process learns that it is to end, in both worlds.

#[cfg(madsim)]
mod simulated {
    use std::{
        sync::{Arc, Mutex},
        time::Duration,
    };

    use squall_rt::{
        disk::{self, File},
        process::shutdown_requested,
        world::{Death, DiskFate, NodeId, World},
    };
    use squall_rt_tests::in_a_world;

    type Log = Arc<Mutex<Vec<&'static str>>>;

    /// A service that finishes what it has begun when it is asked to end.
    async fn serve(log: Log) {
        let say = |what| log.lock().unwrap().push(what);
        say("started");
        shutdown_requested().await;
        say("asked");
        tokio::time::sleep(Duration::from_millis(20)).await;
        disk::write("/last words", "kept").unwrap();
        say("done");
    }

    async fn wait(world: &World, ms: u64) {
        world.sleep(Duration::from_millis(ms)).await;
    }

    fn start(world: &World, node: NodeId, log: &Log) {
        let log = log.clone();
        world.start(node, move |_| serve(log));
    }

    #[test]
    fn a_process_that_is_asked_ends_in_its_own_time() {
        in_a_world(1, async |world| {
            let (a, b) = (world.add_node("a-0"), world.add_node("b-0"));
            let logs = [Log::default(), Log::default()];
            start(&world, a, &logs[0]);
            start(&world, b, &logs[1]);
            wait(&world, 100).await;
            assert!(world.terminate(a), "it listens");
            wait(&world, 10).await;
            assert_eq!(*logs[0].lock().unwrap(), ["started", "asked"]);
            assert_eq!(*logs[1].lock().unwrap(), ["started"], "nobody has asked the other");
            wait(&world, 15).await;
            assert_eq!(*logs[0].lock().unwrap(), ["started", "asked", "done"]);
            assert!(world.exit(a));
            assert!(!world.exit(a), "it is gone");
            wait(&world, 1).await;

            // The next life has not been asked, and has what the last one wrote.
            start(&world, a, &logs[0]);
            wait(&world, 100).await;
            assert_eq!(*logs[0].lock().unwrap(), ["started", "asked", "done", "started"]);
            world.crash(a, Death::Power, DiskFate::LoseUnsynced);
            wait(&world, 1).await;
            let (done, is_done) = tokio::sync::oneshot::channel();
            world.start(a, |_| async {
                done.send(File::open("/last words").is_ok()).unwrap();
            });
            assert!(is_done.await.unwrap());
        });
    }

    #[test]
    fn one_that_does_not_end_in_time_is_killed_like_any_other() {
        in_a_world(1, async |world| {
            let a = world.add_node("a-0");
            let log = Log::default();
            start(&world, a, &log);
            wait(&world, 1).await;
            world.terminate(a);
            wait(&world, 10).await;
            world.crash(a, Death::Process, DiskFate::Keep);
            wait(&world, 100).await;
            assert_eq!(*log.lock().unwrap(), ["started", "asked"]);
        });
    }

    #[test]
    fn once_asked_it_stays_asked_and_every_waiter_learns_of_it() {
        in_a_world(1, async |world| {
            let a = world.add_node("a-0");
            let heard = Log::default();
            let log = heard.clone();
            world.start(a, |_| async move {
                for name in ["first", "second"] {
                    let log = log.clone();
                    tokio::spawn(async move {
                        shutdown_requested().await;
                        log.lock().unwrap().push(name);
                    });
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
                shutdown_requested().await;
                shutdown_requested().await;
                log.lock().unwrap().push("late");
            });
            wait(&world, 10).await;
            world.terminate(a);
            world.terminate(a);
            wait(&world, 10).await;
            assert_eq!(heard.lock().unwrap().len(), 2);
            wait(&world, 50).await;
            assert_eq!(heard.lock().unwrap()[2..], ["late"]);
        });
    }

    #[test]
    fn who_does_not_listen_is_known_and_can_still_be_told() {
        in_a_world(1, async |world| {
            let a = world.add_node("a-0");
            assert!(!world.terminate(a), "there is no process");
            let heard = Log::default();
            let log = heard.clone();
            world.start(a, |_| async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                shutdown_requested().await;
                log.lock().unwrap().push("heard");
            });
            wait(&world, 10).await;
            assert!(!world.terminate(a), "it does not listen yet");
            wait(&world, 50).await;
            assert_eq!(*heard.lock().unwrap(), ["heard"]);
        });
    }

    #[test]
    fn a_paused_process_hears_of_it_when_it_goes_on_and_the_supervisor_never() {
        in_a_world(1, async |world| {
            let a = world.add_node("a-0");
            let log = Log::default();
            start(&world, a, &log);
            wait(&world, 1).await;
            world.pause(a);
            assert!(world.terminate(a));
            wait(&world, 100).await;
            assert_eq!(*log.lock().unwrap(), ["started"]);
            world.resume(a);
            wait(&world, 1).await;
            assert_eq!(*log.lock().unwrap(), ["started", "asked"]);
            let never = tokio::time::timeout(Duration::from_secs(1), shutdown_requested()).await;
            assert!(never.is_err());
        });
    }
}

#[cfg(not(madsim))]
mod production {
    use std::{process::Command, time::Duration};

    use squall_rt::{process::shutdown_requested, time::timeout};

    fn block_on<F: std::future::Future>(test: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(test)
    }

    fn signal_myself(signal: &str) {
        let sent = Command::new("kill").args([signal, &std::process::id().to_string()]).status();
        assert!(sent.expect("kill(1) is there").success());
    }

    // One test, because what it asks of the process stays asked.
    #[test]
    fn sigterm_asks_and_it_stays_asked() {
        block_on(async {
            // Installs the handlers; without them the signal would end the tests.
            assert!(timeout(Duration::from_millis(10), shutdown_requested()).await.is_err());
        });
        signal_myself("-TERM");
        // No task waits, and the runtime that asked is gone; this one has never asked.
        block_on(async {
            timeout(Duration::from_secs(60), shutdown_requested()).await.expect("it was asked")
        });
        signal_myself("-INT");
        block_on(shutdown_requested());
    }
}
