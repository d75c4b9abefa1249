//! Histories as a store that works would make them.

use squall_checkers::transactions::{Builder, History};

use crate::brute::{Op, T};

/// A small generator, so that a case is one number.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) % n as u64) as usize
    }
}

/// What a strictly serializable store would answer to random transactions of some sessions that overlap in time. Spans
/// hold the moment of effect; `stamps` are the snapshot and commit time stamps of that moment.
pub fn legal(seed: u64, transactions: usize, sessions: usize, keys: usize, lists: bool) -> Vec<T> {
    #[derive(Default)]
    struct Running {
        number: Option<usize>,
        done: bool,
    }
    let mut random = Random(seed);
    let mut state: Vec<Vec<i64>> = vec![Vec::new(); keys];
    let mut running: Vec<Running> = (0..sessions).map(|_| Running::default()).collect();
    let mut ts: Vec<T> = Vec::new();
    let mut value = 0;
    let mut time = 0;
    while ts.len() < transactions || running.iter().any(|r| r.number.is_some()) {
        time += 1;
        let session = random.below(sessions);
        match (running[session].number, running[session].done) {
            (None, _) if ts.len() < transactions => {
                running[session].number = Some(ts.len());
                ts.push(T { session: session as u32, span: Some((time, u64::MAX)), ops: Vec::new() });
            }
            (None, _) => {}
            (Some(number), false) => {
                let mut own: Vec<i64> = Vec::new();
                for _ in 0..1 + random.below(4) {
                    let key = random.below(keys);
                    let op = match (random.below(2) == 0, lists) {
                        (true, _) => {
                            value += 1;
                            own.push(value);
                            state[key].push(value);
                            if lists { Op::A(key, value) } else { Op::W(key, value) }
                        }
                        (false, true) => Op::L(key, state[key].clone()),
                        (false, false) => Op::R(key, state[key].last().copied()),
                    };
                    ts[number].ops.push(op);
                }
                running[session].done = true;
            }
            (Some(number), true) => {
                ts[number].span.as_mut().unwrap().1 = time;
                running[session] = Running::default();
            }
        }
    }
    ts
}

/// A legal history, to which more can be told.
pub fn told(ts: &[T], keys: usize) -> Builder {
    let mut builder = History::builder();
    let keys: Vec<_> = (0..keys).map(|key| builder.key(&format!("k{key}"))).collect();
    for t in ts {
        let (start, end) = t.span.unwrap();
        let mut txn = builder.begin(t.session).at(start);
        for op in &t.ops {
            txn = op.tell(txn, &keys);
        }
        txn.commit(end);
    }
    builder
}
