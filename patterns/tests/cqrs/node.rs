//! Where the tests run: a node of a simulated world, or a tokio runtime.

use std::future::Future;

/// Runs a test to its end, as a process of a node.
#[cfg(madsim)]
pub fn on_a_node<F: Future<Output = ()> + Send + 'static>(test: F) {
    use squall_rt::{task, world};

    std::thread::spawn(|| {
        world::run(1, |world| async move {
            let node = world.add_node("node");
            let (done, ended) = tokio::sync::oneshot::channel();
            world.start(node, |_| async move {
                let result = task::spawn(test).await;
                done.send(result.is_ok()).expect("the supervisor waits for it");
            });
            assert!(ended.await.expect("the process lives"), "the test panicked");
        })
        .expect("everything runs in the simulation");
    })
    .join()
    .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

/// Runs a test to its end, on tokio.
#[cfg(not(madsim))]
pub fn on_a_node<F: Future<Output = ()> + Send + 'static>(test: F) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(test);
}
