//! The thread of a process, and calls that block it.
//!
//! A process has one thread, as tokio's current-thread runtime has: while one of its tasks is in a call that blocks, none of the others goes on,
//! and what the task does after the call is later by what the call took. So a blocking call has to be left in the middle of a poll and come back
//! to. In a world in which calls may block, each poll of a task runs on a stack of its own: a call that blocks leaves that stack as it is, and the
//! next poll of the task goes on there. If the task is dropped in the meantime, as that of a process that is killed, the call fails, as all do of
//! a dead process, and the code after it runs on to the end of the poll, where it reaches nothing any more.
//!
//! What [`spawn_blocking`] starts has, as in tokio, a thread of its own: a call that blocks there holds up nothing else.
//!
//! Several stacks share what `thread_local!` holds. What a stack leaves there while it is left is put aside, if it says so to [`put_aside`]. A value of
//! `task_local!` that is in scope around a call that blocks is seen by other tasks meanwhile.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::Future,
    marker::PhantomData,
    panic::{self, AssertUnwindSafe},
    pin::Pin,
    ptr::NonNull,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use corosensei::{CoroutineResult, Yielder};
use slab::Slab;
use spin::Mutex;

use self::stack::Stack;
use super::{World, tasks};
use crate::task::local;

mod stack;

/// As many calls may block at a time in one process, each on a thread of its own: tokio's default. More wait for one of these to end.
const OWN_THREADS: usize = 512;

/// As many calls of a dead process fail on a stack before that is unwound: its code does not come to an end.
const CALLS_OF_THE_DEAD: u32 = 1000;

/// What is told to a stack.
enum Told {
    /// To poll a task once, on the process's thread or one of its own.
    Poll(Once, Waker, Which),
    /// To go on with the call that blocks.
    GoOn,
    /// To end: the task is dropped.
    Cut,
}

/// What a stack answers.
enum Answer {
    /// The poll is over.
    Polled,
    /// It is in a call that blocks.
    Blocked,
}

/// One poll of a task, whatever its type is.
struct Once {
    task: *mut (),
    /// To be called while the task is there and nothing else uses it.
    poll: unsafe fn(*mut (), &Waker),
}

/// Whose thread a task runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// The one that the process's tasks share.
    Shared,
    /// One that has nothing else to do.
    Own,
}

/// On which one poll runs after another.
type Polls = Stack<Told, Answer>;

#[derive(Default)]
struct Stacks {
    idle: Vec<Polls>,
    /// Those in a call that blocks.
    blocked: Slab<Polls>,
}

/// The poll that runs on a stack now.
struct Running {
    yielder: *const Yielder<Told, Answer>,
    waker: Waker,
    which: Which,
    /// Whether its task is dropped.
    is_cut: bool,
    /// How many calls have failed since.
    failed: u32,
}

/// Puts back what was put aside.
type PutBack = Box<dyn FnOnce()>;

thread_local! {
    static STACKS: RefCell<Stacks> = RefCell::default();
    static RUNNING: RefCell<Option<Running>> = const { RefCell::new(None) };
    static MAY_BLOCK: Cell<bool> = const { Cell::new(false) };
    static PUT_ASIDE: RefCell<Vec<fn() -> PutBack>> = const { RefCell::new(Vec::new()) };
}

/// From here on, until the run on this thread is over, `f` is called when a call blocks and its stack is left for another. It puts aside what the
/// code on that stack has put into a `thread_local!` for as long as it runs, and says how to put it back.
pub fn put_aside(f: fn() -> Box<dyn FnOnce()>) {
    PUT_ASIDE.with_borrow_mut(|all| {
        if !all.iter().any(|known| std::ptr::fn_addr_eq(*known, f)) {
            all.push(f);
        }
    });
}

/// A run begins on this thread, in which no call blocks yet.
pub(super) fn begin() {
    MAY_BLOCK.set(false);
    PUT_ASIDE.take();
}

/// From here on calls may block, until the run on this thread is over.
pub(super) fn calls_may_block() {
    MAY_BLOCK.set(true);
}

/// The thread of one life of a process.
#[derive(Default)]
pub(super) struct Thread {
    is_blocked: AtomicBool,
    /// Tasks that were to be polled meanwhile.
    waiting: Mutex<Vec<Waker>>,
    own: Mutex<OwnThreads>,
}

/// The threads of a process that each do one thing.
#[derive(Default)]
struct OwnThreads {
    count: usize,
    /// What is to have one when there are fewer, in order.
    waiting: VecDeque<Waker>,
}

impl Thread {
    /// A task of its is in a call that blocks.
    pub(super) fn block(&self) {
        self.is_blocked.store(true, Ordering::Relaxed);
    }

