//! Tolerant readers for serde fields, because vendors change types between versions: a number that
//! becomes a string, a list that becomes a single value, a null for an empty list.
//!
//! For use as `#[serde(default, deserialize_with = "lenient::string")]`. `default` is always
//! needed beside it, for fields that are absent. They read any self-describing source. What does
//! not fit is taken as absent, never an error: fields that make an item what it is are better
//! read strictly, so that their loss is a warning.

use serde::de::{
    Deserialize, DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;
use std::fmt;

/// What a field may hold.
enum Loose {
    Nothing,
    Text(String),
    Number(f64),
    /// Whole numbers keep all of their digits.
    Whole(i128),
    List(Vec<Loose>),
}

impl Loose {
    fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(number) => Some(number.to_string()),
            Self::Whole(number) => Some(number.to_string()),
            Self::Nothing | Self::List(_) => None,
        }
    }

    fn whole(self) -> Option<i128> {
        match self {
            Self::Whole(number) => Some(number),
            Self::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => {
                format!("{number:.0}").parse().ok()
            }
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    fn float(self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Whole(number) => number.to_string().parse().ok(),
            Self::Text(text) => text
                .trim()
                .parse()
                .ok()
                .filter(|number: &f64| number.is_finite()),
            _ => None,
        }
    }

    fn texts(self) -> Vec<String> {
        match self {
            Self::List(list) => list.into_iter().filter_map(Self::text).collect(),
            other => other.text().into_iter().collect(),
        }
    }
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LooseVisitor;
        impl<'de> Visitor<'de> for LooseVisitor {
            type Value = Loose;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Loose, E> {
                Ok(Loose::Text(value.to_string()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Loose, E> {
                Ok(Loose::Whole(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Loose, E> {
                Ok(Loose::Whole(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Loose, E> {
                Ok(Loose::Number(value))
            }
            fn visit_str<E>(self, value: &str) -> Result<Loose, E> {
                Ok(Loose::Text(value.to_owned()))
            }
            fn visit_string<E>(self, value: String) -> Result<Loose, E> {
                Ok(Loose::Text(value))
            }
            fn visit_unit<E>(self) -> Result<Loose, E> {
                Ok(Loose::Nothing)
            }
            fn visit_none<E>(self) -> Result<Loose, E> {
                Ok(Loose::Nothing)
            }
            fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Loose, D::Error> {
                Loose::deserialize(inner)
            }
            fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Loose, S::Error> {
                let mut list = Vec::new();
                while let Some(element) = seq.next_element()? {
                    list.push(element);
                }
                Ok(Loose::List(list))
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Loose, M::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Loose::Nothing)
            }
        }
        deserializer.deserialize_any(LooseVisitor)
    }
}

/// Text from a string, a number or a boolean; empty for anything else.
///
/// # Errors
/// Only where the source itself is damaged; so with all readers here.
pub fn string<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Loose::deserialize(deserializer)?.text().unwrap_or_default())
}

/// As [`string`], `None` for null, blank text and containers.
///
/// # Errors
/// As [`string`].
pub fn opt_string<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Loose::deserialize(deserializer)?
        .text()
        .filter(|text| !text.trim().is_empty()))
}

/// A list of texts from a list of strings or numbers, or from one of them alone.
///
/// # Errors
/// As [`string`].
pub fn strings<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Loose::deserialize(deserializer)?.texts())
}

/// A whole number that is not negative, from a number or text.
///
/// # Errors
/// As [`string`].
pub fn opt_u32<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    Ok(Loose::deserialize(deserializer)?
        .whole()
        .and_then(|number| number.try_into().ok()))
}

/// A whole number, from a number or text.
///
/// # Errors
/// As [`string`].
pub fn opt_i64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(Loose::deserialize(deserializer)?
        .whole()
        .and_then(|number| number.try_into().ok()))
}

/// A number, from a number or text.
///
/// # Errors
/// As [`string`].
pub fn opt_f64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Ok(Loose::deserialize(deserializer)?.float())
}

/// The type's default for null; anything else is read strictly.
///
/// # Errors
/// Where the value has another shape.
pub fn null_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// The type's default for whatever does not fit it. JSON only.
///
/// # Errors
/// As [`string`].
pub fn or_default<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).unwrap_or_default())
}

/// A list from a list, from null, or from one element alone; elements are read strictly, except
/// that a null among them is left out. JSON only.
///
/// # Errors
/// Where an element has another shape.
pub fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    use serde::de::Error;
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    let read = if raw.get().starts_with('[') {
        serde_json::from_str::<Vec<Option<T>>>(raw.get())
            .map(|list| list.into_iter().flatten().collect())
    } else {
        serde_json::from_str::<Option<T>>(raw.get()).map(|one| one.into_iter().collect())
    };
    read.map_err(D::Error::custom)
}

/// A list whose elements are the type's default where they do not fit, so that the others keep
/// their places; empty for anything but a list. JSON only.
///
/// # Errors
/// As [`string`].
pub fn list_or_default<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    let elements = serde_json::from_str::<Vec<&RawValue>>(raw.get()).unwrap_or_default();
    Ok(elements
        .into_iter()
        .map(|element| serde_json::from_str(element.get()).unwrap_or_default())
        .collect())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Sample {
        #[serde(deserialize_with = "super::string")]
        text: String,
        #[serde(deserialize_with = "super::opt_string")]
        maybe: Option<String>,
        #[serde(deserialize_with = "super::strings")]
        texts: Vec<String>,
        #[serde(deserialize_with = "super::opt_u32")]
        number: Option<u32>,
        #[serde(deserialize_with = "super::opt_f64")]
        score: Option<f64>,
        #[serde(deserialize_with = "super::or_default")]
        inner: Vec<u8>,
        #[serde(deserialize_with = "super::list")]
        list: Vec<u8>,
    }

    #[test]
    fn fields_take_what_vendors_write() {
        let texts = |list: &[&str]| {
            list.iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>()
        };
        let empty = Sample::default;
        for (json, expected) in [
            ("{}", empty()),
            (
                r#"{"text":null,"maybe":" ","texts":null,"number":null,"score":"n/a","inner":"x","list":null}"#,
                empty(),
            ),
            (
                r#"{"text":7,"maybe":2.5}"#,
                Sample {
                    text: "7".into(),
                    maybe: Some("2.5".into()),
                    ..empty()
                },
            ),
            (
                r#"{"text":{"a":[1]},"texts":["a",1,null,{}]}"#,
                Sample {
                    texts: texts(&["a", "1"]),
                    ..empty()
                },
            ),
            (
                r#"{"texts":"one"}"#,
                Sample {
                    texts: texts(&["one"]),
                    ..empty()
                },
            ),
            (
                r#"{"number":"12","score":"7.5"}"#,
                Sample {
                    number: Some(12),
                    score: Some(7.5),
                    ..empty()
                },
            ),
            (
                r#"{"number":12.0,"score":7}"#,
                Sample {
                    number: Some(12),
                    score: Some(7.0),
                    ..empty()
                },
            ),
            (r#"{"number":-1,"score":true}"#, empty()),
            (
                r#"{"inner":[1],"list":3}"#,
                Sample {
                    inner: vec![1],
                    list: vec![3],
                    ..empty()
                },
            ),
            (
                r#"{"list":[1,null,2]}"#,
                Sample {
                    list: vec![1, 2],
                    ..empty()
                },
            ),
        ] {
            assert_eq!(
                serde_json::from_str::<Sample>(json).unwrap(),
                expected,
                "{json}"
            );
        }
    }
}
