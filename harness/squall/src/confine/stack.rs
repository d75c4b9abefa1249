//! Where in a program something happened: the stack of the calling thread, and which of its frames is whose.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// A frame of a stack.
struct Frame {
    /// Its path, or its bare name: that depends on how its crate was built.
    function: String,
    place: Option<Place>,
}

/// A place in source code.
struct Place {
    file: PathBuf,
    line: u32,
    column: u32,
}

/// Where in the code of this executable a thread is, innermost first: addresses relative to an anchor in it, and so the same in every process of
/// one build. To take it is cheap; to tell it is not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backtrace(Vec<i64>);

/// The address that those of a [`Backtrace`] are relative to.
fn anchor() -> i64 {
    Backtrace::here as fn() -> Backtrace as usize as i64
}

/// No executable is larger. What is further away is in a library that is loaded elsewhere each time.
const FAR: i64 = 1 << 31;

impl Backtrace {
    /// That of the calling thread.
    pub(crate) fn here() -> Backtrace {
        let mut addresses = Vec::new();
        backtrace::trace(|frame| {
            addresses.push(frame.ip() as usize);
            true
        });
        Backtrace::of(addresses)
    }

    /// That of the thread on whose stack these addresses of code were.
    pub(super) fn of(addresses: impl IntoIterator<Item = usize>) -> Backtrace {
        let relative = addresses.into_iter().map(|address| (address as i64).wrapping_sub(anchor()));
        Backtrace(relative.filter(|relative| (-FAR..FAR).contains(relative)).collect())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Backtrace {
    /// Two lines for each function: its name, and where it is. For the executable that it was taken in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Stack::of(self).fmt(f)
    }
}

/// Frames, innermost first, without those of squall, its runtime and std's machinery around them.
pub(super) struct Stack(Vec<Frame>);

/// Where a panic leaves std's machinery: what is called after it is the hook.
const UNWINDING: [&str; 3] =
    ["rust_begin_unwind", "__rustc::rust_begin_unwind", "std::panicking::begin_panic"];

/// What calls that on behalf of code that panics.
const PANICKING: [&str; 4] =
    ["core::panicking::", "core::result::", "core::option::", "std::panicking::begin_panic"];

/// What polls tasks. Its callers are the same in all of them.
const EXECUTOR: &str = "async_task::";

/// What stands between functions and says nothing.
const GLUE: [&str; 3] = ["core::future::", "core::ops::function", "alloc::boxed"];

impl Stack {
    /// That of the calling thread.
    pub fn here() -> Stack {
        Stack::of(&Backtrace::here())
    }

    pub(super) fn of(backtrace: &Backtrace) -> Stack {
        let mut frames = Vec::new();
        for relative in &backtrace.0 {
            let address = anchor().wrapping_add(*relative) as usize;
            backtrace::resolve(std::ptr::without_provenance_mut(address), |symbol| {
                let Some(name) = symbol.name() else { return };
                let place = symbol.filename().map(|file| Place {
                    file: file.to_owned(),
                    line: symbol.lineno().unwrap_or(0),
                    column: symbol.colno().unwrap_or(0),
                });
                frames.push(Frame { function: without_types(&format!("{name:#}")), place });
            });
        }
        let is_one_of = |frame: &Frame, names: &[&str]| names.iter().any(|name| frame.is(name));
        if let Some(at) = frames.iter().position(|frame| is_one_of(frame, &UNWINDING)) {
            frames.drain(..=at);
            let panics = frames.iter().take_while(|frame| is_one_of(frame, &PANICKING)).count();
            frames.drain(..panics);
        }
        if let Some(first) = frames.iter().position(|frame| frame.is(EXECUTOR)) {
            frames.truncate(first);
        }
        frames.retain(|frame| !frame.place.as_ref().is_some_and(Place::is_ours) && !is_one_of(frame, &GLUE));
        Stack(frames)
    }

