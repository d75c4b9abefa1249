//! Accounts between which money moves: there is always the same amount of it.

use std::fmt;

/// Watches reads of all accounts at once.
///
/// ```
/// use squall_checkers::specific::Bank;
///
/// let bank = Bank::new(100);
/// assert!(bank.read([("a", 70), ("b", 30)]).is_ok());
/// let torn = bank.read([("a", 70), ("b", 40)]).unwrap_err();
/// assert_eq!(torn.to_string(), "a read shows 110 in all, and there is 100");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Bank {
    total: i128,
    overdraft: bool,
}

/// What is wrong with a read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum BankFinding<A> {
    /// The balances do not add up.
    WrongTotal {
        /// To what they add up.
        found: i128,
        /// To what they should.
        total: i128,
    },
    /// An account is overdrawn.
    Negative {
        /// Which.
        account: A,
        /// Its balance.
        balance: i64,
    },
}

impl<A: fmt::Debug> fmt::Display for BankFinding<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BankFinding::WrongTotal { found, total } => {
                write!(f, "a read shows {found} in all, and there is {total}")
            }
            BankFinding::Negative { account, balance } => {
                write!(f, "account {account:?} is overdrawn: {balance}")
            }
        }
    }
}

impl Bank {
    /// A bank with so much money, in which no account may be overdrawn.
    pub fn new(total: i64) -> Self {
        Bank { total: i128::from(total), overdraft: false }
    }

    /// Accounts may be overdrawn.
    pub fn with_overdraft(self) -> Self {
        Bank { overdraft: true, ..self }
    }

    /// A read returned these balances of all accounts.
    pub fn read<A>(&self, balances: impl IntoIterator<Item = (A, i64)>) -> Result<(), BankFinding<A>> {
        let mut found = 0;
        for (account, balance) in balances {
            if balance < 0 && !self.overdraft {
                return Err(BankFinding::Negative { account, balance });
            }
            found += i128::from(balance);
        }
        match found == self.total {
            true => Ok(()),
            false => Err(BankFinding::WrongTotal { found, total: self.total }),
        }
    }
}
