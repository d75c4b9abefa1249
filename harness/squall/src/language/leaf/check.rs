//! What must hold and what must happen: checks, event patterns, expectations, plain values.

use std::{borrow::Cow, fmt, marker::PhantomData};

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, DeserializeSeed, IgnoredAny, MapAccess, Visitor, value::MapAccessDeserializer},
    ser::SerializeMap,
};

use squall_checkers::judge::Property;

use crate::language::{
    diagnostic::did_you_mean,
    model::{
        Check, Consistent, ConsistentOf, Count, EventPattern, Eventually, EventuallyThat, Expect, Mapped,
        MappedOf, OPTIONS, Order, Scalar, Spanned, Specific, SpecificOf,
    },
    promises::{self, PROMISES},
};

/// Text, or a mapping of a derived type.
pub(super) enum TextOr<T> {
    Text(String),
    Map(T),
}

struct TextOrVisitor<T> {
    what: &'static str,
    map: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for TextOrVisitor<T> {
    type Value = TextOr<T>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(TextOr::Text(text.to_owned()))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(TextOr::Map)
    }
}

pub(super) fn text_or<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
    what: &'static str,
) -> Result<TextOr<T>, D::Error> {
    deserializer.deserialize_any(TextOrVisitor { what, map: PhantomData })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LongPattern {
    /// The event's name.
    event: Spanned<String>,
    /// Fields that must have these values.
    #[serde(default, rename = "where")]
    fields: IndexMap<Spanned<String>, Scalar>,
}

impl From<LongPattern> for EventPattern {
    fn from(LongPattern { event, fields }: LongPattern) -> Self {
        EventPattern { event, fields }
    }
}

/// A name in short, or a pattern at length, as [`Spanned`] reads it.
struct NameOrPattern(TextOr<LongPattern>);

impl<'de> Deserialize<'de> for NameOrPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_or(
            deserializer,
            "an event, as `saga.completed` or `{ event: saga.step_done, where: { step: charge } }`",
        )
        .map(Self)
    }
}

impl<'de> Deserialize<'de> for EventPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value: NameOrPattern(read), span } =
            Spanned::<NameOrPattern>::deserialize(deserializer)?;
        Ok(match read {
            TextOr::Text(value) => EventPattern { event: Spanned { value, span }, fields: IndexMap::new() },
            TextOr::Map(long) => long.into(),
        })
    }
}

fn serialize_long<S: Serializer>(pattern: &EventPattern, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("event", &pattern.event)?;
    if !pattern.fields.is_empty() {
        map.serialize_entry("where", &pattern.fields)?;
    }
    map.end()
}

impl Serialize for EventPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.fields.is_empty() {
            self.event.serialize(serializer)
        } else {
            serialize_long(self, serializer)
        }
    }
}

impl JsonSchema for EventPattern {
    fn schema_name() -> Cow<'static, str> {
        "EventPattern".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Events by name (`saga.completed`), or by name and fields.",
            "anyOf": [{ "type": "string" }, LongPattern::json_schema(generator)],
            "examples": ["saga.completed", { "event": "saga.step_done", "where": { "step": "charge" } }],
        })
    }
}

impl<'de> Deserialize<'de> for EventuallyThat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value: NameOrThat(read), span } = Spanned::deserialize(deserializer)?;
        Ok(match read {
            TextOr::Text(value) => EventuallyThat::Condition(Spanned { value, span }),
            TextOr::Map(LongThat(that)) => that,
        })
    }
}

/// A condition's name, or at length what to wait for, as [`Spanned`] reads it.
struct NameOrThat(TextOr<LongThat>);

impl<'de> Deserialize<'de> for NameOrThat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_or(
            deserializer,
            "a condition's name, as `no_open_sagas`, or an event, as `{ event: saga.completed }`",
        )
        .map(Self)
    }
}

/// An event, or a condition over events that are called otherwise.
struct LongThat(EventuallyThat);

/// The keys of the former; any other is a condition's name.
const PATTERN: &[&str] = &["event", "where"];

