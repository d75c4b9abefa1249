//! What faults do to a disk, that it heals, that they stack, and that none shifts the draws of another.
#![cfg(madsim)]

use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use squall_rt::{
    disk::{self, File, OpenOptions},
    world::{
        Death, DiskFate, Life, NodeId, Panics, World,
        disk::{DiskEffect, DiskEffectId, DiskOps},
    },
};
use squall_rt_tests::in_a_world;
use tokio::sync::{mpsc, oneshot};

mod crash;
mod medium;
mod stall;

const PAGE: usize = 4096;
const READS: DiskOps = DiskOps { read: true, write: false, sync: false };
const WRITES: DiskOps = DiskOps { read: false, write: true, sync: false };
const SYNCS: DiskOps = DiskOps { read: false, write: false, sync: true };
/// Input/output error.
const EIO: i32 = 5;
/// No space left on device.
const ENOSPC: i32 = 28;

type Job = Box<dyn FnOnce() + Send>;

/// A node whose process does one thing after another, as the test tells it to.
struct Machine {
    world: Arc<World>,
    node: NodeId,
    jobs: Mutex<mpsc::UnboundedSender<Job>>,
}

impl Machine {
    fn new(world: &Arc<World>, name: &str) -> Machine {
        let node = world.add_node(name);
        let jobs = Mutex::new(serve(world, node).0);
        Machine { world: world.clone(), node, jobs }
    }

    /// Starts doing something, in one poll of the process.
    fn begin<T: Send + 'static>(&self, f: impl FnOnce() -> T + Send + 'static) -> oneshot::Receiver<T> {
        let (done, is_done) = oneshot::channel();
        let job = move || {
            // A test may not wait for it.
            let _ = done.send(f());
        };
        self.jobs.lock().unwrap().send(Box::new(job)).unwrap_or_else(|_| panic!("the process is gone"));
        is_done
    }

    /// Does something in one poll of the process.
    async fn run<T: Send + 'static>(&self, f: impl FnOnce() -> T + Send + 'static) -> T {
        self.begin(f).await.expect("the process ran to its end")
    }

    fn impose(&self, name: &str, effect: DiskEffect) -> DiskEffectId {
        self.world.disks().impose(self.node, effect, self.world.stream("fault", name))
    }

    async fn crash(&self, fate: DiskFate) {
        self.world.crash(self.node, Death::Power, fate);
        self.world.sleep(Duration::from_millis(1)).await;
    }

    fn start(&self) -> Life {
        let (jobs, life) = serve(&self.world, self.node);
        *self.jobs.lock().unwrap() = jobs;
        life
    }

    async fn crash_and_restart(&self, fate: DiskFate) {
        self.crash(fate).await;
        self.start();
    }
}

fn serve(world: &World, node: NodeId) -> (mpsc::UnboundedSender<Job>, Life) {
    let (jobs, mut to_do) = mpsc::unbounded_channel::<Job>();
    let life = world.start(node, |_| async move {
        while let Some(job) = to_do.recv().await {
            job();
        }
    });
    (jobs, life)
}

/// A test of one machine.
fn on_a_machine<F, T>(seed: u64, main: impl FnOnce(Machine) -> F + Send + 'static) -> T
where
    F: Future<Output = T>,
    T: Send + 'static,
{
    in_a_world(seed, move |world| main(Machine::new(&world, "a-0")))
}

fn open() -> File {
    OpenOptions::new().read(true).write(true).open("/f").unwrap()
}

/// A durable file "f" of so many pages of ones.
fn ones(pages: usize) -> impl FnOnce() + Send + 'static {
    move || {
        let file = File::create("/f").unwrap();
        file.write_all_at(&vec![1; pages * PAGE], 0).unwrap();
        file.sync_data().unwrap();
        disk::sync_dir("/").unwrap();
    }
}

fn content() -> Vec<u8> {
    disk::read("/f").unwrap()
}

fn errno<T>(result: std::io::Result<T>) -> Option<i32> {
    result.err().map(|e| e.raw_os_error().expect("an error of the disk"))
}
