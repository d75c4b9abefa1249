//! Panics of code under test: each is noted where it happens, and the one that ends a run is told with its own place.
//!
//! Only a panic hook knows where a panic happened, and only who catches it has its payload. Code under test catches panics too, goes on
//! with another, and puts hooks of its own in place. So every panic on a run's thread is noted, the payload that arrives picks its note, and
//! our hook goes in front again of any that replaces it.

use std::{
    any::{Any, TypeId},
    cell::{Cell, RefCell},
    collections::VecDeque,
    io::{self, Write},
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    sync::OnceLock,
    time::Duration,
};

use squall_rt::world::{self, NodeId};

use super::{refusal, stack::Backtrace};

/// How many panics of one run are kept in mind. All but the last few were caught long ago.
const NOTED: usize = 64;

/// A panic that reached the end of what was run.
pub(crate) struct Panicked {
    pub message: String,
    /// `file:line:column`; empty if it is not known.
    pub location: String,
    pub by: By,
    pub at: Duration,
    pub backtrace: Backtrace,
}

/// Whose code panicked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum By {
    /// A task of this node.
    Node(NodeId),
    /// Code of the system that the harness called, such as "the invariant `x`".
    Part(String),
    /// None of these.
    Harness,
}

struct Note {
    payload: Payload,
    location: String,
    by: By,
    at: Duration,
    backtrace: Backtrace,
}

/// What a payload is recognised by. It moves on its way from the hook to who catches it, but not the text that it holds. (Two panics with the same
/// literal share their text; of those the last is taken.)
#[derive(PartialEq)]
enum Payload {
    Text { address: usize, text: String },
    Other(TypeId),
}

impl Payload {
    fn of(payload: &dyn Any) -> Self {
        match text(payload) {
            Some(text) => Payload::Text { address: text.as_ptr() as usize, text: text.to_owned() },
            None => Payload::Other(payload.type_id()),
        }
    }
}

