//! Histories of what is right because it is simulated: each operation, or transaction, takes effect at a moment within it.

use std::collections::VecDeque;

use squall_checkers::{
    Model, Operation,
    models::{ContainerInput, ContainerOutput, PerKey, Register, RegisterInput, RegisterOutput},
    transactions::{Builder, History, Key, Value},
};

/// Numbers drawn from a seed (SplitMix64).
pub struct Draw(u64);

impl Draw {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Self {
        Draw(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5_1a11)
    }

    /// The next one.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next one below a bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }
}

/// The next operation of a simulated object: what is asked, what comes back.
pub type Ask<M> =
    fn(&mut Draw, &mut u32, &<M as Model>::State) -> (<M as Model>::Input, <M as Model>::Output);

/// Puts of ever new values, and takes.
#[expect(clippy::ptr_arg, reason = "it is the model's state, as `Ask` has it")]
pub fn container(
    draw: &mut Draw,
    fresh: &mut u32,
    state: &Vec<u32>,
) -> (ContainerInput<u32>, ContainerOutput<u32>) {
    if draw.below(2) == 0 {
        *fresh += 1;
        // In no order, for priority queues. An odd factor gives no value twice.
        return (ContainerInput::Put(fresh.wrapping_mul(0x9e37_79b1)), ContainerOutput::Done);
    }
    (
        ContainerInput::Take,
        state.last().map_or(ContainerOutput::Empty, |value| ContainerOutput::Taken(*value)),
    )
}

/// Writes of ever new values, and reads.
pub fn register(draw: &mut Draw, fresh: &mut u32, state: &u32) -> (RegisterInput<u32>, RegisterOutput<u32>) {
    if draw.below(3) == 0 {
        *fresh += 1;
        return (RegisterInput::Write(*fresh), RegisterOutput::Done);
    }
    (RegisterInput::Read, RegisterOutput::Value(*state))
}

/// A history in which every operation took effect within it.
pub fn linearizable<M: Model>(
    model: &M,
    draw: &mut Draw,
    size: usize,
    processes: u64,
    ask: Ask<M>,
) -> Vec<Operation<M::Input, M::Output>> {
    struct Open<I, O> {
        invoked: u64,
        effect: Option<(I, O)>,
    }
    let mut state = model.initial();
    let mut fresh = 0;
    let mut open: Vec<Option<Open<M::Input, M::Output>>> = (0..processes).map(|_| None).collect();
    let mut history = Vec::new();
    let mut position = 0;
    while history.len() < size {
        let process = draw.below(processes);
        position += 1;
        match open[process as usize].take() {
            None => open[process as usize] = Some(Open { invoked: position, effect: None }),
            Some(Open { invoked, effect: None }) => {
                let (input, output) = ask(draw, &mut fresh, &state);
                state = model.apply(&state, &input, Some(&output)).expect("an object makes what it can make");
                open[process as usize] = Some(Open { invoked, effect: Some((input, output)) });
            }
            Some(Open { invoked, effect: Some((input, output)) }) => {
                history.push(Operation::ok(process, input, output, invoked, position));
            }
        }
    }
    // What is open has or has not happened.
    for (process, open) in open.into_iter().enumerate() {
        if let Some(Open { invoked, effect: Some((input, output)) }) = open {
            position += 1;
            history.push(Operation::ok(process as u64, input, output, invoked, position));
        }
    }
    history
}

/// Registers by key, 10 processes on each; values repeat if they are taken modulo something.
pub fn registers(length: usize, keys: u64, values: u32) -> Vec<Keyed> {
    let mut history = Vec::with_capacity(length);
    for key in 0..keys {
        let one = linearizable(&Register::new(0), &mut Draw::new(key), length / keys as usize, 10, register);
        let value = |value: u32| value % values;
        history.extend(one.into_iter().map(|operation| {
            let input = match operation.input {
                RegisterInput::Write(written) => RegisterInput::Write(value(written)),
                other => other,
            };
            let returned = operation.returned.expect("all return");
            let output = match returned.output {
                RegisterOutput::Value(read) => RegisterOutput::Value(value(read)),
                other => other,
            };
            Operation::ok(operation.process, (key, input), output, operation.invoked.index, returned.at.index)
        }));
    }
    history
}

/// A call on one of many registers.
pub type Keyed =
    Operation<<PerKey<u64, Register<u32>> as Model>::Input, <PerKey<u64, Register<u32>> as Model>::Output>;

/// How many sessions ask a store at once.
pub const SESSIONS: usize = 16;
/// How many keys are in use at once, and after how many writes one is replaced by a new one, as in Elle's workloads.
const KEYS: u64 = 10;
const WRITES: usize = 100;

/// What a store holds by key.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    /// Lists that are appended to and read.
    Lists,
    /// Registers that are written and read.
    Registers,
}

/// What a strictly serializable store answers to transactions of up to so many operations, of which [`SESSIONS`] run at
/// once. Each takes effect somewhere between its beginning and its end; `instant`: all at once there, as time stamps.
pub fn store(transactions: usize, operations: u64, kind: Kind, instant: bool) -> Builder {
    let mut draw = Draw::new(transactions as u64);
    let mut builder = History::builder();
    let mut made = 0;
    let mut key = |builder: &mut Builder| -> (Key, Vec<Value>) {
        made += 1;
        (builder.key(&made.to_string()), Vec::new())
    };
    let mut keys: Vec<(Key, Vec<Value>)> = (0..KEYS).map(|_| key(&mut builder)).collect();
    let mut value = 0;
    // A transaction begins when the one before it in its session has ended: up to SESSIONS positions ago.
    let mut began: VecDeque<u64> = (0..SESSIONS as u64).collect();
    for number in 0..transactions as u64 {
        let now = number * 2 + SESSIONS as u64;
        let start = began.pop_front().expect("each session has one");
        let end = now + draw.below(SESSIONS as u64) / 2;
        let span = if instant { (now, now) } else { (start, end) };
        began.push_back(end + 1);
        let mut txn = builder.begin((number % SESSIONS as u64) as u32).at(span.0);
        for _ in 0..1 + draw.below(operations) {
            let (key, state) = &mut keys[draw.below(KEYS) as usize];
            let write = draw.below(2) == 0;
            value += write as i64;
            txn = match (kind, write) {
                (Kind::Lists, true) => txn.append(*key, value),
                (Kind::Lists, false) => txn.read_list(*key, state),
                (Kind::Registers, true) => txn.write(*key, value),
                (Kind::Registers, false) => txn.read(*key, state.last().copied()),
            };
            if write {
                state.push(value);
            }
        }
        txn.commit(span.1);
        for slot in keys.iter_mut().filter(|(_, state)| state.len() >= WRITES) {
            *slot = key(&mut builder);
        }
    }
    builder
}