impl<'de> Deserialize<'de> for LongThat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LongThatVisitor;
        impl<'de> Visitor<'de> for LongThatVisitor {
            type Value = LongThat;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an event, as `{ event: saga.completed }`")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LongThat, A::Error> {
                let (mut event, mut fields) = (None, None);
                while let Some(key) =
                    map.next_key_seed(ThatKeySeed { first: event.is_none() && fields.is_none() })?
                {
                    match key {
                        ThatKey::Event => event = Some(map.next_value()?),
                        ThatKey::Where => fields = Some(map.next_value()?),
                        ThatKey::Condition(name) => {
                            let of = map.next_value_seed(EventsOf { name: &name, known: PATTERN })?;
                            if map.next_key::<OneConditionOnly>()?.is_some() {
                                map.next_value::<IgnoredAny>()?;
                            }
                            return Ok(LongThat(EventuallyThat::Mapped(Mapped { name, of })));
                        }
                    }
                }
                let event = event.ok_or_else(|| de::Error::missing_field("event"))?;
                Ok(LongThat(EventuallyThat::Event(EventPattern {
                    event,
                    fields: fields.unwrap_or_default(),
                })))
            }
        }
        deserializer.deserialize_map(LongThatVisitor)
    }
}

enum ThatKey {
    Event,
    Where,
    Condition(String),
}

/// A condition stands alone.
struct ThatKeySeed {
    first: bool,
}

impl<'de> DeserializeSeed<'de> for ThatKeySeed {
    type Value = ThatKey;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<ThatKey, D::Error> {
        let name = String::deserialize(deserializer)?;
        match &*name {
            "event" => Ok(ThatKey::Event),
            "where" => Ok(ThatKey::Where),
            other if !self.first || did_you_mean(other, PATTERN.iter().copied()).is_some() => {
                Err(de::Error::unknown_field(other, PATTERN))
            }
            _ => Ok(ThatKey::Condition(name)),
        }
    }
}

/// A key where there may be none.
struct OneConditionOnly;

impl<'de> Deserialize<'de> for OneConditionOnly {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = String::deserialize(deserializer)?;
        Err(de::Error::custom(format_args!(
            "`{key}` does not belong here: each `eventually` waits for one thing\nwrite another `- eventually:` for it, or, if it is an \
             event of the condition above, indent it further"
        )))
    }
}

impl Serialize for EventuallyThat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            EventuallyThat::Condition(name) => name.serialize(serializer),
            EventuallyThat::Mapped(Mapped { name, of }) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(name, of)?;
                map.end()
            }
            EventuallyThat::Event(pattern) => serialize_long(pattern, serializer),
        }
    }
}

impl JsonSchema for EventuallyThat {
    fn schema_name() -> Cow<'static, str> {
        "EventuallyThat".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A condition of the system, by name; one over events that are called otherwise than it has them; or an event that \
                must occur.",
            "anyOf": [{ "type": "string" }, LongPattern::json_schema(generator), {
                "type": "object",
                "propertyNames": { "not": { "enum": PATTERN } },
                "additionalProperties": generator.subschema_for::<MappedOf>(),
                "minProperties": 1,
                "maxProperties": 1,
            }],
            "examples": [
                "no_open_sagas",
                { "event": "saga.completed" },
                { "no_open_sagas": { "events": { "saga.completed": "my.done" } } },
            ],
        })
    }
}

impl<'de> Deserialize<'de> for Expect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ExpectVisitor;
        impl<'de> Visitor<'de> for ExpectVisitor {
            type Value = Expect;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`pass` or `{ violates: INVARIANT }`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Expect, E> {
                match text {
                    "pass" => Ok(Expect::Pass),
                    other => Err(E::custom(format_args!(
                        "bad expectation `{other}`\nwrite `pass`, or name an invariant: `{{ violates: {} }}`",
                        if matches!(other, "fail" | "violates" | "violation") { "INVARIANT" } else { other }
                    ))),
                }
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Expect, A::Error> {
                let Violates { violates } = Violates::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Expect::Violates(violates))
            }
        }
        deserializer.deserialize_any(ExpectVisitor)
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Violates {
    /// The invariant that some run must violate, and no run anything else.
    violates: Spanned<String>,
}

impl Serialize for Expect {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Expect::Pass => serializer.serialize_str("pass"),
            Expect::Violates(violates) => Violates { violates: violates.clone() }.serialize(serializer),
        }
    }
}

impl JsonSchema for Expect {
    fn schema_name() -> Cow<'static, str> {
        "Expect".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What the verdict must be: every run passes, or some run violates the named invariant and no run \
                violates anything else.",
            "anyOf": [{ "const": "pass" }, Violates::json_schema(generator)],
            "examples": ["pass", { "violates": "saga_atomicity" }],
        })
    }
}

