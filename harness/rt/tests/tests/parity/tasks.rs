//! What tasks do: how they end, how they give way, and sets of them.

use std::{
    cell::Cell,
    future::{Future, pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use real_tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{Notify, Semaphore},
};

use super::{
    super::Log,
    net::{TcpListener, TcpStream, UdpSocket},
    task::{self, JoinError, JoinSet, LocalSet, coop, spawn, spawn_local, unconstrained, yield_now},
    time::{sleep, timeout},
};

const MS: Duration = Duration::from_millis(10);

/// While a task never waits, virtual time goes on by some 75 ns each time it gives way.
const MOMENT: Duration = Duration::from_micros(10);

/// A result of a task, without its number.
fn said<T: std::fmt::Debug>(result: Result<T, JoinError>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => {
            let words = error.to_string().replace(&format!("task {}", error.id()), "task");
            format!("{words}; cancelled: {}, panic: {}", error.is_cancelled(), error.is_panic())
        }
    }
}

struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("in its destructor");
    }
}

/// Counts how many of it were dropped.
struct Counted(Arc<AtomicU32>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

pub async fn a_panic_is_an_error_of_the_one_who_awaits() -> Log {
    let number = 7;
    let mut log = vec![
        said(spawn(async { panic!("words") }).await),
        said(spawn(async move { panic!("a number, {number}") }).await),
        said(spawn(async { std::panic::panic_any(7) }).await),
    ];
    let error = spawn(async move { panic!("{number}") }).await.map(drop::<()>).unwrap_err();
    log.push(std::io::Error::from(error).to_string());
    log
}

pub async fn what_it_panicked_with_can_be_had() -> Log {
    let error = spawn(async { std::panic::panic_any(7) }).await.map(drop::<()>).unwrap_err();
    let payload = error.into_panic().downcast::<i32>().ok();
    let task = spawn(pending::<()>());
    task.abort();
    let other = task.await.unwrap_err().try_into_panic().map_err(|error| error.is_cancelled());
    vec![format!("{payload:?} {:?}", other.err())]
}

pub async fn a_panic_does_not_touch_the_others() -> Log {
    let other = spawn(async {
        sleep(MS).await;
        1
    });
    let panicked = spawn(async { panic!("words") }).await.map(drop::<()>).is_err();
    vec![format!("{panicked} {}", said(other.await))]
}

pub async fn an_aborted_task_ends_where_it_waits() -> Log {
    let dropped = Arc::new(AtomicU32::new(0));
    let holds = Counted(dropped.clone());
    let task = spawn(async move {
        let _holds = holds;
        pending::<()>().await;
    });
    sleep(MS).await;
    let before = (task.is_finished(), dropped.load(Ordering::Relaxed));
    task.abort();
    // It has yet to have its turn.
    let then = (task.is_finished(), dropped.load(Ordering::Relaxed));
    let end = said(task.await);
    vec![format!("{before:?} {then:?} {end} {}", dropped.load(Ordering::Relaxed))]
}

pub async fn a_task_that_is_aborted_at_once_never_runs() -> Log {
    let has_run = Arc::new(AtomicBool::new(false));
    let runs = has_run.clone();
    let task = spawn(async move { runs.store(true, Ordering::Relaxed) });
    task.abort();
    vec![format!("{} {}", said(task.await), has_run.load(Ordering::Relaxed))]
}

pub async fn to_abort_what_has_ended_does_nothing() -> Log {
    let task = spawn(async { 1 });
    sleep(MS).await;
    let is_finished = (task.is_finished(), task.abort_handle().is_finished());
    task.abort();
    vec![format!("{is_finished:?} {}", said(task.await))]
}

pub async fn a_task_that_aborts_itself_goes_on_until_it_waits() -> Log {
    let steps = Arc::new(AtomicU32::new(0));
    let (counts, notify) = (steps.clone(), Arc::new(Notify::new()));
    let told = notify.clone();
    let (handle, own) = real_tokio::sync::oneshot::channel::<task::AbortHandle>();
    let task = spawn(async move {
        own.await.unwrap().abort();
        counts.fetch_add(1, Ordering::Relaxed);
        told.notify_one();
        yield_now().await;
        counts.fetch_add(1, Ordering::Relaxed);
    });
    handle.send(task.abort_handle()).unwrap();
    notify.notified().await;
    vec![format!("{} {}", said(task.await), steps.load(Ordering::Relaxed))]
}

pub async fn a_destructor_that_panics_is_an_error() -> Log {
    let aborted = spawn(async {
        let _panics = PanicsInDrop;
        pending::<()>().await;
    });
    sleep(MS).await;
    aborted.abort();
    let unawaited = spawn(async {
        let _panics = PanicsInDrop;
        pending::<()>().await;
    });
    sleep(MS).await;
    unawaited.abort();
    drop(unawaited);
    sleep(MS).await;
    vec![said(aborted.await)]
}

pub async fn a_task_without_a_handle_runs_on() -> Log {
    let has_run = Arc::new(AtomicBool::new(false));
    let runs = has_run.clone();
    drop(spawn(async move {
        yield_now().await;
        runs.store(true, Ordering::Relaxed);
    }));
    sleep(MS).await;
    vec![format!("{}", has_run.load(Ordering::Relaxed))]
}

pub async fn a_task_knows_its_id() -> Log {
    let task = spawn(async { (task::id(), task::try_id()) });
    let (id, other) = (task.id(), spawn(async {}).id());
    let (seen, tried) = task.await.unwrap();
    let is_number = id.to_string().parse::<u64>().is_ok();
    vec![format!("{} {} {} {is_number}", seen == id, tried == Some(id), other == id)]
}

/// Ready at once as often as it is asked.
async fn always_ready(semaphore: &Semaphore) {
    drop(semaphore.acquire().await);
}

pub async fn a_loop_over_what_is_ready_gives_way() -> Log {
    let semaphore = Arc::new(Semaphore::new(1));
    let task = spawn(async move {
        loop {
            always_ready(&semaphore).await;
        }
    });
    yield_now().await;
    sleep(MOMENT).await;
    task.abort();
    vec![said(task.await)]
}

pub async fn a_loop_over_sleeps_of_nothing_gives_way() -> Log {
    let task = spawn(async {
        loop {
            sleep(Duration::ZERO).await;
        }
    });
    sleep(MOMENT).await;
    task.abort();
    vec![said(task.await)]
}

pub async fn a_loop_that_sends_gives_way() -> Log {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let own = socket.local_addr().unwrap();
    let task = spawn(async move {
        loop {
            let _ = socket.send_to(b"again", own).await;
        }
    });
    sleep(MOMENT).await;
    task.abort();
    vec![said(task.await)]
}

pub async fn a_loop_that_reads_gives_way() -> Log {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut writer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (mut reader, _) = listener.accept().await.unwrap();
    writer.write_all(&[0; 10_000]).await.unwrap();
    sleep(MS).await;
    let task = spawn(async move {
        let mut polls = 0;
        let mut all = pin!(async {
            for _ in 0..10_000 {
                reader.read_u8().await.unwrap();
            }
        });
        poll_fn(|cx| {
            polls += 1;
            all.as_mut().poll(cx)
        })
        .await;
        polls > 70
    });
    vec![said(task.await)]
}

pub async fn a_loop_over_what_is_ready_sees_its_deadline() -> Log {
    let semaphore = Semaphore::new(1);
    let endless = async {
        loop {
            always_ready(&semaphore).await;
        }
    };
    vec![format!("{:?}", timeout(MOMENT, endless).await)]
}

/// How often something is ready in one poll of a task, up to 1,000 times.
async fn turns_in_one_poll(is_constrained: bool) -> u32 {
    let semaphore = Semaphore::new(1);
    let mut count = 0;
    {
        let mut endless = pin!(async {
            for _ in 0..1_000 {
                always_ready(&semaphore).await;
                count += 1;
            }
        });
        let once = poll_fn(|cx| {
            let _ = endless.as_mut().poll(cx);
            Poll::Ready(())
        });
        if is_constrained { once.await } else { unconstrained(once).await }
    }
    count
}

pub async fn a_task_has_a_budget() -> Log {
    let task = spawn(async {
        let before = coop::has_budget_remaining();
        let turns = turns_in_one_poll(true).await;
        let after = coop::has_budget_remaining();
        yield_now().await;
        let again = turns_in_one_poll(true).await;
        let both = [turns, again].map(|turns| (120..=128).contains(&turns));
        format!("{before} {both:?} {after} {}", coop::has_budget_remaining())
    });
    vec![task.await.unwrap()]
}

pub async fn a_task_may_do_without_a_budget() -> Log {
    vec![format!("{:?}", spawn(turns_in_one_poll(false)).await.ok())]
}

pub async fn tasks_that_yield_take_turns() -> Log {
    let turns = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
    let one = |n: usize| {
        let turns = turns.clone();
        spawn(async move {
            while turns.iter().any(|turns| turns.load(Ordering::Relaxed) < 5) {
                turns[n].fetch_add(1, Ordering::Relaxed);
                yield_now().await;
            }
        })
    };
    let (first, second) = (one(0), one(1));
    vec![format!("{:?} {:?}", first.await.is_ok(), second.await.is_ok())]
}

task::task_local! {
    static LOCAL: u32;
}

pub async fn a_value_of_a_task_is_its_own() -> Log {
    let inner = LOCAL.scope(1, async {
        let other = spawn(async { LOCAL.try_with(|value| *value).is_err() });
        (LOCAL.get(), other.await.ok())
    });
    vec![format!("{:?} {}", inner.await, LOCAL.try_with(|value| *value).is_err())]
}

pub async fn a_set_gives_its_tasks_as_they_end() -> Log {
    let mut set = JoinSet::new();
    for n in [5, 1, 3] {
        set.spawn(async move {
            sleep(MS * 2 * n).await;
            n
        });
    }
    // Also those that have ended before anybody asked.
    sleep(MS * 9).await;
    let mut log = vec![set.len().to_string()];
    while let Some(ended) = set.join_next().await {
        log.push(format!("{} {}", said(ended), set.len()));
    }
    log.push(format!("{}", set.is_empty()));
    log
}

pub async fn a_set_is_asked_without_waiting() -> Log {
    let mut set = JoinSet::new();
    let mut log = vec![format!("{:?}", set.try_join_next().is_none())];
    let notify = Arc::new(Notify::new());
    let waits = notify.clone();
    let abort = set.spawn(async move {
        waits.notified().await;
        1
    });
    log.push(format!("{:?}", set.try_join_next().is_none()));
    notify.notify_one();
    sleep(MS).await;
    let ended = set.try_join_next_with_id();
    log.push(format!("{:?}", ended.map(|ended| ended.map(|(id, value)| (id == abort.id(), value)).ok())));
    log.push(format!("{:?}", set.join_next().await.is_none()));
    log
}

pub async fn a_set_aborts_its_tasks_when_it_is_dropped() -> Log {
    let dropped = Arc::new(AtomicU32::new(0));
    let fill = |set: &mut JoinSet<()>| {
        for _ in 0..3 {
            let holds = Counted(dropped.clone());
            set.spawn(async move {
                let _holds = holds;
                pending::<()>().await;
            });
        }
    };
    let mut log = Vec::new();
    let mut set = JoinSet::new();
    fill(&mut set);
    yield_now().await;
    drop(set);
    sleep(MS).await;
    log.push(dropped.load(Ordering::Relaxed).to_string());
    let mut set = JoinSet::new();
    fill(&mut set);
    set.shutdown().await;
    log.push(format!("{} {}", dropped.load(Ordering::Relaxed), set.len()));
    fill(&mut set);
    set.abort_all();
    let mut cancelled = 0;
    while let Some(Err(error)) = set.join_next().await {
        cancelled += u32::from(error.is_cancelled());
    }
    log.push(format!("{} {cancelled}", dropped.load(Ordering::Relaxed)));
    fill(&mut set);
    set.detach_all();
    drop(set);
    sleep(MS).await;
    log.push(dropped.load(Ordering::Relaxed).to_string());
    log
}

pub async fn a_set_is_awaited_as_a_whole() -> Log {
    let set: JoinSet<u32> = [3, 1, 2]
        .into_iter()
        .map(|n| async move {
            sleep(MS * 2 * n).await;
            n
        })
        .collect();
    let all = set.join_all().await;
    let mut set = JoinSet::new();
    set.spawn(async { panic!("words") });
    let panicked = spawn(async move {
        let _: Vec<()> = set.join_all().await;
    });
    vec![format!("{all:?}"), said(panicked.await)]
}

pub async fn local_tasks_need_not_be_sent() -> Log {
    let counter = Rc::new(Cell::new(0));
    let set = LocalSet::new();
    let counts = counter.clone();
    let first = set.spawn_local(async move { counts.set(counts.get() + 1) });
    sleep(MS).await;
    let before = (counter.get(), first.is_finished());
    let counts = counter.clone();
    let inner = set
        .run_until(async move {
            let counts_too = counts.clone();
            let task = spawn_local(async move {
                yield_now().await;
                counts_too.set(counts_too.get() + 10);
                "inner"
            });
            task.await.unwrap()
        })
        .await;
    vec![format!("{before:?} {inner} {} {}", counter.get(), said(first.await))]
}

pub async fn a_local_set_ends_with_its_last_task() -> Log {
    let log = Rc::new(std::cell::RefCell::new(Vec::new()));
    let set = LocalSet::new();
    for n in [3, 1, 2] {
        let log = log.clone();
        set.spawn_local(async move {
            sleep(MS * 2 * n).await;
            log.borrow_mut().push(n.to_string());
            if n == 3 {
                let log = log.clone();
                spawn_local(async move { log.borrow_mut().push("spawned by the last".to_owned()) });
            }
        });
    }
    set.await;
    Rc::try_unwrap(log).expect("no task is left").into_inner()
}

pub async fn a_local_set_drops_its_tasks() -> Log {
    let dropped = Arc::new(AtomicU32::new(0));
    let set = LocalSet::new();
    let holds = Counted(dropped.clone());
    let task = set.spawn_local(async move {
        let _holds = holds;
        pending::<()>().await;
    });
    set.run_until(yield_now()).await;
    let before = dropped.load(Ordering::Relaxed);
    drop(set);
    vec![format!("{before} {} {}", dropped.load(Ordering::Relaxed), said(task.await))]
}

pub async fn a_local_task_panics_and_is_aborted_as_any() -> Log {
    let set = LocalSet::new();
    set.run_until(async {
        let panicked = spawn_local(async { panic!("words") });
        let aborted = spawn_local(pending::<()>());
        yield_now().await;
        aborted.abort();
        vec![said(panicked.await), said(aborted.await)]
    })
    .await
}

pub async fn a_local_task_has_a_budget_of_its_own() -> Log {
    let set = LocalSet::new();
    set.run_until(async {
        let semaphore = Arc::new(Semaphore::new(1));
        let endless = spawn_local(async move {
            loop {
                always_ready(&semaphore).await;
            }
        });
        sleep(MOMENT).await;
        endless.abort();
        vec![said(endless.await)]
    })
    .await
}

pub async fn local_tasks_are_spawned_within_a_set_only() -> Log {
    let outside = catch_unwind(AssertUnwindSafe(|| drop(spawn_local(async {}))));
    let set = LocalSet::new();
    let entered = {
        let _within = set.enter();
        catch_unwind(AssertUnwindSafe(|| spawn_local(async { 1 })))
    };
    let ends = set.run_until(entered.unwrap()).await;
    // A task beside the set is not within it.
    let beside =
        set.run_until(async { spawn(async { catch_unwind(|| drop(spawn_local(async {}))).is_err() }).await });
    vec![format!("{} {} {}", outside.is_err(), said(ends), said(beside.await))]
}

pub async fn a_set_joins_local_tasks() -> Log {
    let local = LocalSet::new();
    let mut set = JoinSet::new();
    set.spawn_local_on(async { 1 }, &local);
    local
        .run_until(async move {
            set.spawn_local(async {
                sleep(MS).await;
                2
            });
            let mut log = Vec::new();
            while let Some(ended) = set.join_next().await {
                log.push(said(ended));
            }
            log
        })
        .await
}

pub async fn a_handle_is_polled_before_its_task_ends() -> Log {
    let mut task = spawn(async {
        yield_now().await;
        1
    });
    let first = std::pin::Pin::new(&mut task).poll(&mut Context::from_waker(Waker::noop())).is_pending();
    vec![format!("{first} {}", said(task.await))]
}
