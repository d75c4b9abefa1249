//! What the nodes of the checkout say to each other, and what they report.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use squall::EventKind;
use squall_patterns::saga::Token;
use squall_rt::rpc::Method;

/// How many items the shop sells.
pub const ITEMS: u8 = 4;
/// How many cards there are.
pub const CARDS: u8 = 5;
/// The port that every node serves.
pub const PORT: u16 = 7000;

/// The steps in order, by name.
pub const STEPS: [&str; 5] = [CreateOrder::STEP, Reserve::STEP, Charge::STEP, Ship::STEP, ConfirmOrder::STEP];

/// An order: the input of the saga.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub item: u8,
    pub quantity: u32,
    pub cents: u64,
    pub card: u8,
    pub remote: bool,
}

/// One step's part of an order: what a service takes and holds for it.
pub trait Work: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// The step's name, and the method's.
    const STEP: &'static str;
    /// The service.
    const GROUP: &'static str;
    /// What an order's state becomes by it, at the service that keeps it.
    const MARK: Option<&'static str> = None;

    /// The part of `order`.
    fn of(order: &Order) -> Self;
    /// How much is taken: pieces, cents, or 1.
    fn amount(&self) -> i64;
    /// What it is taken from, if there is only so much of it.
    fn pool(&self) -> Option<String> {
        None
    }
    /// Why it is refused, whatever there is.
    fn refusal(&self) -> Option<&'static str> {
        None
    }
}

/// Work that can be undone.
pub trait Reversible: Work {
    /// The name of the method that undoes it.
    const UNDO: &'static str;
}

/// Creates the order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CreateOrder;
impl Work for CreateOrder {
    const STEP: &'static str = "create_order";
    const GROUP: &'static str = "orders";
    const MARK: Option<&'static str> = Some("pending");
    fn of(_: &Order) -> Self {
        CreateOrder
    }
    fn amount(&self) -> i64 {
        1
    }
}
impl Reversible for CreateOrder {
    const UNDO: &'static str = "cancel_order";
}

/// Reserves the goods.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reserve {
    item: u8,
    quantity: u32,
}
impl Work for Reserve {
    const STEP: &'static str = "reserve";
    const GROUP: &'static str = "inventory";
    fn of(order: &Order) -> Self {
        Reserve { item: order.item, quantity: order.quantity }
    }
    fn amount(&self) -> i64 {
        self.quantity.into()
    }
    fn pool(&self) -> Option<String> {
        Some(item_pool(self.item))
    }
}
impl Reversible for Reserve {
    const UNDO: &'static str = "release";
}

/// Charges the card.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Charge {
    card: u8,
    cents: u64,
}
impl Work for Charge {
    const STEP: &'static str = "charge";
    const GROUP: &'static str = "payments";
    fn of(order: &Order) -> Self {
        Charge { card: order.card, cents: order.cents }
    }
    fn amount(&self) -> i64 {
        i64::try_from(self.cents).unwrap_or(i64::MAX)
    }
    fn pool(&self) -> Option<String> {
        Some(card_pool(self.card))
    }
}
impl Reversible for Charge {
    const UNDO: &'static str = "refund";
}

/// Arranges the shipment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ship {
    remote: bool,
}
impl Work for Ship {
    const STEP: &'static str = "ship";
    const GROUP: &'static str = "shipping";
    fn of(order: &Order) -> Self {
        Ship { remote: order.remote }
    }
    fn amount(&self) -> i64 {
        1
    }
    fn refusal(&self) -> Option<&'static str> {
        self.remote.then_some("nobody ships there")
    }
}
impl Reversible for Ship {
    const UNDO: &'static str = "cancel_shipment";
}

/// Confirms the order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConfirmOrder;
impl Work for ConfirmOrder {
    const STEP: &'static str = "confirm_order";
    const GROUP: &'static str = "orders";
    const MARK: Option<&'static str> = Some("confirmed");
    fn of(_: &Order) -> Self {
        ConfirmOrder
    }
    fn amount(&self) -> i64 {
        0
    }
}

/// What pieces of an item are taken from.
pub fn item_pool(item: u8) -> String {
    format!("item-{item}")
}

/// What a card's money is taken from.
pub fn card_pool(card: u8) -> String {
    format!("card-{card}")
}

/// Which of `count` nodes is responsible for a thing: FNV-1a, the same on every node.
pub fn shard(thing: &str, count: usize) -> usize {
    let hash = thing
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    (hash % count.max(1) as u64) as usize
}

/// Who asks, for which saga, under which key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Head {
    pub token: Token,
    pub key: String,
    pub saga: String,
}

/// Do it.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Do<W: Work> {
    pub head: Head,
    pub work: W,
}

/// Undo it, whether it was done or not.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Undo<W> {
    pub head: Head,
    #[serde(skip)]
    pub work: PhantomData<fn() -> W>,
}

/// What a service answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It is done, or undone, now or before.
    Done,
    /// It is not, and never will be.
    Refused(String),
    /// The key belongs to another request.
    Differs,
    /// A later start of the coordinator was seen.
    Fenced,
}

impl<W: Work> Method for Do<W> {
    const NAME: &'static str = W::STEP;
    type Reply = Answer;
}

impl<W: Reversible> Method for Undo<W> {
    const NAME: &'static str = W::UNDO;
    type Reply = Answer;
}

/// A customer's order. The saga's id is the customer's, so that the order can be named before it is answered.
#[derive(Serialize, Deserialize)]
pub struct Place {
    pub saga: String,
    pub order: Order,
}

/// How an order ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Placed {
    /// It is on its way.
    Completed,
    /// Nothing is left of it, and why.
    Compensated(String),
    /// It stands still for now.
    Parked,
}

impl Method for Place {
    const NAME: &'static str = "place";
    type Reply = Placed;
}

/// A customer's change of mind.
#[derive(Serialize, Deserialize)]
pub struct Cancel {
    pub saga: String,
}

/// Whether an order could be cancelled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cancelled {
    /// Nothing will be left of it.
    Yes,
    /// It is past its pivot.
    TooLate,
    /// There is no such order.
    NoSuchOrder,
}

impl Method for Cancel {
    const NAME: &'static str = "cancel";
    type Reply = Cancelled;
}

/// A look at an order; asked of the service that keeps it.
#[derive(Serialize, Deserialize)]
pub struct LookUp {
    pub saga: String,
}

/// How an order looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// `pending`, `confirmed`, `cancelled`; `none` if it was never created.
    pub state: String,
    /// How often its state has changed.
    pub version: u32,
}

impl Default for Seen {
    fn default() -> Self {
        Seen { state: "none".to_owned(), version: 0 }
    }
}

/// The version of an order that was created and confirmed.
pub const CONFIRMED_VERSION: u32 = 2;

impl Method for LookUp {
    const NAME: &'static str = "look_up";
    type Reply = Seen;
}

/// What the nodes report.
pub const OWN_EVENTS: [EventKind; 3] = [
    EventKind::new("participant.refused_late", GUARDED, "a step came after its compensation and was refused"),
    EventKind::new("participant.fenced", GUARDED, "a request of a replaced coordinator was refused"),
    EventKind::new("role.acquired", &["role", "epoch"], "an orchestrator took up its work"),
];

const GUARDED: &[&str] = &["saga", "key", "step", "coordinator", "epoch"];
