//! Commands, relay, projection and sessions together, over the RPC: simulated with `--cfg madsim`, on real sockets
//! without.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use squall_patterns::{
    cqrs::{
        CommandError, Commands, Projector, ReadError, ReadModel, RebuildError, Relay, RelaySettings, Ship,
        Token, WhenBehind,
        account::{Account, AccountCommand, AccountEvent, Balance, Balances, Refusal},
    },
    event_log::{Appended, Batch, Cause, Event, EventLog, Expected, GroupCommit, Log, Recorded, Settled},
};
use squall_rt::{
    net::TcpListener,
    redb::{Database, ReadableDatabase, TableDefinition, backends::InMemoryBackend},
    rpc::{Call, Client, Code, Server, Status},
    task,
    time::{sleep, timeout},
};

mod node;
use node::on_a_node;

type Model = Projector<Balances>;

const TICK: Duration = Duration::from_millis(10);
const LONG: Duration = Duration::from_secs(20);

fn database() -> Database {
    Database::builder().create_with_backend(InMemoryBackend::new()).expect("a database in memory")
}

fn model() -> Model {
    Projector::open(database()).expect("a new projection")
}

fn deposit(position: u64, stream: &str, version: u64, amount: i64) -> Recorded<AccountEvent> {
    Recorded {
        position,
        stream: stream.to_owned(),
        version,
        cause: u128::from(position),
        index: 0,
        event: AccountEvent::Deposited { amount },
    }
}

fn three() -> Vec<Recorded<AccountEvent>> {
    vec![deposit(1, "a", 1, 10), deposit(2, "b", 1, 5), deposit(3, "a", 2, 7)]
}

fn balance(model: &Model, account: &str) -> (i64, u64, u64) {
    let view = model.view(account).expect("readable");
    (view.row.balance, view.row.version, view.position)
}

#[test]
fn each_event_counts_once_however_it_is_delivered() {
    on_a_node(async {
        let model = model();
        let events = three();
        assert_eq!(model.deliver(0, events[..2].to_vec()).await.expect("applied"), 2);
        assert_eq!(model.deliver(0, events[..2].to_vec()).await.expect("known"), 2, "redelivered");
        assert_eq!(model.deliver(1, events[1..].to_vec()).await.expect("applied"), 3, "half of it known");
        assert_eq!(model.deliver(0, events.clone()).await.expect("known"), 3);
        assert_eq!(balance(&model, "a"), (17, 2, 3));
        assert_eq!(balance(&model, "b"), (5, 1, 3));
        assert_eq!(balance(&model, "nobody"), (0, 0, 3));
    });
}

#[test]
fn a_shipment_that_starts_above_the_checkpoint_is_not_taken() {
    on_a_node(async {
        let model = model();
        assert_eq!(model.deliver(2, three()[2..].to_vec()).await.expect("refused"), 0);
        assert_eq!(model.deliver(0, three()[..1].to_vec()).await.expect("applied"), 1);
        assert_eq!(model.deliver(2, three()[2..].to_vec()).await.expect("refused"), 1);
        assert_eq!(balance(&model, "a"), (10, 1, 1));
    });
}

#[test]
fn positions_that_the_log_never_filled_are_no_gap() {
    on_a_node(async {
        let model = model();
        let events = vec![deposit(3, "a", 1, 10), deposit(8, "a", 2, 1)];
        assert_eq!(model.deliver(0, events).await.expect("applied"), 8);
        assert_eq!(model.deliver(8, vec![deposit(11, "a", 3, 1)]).await.expect("applied"), 11);
        assert_eq!(balance(&model, "a"), (12, 3, 11));
    });
}

#[test]
fn a_read_waits_for_what_its_session_has_seen() {
    on_a_node(async {
        let model = model();
        let reader = model.clone();
        let read = task::spawn(async move { reader.read("a", Token(3), LONG, WhenBehind::Refuse).await });
        sleep(TICK).await;
        model.deliver(0, three()[..2].to_vec()).await.expect("applied");
        sleep(TICK).await;
        assert!(!read.is_finished(), "position 2 is not enough");
        model.deliver(2, three()[2..].to_vec()).await.expect("applied");
        let view = read.await.expect("not cancelled").expect("answered");
        assert_eq!((view.row, view.position, view.stale), (Balance { balance: 17, version: 2 }, 3, false));
    });
}

