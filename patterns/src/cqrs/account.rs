//! A bank account as an aggregate, and its balance as a read model. Amounts are whole minor units (cents).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Aggregate, Projection, Row};
use crate::event_log::{Event, Recorded};

/// What is asked of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountCommand {
    /// Open it, with a first deposit. Refused if it is open.
    Open {
        /// How much to deposit at once, in minor units; 0 for nothing.
        initial: i64,
    },
    /// Put money in. The first deposit opens an account that is not open.
    Deposit {
        /// How much, in minor units; more than 0.
        amount: i64,
    },
    /// Take money out. Refused if the balance does not cover it.
    Withdraw {
        /// How much, in minor units; more than 0.
        amount: i64,
    },
}

/// What happened to an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountEvent {
    /// It was opened, empty.
    Opened,
    /// Money was put in.
    Deposited {
        /// How much, in minor units.
        amount: i64,
    },
    /// Money was taken out.
    Withdrawn {
        /// How much, in minor units.
        amount: i64,
    },
}

impl Event for AccountEvent {
    fn kind(&self) -> &'static str {
        match self {
            AccountEvent::Opened => "opened",
            AccountEvent::Deposited { .. } => "deposited",
            AccountEvent::Withdrawn { .. } => "withdrawn",
        }
    }

    /// The change of the balance.
    fn quantity(&self) -> i64 {
        match self {
            AccountEvent::Opened => 0,
            AccountEvent::Deposited { amount } => *amount,
            AccountEvent::Withdrawn { amount } => -amount,
        }
    }
}

/// Why an account refuses a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// It is open already.
    AlreadyOpen,
    /// It was never opened.
    NotOpen,
    /// The amount is not more than 0 (or, for the first deposit of [`AccountCommand::Open`], is less than 0).
    BadAmount,
    /// The balance does not cover the withdrawal.
    Overdraft {
        /// What there is, in minor units.
        balance: i64,
    },
    /// The balance would exceed what an account can hold.
    TooMuch,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::AlreadyOpen => f.write_str("the account is open already"),
            Refusal::NotOpen => f.write_str("there is no such account"),
            Refusal::BadAmount => f.write_str("the amount must be more than 0"),
            Refusal::Overdraft { balance } => write!(f, "the balance of {balance} does not cover it"),
            Refusal::TooMuch => f.write_str("the balance would be too large"),
        }
    }
}

/// The state that an account decides by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Whether it was opened.
    pub open: bool,
    /// In minor units; never less than 0.
    pub balance: i64,
}

impl Account {
    fn deposit(&self, amount: i64) -> Result<AccountEvent, Refusal> {
        if amount <= 0 {
            return Err(Refusal::BadAmount);
        }
        self.balance.checked_add(amount).ok_or(Refusal::TooMuch)?;
        Ok(AccountEvent::Deposited { amount })
    }
}

impl Aggregate for Account {
    type Command = AccountCommand;
    type Event = AccountEvent;
    type Refusal = Refusal;

    fn apply(&mut self, event: &AccountEvent) {
        self.open = true;
        self.balance += event.quantity();
    }

    fn decide(&self, command: &AccountCommand) -> Result<Vec<AccountEvent>, Refusal> {
        match *command {
            AccountCommand::Open { .. } if self.open => Err(Refusal::AlreadyOpen),
            AccountCommand::Open { initial: 0 } => Ok(vec![AccountEvent::Opened]),
            AccountCommand::Open { initial: amount } => Ok(vec![AccountEvent::Opened, self.deposit(amount)?]),
            AccountCommand::Deposit { amount } => {
                let deposited = self.deposit(amount)?;
                Ok(if self.open { vec![deposited] } else { vec![AccountEvent::Opened, deposited] })
            }
            AccountCommand::Withdraw { amount } if amount <= 0 => Err(Refusal::BadAmount),
            AccountCommand::Withdraw { .. } if !self.open => Err(Refusal::NotOpen),
            AccountCommand::Withdraw { amount } if amount > self.balance => {
                Err(Refusal::Overdraft { balance: self.balance })
            }
            AccountCommand::Withdraw { amount } => Ok(vec![AccountEvent::Withdrawn { amount }]),
        }
    }
}

/// The read model: the balance of each account.
#[derive(Debug)]
pub struct Balances;

/// An account as queries see it. An account that was never opened has version 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// In minor units.
    pub balance: i64,
    /// The version of its last event.
    pub version: u64,
}

impl Row for Balance {
    fn version(&self) -> u64 {
        self.version
    }

    fn quantity(&self) -> i64 {
        self.balance
    }
}

impl Projection for Balances {
    type Event = AccountEvent;
    type Row = Balance;
    const NAME: &'static str = "balances";

    fn key(event: &Recorded<AccountEvent>) -> &str {
        &event.stream
    }

    fn apply(row: &mut Balance, event: &Recorded<AccountEvent>) {
        row.balance += event.event.quantity();
        row.version = event.version;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(commands: &[AccountCommand]) -> (Account, Result<Vec<AccountEvent>, Refusal>) {
        let (last, first) = commands.split_last().expect("at least the command under test");
        let mut account = Account::default();
        for command in first {
            for event in account.decide(command).expect("the commands that lead up to it are fine") {
                account.apply(&event);
            }
        }
        let decision = account.decide(last);
        (account, decision)
    }

    use AccountCommand::{Deposit, Open, Withdraw};

    #[test]
    fn the_balance_is_the_fold_of_the_events() {
        let (account, decision) =
            after(&[Open { initial: 50 }, Deposit { amount: 20 }, Withdraw { amount: 70 }]);
        assert_eq!(account, Account { open: true, balance: 70 });
        assert_eq!(decision, Ok(vec![AccountEvent::Withdrawn { amount: 70 }]));
    }

    #[test]
    fn no_overdraft_not_even_by_one() {
        let (_, decision) = after(&[Deposit { amount: 70 }, Withdraw { amount: 71 }]);
        assert_eq!(decision, Err(Refusal::Overdraft { balance: 70 }));
    }

    #[test]
    fn the_first_deposit_opens_and_later_ones_do_not() {
        assert_eq!(
            after(&[Deposit { amount: 1 }]).1,
            Ok(vec![AccountEvent::Opened, AccountEvent::Deposited { amount: 1 }])
        );
        assert_eq!(
            after(&[Open { initial: 0 }, Deposit { amount: 1 }]).1,
            Ok(vec![AccountEvent::Deposited { amount: 1 }])
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert_eq!(after(&[Open { initial: 1 }, Open { initial: 1 }]).1, Err(Refusal::AlreadyOpen));
        assert_eq!(after(&[Open { initial: -1 }]).1, Err(Refusal::BadAmount));
        assert_eq!(after(&[Deposit { amount: 0 }]).1, Err(Refusal::BadAmount));
        assert_eq!(after(&[Deposit { amount: 5 }, Withdraw { amount: -5 }]).1, Err(Refusal::BadAmount));
        assert_eq!(after(&[Withdraw { amount: 5 }]).1, Err(Refusal::NotOpen));
        assert_eq!(after(&[Deposit { amount: i64::MAX }, Deposit { amount: 1 }]).1, Err(Refusal::TooMuch));
    }
}