    /// Whether a function of this name, or with this beginning of a path, is on it.
    pub fn has(&self, function: &str) -> bool {
        self.0.iter().any(|frame| frame.is(function))
    }

    /// Whether a function whose path has this in it is on it.
    pub fn has_part(&self, part: &str) -> bool {
        self.0.iter().any(|frame| frame.function.contains(part))
    }

    /// The innermost place in code that neither std nor a registry has brought.
    pub fn users_place(&self) -> Option<String> {
        let place = self.0.iter().filter_map(|frame| frame.place.as_ref()).find(|place| place.is_users());
        place.map(Place::to_string)
    }

    /// The function of std's or of a package's that the user's code called; none if it runs by itself.
    pub fn called(&self) -> Option<String> {
        let others = self.0.iter().take_while(|frame| !frame.place.as_ref().is_some_and(Place::is_users));
        others.last().map(|frame| frame.function.clone())
    }

    /// The package, with its version, whose code the user's code called, or that runs by itself.
    pub fn package(&self) -> Option<String> {
        let places = self.0.iter().filter_map(|frame| frame.place.as_ref());
        places.take_while(|place| !place.is_users()).filter_map(Place::package).last()
    }
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, Frame { function, place }) in self.0.iter().enumerate() {
            let module = place.as_ref().filter(|_| !function.contains("::")).and_then(Place::module);
            writeln!(f, "{nth:>3}: {}{function}", module.unwrap_or_default())?;
            if let Some(place) = place {
                writeln!(f, "       at {place}")?;
            }
        }
        Ok(())
    }
}

impl Frame {
    /// Whether it is of a function whose path begins so, or of a module whose path does.
    fn is(&self, path: &str) -> bool {
        let module = self.place.as_ref().and_then(Place::module);
        self.function.trim_start_matches(['<', '&']).starts_with(path)
            || module.is_some_and(|module| module.starts_with(path))
    }
}

/// A function's name without its type arguments, which may be many times as long. What a path begins with, as in `<T as Trait>::f`, stays.
fn without_types(function: &str) -> String {
    let mut short = String::with_capacity(function.len());
    let (mut depth, mut before) = (0, ' ');
    for c in function.chars() {
        match c {
            // The `>` of an arrow closes nothing.
            '>' if before == '-' => {}
            '<' if depth > 0 || !(short.is_empty() || short.ends_with(['<', ' ', '&', '(', ','])) => {
                depth += 1
            }
            '>' if depth > 0 => {
                depth -= 1;
                before = c;
                continue;
            }
            _ => {}
        }
        if depth == 0 {
            short.push(c);
        }
        before = c;
    }
    short.replace("::::", "::").trim_end_matches("::").to_owned()
}

impl Place {
    /// Whether it is in squall or its runtime.
    fn is_ours(&self) -> bool {
        let harness = Path::new(env!("CARGO_MANIFEST_DIR"));
        let beside = harness.parent().unwrap_or(harness);
        let package = self.package();
        self.file.starts_with(harness.join("src"))
            || self.file.starts_with(beside.join("rt").join("src"))
            || package.is_some_and(|name| {
                ["squall ", "squall-rt ", "madsim ", "backtrace "].iter().any(|ours| name.starts_with(ours))
            })
    }

    fn is_std(&self) -> bool {
        let file = self.file.to_string_lossy();
        file.starts_with("/rustc/") || file.contains("/library/std/") || file.contains("/library/core/")
    }

    fn is_users(&self) -> bool {
        !self.is_std() && self.package().is_none()
    }

    /// The module that its file stands for, with a `::` behind it; none for code of neither std nor a registry.
    fn module(&self) -> Option<String> {
        let file = self.file.to_string_lossy();
        let (package, path) = match self.package() {
            Some(package) => (package.split(' ').next()?.to_owned(), file.rsplit_once("/src/")?.1),
            None => {
                let (_, library) = file.split_once("/library/")?;
                let (name, path) = library.split_once("/src/")?;
                (name.to_owned(), path)
            }
        };
        let path = path.trim_end_matches(".rs").trim_end_matches("/mod").trim_end_matches("/lib");
        Some(format!("{}::{}::", package.replace('-', "_"), path.replace('/', "::")))
    }

