//! Histories of an object that is linearizable because it is simulated: each operation takes effect at a drawn moment.

use squall_checkers::{
    Model, Operation,
    models::{ContainerInput, ContainerOutput, RegisterInput, RegisterOutput},
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
        // In no order, for priority queues.
        return (ContainerInput::Put(*fresh * 7919 % 10007), ContainerOutput::Done);
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