    /// The call is over, and the task goes on.
    pub(super) fn unblock(&self) {
        self.is_blocked.store(false, Ordering::Relaxed);
        let waiting = std::mem::take(&mut *self.waiting.lock());
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Begins a thread, if there is room for one more. If not, the waker is woken when there is.
    fn begin_own(&self, waker: &Waker) -> bool {
        let mut own = self.own.lock();
        let has_room = own.count < OWN_THREADS;
        match has_room {
            true => own.count += 1,
            false => own.waiting.push_back(waker.clone()),
        }
        has_room
    }

    fn end_own(&self) {
        let next = {
            let mut own = self.own.lock();
            own.count -= 1;
            own.waiting.pop_front()
        };
        if let Some(next) = next {
            next.wake();
        }
    }
}

/// Makes a stack that polls what it is given.
fn new_stack() -> Polls {
    Stack::new(|yielder, mut told| {
        while let Told::Poll(Once { task, poll }, waker, which) = told {
            {
                let _runs =
                    Runs::new(Running { yielder, waker: waker.clone(), which, is_cut: false, failed: 0 });
                // SAFETY: whoever tells this lets the task be until it is answered that the poll is over.
                #[allow(unsafe_code, reason = "what is on the stack cannot borrow from who resumes it")]
                unsafe {
                    poll(task, &waker);
                }
            }
            // Not kept for the next: a task whose wakers are gone can be told to be stuck.
            drop(waker);
            told = yielder.suspend(Answer::Polled);
        }
    })
}

/// While it lives, code runs on a stack that can be left. It ends with the poll, also when that panics.
struct Runs {
    around: Option<Running>,
}

impl Runs {
    fn new(running: Running) -> Self {
        Runs { around: RUNNING.replace(Some(running)) }
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        RUNNING.set(self.around.take());
    }
}

/// Whose thread the calling code is on. `None` if it is not on a stack that can be left.
pub(super) fn stack() -> Option<Which> {
    RUNNING.with_borrow(|running| running.as_ref().map(|running| running.which))
}

/// Leaves the calling code, which is on a [stack](stack()), where it is until it is `over`: that is asked whenever the waker it is given is woken. Returns
/// whether the code may go on: its task may have been dropped.
pub(super) fn block_until(mut over: impl FnMut(&Waker) -> bool) -> bool {
    let mut running = RUNNING.take().expect("the calling code is on a stack that can be left");
    while !running.is_cut && !over(&running.waker) {
        let aside = put_all_aside();
        // SAFETY: the yielder lives as long as the function of its coroutine, and this is called from within that: `RUNNING` is set by nobody but
        // the coroutine that runs, and is empty when another one does, or none.
        #[allow(unsafe_code, reason = "the yielder has to reach blocking calls past all the code in between")]
        let yielder = unsafe { &*running.yielder };
        running.is_cut = matches!(yielder.suspend(Answer::Blocked), Told::Cut);
        aside.into_iter().rev().for_each(|put_back| put_back());
    }
    let goes_on = !running.is_cut;
    RUNNING.set(Some(running));
    goes_on
}

fn put_all_aside() -> Vec<PutBack> {
    let ours: [fn() -> PutBack; 2] = [local::put_aside, tasks::put_aside];
    let others = PUT_ASIDE.with_borrow(Clone::clone);
    ours.into_iter().chain(others).map(|put_aside| put_aside()).collect()
}

/// A call of a dead process fails. If it is made on a stack whose task is dropped, again and again, that stack is unwound.
pub(super) fn fails_for_the_dead() {
    let is_endless = RUNNING.with_borrow_mut(|running| {
        let Some(running) = running.as_mut().filter(|running| running.is_cut) else { return false };
        running.failed += 1;
        running.failed > CALLS_OF_THE_DEAD
    });
    if is_endless && !std::thread::panicking() {
        panic::resume_unwind(Box::new("code of a dead process goes on and on"));
    }
}

/// A task of a process, which is polled on a stack that can be left where calls may block.
pub(crate) struct Threaded<F: Future> {
    /// On the heap, so that it stays where it is while a stack that was left borrows it.
    body: NonNull<Body<F>>,
    /// The stack that the body is on, in a call that blocks.
    blocked: Option<usize>,
    /// `None` outside of processes.
    thread: Option<Arc<Thread>>,
    which: Which,
    /// Whether it has a thread of its own.
    has_own: bool,
    owns: PhantomData<Body<F>>,
}

/// To move it leaves the body where it is.
impl<F: Future> Unpin for Threaded<F> {}

struct Body<F: Future> {
    future: F,
    /// What the last poll on a stack came to, until it is taken.
    polled: Option<std::thread::Result<Poll<F::Output>>>,
}

/// Polls it once. A panic is kept: it passes no stack's end.
///
/// # Safety
/// `task` is a `Body<F>` that stays where it is until it is dropped, and nothing else uses it until this returns.
#[allow(unsafe_code, reason = "stacks are shared by tasks of all types")]
unsafe fn poll_once<F: Future>(task: *mut (), waker: &Waker) {
    // SAFETY: as above.
    let body = unsafe { &mut *task.cast::<Body<F>>() };
    // SAFETY: it stays where it is.
    let future = unsafe { Pin::new_unchecked(&mut body.future) };
    let poll = || future.poll(&mut Context::from_waker(waker));
    body.polled = Some(panic::catch_unwind(AssertUnwindSafe(poll)));
}

impl<F: Future> Threaded<F> {
    pub(super) fn new(future: F, thread: Option<Arc<Thread>>, which: Which) -> Self {
        let body = NonNull::from(Box::leak(Box::new(Body { future, polled: None })));
        Threaded { body, blocked: None, thread, which, has_own: false, owns: PhantomData }
    }

