//! Opening files that people and specs name: regular files on a disk, inside a root, up to a size.
//!
//! What a spec says decides which files are read, and an error shows lines of them. So no name leads out of its [root](root_of), not
//! over `..`, not over a link, not while somebody changes links: the way from the root to the file is walked folder by folder, and
//! none of them may be a link. Nothing blocks and nothing is endless: pipes, devices and what the kernel makes up are refused.

use std::{
    env,
    fs::{self, File},
    io::{self, ErrorKind, Read},
    os::unix::fs::{FileExt, FileTypeExt, MetadataExt},
    path::{Component, Path, PathBuf},
};

use rustix::fs::{Mode, OFlags};

/// The folder that holds specs and their parts.
const SPECS: &str = "specs";

/// Why a file is not opened.
#[derive(Debug)]
pub(crate) enum Refused {
    /// There is nothing of that name.
    Missing,
    /// A link that leads nowhere.
    Dangling(PathBuf),
    /// It is a directory.
    Directory,
    /// It is no file with contents of its own: a pipe, a device.
    Special(&'static str),
    /// It lies, or a link leads, outside of the root.
    Outside {
        /// Where it really is.
        real: PathBuf,
        root: PathBuf,
    },
    /// It is longer than what is read at most, both in bytes.
    Long { size: u64, most: u64 },
    /// Anything else that the system says.
    Io(io::Error),
}

impl Refused {
    /// What is wrong, as the end of a sentence that begins with the file's name, and what to do about it.
    pub(crate) fn told(&self) -> (String, String) {
        let (what, help): (String, String) = match self {
            Refused::Missing => ("is not there".into(), "check the path".into()),
            Refused::Dangling(to) => (
                format!("is a link to `{}`, which is not there", to.display()),
                "put back what it leads to, or remove the link".into(),
            ),
            Refused::Directory => ("is a directory".into(), "name a file in it".into()),
            Refused::Special(what) => (
                format!("is {what}, and no regular file"),
                "write what it holds to a file, and name that".into(),
            ),
            Refused::Outside { real, root } => (
                format!("is `{}`, which lies outside of `{}`", real.display(), from_here(root).display()),
                "copy the file there: nothing outside of that folder is read".into(),
            ),
            Refused::Long { size, most } => (
                format!("has {} MiB, and at most {} MiB are read", size >> 20, most >> 20),
                "raise the limit, or name a part of it".into(),
            ),
            Refused::Io(error) => {
                (format!("cannot be read: {error}"), "check the path and its permissions".into())
            }
        };
        (what, help)
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        if error.kind() == ErrorKind::NotFound { Refused::Missing } else { Refused::Io(error) }
    }
}

impl From<rustix::io::Errno> for Refused {
    fn from(error: rustix::io::Errno) -> Self {
        io::Error::from(error).into()
    }
}

/// What a file is opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    Reading,
    /// Reading, and writing at its end.
    Appending,
}

/// Opens a regular file inside `root`, which may be reached over links that stay there.
pub(crate) fn open(path: &Path, root: &Path, access: For) -> Result<File, Refused> {
    let named = fs::symlink_metadata(path)?;
    let real = path.canonicalize().map_err(|error| match (error.kind(), fs::read_link(path)) {
        (ErrorKind::NotFound, Ok(to)) if named.is_symlink() => Refused::Dangling(to),
        _ => error.into(),
    })?;
    let root = root.canonicalize()?;
    let Ok(below) = real.strip_prefix(&root) else { return Err(Refused::Outside { real, root }) };
    let mut steps: Vec<_> = below.components().map(Component::as_os_str).collect();
    let Some(name) = steps.pop() else { return Err(Refused::Directory) };
    // O_NOFOLLOW at each step: what was no link a moment ago may be one now.
    let folder = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut at = rustix::fs::open(&root, folder, Mode::empty())?;
    for step in steps {
        at = rustix::fs::openat(&at, step, folder, Mode::empty())?;
    }
    // O_NONBLOCK: a pipe without a writer would wait for one. A directory cannot be opened for writing, so it is told by its name.
    let access = match access {
        For::Reading => OFlags::RDONLY,
        For::Appending if fs::metadata(&real)?.is_dir() => return Err(Refused::Directory),
        For::Appending => OFlags::RDWR | OFlags::APPEND,
    };
    let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(&at, name, flags, Mode::empty())?);
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(Refused::Directory);
    }
    if !kind.is_file() {
        return Err(Refused::Special(special(kind)));
    }
    Ok(file)
}

/// Opens a regular file of up to so many bytes, wherever it lies and whatever links lead there: one that somebody names on the command
/// line to be read as a stream. What the kernel makes up has no size, and is refused.
pub(crate) fn stream(path: &Path, most: u64) -> Result<File, Refused> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let metadata = file.metadata()?;
    let kind = metadata.file_type();
    if kind.is_dir() {
        return Err(Refused::Directory);
    }
    if !kind.is_file() {
        return Err(Refused::Special(special(kind)));
    }
    if metadata.size() > most {
        return Err(Refused::Long { size: metadata.size(), most });
    }
    let mut first = [0];
    if metadata.size() == 0 && file.read_at(&mut first, 0)? > 0 {
        return Err(Refused::Special("made up by the kernel as it is read"));
    }
    Ok(file)
}

/// Reads the first `most` bytes of a file inside `root`.
pub(crate) fn read(path: &Path, root: &Path, most: u64) -> Result<Vec<u8>, Refused> {
    let file = open(path, root, For::Reading)?;
    let size = file.metadata()?.size();
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    if size == 0 && !bytes.is_empty() {
        return Err(Refused::Special("made up by the kernel as it is read"));
    }
    Ok(bytes)
}

