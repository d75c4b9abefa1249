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