    /// A task of the calling process.
    pub(crate) fn here(future: F) -> Self {
        Threaded::new(future, World::current().thread(), Which::Shared)
    }

    /// Polls on a stack that can be left.
    fn poll_on_stack(&mut self, waker: &Waker) -> Poll<F::Output> {
        let (stack, told) = match self.blocked.take() {
            Some(at) => (STACKS.with_borrow_mut(|stacks| stacks.blocked.remove(at)), Told::GoOn),
            None => {
                let stack = STACKS.with_borrow_mut(|stacks| stacks.idle.pop()).unwrap_or_else(new_stack);
                let once = Once { task: self.body.as_ptr().cast(), poll: poll_once::<F> };
                (stack, Told::Poll(once, waker.clone(), self.which))
            }
        };
        if self.resume(stack, told) {
            // SAFETY: no stack borrows it any more.
            #[allow(unsafe_code, reason = "it is where stacks can borrow it")]
            let polled = unsafe { self.body.as_mut() }.polled.take().expect("it was polled");
            polled.unwrap_or_else(|panic| panic::resume_unwind(panic))
        } else {
            Poll::Pending
        }
    }

    /// Goes on with the task on a stack. Returns whether that is over.
    fn resume(&mut self, mut stack: Polls, told: Told) -> bool {
        match stack.resume(told) {
            CoroutineResult::Yield(Answer::Polled) => {
                STACKS.with_borrow_mut(|stacks| stacks.idle.push(stack));
                true
            }
            CoroutineResult::Yield(Answer::Blocked) => {
                self.blocked = Some(STACKS.with_borrow_mut(|stacks| stacks.blocked.insert(stack)));
                false
            }
            CoroutineResult::Return(()) => unreachable!("it is told to go on only where it blocks"),
        }
    }

    /// Whether it has to wait: for the process's thread, or for one of its own.
    fn waits(&mut self, waker: &Waker) -> bool {
        let Some(thread) = &self.thread else { return false };
        match self.which {
            _ if self.blocked.is_some() => false,
            Which::Shared if !thread.is_blocked.load(Ordering::Relaxed) => false,
            Which::Shared => {
                thread.waiting.lock().push(waker.clone());
                true
            }
            Which::Own if self.has_own => false,
            Which::Own => {
                self.has_own = thread.begin_own(waker);
                !self.has_own
            }
        }
    }
}

impl<F: Future> Future for Threaded<F> {
    type Output = F::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if !MAY_BLOCK.get() {
            // SAFETY: no stack borrows it as long as calls do not block, and it stays where it is.
            #[allow(unsafe_code, reason = "it is on the heap and never moved")]
            let future = unsafe { Pin::new_unchecked(&mut self.body.as_mut().future) };
            future.poll(cx)
        } else if self.waits(cx.waker()) {
            Poll::Pending
        } else {
            self.poll_on_stack(cx.waker())
        }
    }
}

impl<F: Future> Drop for Threaded<F> {
    fn drop(&mut self) {
        if let Some(at) = self.blocked.take() {
            if let (Some(thread), Which::Shared) = (&self.thread, self.which) {
                thread.unblock();
            }
            // It goes on outside of the borrow: it may do anything.
            let stack = STACKS.with_borrow_mut(|stacks| stacks.blocked.remove(at));
            let is_over = self.resume(stack, Told::Cut);
            assert!(is_over, "what is cut does not block again");
        }
        if self.has_own
            && let Some(thread) = &self.thread
        {
            thread.end_own();
        }
        // SAFETY: it came from a box, and no stack borrows it any more.
        #[allow(unsafe_code, reason = "the counterpart of Box::leak")]
        drop(unsafe { Box::from_raw(self.body.as_ptr()) });
    }
}

/// As a future, a function of the calling process that may block as long as it likes, on a thread of its own.
pub(crate) fn blocking<T>(f: impl FnOnce() -> T) -> Threaded<impl Future<Output = T>> {
    Threaded::new(async move { f() }, World::current().thread(), Which::Own)
}