#[test]
fn a_replica_that_stays_behind_refuses_or_says_that_it_is_stale() {
    on_a_node(async {
        let model = model();
        model.deliver(0, three()[..1].to_vec()).await.expect("applied");
        let refused = model.read("a", Token(3), TICK, WhenBehind::Refuse).await;
        assert!(matches!(refused, Err(ReadError::Behind { position: 1 })), "{refused:?}");
        let stale = model.read("a", Token(3), TICK, WhenBehind::ServeStale).await.expect("answered");
        assert_eq!((stale.row.balance, stale.position, stale.stale), (10, 1, true));
        let fresh = model.read("a", Token(1), TICK, WhenBehind::ServeStale).await.expect("answered");
        assert!(!fresh.stale);
    });
}

/// The log as a rebuild reads it, two events at a time.
async fn fetch(events: &[Recorded<AccountEvent>], after: u64) -> Result<Vec<Recorded<AccountEvent>>, String> {
    Ok(events.iter().filter(|e| e.position > after).take(2).cloned().collect())
}

#[test]
fn a_rebuild_comes_to_the_same_and_goes_on() {
    on_a_node(async {
        let model = model();
        let mut events = three();
        model.deliver(0, events.clone()).await.expect("applied");
        // The log is ahead of the live rows: the rebuild stops where they are.
        events.push(deposit(4, "b", 2, 100));
        let rebuilt = model.rebuild(|after| fetch(&events, after)).await.expect("rebuilt");
        assert_eq!((rebuilt.position, rebuilt.rows, rebuilt.equal), (3, 2, true));
        assert_eq!(balance(&model, "a"), (17, 2, 3));
        assert_eq!(model.deliver(3, events[3..].to_vec()).await.expect("applied"), 4);
        assert_eq!(balance(&model, "b"), (105, 2, 4));
        let again = model.rebuild(|after| fetch(&events, after)).await.expect("rebuilt");
        assert_eq!((again.position, again.equal), (4, true));
    });
}

#[test]
fn a_rebuild_mends_rows_that_were_wrong_and_says_so() {
    on_a_node(async {
        let model = model();
        let mut wrong = three();
        wrong[0].event = AccountEvent::Deposited { amount: 1_000 };
        model.deliver(0, wrong).await.expect("applied");
        let rebuilt =
            model.rebuild(|after| async move { fetch(&three(), after).await }).await.expect("rebuilt");
        assert!(!rebuilt.equal);
        assert_eq!(balance(&model, "a"), (17, 2, 3));
    });
}

#[test]
fn a_rebuild_catches_up_with_rows_that_go_on_meanwhile() {
    on_a_node(async {
        let model = model();
        model.deliver(0, three()[..1].to_vec()).await.expect("applied");
        let live = model.clone();
        let rebuilt = model
            .rebuild(|after| {
                let live = live.clone();
                async move {
                    live.deliver(1, three()[1..].to_vec()).await.expect("applied");
                    fetch(&three(), after).await
                }
            })
            .await
            .expect("rebuilt");
        assert_eq!((rebuilt.position, rebuilt.equal), (3, true));
        assert_eq!(balance(&model, "a"), (17, 2, 3));
    });
}

#[test]
fn a_rebuild_that_is_given_up_leaves_nothing_behind() {
    on_a_node(async {
        let model = model();
        model.deliver(0, three()).await.expect("applied");
        // It has applied two events when its source fails; a second one hangs and is dropped.
        let failed = model
            .rebuild(|after| async move {
                if after == 0 { fetch(&three(), 0).await } else { Err("gone".to_owned()) }
            })
            .await;
        assert!(matches!(&failed, Err(RebuildError::Source(e)) if e == "gone"), "{failed:?}");
        let hanging = model.rebuild(|after| async move {
            if after > 0 {
                std::future::pending::<()>().await;
            }
            fetch(&three(), after).await
        });
        assert!(timeout(TICK, hanging).await.is_err());
        assert_eq!(balance(&model, "a"), (17, 2, 3));
        let rebuilt =
            model.rebuild(|after| async move { fetch(&three(), after).await }).await.expect("rebuilt");
        assert_eq!((rebuilt.position, rebuilt.rows, rebuilt.equal), (3, 2, true));
    });
}

