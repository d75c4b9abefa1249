//! What the tests of squall-rt share.

#[cfg(madsim)]
mod world {
    use std::{future::Future, sync::Arc};

    use squall_rt::world::{self, World};

    /// Runs `main` in a world of its own, on a thread of its own: hash maps are seeded by thread.
    pub fn in_a_world<F, T>(seed: u64, main: impl FnOnce(Arc<World>) -> F + Send + 'static) -> T
    where
        F: Future<Output = T>,
        T: Send + 'static,
    {
        let run = std::thread::spawn(move || world::run(seed, main).expect("nothing is spawned outside"));
        run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

#[cfg(madsim)]
pub use world::in_a_world;
