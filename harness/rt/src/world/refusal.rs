//! What code under test asks of the real machine and cannot have in a run. Whoever drives the simulation is told at the moment it is
//! asked, while the asking code is still on the stack.
//!
//! Threads are refused twice. Those of `std` fail in madsim's `pthread_attr_init`, and so as a panic of `std`; for all others, which come
//! without attributes, `pthread_create` itself says no. So does `socket`: what goes over the machine's own network is not in the run.

use std::{cell::RefCell, panic::Location, rc::Rc};

/// What was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A thread of the operating system, through `pthread_create`.
    Thread,
    /// A socket of the operating system, or to look up a name over one.
    Socket,
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
    socket::keep();
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
    use std::ffi::{c_int, c_void};

    use madsim::time::TimeHandle;

    use super::{Refused, refuse};
    use crate::world::own::Own;

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
        static OWN: Own = Own::new(c"pthread_create");
        if TimeHandle::try_current().is_some() {
            refuse(Refused::Thread);
            return libc::EAGAIN;
        }
        // SAFETY: it has this type, and is called as this was.
        unsafe {
            std::mem::transmute::<*mut c_void, Create>(OWN.address())(thread, attributes, main, argument)
        }
    }
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "it stands in for functions of libc")]
mod socket {
    use std::ffi::{c_char, c_int, c_void};

    use madsim::time::TimeHandle;

    use super::{Refused, refuse};
    use crate::world::own::Own;

    type Socket = unsafe extern "C" fn(c_int, c_int, c_int) -> c_int;
    type GetAddrInfo = unsafe extern "C" fn(
        *const c_char,
        *const c_char,
        *const libc::addrinfo,
        *mut *mut libc::addrinfo,
    ) -> c_int;

    /// Refers to both, so that a linker takes these.
    pub(super) fn keep() {
        std::hint::black_box((socket as Socket, getaddrinfo as GetAddrInfo));
    }

    /// In a simulation there is no permission for one. Elsewhere, libc's own.
    ///
    /// # Safety
    /// As libc's.
    #[unsafe(no_mangle)]
    #[inline(never)]
    unsafe extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
        static OWN: Own = Own::new(c"socket");
        if TimeHandle::try_current().is_some() {
            refuse(Refused::Socket);
            // SAFETY: the calling thread's own.
            unsafe { *libc::__errno_location() = libc::EACCES };
            return -1;
        }
        // SAFETY: it has this type, and is called as this was.
        unsafe { std::mem::transmute::<*mut c_void, Socket>(OWN.address())(domain, kind, protocol) }
    }

    /// As [`socket`].
    ///
    /// # Safety
    /// As libc's.
    #[unsafe(no_mangle)]
    #[inline(never)]
    unsafe extern "C" fn getaddrinfo(
        node: *const c_char,
        service: *const c_char,
        hints: *const libc::addrinfo,
        found: *mut *mut libc::addrinfo,
    ) -> c_int {
        static OWN: Own = Own::new(c"getaddrinfo");
        if TimeHandle::try_current().is_some() {
            refuse(Refused::Socket);
            return libc::EAI_FAIL;
        }
        // SAFETY: it has this type, and is called as this was.
        unsafe { std::mem::transmute::<*mut c_void, GetAddrInfo>(OWN.address())(node, service, hints, found) }
    }
}

#[cfg(not(target_os = "linux"))]
mod socket {
    /// Sockets are not seen here.
    pub(super) fn keep() {}
}

#[cfg(not(unix))]
mod thread {
    /// Threads that are not `std`'s are not seen here.
    pub(super) fn keep() {}
}
