//! A [system](Leaky) whose runs are not alone in the world: what one leaves behind in its process, or outside, the next one sees.

use std::{
    collections::BTreeSet,
    env,
    fs::OpenOptions,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use proptest::strategy::Just;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall::{BoxError, EventKind, Fields, Flaw, Group, Invariant, Node, Operations, Outcome, System};
use squall_rt::disk;

/// One node that looks at what is left of other runs, and reports or writes down what it sees.
pub struct Leaky;

/// See [`Leaky`].
#[derive(Serialize, Deserialize, Clone, Debug, Default, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// What it looks at.
    pub sees: Sees,
    /// Where [`Sees::File`] looks.
    pub file: String,
}

/// What of other runs a run can see.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sees {
    /// Nothing.
    #[default]
    Nothing,
    /// Whether it is the first in its process.
    First,
    /// Whether six or more were in its process before it.
    Seventh,
    /// How many keys runs have put into a map of the process.
    Map,
    /// Whether another has changed the directory of the process.
    Directory,
    /// Whether it is the first in its process; this it reports to nobody, and keeps on its disk.
    OnDisk,
    /// Whether a file is there that it then creates on the machine.
    File,
}

impl Params {
    fn look(&self) -> u64 {
        static FIRST: OnceLock<()> = OnceLock::new();
        static COUNT: AtomicU64 = AtomicU64::new(0);
        static MAP: Mutex<BTreeSet<u64>> = Mutex::new(BTreeSet::new());
        match self.sees {
            Sees::Nothing => 0,
            Sees::First | Sees::OnDisk => u64::from(FIRST.set(()).is_ok()),
            Sees::Seventh => u64::from(COUNT.fetch_add(1, Ordering::Relaxed) >= 6),
            Sees::Map => {
                let mut map = MAP.lock().unwrap_or_else(PoisonError::into_inner);
                let len = map.len() as u64;
                map.insert(len);
                len
            }
            Sees::Directory => {
                let root = env::current_dir().is_ok_and(|directory| directory.parent().is_none());
                env::set_current_dir("/").expect("there is a root");
                u64::from(root)
            }
            Sees::File => {
                u64::from(OpenOptions::new().write(true).create_new(true).open(&self.file).is_err())
            }
        }
    }
}

/// A client's operation.
#[derive(Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Nothing.
    Wait,
}

impl System for Leaky {
    const NAME: &'static str = "leaky";
    const ABOUT: &'static str = "A node that sees what other runs have left behind";
    type Params = Params;
    type Op = Op;
    type Session = ();

    fn groups(_params: &Params) -> Vec<Group> {
        vec![Group { name: "node", size: 1 }]
    }

    fn operations(_params: &Params) -> Operations<Op> {
        Operations::new().with("wait", 1, Just(Op::Wait))
    }

    fn events() -> &'static [EventKind] {
        &[EventKind { name: "leaky.saw", fields: &["number"], about: "what it saw" }]
    }

    fn invariants(_params: &Params) -> Vec<Box<dyn Invariant>> {
        Vec::new()
    }

    fn flaws() -> &'static [Flaw] {
        &[]
    }

    fn apply_variant(_params: &mut Params, _flaw: &'static str) {}

    async fn run_node(_node: Node, params: Params) -> Result<(), BoxError> {
        let number = params.look();
        if params.sees == Sees::OnDisk {
            disk::write("seen", [number as u8])?;
            tracing::info!(target: "leaky", number = 0, "saw");
        } else {
            tracing::info!(target: "leaky", number, "saw");
        }
        std::future::pending().await
    }

    async fn open_session(_client: Node, _params: Params) {}

    async fn perform(_session: &mut (), _op: Op) -> Outcome {
        squall_rt::time::sleep(Duration::from_millis(1)).await;
        Outcome::Ok(Fields::new())
    }
}
