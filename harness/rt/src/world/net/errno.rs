//! The errors of sockets by Linux's numbers (errno(3)), so that kind and number are those of a real socket.

use std::io;

/// An error of Linux. The values are its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errno {
    PermissionDenied = 13,
    NoDevice = 19,
    InvalidArgument = 22,
    BrokenPipe = 32,
    DestinationRequired = 89,
    MessageTooLong = 90,
    NoSuchOption = 92,
    NotSupported = 95,
    AddressFamily = 97,
    AddressInUse = 98,
    AddressNotAvailable = 99,
    NetworkUnreachable = 101,
    ConnectionAborted = 103,
    ConnectionReset = 104,
    NotConnected = 107,
    TimedOut = 110,
    ConnectionRefused = 111,
}

impl Errno {
    /// What stands for it where numbers mean something else.
    #[cfg(not(target_os = "linux"))]
    fn kind(self) -> io::ErrorKind {
        match self {
            Errno::PermissionDenied => io::ErrorKind::PermissionDenied,
            Errno::NotSupported => io::ErrorKind::Unsupported,
            Errno::InvalidArgument => io::ErrorKind::InvalidInput,
            Errno::BrokenPipe => io::ErrorKind::BrokenPipe,
            Errno::NoDevice
            | Errno::DestinationRequired
            | Errno::MessageTooLong
            | Errno::NoSuchOption
            | Errno::AddressFamily => io::ErrorKind::Other,
            Errno::AddressInUse => io::ErrorKind::AddrInUse,
            Errno::AddressNotAvailable => io::ErrorKind::AddrNotAvailable,
            Errno::NetworkUnreachable => io::ErrorKind::NetworkUnreachable,
            Errno::ConnectionAborted => io::ErrorKind::ConnectionAborted,
            Errno::ConnectionReset => io::ErrorKind::ConnectionReset,
            Errno::NotConnected => io::ErrorKind::NotConnected,
            Errno::TimedOut => io::ErrorKind::TimedOut,
            Errno::ConnectionRefused => io::ErrorKind::ConnectionRefused,
        }
    }
}

impl From<Errno> for io::Error {
    #[cfg(target_os = "linux")]
    fn from(errno: Errno) -> Self {
        io::Error::from_raw_os_error(errno as i32)
    }

    #[cfg(not(target_os = "linux"))]
    fn from(errno: Errno) -> Self {
        errno.kind().into()
    }
}

/// What a socket of a dead process says.
pub(super) fn dead() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the process of this socket is dead")
}
