//! A stack that code can leave in the middle, and come back to.
//!
//! To overflow it is told as of any thread of Rust's: std's own handler of the fault knows the stacks of its threads only, so there is one before it.

use std::{cell::Cell, ops::Range};

use corosensei::{
    Coroutine, CoroutineResult, Yielder,
    stack::{DefaultStack, Stack as _},
};

/// As much as a thread of Rust's has. Only what is used of it takes memory.
const SIZE: usize = 2 << 20;

/// A function on a stack of its own: it is told `T`, and answers `A` each time it leaves.
pub(super) struct Stack<T, A> {
    coroutine: Coroutine<T, A, ()>,
    guard: Range<usize>,
}

thread_local! {
    /// What code runs into that needs more than the stack it is on. Empty on the thread's own.
    static GUARD: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// While it lives, the stack with this guard is the one that code is on.
struct Guarded {
    around: (usize, usize),
}

impl Drop for Guarded {
    fn drop(&mut self) {
        GUARD.set(self.around);
    }
}

impl<T: 'static, A: 'static> Stack<T, A> {
    /// Runs `f` at the first [`resume`](Stack::resume).
    pub fn new(f: impl FnOnce(&Yielder<T, A>, T) + 'static) -> Self {
        overflow::listen();
        let Ok(stack) = DefaultStack::new(SIZE) else {
            // The process has no more memory, and says so as it does wherever it asks for some.
            let layout = std::alloc::Layout::from_size_align(SIZE, 16).expect("16 is a power of two");
            std::alloc::handle_alloc_error(layout)
        };
        let limit = stack.limit().get();
        let guard = limit..limit + overflow::page();
        Stack { coroutine: Coroutine::with_stack(stack, f), guard }
    }

    /// Goes on where it was left, until it leaves again.
    pub fn resume(&mut self, told: T) -> CoroutineResult<A, ()> {
        let _guarded = Guarded { around: GUARD.replace((self.guard.start, self.guard.end)) };
        self.coroutine.resume(told)
    }
}

#[cfg(unix)]
#[allow(unsafe_code, reason = "there is no safe way to hear of a fault")]
mod overflow {
    use std::{mem, ptr, sync::OnceLock};

    use super::GUARD;

    /// A fault at the end of a stack is one of these.
    const FAULTS: [libc::c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

    /// What was done before at each.
    static BEFORE: OnceLock<[libc::sigaction; FAULTS.len()]> = OnceLock::new();

    pub(super) fn page() -> usize {
        // SAFETY: it only answers.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        usize::try_from(page).expect("a page has a size")
    }

    /// From now on the process says when a stack has overflowed.
    pub(super) fn listen() {
        BEFORE.get_or_init(|| {
            FAULTS.map(|signal| {
                // SAFETY: the action is whole: a handler of this type, on the stack that std gives each thread for it. Until `BEFORE` is set, which is
                // as soon as this returns, no stack is in use that could overflow.
                unsafe {
                    let mut action: libc::sigaction = mem::zeroed();
                    action.sa_sigaction = fault as extern "C" fn(_, _, _) as usize;
                    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
                    let mut before: libc::sigaction = mem::zeroed();
                    libc::sigaction(signal, &raw const action, &raw mut before);
                    before
                }
            })
        });
    }

    extern "C" fn fault(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
        // SAFETY: the kernel hands over what belongs to the fault. What is called may be called in a handler.
        unsafe {
            let at = (*info).si_addr() as usize;
            let (start, end) = GUARD.get();
            if (start..end).contains(&at) {
                let words = b"\na task has overflowed its stack\n";
                libc::write(2, words.as_ptr().cast(), words.len());
                libc::abort();
            }
            // Any other fault is for whoever was there before: it strikes once more when this returns.
            let before = FAULTS.iter().position(|known| *known == signal);
            let before = before.and_then(|at| BEFORE.get().map(|all| &raw const all[at]));
            libc::sigaction(signal, before.unwrap_or(ptr::null()), ptr::null_mut());
            // What somebody has sent no instruction brings about again: it comes once more from the same sender, when this returns.
            #[cfg(target_os = "linux")]
            if matches!((*info).si_code, libc::SI_USER | libc::SI_QUEUE | libc::SI_TKILL) {
                libc::syscall(libc::SYS_rt_tgsigqueueinfo, libc::getpid(), libc::gettid(), signal, info);
            }
        }
    }
}

#[cfg(not(unix))]
mod overflow {
    pub(super) fn page() -> usize {
        0
    }

    pub(super) fn listen() {}
}
