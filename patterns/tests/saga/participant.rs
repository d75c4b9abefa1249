//! The participant's side of a saga, and the idempotency keys it stands on.

use std::{cell::Cell, time::Duration};

use squall_patterns::{
    idempotency::{self, Claim, Voided},
    saga::{Executed, Participant, Token, Undone, Verdict},
};

use super::bench::{database, in_a_world};

/// A participant that counts its effects.
struct Counter {
    participant: Participant,
    effects: Cell<i64>,
}

fn token(epoch: u64) -> Token {
    Token { coordinator: "c".to_owned(), epoch }
}

impl Counter {
    fn new() -> Self {
        Counter { participant: Participant::new(database()).unwrap(), effects: Cell::new(0) }
    }

    fn execute(&self, epoch: u64, key: &str, request: &[u8]) -> Executed {
        let effect = |_: &_| {
            self.effects.set(self.effects.get() + 1);
            Ok(Verdict::Effect(b"out".to_vec()))
        };
        self.participant.execute(&token(epoch), key, request, effect).unwrap()
    }

    fn refuse(&self, key: &str) -> Executed {
        let verdict = |_: &_| Ok(Verdict::Refuse("no".to_owned()));
        self.participant.execute(&token(1), key, b"r", verdict).unwrap()
    }

    fn compensate(&self, epoch: u64, key: &str) -> Undone {
        let undo = |_: &_, output: &[u8]| {
            assert_eq!(output, b"out");
            self.effects.set(self.effects.get() - 1);
            Ok(())
        };
        self.participant.compensate(&token(epoch), key, undo).unwrap()
    }
}

fn done(repeated: bool) -> Executed {
    Executed::Done { output: b"out".to_vec(), repeated }
}

#[test]
fn a_key_takes_effect_once_and_answers_the_same_for_ever() {
    in_a_world(|| async {
        let counter = Counter::new();
        assert_eq!(counter.execute(1, "k", b"r"), done(false));
        assert_eq!(counter.execute(1, "k", b"r"), done(true));
        assert_eq!(counter.execute(1, "k", b"another"), Executed::Differs);
        assert_eq!(counter.execute(1, "l", b"r"), done(false));
        assert_eq!(counter.effects.get(), 2);
    });
}

#[test]
fn a_refusal_is_remembered_so_that_a_late_duplicate_cannot_succeed() {
    in_a_world(|| async {
        let counter = Counter::new();
        let refused = |repeated| Executed::Refused { reason: "no".to_owned(), repeated };
        assert_eq!(counter.refuse("k"), refused(false));
        assert_eq!(counter.execute(1, "k", b"r"), refused(true));
        assert_eq!(counter.compensate(1, "k"), Undone::Nothing);
        assert_eq!(counter.effects.get(), 0);
    });
}

#[test]
fn a_compensation_undoes_once_and_forbids_the_step() {
    in_a_world(|| async {
        let counter = Counter::new();
        counter.execute(1, "k", b"r");
        assert_eq!(counter.compensate(1, "k"), Undone::Undone);
        assert_eq!(counter.compensate(1, "k"), Undone::Already);
        assert_eq!(counter.execute(1, "k", b"r"), Executed::TooLate);
        assert_eq!(counter.compensate(1, "early"), Undone::Nothing);
        assert_eq!(counter.execute(1, "early", b"r"), Executed::TooLate);
        assert_eq!(counter.effects.get(), 0);
    });
}

#[test]
fn an_older_token_changes_nothing() {
    in_a_world(|| async {
        let counter = Counter::new();
        counter.execute(2, "k", b"r");
        assert_eq!(counter.execute(1, "l", b"r"), Executed::Fenced { by: 2 });
        assert_eq!(counter.compensate(1, "k"), Undone::Fenced { by: 2 });
        assert_eq!(counter.effects.get(), 1);
        assert_eq!(counter.compensate(3, "k"), Undone::Undone, "a compensation raises the fence too");
        assert_eq!(counter.execute(2, "l", b"r"), Executed::Fenced { by: 3 });
        let other = Token { coordinator: "d".to_owned(), epoch: 1 };
        let nothing = |_: &_| Ok(Verdict::Effect(Vec::new()));
        assert!(matches!(
            counter.participant.execute(&other, "m", b"r", nothing).unwrap(),
            Executed::Done { .. }
        ));
    });
}

#[test]
fn an_effect_that_fails_leaves_its_key_free() {
    in_a_world(|| async {
        let counter = Counter::new();
        let failed = counter.participant.execute(&token(1), "k", b"r", |_| {
            Err(redb::Error::Corrupted("the effect's own trouble".to_owned()))
        });
        assert!(failed.is_err());
        assert_eq!(counter.execute(1, "k", b"r"), done(false));
    });
}

#[test]
fn claim_and_effect_are_durable_together_or_not_at_all() {
    in_a_world(|| async {
        let db = database();
        let txn = db.begin_write().unwrap();
        assert_eq!(idempotency::claim(&txn, "k", b"r").unwrap(), Claim::Fresh);
        idempotency::settle(&txn, "k", b"r", b"reply").unwrap();
        txn.abort().unwrap();
        let txn = db.begin_write().unwrap();
        assert_eq!(
            idempotency::claim(&txn, "k", b"r").unwrap(),
            Claim::Fresh,
            "the effect was not made either"
        );
        idempotency::settle(&txn, "k", b"r", b"reply").unwrap();
        txn.commit().unwrap();
        let txn = db.begin_write().unwrap();
        assert_eq!(idempotency::claim(&txn, "k", b"r").unwrap(), Claim::Repeat(b"reply".to_vec()));
        assert_eq!(idempotency::void(&txn, "k").unwrap(), Voided::Settled(b"reply".to_vec()));
        assert_eq!(idempotency::claim(&txn, "k", b"r").unwrap(), Claim::Void);
    });
}

#[test]
fn keys_are_forgotten_when_they_are_old_enough_and_not_before() {
    in_a_world(|| async {
        let counter = Counter::new();
        counter.execute(1, "k", b"r");
        counter.compensate(1, "tombstone");
        assert_eq!(counter.participant.prune(Duration::from_secs(3600)).unwrap(), 0);
        assert_eq!(counter.execute(1, "k", b"r"), done(true));
        squall_rt::time::sleep(Duration::from_millis(20)).await;
        counter.execute(1, "young", b"r");
        assert_eq!(counter.participant.prune(Duration::from_millis(10)).unwrap(), 2);
        assert_eq!(counter.execute(1, "young", b"r"), done(true));
        assert_eq!(counter.execute(1, "k", b"r"), done(false), "nothing is known of it any more");
    });
}
