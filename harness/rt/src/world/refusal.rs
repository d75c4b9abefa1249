//! What code under test asks of the real machine and cannot have in a run. Whoever drives the simulation is told at the moment it is
//! asked, while the asking code is still on the stack.
//!
//! Threads are refused twice. Those of `std` fail in madsim's `pthread_attr_init`, and so as a panic of `std`; for all others, which come
//! without attributes, `pthread_create` itself says no.

use std::{cell::RefCell, panic::Location, rc::Rc};

/// What was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A thread of the operating system, through `pthread_create`.
    Thread,
    /// A task on the real tokio runtime, spawned there. Nothing runs it.
    Task(&'static Location<'static>),
}

type Tell = Rc<dyn Fn(Refused)>;

thread_local! {
    static TOLD: RefCell<Option<Tell>> = const { RefCell::new(None) };
}

/// Has `tell` called with whatever is refused on this thread from now on.
pub fn on_refusal(tell: impl Fn(Refused) + 'static) {
    thread::keep();
    TOLD.with(|told| *told.borrow_mut() = Some(Rc::new(tell)));
}

pub(super) fn refuse(what: Refused) {
    // It may be asked for while a thread ends, or from within `tell` itself.
    let tell = TOLD.try_with(|told| told.try_borrow().ok().and_then(|told| told.clone()));
    if let Ok(Some(tell)) = tell {
        tell(what);
    }
}

#[cfg(unix)]
#[allow(unsafe_code, reason = "it stands in for a function of libc")]
mod thread {
    use std::{
        ffi::{c_int, c_void},
        sync::OnceLock,
    };

    use madsim::time::TimeHandle;

    use super::{Refused, refuse};

    type Main = extern "C" fn(*mut c_void) -> *mut c_void;
    type Create =
        unsafe extern "C" fn(*mut libc::pthread_t, *const libc::pthread_attr_t, Main, *mut c_void) -> c_int;

    /// Refers to [`pthread_create`], so that a linker takes this one.
    pub(super) fn keep() {
        std::hint::black_box(pthread_create as Create);
    }

    /// In a simulation there are no threads: as if the system had no room for another. Elsewhere, libc's own.
    ///
    /// # Safety
    /// As libc's.
    #[unsafe(no_mangle)]
    #[inline(never)]
    unsafe extern "C" fn pthread_create(
        thread: *mut libc::pthread_t,
        attributes: *const libc::pthread_attr_t,
        main: Main,
        argument: *mut c_void,
    ) -> c_int {
        static REAL: OnceLock<Create> = OnceLock::new();
        if TimeHandle::try_current().is_some() {
            refuse(Refused::Thread);
            return libc::EAGAIN;
        }
        let real = REAL.get_or_init(|| {
            // SAFETY: the name ends in a zero byte, and the next function of this name is libc's, which has this type.
            unsafe {
                let real = libc::dlsym(libc::RTLD_NEXT, c"pthread_create".as_ptr());
                assert!(!real.is_null(), "libc has pthread_create");
                std::mem::transmute::<*mut c_void, Create>(real)
            }
        });
        // SAFETY: passed on as it came.
        unsafe { real(thread, attributes, main, argument) }
    }
}

#[cfg(not(unix))]
mod thread {
    /// Threads that are not `std`'s are not seen here.
    pub(super) fn keep() {}
}
