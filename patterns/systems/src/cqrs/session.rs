//! A client's session: it keeps what it has seen, tries a command again under the same id, and knows what it does not know.

use std::time::Duration;

use squall::{Node, Outcome};
use squall_patterns::cqrs::{
    Token, View,
    account::{AccountCommand, Balance},
};
use squall_rt::{
    rng,
    rpc::{CallError, Client, Code, Method},
    time::{Instant, sleep},
};

use super::{
    Op, Params,
    flaws::FlawKind,
    protocol::{Audit, Get, PORT, Rebuild, Submit},
};

/// The wait before the second attempt; it doubles with each further one. A random half of it is taken off.
const BACKOFF: Duration = Duration::from_millis(50);

/// What a client keeps between operations.
pub struct Session {
    params: Params,
    command: Client,
    replicas: Vec<Client>,
    token: Token,
}

impl Session {
    pub(super) fn open(client: &Node, params: Params) -> Self {
        let clients =
            |group| client.hosts(group).iter().map(|host| Client::new(format!("{host}:{PORT}"))).collect();
        let command: Vec<Client> = clients("command");
        Session {
            params,
            command: command.into_iter().next().expect("there is a command node"),
            replicas: clients("replicas"),
            token: Token::default(),
        }
    }

    pub(super) async fn perform(&mut self, op: Op) -> Outcome {
        match op {
            Op::Open { account, amount } => {
                self.submit(account, AccountCommand::Open { initial: amount }).await
            }
            Op::Deposit { account, amount } => self.submit(account, AccountCommand::Deposit { amount }).await,
            Op::Withdraw { account, amount } => {
                self.submit(account, AccountCommand::Withdraw { amount }).await
            }
            Op::Read { account } => self.read(account).await,
            Op::Audit => self.audit().await,
            Op::Rebuild { replica } => self.rebuild(replica).await,
        }
    }

    async fn submit(&mut self, account: u32, command: AccountCommand) -> Outcome {
        let account = account_name(account);
        let id = u128::from(rng::u64()) << 64 | u128::from(rng::u64());
        let submit = Submit { account: account.clone(), id, command };
        self.attempt(&submit).await.with("command", format!("{id:032x}"))
    }

    async fn attempt(&mut self, submit: &Submit) -> Outcome {
        let give_up = Instant::now() + self.params.op_timeout.0;
        let mut backoff = BACKOFF;
        // Whether an attempt may have taken effect, or may still.
        let mut in_doubt = false;
        loop {
            let reason = match self.command.call(submit, self.params.call_timeout.0).await {
                Ok(appended) => {
                    self.token.raise(appended.position);
                    return Outcome::ok()
                        .with("wrote", submit.account.clone())
                        .with("version", appended.version)
                        .with("position", appended.position);
                }
                // Final: the refusal is in the log, so an earlier attempt that is still under way is refused too.
                Err(CallError::Status(status)) if status.code == Code::Refused => {
                    return Outcome::failed(status.message);
                }
                Err(e) => {
                    in_doubt |= match &e {
                        CallError::NotSent { .. } => false,
                        CallError::Unknown { .. } => true,
                        CallError::Status(status) => status.code == Code::Internal,
                    };
                    e.to_string()
                }
            };
            if Instant::now() + backoff >= give_up {
                return if in_doubt { Outcome::unknown(reason) } else { Outcome::failed(reason) };
            }
            sleep(rng::duration(backoff / 2..backoff)).await;
            backoff *= 2;
        }
    }

    /// What a read says that the session has seen.
    fn seen(&self) -> Token {
        match self.params.flaw {
            Some(FlawKind::NoSessionToken) => Token::default(),
            _ => self.token,
        }
    }

    /// Asks each replica once: where one is behind or out of reach, another may not be. A read has no effect, so there is nothing
    /// unknown about one that did not return.
    async fn ask<M: Method>(&self, request: &M) -> Result<(usize, M::Reply), Outcome> {
        let count = self.replicas.len();
        if count == 0 {
            return Err(Outcome::failed("there are no replicas"));
        }
        let first = rng::range(0..count as u64) as usize;
        let mut reason = String::new();
        for replica in (0..count).map(|n| (first + n) % count) {
            match self.replicas[replica].call(request, self.params.call_timeout.0).await {
                Ok(reply) => return Ok((replica, reply)),
                Err(e) => reason = e.to_string(),
            }
        }
        Err(Outcome::failed(reason))
    }

    async fn read(&mut self, account: u32) -> Outcome {
        let account = account_name(account);
        let get = Get {
            account: account.clone(),
            token: self.seen(),
            wait: self.params.read_wait.0,
            behind: self.params.when_behind.into(),
        };
        let (replica, view) = match self.ask(&get).await {
            Ok(read) => read,
            Err(outcome) => return outcome,
        };
        self.token.raise(view.position);
        let outcome = Outcome::ok()
            .with("read", account)
            .with("version", view.row.version)
            .with("balance", view.row.balance)
            .with("position", view.position)
            .with("replica", replica);
        if view.stale { outcome.with("stale", true) } else { outcome }
    }

    async fn audit(&mut self) -> Outcome {
        let accounts: Vec<String> = (0..self.params.accounts).map(account_name).collect();
        let audit = Audit {
            accounts: accounts.clone(),
            token: self.seen(),
            wait: self.params.read_wait.0,
            behind: self.params.when_behind.into(),
        };
        let (replica, views) = match self.ask(&audit).await {
            Ok(read) => read,
            Err(outcome) => return outcome,
        };
        let position = views.first().map_or(0, |view| view.position);
        self.token.raise(position);
        let all = |of: fn(&Balance) -> i128| {
            let one = |(account, view): (&String, &View<Balance>)| format!("{account}:{}", of(&view.row));
            accounts.iter().zip(&views).map(one).collect::<Vec<_>>().join(" ")
        };
        let outcome = Outcome::ok()
            .with("versions", all(|row| row.version.into()))
            .with("balances", all(|row| row.balance.into()))
            .with("position", position)
            .with("replica", replica);
        if views.iter().any(|view| view.stale) { outcome.with("stale", true) } else { outcome }
    }

    async fn rebuild(&mut self, replica: u32) -> Outcome {
        let Some(replica) = (replica as usize).checked_rem(self.replicas.len()) else {
            return Outcome::failed("there are no replicas");
        };
        let outcome = match self.replicas[replica].call(&Rebuild, self.params.op_timeout.0).await {
            Ok(done) => Outcome::ok().with("position", done.position).with("rows", done.rows),
            Err(e) if e.is_unknown() => Outcome::unknown(e),
            Err(e) => Outcome::failed(e),
        };
        outcome.with("replica", replica)
    }
}

fn account_name(account: u32) -> String {
    format!("account-{account}")
}
