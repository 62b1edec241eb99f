//! Looks for damage: reads the whole table once.

use super::client::DynamoDb;
use super::error::map;
use super::feed::{PAGES, ends, entries, read_pages};
use super::layout::{Kind, Place, directory, kind, shard};
use super::row::{Row, item, place_of};
use crate::kernel::{Damage, Error};
use std::collections::HashSet;

/// The first tell what the rest would.
const MOST: usize = 100;

/// Items that can't be read, partitions that the directory does not name, pages that the feed lacks.
/// The secondary indexes are the engine's own affair.
pub(super) async fn check(db: &DynamoDb) -> Result<Vec<Damage>, Error> {
    let mut found = Found::default();
    let mut start = None;
    loop {
        let answer = db
            .client
            .scan()
            .table_name(&db.table)
            .consistent_read(true)
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|e| map("Scan", &e))?;
        answer.items().iter().for_each(|row| found.take(row));
        start = answer.last_evaluated_key.filter(|key| !key.is_empty());
        if start.is_none() {
            break;
        }
    }
    for place in found.partitions.difference(&found.named) {
        let problem = "a partition that the directory does not name";
        found.damage.push(damage(&place.p, problem));
    }
    let ends = ends(db).await?;
    let mut first = ends.tail.page;
    while first <= ends.head && found.damage.len() < MOST {
        let last = first
            .saturating_add(u64::try_from(PAGES).unwrap_or(1))
            .min(ends.head);
        let there = read_pages(db, first, last).await.unwrap_or_default();
        let missing = (first..=last).filter(|number| !there.iter().any(|(page, _)| page == number));
        let missing = missing.map(|number| {
            damage(
                &format!("feed, page {number}"),
                "a page that is missing or can't be read",
            )
        });
        found.damage.extend(missing);
        first = last + 1;
    }
    found.damage.truncate(MOST);
    Ok(found.damage)
}

#[derive(Default)]
struct Found {
    damage: Vec<Damage>,
    /// Of the partitions with items, where the directory names them.
    partitions: HashSet<Place>,
    named: HashSet<Place>,
}

impl Found {
    fn take(&mut self, row: &Row) {
        let Some(place) = place_of(row) else {
            self.damage.push(damage("a row", "no keys"));
            return;
        };
        let problem = match kind(&place.p) {
            Some(Kind::Group {
                collection,
                partition,
            }) => {
                self.partitions.insert(Place {
                    p: directory(collection, shard(partition)),
                    s: partition.as_bytes().to_vec(),
                });
                item(row).err()
            }
            Some(Kind::Single { .. }) => item(row).err(),
            Some(Kind::Directory { .. }) => {
                self.named.insert(place);
                return;
            }
            Some(Kind::Own) if place.p.starts_with("~page/") => entries(row).err(),
            Some(Kind::Own) => None,
            None => Some(Error::Corrupt("a row of another program".into())),
        };
        if let Some(problem) = problem {
            // The part before the partition: what follows may be somebody's data.
            let end = place.p.find(['=', '+', '/']).unwrap_or(place.p.len());
            let collection = place.p.get(..end).unwrap_or_default();
            self.damage.push(damage(collection, &problem.to_string()));
        }
    }
}

fn damage(place: &str, problem: &str) -> Damage {
    Damage {
        place: place.to_owned(),
        problem: problem.to_owned(),
    }
}
