//! The kernel's side: every operation through `Backend`, inside the runtime, as the product has it.

use crate::import::{self, group};
use crate::turns::{PAGE, Side};
use gna_domain::page::Cursor;
use gna_domain::time::Timestamp;
use gna_storage::backend::registry;
use gna_storage::kernel::{Backend, Batch, Direction, Item, ItemKey, RangeQuery};
use std::ops::Bound;
use std::sync::Arc;
use tokio::runtime::Runtime;

pub struct Kernel<'r> {
    runtime: &'r Runtime,
    backend: Arc<dyn Backend>,
    group: String,
    next: Option<Cursor>,
}

impl<'r> Kernel<'r> {
    /// The store at `url`; its tables are made where there are none.
    pub fn open(runtime: &'r Runtime, url: &str) -> Self {
        let opened = runtime.block_on(registry::open(url, Arc::new(Timestamp::default)));
        Self {
            runtime,
            backend: opened.expect("opens").backend,
            group: group(0),
            next: None,
        }
    }

    /// Fails where what is stored does not agree with itself.
    pub fn check(&self) {
        let checked = self.runtime.block_on(self.backend.check());
        let damage = checked.expect("can be checked");
        assert!(damage.is_empty(), "{damage:?}");
    }
}

impl Side for Kernel<'_> {
    type Chunk = Batch;

    fn chunk(&self, first: u64) -> Batch {
        import::chunk(first)
    }

    fn commit(&mut self, batch: Batch) {
        let committed = self.runtime.block_on(self.backend.commit(batch));
        committed.expect("commits");
    }

    fn get_many(&mut self, keys: &[ItemKey]) -> usize {
        let found = self.runtime.block_on(self.backend.get_many(keys));
        weigh_all(&found.expect("answers"))
    }

    fn get_each(&mut self, keys: &[ItemKey]) -> usize {
        let backend = &self.backend;
        self.runtime.block_on(async {
            let mut weight = 0;
            for key in keys {
                let found = backend.get_many(std::slice::from_ref(key)).await;
                weight += weigh_all(&found.expect("answers"));
            }
            weight
        })
    }

    fn pages(&mut self, count: usize) -> usize {
        let mut next = self.next.take();
        let mut weight = 0;
        let (backend, group) = (&self.backend, &self.group);
        self.runtime.block_on(async {
            for _ in 0..count {
                let query = RangeQuery {
                    collection: "vulnerability",
                    index: Some("by_due"),
                    partition: group.clone(),
                    from: Bound::Unbounded,
                    to: Bound::Unbounded,
                    direction: Direction::Ascending,
                    limit: PAGE,
                    after: next.take(),
                };
                let pages = backend.query_many(&[query]).await.expect("answers");
                for page in pages {
                    let keyed =
                        |item: &Item| weigh(item) + item.key.partition.len() + item.key.sort.len();
                    weight += page.items.iter().map(keyed).sum::<usize>();
                    next = page.next;
                }
            }
        });
        self.next = next;
        weight
    }
}

fn weigh_all(found: &[Option<Item>]) -> usize {
    found.iter().flatten().map(weigh).sum()
}

/// As `Record::weight` weighs a record that was read by hand.
fn weigh(item: &Item) -> usize {
    item.body.len()
        + usize::from(item.expires.is_some())
        + usize::try_from(item.version).unwrap_or_default()
}
