//! What code under test asks of the real machine and cannot have in a run. Whoever drives the simulation is told at the moment it is
//! asked, while the asking code is still on the stack.
//!
//! Threads are refused twice. Those of `std` fail in madsim's `pthread_attr_init`, and so as a panic of `std`; for all others, which come
//! without attributes, `pthread_create` itself says no. So does `socket`: what goes over the machine's own network is not in the run. And so do
//! `fork` and its kin: another process does what it does in its own time, and may outlive the run.

use std::{cell::RefCell, panic::Location, rc::Rc};

/// What was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A thread of the operating system, through `pthread_create`.
    Thread,
    /// A socket of the operating system, or to look up a name over one.
    Socket,
    /// Another process of the operating system.
    Process,
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
    process::keep();
    TOLD.with(|told| *told.borrow_mut() = Some(Rc::new(tell)));
}

pub(in crate::world) fn refuse(what: Refused) {
    // It may be asked for while a thread ends, or from within `tell` itself.
    let tell = TOLD.try_with(|told| told.try_borrow().ok().and_then(|told| told.clone()));
    if let Ok(Some(tell)) = tell {
        tell(what);
    }
}

/// Whether somebody is told of what is refused on this thread.
#[cfg(target_os = "linux")]
fn is_told() -> bool {
    TOLD.try_with(|told| told.try_borrow().map_or(true, |told| told.is_some())).unwrap_or(false)
}

#[cfg(unix)]
#[allow(unsafe_code, reason = "it stands in for a function of libc")]
mod thread {
    use std::ffi::{c_int, c_void};

    use madsim::time::TimeHandle;

    use super::{Refused, refuse};
    use crate::world::real_libc::Own;

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
    use crate::world::real_libc::Own;

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

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "it stands in for functions of libc")]
mod process {
    use std::{
        ffi::{c_char, c_int, c_void},
        ptr,
    };

    use madsim::time::TimeHandle;

    use super::{Refused, is_told, refuse};
    use crate::world::real_libc::Own;

    type Fork = unsafe extern "C" fn() -> libc::pid_t;
    type Spawn = unsafe extern "C" fn(
        *mut libc::pid_t,
        *const c_char,
        *const libc::posix_spawn_file_actions_t,
        *const libc::posix_spawnattr_t,
        *const *mut c_char,
        *const *mut c_char,
    ) -> c_int;
    type System = unsafe extern "C" fn(*const c_char) -> c_int;
    type Popen = unsafe extern "C" fn(*const c_char, *const c_char) -> *mut libc::FILE;

    static FORK: Own = Own::new(c"fork");
    static SPAWN: Own = Own::new(c"posix_spawn");
    static SPAWN_BY_NAME: Own = Own::new(c"posix_spawnp");
    static SYSTEM: Own = Own::new(c"system");
    static POPEN: Own = Own::new(c"popen");

    /// Refers to all of them, so that a linker takes these.
    pub(super) fn keep() {
        std::hint::black_box((fork as Fork, vfork as Fork, posix_spawn as Spawn, posix_spawnp as Spawn));
        std::hint::black_box((system as System, popen as Popen));
    }

    /// Whether none may be started here: in a run, and wherever code of a system is asked for one.
    fn is_refused() -> bool {
        let refused = TimeHandle::try_current().is_some() || is_told();
        if refused {
            refuse(Refused::Process);
            // SAFETY: the calling thread's own. As if the system had no room for another.
            unsafe { *libc::__errno_location() = libc::EAGAIN };
        }
        refused
    }

    /// # Safety
    /// As libc's.
    #[unsafe(no_mangle)]
    #[inline(never)]
    unsafe extern "C" fn fork() -> libc::pid_t {
        if is_refused() {
            return -1;
        }
        // SAFETY: it has this type, and is called as this was.
        unsafe { std::mem::transmute::<*mut c_void, Fork>(FORK.address())() }
    }

    /// What returns twice to one frame cannot be stood in for: elsewhere, this is [`fork`], which may be used as it may.
    ///
    /// # Safety
    /// As libc's.
    #[unsafe(no_mangle)]
    #[inline(never)]
    unsafe extern "C" fn vfork() -> libc::pid_t {
        // SAFETY: as of this.
        unsafe { fork() }
    }

    /// Either of the two that follow.
    ///
    /// # Safety
    /// As libc's.
    unsafe fn spawn(
        own: &Own,
        pid: *mut libc::pid_t,
        what: *const c_char,
        actions: *const libc::posix_spawn_file_actions_t,
        attributes: *const libc::posix_spawnattr_t,
        arguments: *const *mut c_char,
        environment: *const *mut c_char,
    ) -> c_int {
        if is_refused() {
            return libc::EAGAIN;
        }
        // SAFETY: it has this type, and is called as this was.
        unsafe {
            let own = std::mem::transmute::<*mut c_void, Spawn>(own.address());
            own(pid, what, actions, attributes, arguments, environment)
        }
    }

    /// # Safety
    /// As libc's.
    #[unsafe(no_mangle)]
    #[inline(never)]
    unsafe extern "C" fn posix_spawn(
        pid: *mut libc::pid_t,
        path: *const c_char,
        actions: *const libc::posix_spawn_file_actions_t,
        attributes: *const libc::posix_spawnattr_t,
        arguments: *const *mut c_char,
        environment: *const *mut c_char,
    ) -> c_int {
        // SAFETY: as of this.
        unsafe { spawn(&SPAWN, pid, path, actions, attributes, arguments, environment) }
    }

    /// # Safety
    /// As libc's.
    #[unsafe(no_mangle)]
    #[inline(never)]
    unsafe extern "C" fn posix_spawnp(
        pid: *mut libc::pid_t,
        name: *const c_char,
        actions: *const libc::posix_spawn_file_actions_t,
        attributes: *const libc::posix_spawnattr_t,
        arguments: *const *mut c_char,
        environment: *const *mut c_char,
    ) -> c_int {
        // SAFETY: as of this.
        unsafe { spawn(&SPAWN_BY_NAME, pid, name, actions, attributes, arguments, environment) }
    }

    /// # Safety
    /// As libc's.
    #[unsafe(no_mangle)]
    #[inline(never)]
    unsafe extern "C" fn system(command: *const c_char) -> c_int {
        // Without a command, it says whether there is a shell.
        if !command.is_null() && is_refused() {
            return -1;
        }
        // SAFETY: it has this type, and is called as this was.
        unsafe { std::mem::transmute::<*mut c_void, System>(SYSTEM.address())(command) }
    }

    /// # Safety
    /// As libc's.
    #[unsafe(no_mangle)]
    #[inline(never)]
    unsafe extern "C" fn popen(command: *const c_char, mode: *const c_char) -> *mut libc::FILE {
        if is_refused() {
            return ptr::null_mut();
        }
        // SAFETY: it has this type, and is called as this was.
        unsafe { std::mem::transmute::<*mut c_void, Popen>(POPEN.address())(command, mode) }
    }
}

#[cfg(not(target_os = "linux"))]
mod process {
    /// Processes are not seen here.
    pub(super) fn keep() {}
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