#[test]
fn two_rebuilds_at_once_are_one_too_many() {
    on_a_node(async {
        let model = model();
        model.deliver(0, three()).await.expect("applied");
        let inner = model.clone();
        let rebuilt = model
            .rebuild(|after| {
                let inner = inner.clone();
                async move {
                    let second = inner.rebuild(|after| async move { fetch(&three(), after).await }).await;
                    assert!(matches!(second, Err(RebuildError::Busy)), "{second:?}");
                    fetch(&three(), after).await
                }
            })
            .await;
        assert!(rebuilt.expect("rebuilt").equal);
    });
}

#[test]
fn a_rebuild_from_a_log_that_has_less_is_refused() {
    on_a_node(async {
        let model = model();
        model.deliver(0, three()).await.expect("applied");
        for known in [&three()[..2], &[]] {
            let outcome = model.rebuild(|after| fetch(known, after)).await;
            assert!(matches!(outcome, Err(RebuildError::SourceBehind)), "{outcome:?}");
        }
        let beyond = [deposit(9, "a", 3, 1)];
        let outcome = model.rebuild(|after| fetch(&beyond, after)).await;
        assert!(matches!(outcome, Err(RebuildError::SourceBehind)), "{outcome:?}");
        assert_eq!(balance(&model, "a"), (17, 2, 3));
    });
}

fn group_commit(linger: Duration) -> GroupCommit<AccountEvent> {
    GroupCommit::start(EventLog::open(Arc::new(database())).expect("a new log"), linger)
}

