//! The services: each takes what steps ask for out of its pools and holds it for their sagas, in a database on its disk.

use std::sync::Arc;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use squall::{BoxError, Node};
use squall_patterns::saga::{Executed, Participant, Undone, Verdict};
use squall_rt::{
    disk,
    net::TcpListener,
    rpc::{Call, Code, Server, Status},
};
use tokio::sync::watch;

use super::{
    Params, flaws,
    protocol::{
        Answer, CARDS, Charge, ConfirmOrder, CreateOrder, Do, Head, ITEMS, LookUp, PORT, Reserve, Reversible,
        Seen, Ship, Undo, Work, card_pool, item_pool, shard,
    },
};

/// What is left in each pool.
pub const POOLS: TableDefinition<&str, i64> = TableDefinition::new("pools");
/// What is held, by saga and step, with the pool it was taken from.
const HELD: TableDefinition<(&str, &str), (&str, i64)> = TableDefinition::new("held");
/// The state of each order, and how often it has changed.
const STATES: TableDefinition<&str, (&str, u32)> = TableDefinition::new("states");

/// Sees to it that each step takes effect as often as it should.
pub trait Guard: Send + Sync + 'static {
    /// Calls `effect` if the step is to take effect now.
    fn execute(&self, head: &Head, request: &[u8], effect: Effect<'_>) -> Result<Executed, redb::Error>;
    /// Calls `undo` if there is something to undo.
    fn compensate(&self, head: &Head, undo: Reversal<'_>) -> Result<Undone, redb::Error>;
}

/// Makes a step's effect in a transaction.
pub type Effect<'a> = &'a mut dyn FnMut(&WriteTransaction) -> Result<Verdict, redb::Error>;
/// Undoes a step's effect in a transaction. Returns whether there was one.
pub type Reversal<'a> = &'a mut dyn FnMut(&WriteTransaction) -> Result<bool, redb::Error>;

impl Guard for Participant {
    fn execute(&self, head: &Head, request: &[u8], effect: Effect<'_>) -> Result<Executed, redb::Error> {
        Participant::execute(self, &head.token, &head.key, request, effect)
    }

    fn compensate(&self, head: &Head, undo: Reversal<'_>) -> Result<Undone, redb::Error> {
        Participant::compensate(self, &head.token, &head.key, |txn, _| undo(txn).map(|_| ()))
    }
}

/// What a service holds in all, and what is left in its pools.
#[derive(Clone, Copy, Default)]
struct Totals {
    held: i64,
    free: i64,
}

impl Totals {
    fn read(
        held: &impl ReadableTable<(&'static str, &'static str), (&'static str, i64)>,
        pools: &impl ReadableTable<&'static str, i64>,
    ) -> Result<Self, redb::Error> {
        let mut totals = Totals::default();
        for row in held.iter()? {
            totals.held += row?.1.value().1;
        }
        for row in pools.iter()? {
            totals.free += row?.1.value();
        }
        Ok(totals)
    }

    fn of(txn: &WriteTransaction) -> Result<Self, redb::Error> {
        Self::read(&txn.open_table(HELD)?, &txn.open_table(POOLS)?)
    }
}

/// One node of a service.
struct Resource {
    db: Arc<Database>,
    guard: Box<dyn Guard>,
    /// Set when the database failed: the process must start anew then.
    failure: watch::Sender<Option<String>>,
}

/// The process of a service's node.
pub async fn run(node: Node, params: Params) -> Result<(), BoxError> {
    let db = Arc::new(disk::open_database("/service.redb")?);
    let guard = match flaws::guard(&params, node.group(), &db)? {
        Some(flawed) => flawed,
        None => Box::new(Participant::new(db.clone())?),
    };
    fill(&db, &node, &params)?;
    let resource = Arc::new(Resource { db, guard, failure: watch::Sender::new(None) });
    resource.report_restored(node.group())?;

    let server = match node.group() {
        "orders" => {
            let server = resource.clone().serve_reversible::<CreateOrder>(Server::new());
            let server = resource.clone().serve_forward::<ConfirmOrder>(server);
            let orders = resource.clone();
            server.on(move |request: LookUp, _: Call| {
                let orders = orders.clone();
                async move { orders.answer(orders.look_up(&request.saga)) }
            })
        }
        "inventory" => resource.clone().serve_reversible::<Reserve>(Server::new()),
        "payments" => resource.clone().serve_reversible::<Charge>(Server::new()),
        "shipping" => resource.clone().serve_reversible::<Ship>(Server::new()),
        other => return Err(format!("there is no service {other}").into()),
    };
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    let mut failure = resource.failure.subscribe();
    tokio::select! {
        biased;
        Ok(reason) = failure.wait_for(Option::is_some) => {
            Err(reason.clone().unwrap_or_default().into())
        }
        served = server.serve(listener) => Ok(served?),
    }
}

/// Fills the pools that are this node's, at its very first start.
fn fill(db: &Database, node: &Node, params: &Params) -> Result<(), redb::Error> {
    let pools: Vec<(String, i64)> = match node.group() {
        "inventory" => (0..ITEMS).map(|i| (item_pool(i), i64::from(params.stock))).collect(),
        "payments" => (0..CARDS).map(|c| (card_pool(c), params.card_limit as i64)).collect(),
        _ => Vec::new(),
    };
    let count = node.hosts(node.group()).len();
    let txn = db.begin_write()?;
    {
        txn.open_table(HELD)?;
        txn.open_table(STATES)?;
        let mut table = txn.open_table(POOLS)?;
        for (name, amount) in pools {
            if shard(&name, count) == node.index() as usize && table.get(name.as_str())?.is_none() {
                table.insert(name.as_str(), amount)?;
            }
        }
    }
    txn.commit()?;
    Ok(())
}

/// Reports an event about a request: fields, then the event's name.
macro_rules! report {
    ($target:literal, $head:expr, $step:expr, $($event:tt)+) => {
        tracing::info!(
            target: $target,
            saga = %$head.saga,
            key = %$head.key,
            step = $step,
            coordinator = %$head.token.coordinator,
            epoch = $head.token.epoch,
            $($event)+
        )
    };
}

impl Resource {
    fn serve_forward<W: Work>(self: Arc<Self>, server: Server) -> Server {
        server.on(move |request: Do<W>, _: Call| {
            let resource = self.clone();
            async move { resource.answer(resource.execute(&request)) }
        })
    }

    fn serve_reversible<W: Reversible>(self: Arc<Self>, server: Server) -> Server {
        let server = self.clone().serve_forward::<W>(server);
        server.on(move |request: Undo<W>, _: Call| {
            let resource = self.clone();
            async move { resource.answer(resource.compensate(&request)) }
        })
    }

    /// After an error of the database nothing in memory can be trusted.
    fn answer<T>(&self, result: Result<T, redb::Error>) -> Result<T, Status> {
        result.map_err(|error| {
            self.failure.send_replace(Some(error.to_string()));
            Status::new(Code::Internal, error.to_string())
        })
    }

    fn execute<W: Work>(&self, Do { head, work }: &Do<W>) -> Result<Answer, redb::Error> {
        let mut totals = Totals::default();
        let mut made = false;
        let request = format!("{} {:?} {}", W::STEP, work.pool(), work.amount());
        let executed = self.guard.execute(head, request.as_bytes(), &mut |txn| {
            let verdict = take(txn, &head.saga, work)?;
            totals = Totals::of(txn)?;
            made = matches!(verdict, Verdict::Effect(_));
            Ok(verdict)
        });
        if executed.is_err() && made {
            report!("effect", head, W::STEP, resource = W::GROUP, amount = work.amount(), "uncertain");
        }
        Ok(match executed? {
            Executed::Done { repeated: false, .. } => {
                report!(
                    "effect",
                    head,
                    W::STEP,
                    resource = W::GROUP,
                    amount = work.amount(),
                    held = totals.held,
                    free = totals.free,
                    "applied"
                );
                Answer::Done
            }
            Executed::Done { repeated: true, .. } => {
                report!("participant", head, W::STEP, "repeated");
                Answer::Done
            }
            Executed::Refused { reason, repeated } => {
                if repeated {
                    report!("participant", head, W::STEP, "repeated");
                }
                Answer::Refused(reason)
            }
            Executed::TooLate => {
                report!("participant", head, W::STEP, "refused_late");
                Answer::Refused("it was compensated before it came".to_owned())
            }
            Executed::Differs => Answer::Differs,
            Executed::Fenced { .. } => {
                report!("participant", head, W::STEP, "fenced");
                Answer::Fenced
            }
        })
    }

    fn compensate<W: Reversible>(&self, Undo { head, .. }: &Undo<W>) -> Result<Answer, redb::Error> {
        let mut totals = Totals::default();
        let mut amount = 0;
        let mut taken_back = false;
        let undone = self.guard.compensate(head, &mut |txn| {
            let given_back = give_back::<W>(txn, &head.saga)?;
            amount = given_back.unwrap_or(0);
            totals = Totals::of(txn)?;
            taken_back = given_back.is_some();
            Ok(taken_back)
        });
        if undone.is_err() && taken_back {
            report!("effect", head, W::STEP, resource = W::GROUP, amount = -amount, "uncertain");
        }
        Ok(match undone? {
            Undone::Undone => {
                report!(
                    "effect",
                    head,
                    W::STEP,
                    resource = W::GROUP,
                    amount = amount,
                    held = totals.held,
                    free = totals.free,
                    "undone"
                );
                Answer::Done
            }
            Undone::Nothing => {
                report!("participant", head, W::STEP, "voided");
                Answer::Done
            }
            Undone::Already => Answer::Done,
            Undone::Fenced { .. } => {
                report!("participant", head, W::STEP, "fenced");
                Answer::Fenced
            }
        })
    }

    fn look_up(&self, saga: &str) -> Result<Seen, redb::Error> {
        let states = self.db.begin_read()?.open_table(STATES)?;
        Ok(states.get(saga)?.map_or_else(Seen::default, |row| {
            let (state, version) = row.value();
            Seen { state: state.to_owned(), version }
        }))
    }

    fn report_restored(&self, resource: &str) -> Result<(), redb::Error> {
        let txn = self.db.begin_read()?;
        let totals = Totals::read(&txn.open_table(HELD)?, &txn.open_table(POOLS)?)?;
        tracing::info!(target: "effect", resource, held = totals.held, free = totals.free, "restored");
        Ok(())
    }
}

/// Takes what the work asks for, if there is enough of it.
fn take<W: Work>(txn: &WriteTransaction, saga: &str, work: &W) -> Result<Verdict, redb::Error> {
    if let Some(reason) = work.refusal() {
        return Ok(Verdict::Refuse(reason.to_owned()));
    }
    let pool = work.pool();
    if let Some(pool) = pool.as_deref() {
        let mut pools = txn.open_table(POOLS)?;
        let free = pools.get(pool)?.map_or(0, |free| free.value());
        if free < work.amount() {
            return Ok(Verdict::Refuse(format!("{pool} has {free} left, {} wanted", work.amount())));
        }
        pools.insert(pool, free - work.amount())?;
    }
    let mut held = txn.open_table(HELD)?;
    let before = held.get((saga, W::STEP))?.map_or(0, |row| row.value().1);
    held.insert((saga, W::STEP), (pool.as_deref().unwrap_or(""), before + work.amount()))?;
    if let Some(state) = W::MARK {
        mark(txn, saga, state)?;
    }
    Ok(Verdict::Effect(Vec::new()))
}

/// Gives back what is held for a step of a saga. Returns how much, or `None` if nothing is held for it.
fn give_back<W: Reversible>(txn: &WriteTransaction, saga: &str) -> Result<Option<i64>, redb::Error> {
    let mut held = txn.open_table(HELD)?;
    let Some(row) = held.remove((saga, W::STEP))? else { return Ok(None) };
    let (pool, amount) = row.value();
    if !pool.is_empty() {
        let mut pools = txn.open_table(POOLS)?;
        let free = pools.get(pool)?.map_or(0, |free| free.value());
        pools.insert(pool, free + amount)?;
    }
    if W::MARK.is_some() {
        mark(txn, saga, "cancelled")?;
    }
    Ok(Some(amount))
}

/// Sets the state of an order.
fn mark(txn: &WriteTransaction, saga: &str, state: &str) -> Result<(), redb::Error> {
    let mut states = txn.open_table(STATES)?;
    let version = states.get(saga)?.map_or(0, |row| row.value().1);
    states.insert(saga, (state, version + 1))?;
    Ok(())
}
