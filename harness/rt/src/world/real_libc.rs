//! libc's own functions, behind those of the same name that the simulation stands in for.

use std::{
    ffi::{CStr, c_void},
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

/// A function of libc's, looked up when it is first called. Without a lock: the functions that locks are made of are among these.
pub(super) struct Own {
    name: &'static CStr,
    found: AtomicPtr<c_void>,
}

impl Own {
    pub(super) const fn new(name: &'static CStr) -> Self {
        Own { name, found: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Where it is.
    pub(super) fn address(&self) -> *mut c_void {
        let mut found = self.found.load(Ordering::Relaxed);
        if found.is_null() {
            #[allow(unsafe_code, reason = "only libc knows")]
            // SAFETY: the name ends in a zero byte.
            unsafe {
                found = libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr());
            }
            assert!(!found.is_null(), "libc has {:?}", self.name);
            self.found.store(found, Ordering::Relaxed);
        }
        found
    }
}
