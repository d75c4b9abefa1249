//! Fields and verbs, short or long.

use std::{borrow::Cow, fmt};

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
};

use super::check::{TextOr, text_or};
use crate::language::model::{FieldNames, Meaning, Scalar, Spanned};

impl<'de> Deserialize<'de> for FieldNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Vec<Spanned<String>>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field's name, or a list of them")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
                Ok(vec![name.to_owned().into()])
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = seq.next_element()? {
                    names.push(name);
                }
                if names.is_empty() {
                    return Err(de::Error::custom("no field\nname one, or leave this out"));
                }
                Ok(names)
            }
        }
        deserializer.deserialize_any(Either).map(FieldNames)
    }
}

impl Serialize for FieldNames {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [only] => only.serialize(serializer),
            several => several.serialize(serializer),
        }
    }
}

impl JsonSchema for FieldNames {
    fn schema_name() -> Cow<'static, str> {
        "FieldNames".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A field, or several that are one value together; of an operation also `client`, of an event also `node`.",
            "anyOf": [
                { "type": "string" },
                { "type": "array", "minItems": 1, "items": { "type": "string" } },
            ],
            "examples": ["account", ["sensor", "seq"]],
        })
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LongMeaning {
    /// What it asks for.
    verb: Spanned<String>,
    /// Where its value is, if not where the others have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<FieldNames>,
    /// Only if these fields have these values.
    #[serde(default, rename = "where", skip_serializing_if = "IndexMap::is_empty")]
    fields: IndexMap<Spanned<String>, Scalar>,
}

/// As [`Spanned`] reads it.
struct VerbOrLong(TextOr<LongMeaning>);

impl<'de> Deserialize<'de> for VerbOrLong {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_or(deserializer, "a verb, as `read` or `{ verb: read, value: balance }`").map(Self)
    }
}

impl<'de> Deserialize<'de> for Meaning {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value: VerbOrLong(read), span } = Spanned::<VerbOrLong>::deserialize(deserializer)?;
        Ok(match read {
            TextOr::Text(value) => {
                Meaning { verb: Spanned { value, span }, value: None, fields: IndexMap::new() }
            }
            TextOr::Map(LongMeaning { verb, value, fields }) => Meaning { verb, value, fields },
        })
    }
}

impl Serialize for Meaning {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Meaning { verb, value, fields } = self;
        if value.is_none() && fields.is_empty() {
            return verb.serialize(serializer);
        }
        LongMeaning { verb: verb.clone(), value: value.clone(), fields: fields.clone() }.serialize(serializer)
    }
}

impl JsonSchema for Meaning {
    fn schema_name() -> Cow<'static, str> {
        "Meaning".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What an operation or an event is to a checker: a verb, or `{ verb, value, where }`.",
            "anyOf": [{ "type": "string" }, LongMeaning::json_schema(generator)],
            "examples": ["read", { "verb": "read", "value": "balance" }],
        })
    }
}