/// What a file is that is neither regular nor a directory nor a link.
fn special(kind: fs::FileType) -> &'static str {
    if kind.is_fifo() {
        "a pipe"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else {
        "a socket"
    }
}

/// The folder that a spec and all its parts lie in: the nearest above it that is named `specs`. Without one, the first folder below
/// the working directory on the way to the file (the working directory for a file that lies in it), and for a file elsewhere its own.
pub(crate) fn root_of(path: &Path) -> PathBuf {
    let here = env::current_dir().unwrap_or_default();
    root(&here, path)
}

/// The path from the root of the file system, without `.` and `..`, by its text alone.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    plain(&env::current_dir().unwrap_or_default().join(path))
}

/// The path as it is written in the working directory, which is `.`.
pub(crate) fn from_here(path: &Path) -> PathBuf {
    let here = env::current_dir().unwrap_or_default();
    match path.strip_prefix(here) {
        Ok(below) if below.as_os_str().is_empty() => ".".into(),
        Ok(below) => below.to_owned(),
        Err(_) => path.to_owned(),
    }
}

fn root(here: &Path, path: &Path) -> PathBuf {
    let path = plain(&here.join(path));
    let own = path.parent().unwrap_or(&path);
    if let Some(specs) = own.ancestors().find(|folder| folder.ends_with(SPECS)) {
        return specs.to_owned();
    }
    match own.strip_prefix(here).map(|below| below.components().next()) {
        Ok(Some(first)) => here.join(first),
        Ok(None) => here.to_owned(),
        Err(_) => own.to_owned(),
    }
}

fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for step in path.components() {
        match step {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            _ => plain.push(step),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_root_is_the_nearest_specs_folder_or_the_folder_below_the_working_directory() {
        let of = |path: &str| root(Path::new("/w"), Path::new(path)).display().to_string();
        for (path, expected) in [
            ("specs/saga/x.yaml", "/w/specs"),
            ("./specs/x.yaml", "/w/specs"),
            ("tests/specs/deep/x.yaml", "/w/tests/specs"),
            ("chaos/saga/x.yaml", "/w/chaos"),
            ("x.yaml", "/w"),
            ("chaos/../x.yaml", "/w"),
            ("/w/chaos/saga/x.yaml", "/w/chaos"),
            ("/elsewhere/saga/x.yaml", "/elsewhere/saga"),
            ("/elsewhere/specs/saga/x.yaml", "/elsewhere/specs"),
            ("../specs.yaml", "/"),
        ] {
            assert_eq!(of(path), expected, "{path}");
        }
    }

    #[test]
    fn only_regular_files_inside_the_root_are_opened() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let root = at("root");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::write(at("secret"), "password").unwrap();
        fs::write(root.join("sub/good"), "text").unwrap();
        fs::write(root.join("long"), [b'x'; 11]).unwrap();
        symlink("../secret", root.join("leak")).unwrap();
        symlink("/proc/self/environ", root.join("environ")).unwrap();
        symlink("nowhere", root.join("dangling")).unwrap();
        symlink("sub/good", root.join("inside")).unwrap();
        symlink("..", root.join("up")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            root.join("pipe"),
            rustix::fs::FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        )
        .unwrap();
        let read = |name: &str| read(&root.join(name), &root, 10);
        assert_eq!(read("sub/good").unwrap(), b"text");
        assert_eq!(read("inside").unwrap(), b"text", "a link within the root");
        assert!(matches!(read("leak"), Err(Refused::Outside { .. })));
        assert!(matches!(read("environ"), Err(Refused::Outside { .. })));
        assert!(matches!(read("../secret"), Err(Refused::Outside { .. })));
        assert!(matches!(read("up/secret"), Err(Refused::Outside { .. })));
        assert!(read("up/root/sub/good").is_ok(), "it is inside, whatever the way");
        assert!(matches!(read("dangling"), Err(Refused::Dangling(_))));
        assert!(matches!(read("pipe"), Err(Refused::Special("a pipe"))));
        assert!(matches!(open(&root.join("pipe"), &root, For::Appending), Err(Refused::Special(_))));
        assert!(matches!(read("sub"), Err(Refused::Directory)));
        assert!(matches!(open(&root.join("sub"), &root, For::Appending), Err(Refused::Directory)));
        assert!(matches!(read("nothing"), Err(Refused::Missing)));
        assert_eq!(read("long").unwrap().len(), 10);
        let kernel = super::read(Path::new("/proc/self/environ"), Path::new("/proc/self"), 1 << 20);
        assert!(matches!(kernel, Err(Refused::Special(_))), "its size is said to be 0");
        let stream = |name: &str| super::stream(&root.join(name), 10);
        assert!(stream("sub/good").is_ok() && stream("leak").is_ok(), "it may lie anywhere");
        assert!(matches!(stream("pipe"), Err(Refused::Special("a pipe"))));
        assert!(matches!(stream("sub"), Err(Refused::Directory)));
        assert!(matches!(stream("nothing"), Err(Refused::Missing)));
        assert!(matches!(stream("environ"), Err(Refused::Special(_))));
        assert!(matches!(stream("long"), Err(Refused::Long { size: 11, most: 10 })));
        let device = super::read(Path::new("/dev/zero"), Path::new("/dev"), 10);
        assert!(matches!(device, Err(Refused::Special("a device"))));
    }
}
