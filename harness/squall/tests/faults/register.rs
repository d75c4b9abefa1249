//! A register on replicas, read and written at a majority of them (Attiya, Bar-Noy and Dolev, "Sharing Memory Robustly in
//! Message-Passing Systems", 1995): what must go on when a majority is healed and the rest is not. Its flawed variant asks all replicas.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use proptest::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall::{BoxError, EventKind, Flaw, Group, Invariant, Node, Operations, Outcome, System};
use squall_rt::{
    net::TcpListener,
    rpc::{Call, Client, Method, Server},
    task,
    time::timeout,
};
use tokio::sync::mpsc;

pub struct Register;

#[derive(Serialize, Deserialize, Clone, Debug, Default, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// How many replicas must answer: a majority, or all.
    pub all: bool,
}

/// A value with the time stamp that orders it.
type Stamped = (u64, u64);

#[derive(Serialize, Deserialize, Clone, Copy)]
struct Read;
impl Method for Read {
    const NAME: &'static str = "read";
    type Reply = Stamped;
}

#[derive(Serialize, Deserialize, Clone, Copy)]
struct Write(Stamped);
impl Method for Write {
    const NAME: &'static str = "write";
    type Reply = ();
}

#[derive(Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    Set { value: u64 },
}

/// How long a replica may take to answer, and an operation in all.
const DEADLINE: Duration = Duration::from_millis(300);

pub struct Session {
    replicas: Vec<Client>,
    needed: usize,
    client: u64,
}

impl Session {
    /// Asks all replicas, and gives the answers of as many as are needed.
    async fn ask<M: Method + Copy + Sync>(&self, request: M) -> Option<Vec<M::Reply>>
    where
        M::Reply: Send,
    {
        let (answer, mut answers) = mpsc::channel(self.replicas.len());
        for replica in &self.replicas {
            let (replica, answer) = (replica.clone(), answer.clone());
            task::spawn(async move {
                if let Ok(reply) = replica.call(&request, DEADLINE).await {
                    // Nobody listens once there were enough.
                    let _ = answer.send(reply).await;
                }
            });
        }
        drop(answer);
        let mut replies = Vec::new();
        while replies.len() < self.needed {
            replies.push(timeout(DEADLINE, answers.recv()).await.ok()??);
        }
        Some(replies)
    }
}

impl System for Register {
    const NAME: &'static str = "register";
    const ABOUT: &'static str = "a register on a majority of replicas";
    type Params = Params;
    type Op = Op;
    type Session = Session;

    fn groups(_: &Params) -> Vec<Group> {
        vec![Group { name: "replica", size: 5 }]
    }
    fn operations(_: &Params) -> Operations<Op> {
        Operations::new().with("set", 1, (0..1000_u64).prop_map(|value| Op::Set { value }))
    }
    fn events() -> &'static [EventKind] {
        &[
            EventKind { name: "register.set", fields: &["value"], about: "enough replicas have it" },
            EventKind { name: "register.stored", fields: &["value"], about: "one replica has it" },
        ]
    }
    fn invariants(_: &Params) -> Vec<Box<dyn Invariant>> {
        Vec::new()
    }
    fn flaws() -> &'static [Flaw] {
        &[Flaw {
            name: "all_or_nothing",
            about: "It needs every replica.",
            violates: "eventually register.set",
        }]
    }
    fn apply_variant(params: &mut Params, _: &'static str) {
        params.all = true;
    }

    async fn run_node(_: Node, _: Params) -> Result<(), BoxError> {
        let held = Arc::new(Mutex::new((0, 0)));
        let read = held.clone();
        let server = Server::new()
            .on(move |Read, _: Call| {
                let read = *read.lock().unwrap();
                async move { Ok(read) }
            })
            .on(move |Write(new), _: Call| {
                let mut held = held.lock().unwrap();
                *held = new.max(*held);
                tracing::info!(target: "register", value = new.1, "stored");
                async move { Ok(()) }
            });
        Ok(server.serve(TcpListener::bind("0.0.0.0:80").await?).await?)
    }
    async fn open_session(client: Node, params: Params) -> Session {
        let replicas: Vec<_> =
            client.hosts("replica").iter().map(|host| Client::new(format!("{host}:80"))).collect();
        let needed = if params.all { replicas.len() } else { replicas.len() / 2 + 1 };
        Session { replicas, needed, client: client.index().into() }
    }
    async fn perform(session: &mut Session, Op::Set { value }: Op) -> Outcome {
        let Some(read) = session.ask(Read).await else { return Outcome::failed("too few to read") };
        let last = read.into_iter().map(|(stamp, _)| stamp).max().unwrap_or(0);
        let stamp = (last / 10 + 1) * 10 + session.client;
        match session.ask(Write((stamp, value))).await {
            Some(_) => {
                tracing::info!(target: "register", value, "set");
                Outcome::ok()
            }
            None => Outcome::unknown("too few to write"),
        }
    }
}
