//! Tasks that are awaited in the order in which they end. The interface is that of `tokio::task::JoinSet`.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    future::{Future, poll_fn},
    panic,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use spin::Mutex;

use super::{AbortHandle, Id, JoinError, JoinHandle, LocalSet, spawn, spawn_local};

/// Tasks that are awaited together. To drop the set aborts them.
pub struct JoinSet<T> {
    tasks: BTreeMap<Id, Entry<T>>,
    ended: Arc<Ended>,
}

struct Entry<T> {
    handle: JoinHandle<T>,
    bell: Arc<Bell>,
}

/// Which tasks may have ended, in order, and who waits for that.
#[derive(Default)]
struct Ended {
    queue: Mutex<VecDeque<Id>>,
    waiting: Mutex<Option<Waker>>,
}

/// Tells of the end of one task.
struct Bell {
    id: Id,
    has_rung: AtomicBool,
    ended: Arc<Ended>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.has_rung.swap(true, Ordering::Relaxed) {
            self.ended.queue.lock().push_back(self.id);
            let waiting = self.ended.waiting.lock().take();
            if let Some(waiting) = waiting {
                waiting.wake();
            }
        }
    }
}

impl<T> JoinSet<T> {
    /// A set without tasks.
    pub fn new() -> Self {
        JoinSet { tasks: BTreeMap::new(), ended: Arc::default() }
    }

    /// How many tasks are in it. Those that have ended are, until they are joined.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether no tasks are in it.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Aborts all tasks. They stay in the set until they are joined.
    pub fn abort_all(&mut self) {
        self.tasks.values().for_each(|entry| entry.handle.abort());
    }

    /// Takes all tasks out of the set, and lets them run.
    pub fn detach_all(&mut self) {
        self.tasks.clear();
    }
}

impl<T: 'static> JoinSet<T> {
    /// Starts a task in the set.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn spawn<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        self.insert(spawn(future))
    }

    /// Starts a task in this set and in the [`LocalSet`] within which it is called.
    ///
    /// # Panics
    /// Outside of a [`LocalSet`].
    #[track_caller]
    pub fn spawn_local<F: Future<Output = T> + 'static>(&mut self, future: F) -> AbortHandle {
        self.insert(spawn_local(future))
    }

    /// Starts a task in this set and in `local`.
    #[track_caller]
    pub fn spawn_local_on<F: Future<Output = T> + 'static>(
        &mut self,
        future: F,
        local: &LocalSet,
    ) -> AbortHandle {
        self.insert(local.spawn_local(future))
    }

    fn insert(&mut self, mut handle: JoinHandle<T>) -> AbortHandle {
        let (id, abort) = (handle.id(), handle.abort_handle());
        let bell = Arc::new(Bell { id, has_rung: AtomicBool::new(false), ended: self.ended.clone() });
        // This leaves a waker with it. If the budget of the task is used up, it rings at once.
        let polled = Pin::new(&mut handle).poll(&mut Context::from_waker(&bell.clone().into()));
        assert!(polled.is_pending(), "a task that was just spawned has not run");
        self.tasks.insert(id, Entry { handle, bell });
        abort
    }

    /// Waits until one of the tasks has ended, and takes it out of the set. None if the set is empty. Nothing is lost if the future is
    /// dropped.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        poll_fn(|cx| self.poll_join_next(cx)).await
    }

    /// As [`join_next`](JoinSet::join_next), with the id of the task.
    pub async fn join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        poll_fn(|cx| self.poll_join_next_with_id(cx)).await
    }

    /// Takes one of the tasks that have ended out of the set, if there is one.
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        Some(self.try_join_next_with_id()?.map(|(_, output)| output))
    }

    /// As [`try_join_next`](JoinSet::try_join_next), with the id of the task.
    pub fn try_join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        // Whether there is one must not depend on the budget of the task that asks.
        let mut ended =
            std::pin::pin!(real_tokio::task::unconstrained(poll_fn(|_| Poll::Ready(self.take_ended()))));
        match ended.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(ended) => ended,
            Poll::Pending => None,
        }
    }

    /// As [`join_next`](JoinSet::join_next).
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        self.poll_join_next_with_id(cx).map(|ended| Some(ended?.map(|(_, output)| output)))
    }

    /// As [`join_next_with_id`](JoinSet::join_next_with_id).
    pub fn poll_join_next_with_id(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<(Id, T), JoinError>>> {
        let before = self.ended.waiting.lock().replace(cx.waker().clone());
        drop(before);
        match self.take_ended() {
            None if !self.is_empty() => Poll::Pending,
            ended => Poll::Ready(ended),
        }
    }

    /// Asks the tasks that may have ended, each once.
    fn take_ended(&mut self) -> Option<Result<(Id, T), JoinError>> {
        let candidates = self.ended.queue.lock().len();
        for _ in 0..candidates {
            let id = self.ended.queue.lock().pop_front()?;
            // It may have been detached.
            let Some(entry) = self.tasks.get_mut(&id) else { continue };
            entry.bell.has_rung.store(false, Ordering::Relaxed);
            let waker = entry.bell.clone().into();
            if let Poll::Ready(output) = Pin::new(&mut entry.handle).poll(&mut Context::from_waker(&waker)) {
                self.tasks.remove(&id);
                return Some(output.map(|output| (id, output)));
            }
        }
        None
    }

    /// Aborts all tasks and waits until they have ended.
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while self.join_next().await.is_some() {}
    }

    /// Waits until all tasks have ended, and gives what they gave, in the order in which they did.
    ///
    /// # Panics
    /// When one of them panicked, or was aborted.
    pub async fn join_all(mut self) -> Vec<T> {
        let mut outputs = Vec::with_capacity(self.len());
        while let Some(ended) = self.join_next().await {
            match ended.map_err(JoinError::try_into_panic) {
                Ok(output) => outputs.push(output),
                Err(Ok(payload)) => panic::resume_unwind(payload),
                Err(Err(cancelled)) => panic!("{cancelled}"),
            }
        }
        outputs
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.abort_all();
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        JoinSet::new()
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len()).finish()
    }
}

/// Starts a task for each future.
impl<T, F> FromIterator<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> Self {
        let mut set = JoinSet::new();
        set.extend(futures);
        set
    }
}

/// Starts a task for each future.
impl<T, F> Extend<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    fn extend<I: IntoIterator<Item = F>>(&mut self, futures: I) {
        futures.into_iter().for_each(|future| {
            self.spawn(future);
        });
    }
}