    /// The package of a registry or of a checkout of cargo's, as `rayon-core 1.12.1`, if it is in one.
    fn package(&self) -> Option<String> {
        let file = self.file.to_string_lossy();
        let (_, below) = file.split_once("/registry/src/").or_else(|| file.split_once("/git/checkouts/"))?;
        let directory = below.split('/').nth(1)?;
        // The version is what follows the last dash before a digit.
        let dash = directory
            .match_indices('-')
            .find(|(at, _)| directory[at + 1..].starts_with(|c: char| c.is_ascii_digit()));
        Some(match dash {
            Some((at, _)) => format!("{} {}", &directory[..at], &directory[at + 1..]),
            None => directory.to_owned(),
        })
    }
}

impl fmt::Display for Place {
    /// `file:line:column`, the file as seen from where the program runs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let here = std::env::current_dir().unwrap_or_default();
        let file = self.file.strip_prefix(&here).unwrap_or(&self.file);
        write!(f, "{}:{}:{}", file.display(), self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(file: &str) -> Place {
        Place { file: file.into(), line: 1, column: 2 }
    }

    #[test]
    fn type_arguments_are_left_out_and_nothing_else() {
        for (whole, short) in [
            ("std::sync::mpsc::Receiver<alloc::vec::Vec<u8>>::recv", "std::sync::mpsc::Receiver::recv"),
            ("core::option::expect_failed", "core::option::expect_failed"),
            ("core::panicking::panic_display::<&str>", "core::panicking::panic_display"),
            ("<alloc::boxed::Box<dyn Fn(u8) -> bool> as Fn<(u8,)>>::call", "<alloc::boxed::Box as Fn>::call"),
            ("a::f::<fn(u8) -> u8>::{{closure}}", "a::f::{{closure}}"),
        ] {
            assert_eq!(without_types(whole), short);
        }
    }

    #[test]
    fn whose_code_it_is() {
        let registry = |package| place(&format!("/home/u/.cargo/registry/src/index-0a/{package}/src/lib.rs"));
        assert_eq!(registry("rayon-core-1.12.1").package().as_deref(), Some("rayon-core 1.12.1"));
        assert_eq!(registry("h2-0.4.0-rc.1").package().as_deref(), Some("h2 0.4.0-rc.1"));
        assert!(registry("madsim-0.2.34").is_ours() && !registry("madsim-tokio-0.2.30").is_ours());
        let module = |file: &str| place(file).module().unwrap_or_default();
        assert_eq!(
            module("/home/u/.cargo/registry/src/index-0a/rayon-core-1.12.1/src/registry.rs"),
            "rayon_core::registry::"
        );
        assert_eq!(module("/rustc/59807616e/library/std/src/thread/mod.rs"), "std::thread::");
        assert_eq!(module("/home/u/service/src/main.rs"), "");
        assert!(place("/home/u/service/src/main.rs").is_users());
        assert!(!place("/rustc/59807616e/library/std/src/thread/mod.rs").is_users());
        assert!(place(&format!("{}/src/run/stack.rs", env!("CARGO_MANIFEST_DIR"))).is_ours());
    }

    #[test]
    fn the_place_that_asks_is_on_it() {
        let stack = Stack::here();
        // This test is in squall itself, and so not shown.
        assert!(!stack.has("squall::run::stack"), "{stack}");
        assert!(stack.has("std::thread::") || stack.has("test::"), "{stack}");
        assert_eq!(without_types("poll<alloc::boxed::Box<T>>"), "poll");
        assert_eq!(without_types("<T as a::B<u8>>::c"), "<T as a::B>::c");
    }
}