/// The kinds of check that take arguments.
enum CheckKind {
    Never,
    Eventually,
    Sometimes,
    Count,
    Order,
    Consistent(String),
    Specific(Property),
    /// Of the system's own.
    Mapped(String),
}

/// Their names, but for the promises of consistency.
const CHECK_KINDS: &[&str] = &[
    "never",
    "eventually",
    "sometimes",
    "count",
    "order",
    "linearizable",
    "sequential",
    "serializable",
    "causal",
    "unique_ids",
    "growing_set",
    "total_queue",
    "counter_bounds",
    "bank",
    "long_fork",
    "mutual_exclusion",
    "convergence",
];

impl<'de> Deserialize<'de> for CheckKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Ok(match &*name {
            "never" => CheckKind::Never,
            "eventually" => CheckKind::Eventually,
            "sometimes" => CheckKind::Sometimes,
            "count" => CheckKind::Count,
            "order" => CheckKind::Order,
            promise if PROMISES.iter().any(|(known, _)| *known == promise) => CheckKind::Consistent(name),
            _ => match promises::property(&name) {
                Some(property) => CheckKind::Specific(property),
                None if did_you_mean(&name, CHECK_KINDS.iter().copied()).is_some() => {
                    return Err(de::Error::unknown_field(&name, CHECK_KINDS));
                }
                None => CheckKind::Mapped(name),
            },
        })
    }
}

/// What stands beside a name that is none of those known, and so an invariant's or a condition's.
struct EventsOf<'a> {
    name: &'a str,
    known: &'static [&'static str],
}

impl<'de> DeserializeSeed<'de> for EventsOf<'_> {
    type Value = MappedOf;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<MappedOf, D::Error> {
        match text_or(
            deserializer,
            "what its events are called, as `{ events: { saga.step_done: my.step_ok } }`",
        )? {
            TextOr::Map(of) => Ok(of),
            TextOr::Text(_) => Err(de::Error::unknown_field(self.name, self.known)),
        }
    }
}

/// A key where there may be none.
struct OneKeyOnly;

impl<'de> Deserialize<'de> for OneKeyOnly {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = String::deserialize(deserializer)?;
        Err(de::Error::custom(format_args!(
            "`{key}` does not belong here: each check is a list item of its own\nstart another item with `- {key}:`, or, \
             if it is an argument of the check above, indent it further"
        )))
    }
}

impl<'de> Deserialize<'de> for Check {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CheckVisitor;
        impl<'de> Visitor<'de> for CheckVisitor {
            type Value = Check;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a check, as `saga_atomicity` or `never: saga.lost`")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Check, E> {
                Ok(Check::Named(name.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Check, A::Error> {
                let Some(kind) = map.next_key()? else {
                    return Err(de::Error::custom(
                        "an empty check\nname an invariant, as `- saga_atomicity`",
                    ));
                };
                let check = match kind {
                    CheckKind::Never => Check::Never(map.next_value()?),
                    CheckKind::Eventually => Check::Eventually(map.next_value()?),
                    CheckKind::Sometimes => Check::Sometimes(map.next_value()?),
                    CheckKind::Count => Check::Count(map.next_value()?),
                    CheckKind::Order => Check::Order(map.next_value()?),
                    CheckKind::Consistent(promise) => {
                        Check::Consistent(Consistent { promise, of: map.next_value()? })
                    }
                    CheckKind::Specific(property) => {
                        Check::Specific(Specific { property, of: map.next_value()? })
                    }
                    CheckKind::Mapped(name) => {
                        let of = map.next_value_seed(EventsOf { name: &name, known: CHECK_KINDS })?;
                        Check::Mapped(Mapped { name, of })
                    }
                };
                if map.next_key::<OneKeyOnly>()?.is_some() {
                    map.next_value::<IgnoredAny>()?;
                }
                Ok(check)
            }
        }
        deserializer.deserialize_any(CheckVisitor)
    }
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Check::Named(name) = self {
            return serializer.serialize_str(name);
        }
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Check::Named(_) => {}
            Check::Mapped(mapped) => map.serialize_entry(&mapped.name, &mapped.of)?,
            Check::Never(pattern) => map.serialize_entry("never", pattern)?,
            Check::Eventually(eventually) => map.serialize_entry("eventually", eventually)?,
            Check::Sometimes(patterns) => map.serialize_entry("sometimes", patterns)?,
            Check::Count(count) => map.serialize_entry("count", count)?,
            Check::Order(order) => map.serialize_entry("order", order)?,
            Check::Consistent(consistent) => map.serialize_entry(&consistent.promise, &consistent.of)?,
            Check::Specific(one) => map.serialize_entry(&promises::name_of(one.property), &one.of)?,
        }
        map.end()
    }
}