fn text(payload: &dyn Any) -> Option<&str> {
    payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

thread_local! {
    /// The panics on this thread, if it is a run's.
    static NOTES: RefCell<Option<VecDeque<Note>>> = const { RefCell::new(None) };
    /// Whether hooks of ours go for good.
    static CLEARING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f` on this thread, where panics are noted rather than printed from now on.
pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, Panicked> {
    NOTES.with(|notes| *notes.borrow_mut() = Some(VecDeque::new()));
    put_hook(None);
    let outcome = panic::catch_unwind(AssertUnwindSafe(f));
    // Whatever code under test has put in place goes with its run.
    put_hook(None);
    let notes = NOTES.with(|notes| notes.borrow_mut().take());
    outcome.map_err(|payload| told(notes.unwrap_or_default(), &*payload))
}

/// Runs `f` on a part of the system, such as an invariant: a panic in it is told as that of `name`.
pub(crate) fn as_part<P: ?Sized, T>(
    part: &mut P,
    name: impl FnOnce(&P) -> String,
    f: impl FnOnce(&mut P) -> T,
) -> T {
    panic::catch_unwind(AssertUnwindSafe(|| f(part))).unwrap_or_else(|payload| {
        NOTES.with(|notes| {
            let mut notes = notes.borrow_mut();
            let noted = notes.as_mut().and_then(|notes| find(notes, &*payload));
            // The innermost part has named itself already.
            if let Some(note) = noted
                && !matches!(note.by, By::Part(_))
            {
                note.by = By::Part(name(part));
            }
        });
        world::panic_ends_the_run();
        panic::resume_unwind(payload)
    })
}

fn told(mut notes: VecDeque<Note>, payload: &(dyn Any + Send)) -> Panicked {
    let message = text(payload).unwrap_or("a panic without a message").to_owned();
    match find(&mut notes, payload) {
        Some(note) => Panicked {
            message,
            location: std::mem::take(&mut note.location),
            by: note.by.clone(),
            at: note.at,
            backtrace: std::mem::take(&mut note.backtrace),
        },
        None => Panicked {
            message: format!(
                "{message}\n(where is not known: it was raised by std::panic::resume_unwind, or the hook that notes panics was taken away by \
                 std::panic::take_hook or set_hook)"
            ),
            location: String::new(),
            by: By::Harness,
            at: Duration::ZERO,
            backtrace: Backtrace::default(),
        },
    }
}

/// The note of a payload: the last that has its very text, or else its text.
fn find<'a>(notes: &'a mut VecDeque<Note>, payload: &(dyn Any + Send)) -> Option<&'a mut Note> {
    let wanted = Payload::of(payload);
    let same_text = |note: &Note| match (&note.payload, &wanted) {
        (Payload::Text { text, .. }, Payload::Text { text: wanted, .. }) => text == wanted,
        _ => false,
    };
    let at = notes
        .iter()
        .rposition(|note| note.payload == wanted)
        .or_else(|| notes.iter().rposition(same_text))?;
    notes.get_mut(at)
}

/// A hook that is not ours.
type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;

/// Part of our hook, and so dropped when another is put in its place.
struct InForce;

impl Drop for InForce {
    fn drop(&mut self) {
        let of_a_run = NOTES.try_with(|notes| notes.try_borrow().is_ok_and(|notes| notes.is_some()));
        // A hook cannot be set while a panic is under way; std does not let code under test do so either.
        if of_a_run == Ok(true) && !CLEARING.get() && !std::thread::panicking() {
            let theirs = panic::take_hook();
            put_hook(Some(theirs));
        }
    }
}

/// Puts our hook in place of all others, and has it call `then` too.
fn put_hook(then: Option<Hook>) {
    static DEFAULT: OnceLock<Hook> = OnceLock::new();
    let before = CLEARING.replace(true);
    DEFAULT.get_or_init(panic::take_hook);
    let in_force = InForce;
    panic::set_hook(Box::new(move |info| {
        let _whole = &in_force;
        if !note(info) {
            // On another thread, which is not a run's.
            if let Some(default) = DEFAULT.get() {
                default(info);
            }
        } else if let Some(then) = &then {
            then(info);
        }
    }));
    CLEARING.set(before);
}

/// The panics after which the process aborts, and nobody is left to tell those before.
const ENDS_THE_PROCESS: [&str; 2] =
    ["panic in a destructor during cleanup", "panic in a function that cannot unwind"];

/// Prints the panics that a process ends by, which is kept for the report of its death.
fn say(notes: &VecDeque<Note>) {
    for Note { payload, location, by, .. } in notes {
        let message = match payload {
            Payload::Text { text, .. } => text,
            Payload::Other(_) => "a panic without a message",
        };
        let whose = match by {
            By::Node(node) => format!("node {} of the world", node.index()),
            By::Part(part) => part.clone(),
            By::Harness => "code of no node".to_owned(),
        };
        let _ = writeln!(io::stderr(), "{whose} panicked in {location}: {message}");
    }
    let _ = writeln!(
        io::stderr(),
        "a panic while another is cleaned up, or one in a function that cannot unwind (extern \"C\"), ends the process: remove the last"
    );
}

/// Notes a panic. Returns false if this is no thread of a run.
fn note(info: &PanicHookInfo<'_>) -> bool {
    NOTES
        .try_with(|notes| {
            let Ok(mut notes) = notes.try_borrow_mut() else { return true };
            let Some(notes) = &mut *notes else { return false };
            let message = text(info.payload()).unwrap_or_default();
            if ENDS_THE_PROCESS.contains(&message) {
                say(notes);
                return true;
            }
            // What panics while a run that panicked is cleaned up is a consequence.
            if world::is_ending() {
                return true;
            }
            let location = info.location().map_or_else(String::new, |location| {
                format!("{}:{}:{}", location.file(), location.line(), location.column())
            });
            let (node, at) = world::whereabouts();
            refusal::look_at(info, message);
            notes.push_back(Note {
                payload: Payload::of(info.payload()),
                location,
                by: node.map_or(By::Harness, By::Node),
                at,
                backtrace: Backtrace::here(),
            });
            if notes.len() > NOTED {
                notes.pop_front();
            }
            true
        })
        .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(f: impl FnOnce() + Send) -> Panicked {
        std::thread::scope(|scope| {
            let caught = scope.spawn(|| catch(f).expect_err("it panics"));
            caught.join().expect("the panic was caught")
        })
    }

    fn line_of(panicked: &Panicked) -> u32 {
        let mut parts = panicked.location.rsplit(':');
        parts.nth(1).expect("a line").parse().expect("a number")
    }

    #[test]
    fn a_panic_that_was_caught_lends_its_place_to_no_other() {
        let caught = || panic::catch_unwind(|| panic!("first {}", 1)).expect_err("it panics");
        let second = line!() + 3;
        let panicked = run(|| {
            drop(caught());
            panic!("second {}", 2);
        });
        assert_eq!((panicked.message.as_str(), line_of(&panicked)), ("second 2", second));
        // The other way round: an older one goes on after a newer one was caught, with the same message.
        let same = std::hint::black_box("same");
        let first = line!() + 2;
        let panicked = run(|| {
            let older = panic::catch_unwind(|| panic!("the {same}")).expect_err("it panics");
            let _newer = panic::catch_unwind(|| panic!("the {same}")).expect_err("it panics");
            panic::resume_unwind(older);
        });
        assert_eq!((panicked.message.as_str(), line_of(&panicked)), ("the same", first));
    }

    #[test]
    fn a_hook_of_the_code_under_test_does_not_hide_the_place() {
        let panicked = run(|| {
            panic::set_hook(Box::new(|_| {}));
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| before(info)));
            panic::set_hook(Box::new(|_| {}));
            panic!("in spite of it");
        });
        assert_eq!(panicked.message, "in spite of it");
        assert!(panicked.location.starts_with(file!()), "{}", panicked.location);
        // One that is kept and never called is all that is left to hide behind, and that is said.
        let panicked = run(|| {
            std::mem::forget(panic::take_hook());
            panic!("unseen");
        });
        assert!(panicked.message.contains("where is not known"), "{}", panicked.message);
    }

    #[test]
    fn the_innermost_part_is_named() {
        let name = |part: &&str| (*part).to_owned();
        let inner = || as_part(&mut "the condition `c`", name, |_| panic!("in here"));
        let panicked = run(|| as_part(&mut "the invariant `i`", name, |_| inner()));
        assert_eq!(panicked.by, By::Part("the condition `c`".to_owned()));
    }
}
