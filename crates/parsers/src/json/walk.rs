//! The sweep: serde visitors that follow several paths at once and skip the rest.
//!
//! The set of paths that lead through the current value is a bit mask, so that following eight of
//! them costs no more than following one.

use gna_domain::import::{Position, Refusal};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

use super::Item;
use super::path::{Path, Step};

type Each<'a, 'f> = &'f mut dyn FnMut(Item<'a, '_>) -> Result<(), Refusal>;

/// What a sweep knows while it runs.
pub(super) struct Walker<'a, 'f> {
    text: &'a str,
    paths: &'f [Path],
    indexes: Vec<usize>,
    keys: Vec<String>,
    /// Items met so far on each path.
    counts: Vec<u64>,
    each: Each<'a, 'f>,
    /// Why the receiver stopped the sweep.
    pub(super) refused: Option<Refusal>,
}

impl<'a, 'f> Walker<'a, 'f> {
    pub(super) fn new(text: &'a str, paths: &'f [Path], each: Each<'a, 'f>) -> Self {
        Self {
            text,
            paths,
            indexes: Vec::new(),
            keys: Vec::new(),
            counts: vec![0; paths.len()],
            each,
            refused: None,
        }
    }

    /// The paths of `active` for which `fits` holds at their step number `depth`.
    fn matching(&self, active: u32, depth: usize, fits: impl Fn(Option<&Step>) -> bool) -> u32 {
        let mut mask = 0;
        for (number, path) in self.paths.iter().enumerate() {
            let bit = 1 << number;
            if active & bit != 0 && fits(path.steps.get(depth)) {
                mask |= bit;
            }
        }
        mask
    }

    /// Hands `raw` out for each path in `ended`.
    fn emit<E: Error>(&mut self, ended: u32, raw: &'a str) -> Result<(), E> {
        for path in 0..self.paths.len() {
            if ended & (1 << path) == 0 {
                continue;
            }
            let Some(count) = self.counts.get_mut(path) else {
                continue;
            };
            let position = Position {
                item: *count,
                byte: Some(offset(self.text, raw)),
                line: None,
            };
            *count += 1;
            let item = Item {
                raw,
                path,
                position,
                indexes: &self.indexes,
                keys: &self.keys,
            };
            if let Err(refusal) = (self.each)(item) {
                self.refused = Some(refusal);
                return Err(E::custom("stopped by the receiver"));
            }
        }
        Ok(())
    }
}

/// Where `part` starts in the text that it was borrowed from.
pub(super) fn offset(text: &str, part: &str) -> u64 {
    u64::try_from(part.as_ptr().addr().saturating_sub(text.as_ptr().addr())).unwrap_or(u64::MAX)
}

/// Reads one value, of which the paths in `active` have taken `depth` steps.
pub(super) struct Seed<'w, 'a, 'f> {
    walker: &'w mut Walker<'a, 'f>,
    active: u32,
    depth: usize,
}

impl<'w, 'a, 'f> Seed<'w, 'a, 'f> {
    pub(super) fn root(walker: &'w mut Walker<'a, 'f>) -> Self {
        let active = walker.matching(u32::MAX, 0, |_| true);
        Self {
            walker,
            active,
            depth: 0,
        }
    }
}

impl<'a> DeserializeSeed<'a> for Seed<'_, 'a, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        let Self {
            walker,
            active,
            depth,
        } = self;
        let ended = walker.matching(active, depth, |step| step.is_none());
        if ended == 0 {
            return deserializer.deserialize_any(Descent {
                walker,
                active,
                depth,
            });
        }
        let raw = <&RawValue as serde::Deserialize>::deserialize(deserializer)?.get();
        walker.emit::<D::Error>(ended, raw)?;
        let deeper = active & !ended;
        if deeper != 0 {
            let mut inner = serde_json::Deserializer::from_str(raw);
            Seed {
                walker,
                active: deeper,
                depth,
            }
            .deserialize(&mut inner)
            .map_err(D::Error::custom)?;
        }
        Ok(())
    }
}

/// Goes down into an object or an array. Any other value, and a container of the kind that no
/// path asks for, holds nothing to hand out.
struct Descent<'w, 'a, 'f> {
    walker: &'w mut Walker<'a, 'f>,
    active: u32,
    depth: usize,
}

impl<'a> Visitor<'a> for Descent<'_, 'a, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        let Self {
            walker,
            active,
            depth,
        } = self;
        while let Some((mask, key)) = map.next_key_seed(KeySeed {
            walker,
            active,
            depth,
        })? {
            if mask == 0 {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let named = key.is_some();
            walker.keys.extend(key);
            map.next_value_seed(Seed {
                walker,
                active: mask,
                depth: depth + 1,
            })?;
            if named {
                walker.keys.pop();
            }
        }
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut seq: S) -> Result<(), S::Error> {
        let Self {
            walker,
            active,
            depth,
        } = self;
        let mask = walker.matching(active, depth, |step| step == Some(&Step::Each));
        if mask == 0 {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        walker.indexes.push(0);
        while seq
            .next_element_seed(Seed {
                walker,
                active: mask,
                depth: depth + 1,
            })?
            .is_some()
        {
            if let Some(index) = walker.indexes.last_mut() {
                *index += 1;
            }
        }
        walker.indexes.pop();
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Compares a key with the paths without keeping it, unless a `{}` step wants it.
struct KeySeed<'w, 'a, 'f> {
    walker: &'w Walker<'a, 'f>,
    active: u32,
    depth: usize,
}

impl<'a> DeserializeSeed<'a> for KeySeed<'_, '_, '_> {
    type Value = (u32, Option<String>);

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_, '_, '_> {
    type Value = (u32, Option<String>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        let Self {
            walker,
            active,
            depth,
        } = self;
        let named = walker.matching(
            active,
            depth,
            |step| matches!(step, Some(Step::Key(name)) if name == key),
        );
        let any = walker.matching(active, depth, |step| step == Some(&Step::AnyKey));
        Ok((named | any, (any != 0).then(|| key.to_owned())))
    }
}