impl JsonSchema for Check {
    fn schema_name() -> Cow<'static, str> {
        "Check".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let long = |name: &str, about: &str, arguments: Schema| {
            json_schema!({
                "type": "object",
                "description": about,
                "properties": { name: arguments },
                "required": [name],
                "additionalProperties": false,
            })
        };
        let of = generator.subschema_for::<ConsistentOf>();
        let promises: serde_json::Map<String, serde_json::Value> =
            PROMISES.iter().map(|(name, _)| ((*name).to_owned(), of.clone().into())).collect();
        let property = |property: Property| {
            let unwanted: serde_json::Map<String, serde_json::Value> = OPTIONS
                .iter()
                .filter(|(_, of)| !of.contains(&property))
                .map(|(option, _)| ((*option).to_owned(), false.into()))
                .collect();
            let verbs: Vec<&str> = property.verbs().collect();
            let arguments = json_schema!({
                "allOf": [generator.subschema_for::<SpecificOf>(), {
                    "required": ["ops"],
                    "properties": { "ops": { "minProperties": 1, "additionalProperties": {
                        "if": { "type": "string" },
                        "then": { "enum": verbs },
                        "else": { "properties": { "verb": { "enum": verbs } } },
                    } } },
                }, { "properties": unwanted }],
            });
            long(&promises::name_of(property), property.about(), arguments)
        };
        let mut forms: Vec<Schema> = Property::all().map(property).collect();
        let mut schema = json_schema!({
            "description": "Something that must hold.",
            "anyOf": [
                {
                    "type": "object",
                    "description": "What clients saw is consistent, judged by a general checker.",
                    "properties": promises,
                    "minProperties": 1,
                    "maxProperties": 1,
                    "additionalProperties": false,
                },
                { "type": "string", "description": "An invariant of the system or of the harness, by name." },
                {
                    "type": "object",
                    "description": "An invariant of the system, over events that are called otherwise than it has them.",
                    "propertyNames": { "not": { "enum": CHECK_KINDS } },
                    "additionalProperties": generator.subschema_for::<MappedOf>(),
                    "minProperties": 1,
                    "maxProperties": 1,
                },
                long("never", "No such event.", generator.subschema_for::<EventPattern>()),
                long("eventually", "Holds by then, and from then on to the end.", generator.subschema_for::<Eventually>()),
                long("sometimes", "Each seen in at least one run, over all seeds.", json_schema!({
                    "type": "array",
                    "minItems": 1,
                    "items": generator.subschema_for::<EventPattern>(),
                })),
                long("count", "So many such events in each run.", generator.subschema_for::<Count>()),
                long("order", "Every `then` has a `first` before it.", generator.subschema_for::<Order>()),
            ],
        });
        if let Some(serde_json::Value::Array(all)) = schema.get_mut("anyOf") {
            all.extend(forms.drain(..).map(Into::into));
        }
        schema
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;
        impl Visitor<'_> for ScalarVisitor {
            type Value = Scalar;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a plain value, as `charge`, `3` or `true`")
            }
            fn visit_bool<E>(self, b: bool) -> Result<Scalar, E> {
                Ok(Scalar::Bool(b))
            }
            fn visit_i64<E>(self, n: i64) -> Result<Scalar, E> {
                Ok(Scalar::Int(n))
            }
            fn visit_u64<E: de::Error>(self, n: u64) -> Result<Scalar, E> {
                i64::try_from(n).map(Scalar::Int).map_err(|_| {
                    E::custom(format_args!(
                        "the number {n} is too large\nif it is an identifier, quote it: \"{n}\""
                    ))
                })
            }
            fn visit_f64<E>(self, x: f64) -> Result<Scalar, E> {
                Ok(Scalar::Float(x))
            }
            fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(text.to_owned()))
            }
        }
        deserializer.deserialize_any(ScalarVisitor)
    }
}
