//! Tasks that cannot be sent between threads, run within the task that polls their set. The interface is that of `tokio::task::LocalSet`.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    fmt,
    future::{Future, poll_fn},
    marker::PhantomData,
    panic::Location,
    pin::{Pin, pin},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use spin::Mutex;

use super::JoinHandle;
use crate::world::tasks::{Kind, Tasks};

/// How many tasks have their turn in one poll of their set.
const TURNS: usize = 61;

/// Tasks that run when the set is awaited, or within [`run_until`](LocalSet::run_until).
#[derive(Default)]
pub struct LocalSet(Rc<Local>);

#[derive(Default)]
struct Local {
    tasks: RefCell<Entries>,
    ready: Arc<Ready>,
}

#[derive(Default)]
struct Entries {
    map: BTreeMap<u64, Entry>,
    last_key: u64,
}

struct Entry {
    task: Pin<Box<dyn Future<Output = ()>>>,
    bell: Arc<Bell>,
    waker: Waker,
}

/// Which tasks are ready, in order, and whom to tell.
#[derive(Default)]
struct Ready {
    queue: Mutex<VecDeque<u64>>,
    owner: Mutex<Option<Waker>>,
}

/// Makes one task ready.
struct Bell {
    key: u64,
    is_ready: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_ready.swap(true, Ordering::Relaxed) {
            self.ready.queue.lock().push_back(self.key);
            let owner = self.ready.owner.lock().clone();
            if let Some(owner) = owner {
                owner.wake();
            }
        }
    }
}

thread_local! {
    /// The set within which code runs.
    static CURRENT: RefCell<Option<Rc<Local>>> = const { RefCell::new(None) };
}

/// Leaves the set for as long as what is returned is not called.
pub(crate) fn put_aside() -> Box<dyn FnOnce()> {
    let within = CURRENT.take();
    Box::new(move || CURRENT.set(within))
}

/// Starts a task in the set within which it is called.
///
/// # Panics
/// Outside of a [`LocalSet`].
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let local = CURRENT.with_borrow(Clone::clone);
    let local = local.expect("`spawn_local` called from outside of a `task::LocalSet`");
    local.spawn(future, Location::caller())
}

impl LocalSet {
    /// A set without tasks.
    pub fn new() -> Self {
        LocalSet::default()
    }

    /// Starts a task in this set. It runs when the set does.
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.0.spawn(future, Location::caller())
    }

    /// Runs `future` within the set, and the tasks of the set until it completes.
    pub async fn run_until<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|cx| {
            self.0.listen(cx);
            let _within = self.enter();
            let polled = future.as_mut().poll(cx);
            if polled.is_pending() && self.0.turn() {
                cx.waker().wake_by_ref();
            }
            polled
        })
        .await
    }

    /// Has [`spawn_local`] start tasks in this set, until the guard is dropped.
    pub fn enter(&self) -> LocalEnterGuard {
        LocalEnterGuard { around: CURRENT.replace(Some(self.0.clone())), _not_send: PhantomData }
    }
}

impl Future for LocalSet {
    type Output = ();

    /// Ready once all tasks of the set have ended.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.listen(cx);
        let _within = self.enter();
        if self.0.turn() {
            cx.waker().wake_by_ref();
            Poll::Pending
        } else if self.0.tasks.borrow().map.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Drop for LocalSet {
    fn drop(&mut self) {
        let _within = self.enter();
        // A destructor may spawn another.
        loop {
            let Some((_, entry)) = self.0.tasks.borrow_mut().map.pop_first() else { return };
            drop(entry);
        }
    }
}

impl Local {
    fn spawn<F>(&self, future: F, spawned_at: &'static Location<'static>) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let (task, handle) = Tasks::current().wrap_here(future, spawned_at, Kind::Spawned);
        let mut tasks = self.tasks.borrow_mut();
        tasks.last_key += 1;
        let key = tasks.last_key;
        let bell = Arc::new(Bell { key, is_ready: AtomicBool::new(false), ready: self.ready.clone() });
        let waker = Waker::from(bell.clone());
        tasks.map.insert(key, Entry { task: Box::pin(task), bell, waker: waker.clone() });
        drop(tasks);
        waker.wake();
        handle
    }

    /// Has whoever polls the set woken when a task of it is ready.
    fn listen(&self, cx: &Context<'_>) {
        let before = self.ready.owner.lock().replace(cx.waker().clone());
        drop(before);
    }

    /// Polls tasks that are ready. Whether more of them are.
    fn turn(&self) -> bool {
        for _ in 0..TURNS {
            let Some(key) = self.ready.queue.lock().pop_front() else { return false };
            // It is not in the map while it is polled, as it may spawn another.
            let Some(mut entry) = self.tasks.borrow_mut().map.remove(&key) else { continue };
            entry.bell.is_ready.store(false, Ordering::Relaxed);
            if entry.task.as_mut().poll(&mut Context::from_waker(&entry.waker)).is_pending() {
                self.tasks.borrow_mut().map.insert(key, entry);
            }
        }
        !self.ready.queue.lock().is_empty()
    }
}

impl fmt::Debug for LocalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSet").finish_non_exhaustive()
    }
}

/// Within a [`LocalSet`] as long as it lives.
pub struct LocalEnterGuard {
    around: Option<Rc<Local>>,
    _not_send: PhantomData<*const ()>,
}

impl Drop for LocalEnterGuard {
    fn drop(&mut self) {
        CURRENT.set(self.around.take());
    }
}

impl fmt::Debug for LocalEnterGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalEnterGuard").finish_non_exhaustive()
    }
}