#[test]
fn overtaken_decisions_are_made_anew_and_none_is_lost() {
    on_a_node(async {
        let log = group_commit(TICK);
        let accounts = Commands::<Account, _>::new(log.clone());
        accounts.handle("a", 0, &AccountCommand::Deposit { amount: 3 }).await.expect("accepted");
        // All decide on the same balance, and their appends meet in one transaction.
        let withdrawals: Vec<_> = (1..=5)
            .map(|id| {
                let accounts = accounts.clone();
                task::spawn(
                    async move { accounts.handle("a", id, &AccountCommand::Withdraw { amount: 1 }).await },
                )
            })
            .collect();
        let mut accepted = 0;
        for withdrawal in withdrawals {
            match withdrawal.await.expect("not cancelled") {
                Ok(_) => accepted += 1,
                Err(CommandError::Refused(Refusal::Overdraft { balance: 0 })) => {}
                Err(e) => panic!("neither accepted nor refused: {e}"),
            }
        }
        assert_eq!(accepted, 3);
        let events = log.read_stream("a", 0).expect("readable");
        assert_eq!(events.iter().map(|e| e.event.quantity()).sum::<i64>(), 0);
        assert_eq!(events.iter().map(|e| e.version).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    });
}

#[test]
fn a_command_that_comes_again_has_its_first_result() {
    on_a_node(async {
        let accounts = Commands::<Account, _>::new(group_commit(Duration::ZERO));
        let deposit = AccountCommand::Deposit { amount: 5 };
        let first = accounts.handle("a", 1, &deposit).await.expect("accepted");
        assert_eq!(first, Appended { version: 2, position: 2, repeated: false });
        let again = accounts.handle("a", 1, &deposit).await.expect("known");
        assert_eq!(again, Appended { version: 2, position: 2, repeated: true });

        let withdraw = AccountCommand::Withdraw { amount: 6 };
        let refused = accounts.handle("a", 2, &withdraw).await;
        assert!(
            matches!(refused, Err(CommandError::Refused(Refusal::Overdraft { balance: 5 }))),
            "{refused:?}"
        );
        accounts.handle("a", 3, &AccountCommand::Deposit { amount: 100 }).await.expect("accepted");
        let again = accounts.handle("a", 2, &withdraw).await;
        assert!(
            matches!(again, Err(CommandError::Refused(Refusal::Overdraft { balance: 5 }))),
            "a refusal is final even when the balance would cover it by now: {again:?}"
        );
        let other = accounts.handle("a", 1, &AccountCommand::Deposit { amount: 6 }).await;
        assert!(matches!(other, Err(CommandError::CauseReused)), "{other:?}");
    });
}

#[test]
fn a_command_whose_caller_has_gone_is_settled_by_asking_again() {
    on_a_node(async {
        let log = group_commit(TICK);
        let accounts = Commands::<Account, _>::new(log.clone());
        let deposit = AccountCommand::Deposit { amount: 5 };
        assert!(timeout(TICK / 4, accounts.handle("a", 1, &deposit)).await.is_err());
        let settled = accounts.handle("a", 1, &deposit).await.expect("accepted");
        assert_eq!((settled.version, settled.position), (2, 2));
        assert_eq!(log.read_after(0, 10).expect("readable").len(), 2);
    });
}

/// A replica behind the RPC that can be made to fail.
async fn replica(model: Model) -> (Client, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let client = Client::new(listener.local_addr().expect("bound").to_string());
    let down = Arc::new(AtomicBool::new(false));
    let is_down = down.clone();
    let server = Server::new().on(move |ship: Ship<AccountEvent>, _: Call| {
        let (model, down) = (model.clone(), is_down.load(Ordering::Relaxed));
        async move {
            let shipped = ship.deliver(&model).await?;
            // It has taken the shipment; the answer is lost.
            if down { Err(Status::new(Code::Unavailable, "down")) } else { Ok(shipped) }
        }
    });
    task::spawn(server.serve(listener));
    (client, down)
}

fn settings() -> RelaySettings {
    RelaySettings {
        batch: 2,
        heartbeat: 5 * TICK,
        backoff: TICK,
        max_backoff: 5 * TICK,
        ..RelaySettings::default()
    }
}

async fn append(log: &impl Log<AccountEvent>, id: u128, amounts: &[i64]) -> u64 {
    let batch = Batch {
        stream: "a".to_owned(),
        expected: Expected::Any,
        cause: Cause::new(id, &amounts),
        events: amounts.iter().map(|amount| AccountEvent::Deposited { amount: *amount }).collect(),
    };
    match log.append(batch).await.expect("appended") {
        Settled::Appended(appended) => appended.position,
        Settled::Rejected(_) => panic!("nothing was rejected"),
    }
}

async fn reaches(model: &Model, target: u64) {
    let mut position = model.position();
    timeout(LONG, position.wait_for(|position| *position == target)).await.expect("in time").expect("open");
}

#[test]
fn the_relay_ships_in_order_and_again_after_failures() {
    on_a_node(async {
        let (log, model) = (group_commit(Duration::ZERO), model());
        let (client, down) = replica(model.clone()).await;
        append(&log, 1, &[1, 2, 3, 4, 5]).await;
        task::spawn(Relay::new(log.clone(), Arc::new(database()), "r", client, settings()).run());
        reaches(&model, 5).await;
        down.store(true, Ordering::Relaxed);
        append(&log, 2, &[6]).await;
        reaches(&model, 6).await;
        sleep(5 * TICK).await;
        down.store(false, Ordering::Relaxed);
        let last = append(&log, 3, &[7]).await;
        reaches(&model, last).await;
        assert_eq!(balance(&model, "a"), (28, 7, 7));
    });
}

#[test]
fn the_relay_fills_a_replica_that_lost_its_disk() {
    on_a_node(async {
        let (log, cursors) = (group_commit(Duration::ZERO), Arc::new(database()));
        append(&log, 1, &[1, 2, 3]).await;
        let first = model();
        let (client, _) = replica(first.clone()).await;
        let relay = task::spawn(Relay::new(log.clone(), cursors.clone(), "r", client, settings()).run());
        reaches(&first, 3).await;
        // So long that the cursor is saved, and the next relay starts from it.
        sleep(20 * TICK).await;
        relay.abort();
        let saved = cursors.begin_read().expect("readable");
        let table =
            saved.open_table(TableDefinition::<&str, u64>::new("relay.cursors")).expect("the cursors");
        assert_eq!(table.get("r").expect("readable").map(|position| position.value()), Some(3));

        let second = model();
        let (client, _) = replica(second.clone()).await;
        task::spawn(Relay::new(log.clone(), cursors, "r", client, settings()).run());
        reaches(&second, 3).await;
        assert_eq!(balance(&second, "a"), (6, 3, 3));
    });
}

#[test]
fn nothing_is_shipped_to_a_replica_that_knows_more_than_the_log() {
    on_a_node(async {
        let (log, model) = (group_commit(Duration::ZERO), model());
        model.deliver(0, three()).await.expect("applied");
        append(&log, 1, &[1_000]).await;
        let (client, _) = replica(model.clone()).await;
        task::spawn(Relay::new(log.clone(), Arc::new(database()), "r", client, settings()).run());
        sleep(20 * TICK).await;
        assert_eq!(balance(&model, "a"), (17, 2, 3));
    });
}
