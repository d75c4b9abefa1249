//! What an invariant's events are called, short or long.

use std::borrow::Cow;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::check::{TextOr, text_or};
use crate::language::model::{OwnEvent, Spanned};

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LongEvent {
    /// The event that nodes report.
    event: Spanned<String>,
    /// By the name that the invariant has for a field: the field that it is.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    fields: IndexMap<Spanned<String>, Spanned<String>>,
}

/// An event in short, or at length, as [`Spanned`] reads it.
struct ShortOrLong(TextOr<LongEvent>);

impl<'de> Deserialize<'de> for ShortOrLong {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_or(deserializer, "an event, as `my.step_ok` or `{ event: my.step_ok, fields: { step: what } }`")
            .map(Self)
    }
}

impl<'de> Deserialize<'de> for OwnEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value: ShortOrLong(read), span } = Spanned::deserialize(deserializer)?;
        Ok(match read {
            TextOr::Text(value) => OwnEvent { event: Spanned { value, span }, fields: IndexMap::new() },
            TextOr::Map(LongEvent { event, fields }) => OwnEvent { event, fields },
        })
    }
}

impl Serialize for OwnEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.fields.is_empty() {
            return self.event.serialize(serializer);
        }
        LongEvent { event: self.event.clone(), fields: self.fields.clone() }.serialize(serializer)
    }
}

impl JsonSchema for OwnEvent {
    fn schema_name() -> Cow<'static, str> {
        "OwnEvent".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An event as nodes report it; with `fields`, by the invariant's names, where these are called otherwise, too.",
            "anyOf": [{ "type": "string" }, LongEvent::json_schema(generator)],
            "examples": ["my.step_ok", { "event": "my.step_ok", "fields": { "step": "what" } }],
        })
    }
}
