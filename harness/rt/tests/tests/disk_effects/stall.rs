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
    /// Does something, and says how long the process stood still after it: until it came to its next task.
    async fn stalls(&self, f: impl FnOnce() + Send + 'static) -> Duration {
        let begun = self.world.now();
        self.run(f).await;
        // The call itself takes no time: what it did is done before the process stands still.
        assert!(self.world.now() - begun < ms(1));
        self.run(|| ()).await;
        self.world.now() - begun
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
        let stall = async || a.run(|| open().sync_all().unwrap()).await;

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
        a.run(|| open().sync_all().unwrap()).await;
        assert!(!answers(&a).await);
        a.crash_and_restart(DiskFate::LoseUnsynced).await;
        assert!(answers(&a).await, "the call died with its process");
        assert!(about(ms(1_000), a.stalls(|| open().sync_all().unwrap()).await), "the disk is still bad");

        // The timer of the first life's stall strikes while the second one's lasts, and is not its end.
        a.run(|| open().sync_all().unwrap()).await;
        a.world.sleep(ms(500)).await;
        a.crash_and_restart(DiskFate::LoseUnsynced).await;
        a.run(|| open().sync_all().unwrap()).await;
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
fn what_a_stalled_call_did_is_done_when_a_crash_comes_in_the_middle() {
    on_a_machine(1, async |a| {
        a.run(ones(1)).await;
        a.impose("s", constant(ms(100), SYNCS));
        a.run(|| {
            let file = open();
            file.write_all_at(&[2; PAGE], 0).unwrap();
            file.sync_all().unwrap();
        })
        .await;
        a.world.sleep(ms(50)).await;
        a.crash_and_restart(DiskFate::LoseUnsynced).await;
        assert_eq!(a.run(content).await, [2; PAGE]);
    });
}
