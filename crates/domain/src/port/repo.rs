//! Typed reading, once for every noun.

use crate::error::{Error, Result};
use crate::id::TypedId;
use crate::page::{Page, PageRequest};
use crate::port::store::{ById, Entity, Key, List, Raw, Store, Stored, UniqueKey};

/// Records by id, in the order of the ids.
///
/// # Errors
/// The store's.
pub async fn get_many<E: ById>(store: &dyn Store, ids: &[E::Id]) -> Result<Vec<Option<Stored<E>>>> {
    let keys: Vec<Key> = ids
        .iter()
        .map(|id| Key::new(E::COLLECTION, id.to_string(), ""))
        .collect();
    typed_options(store.get(&keys).await?)
}

/// One record by id.
///
/// # Errors
/// The store's.
pub async fn get<E: ById>(store: &dyn Store, id: E::Id) -> Result<Option<Stored<E>>> {
    Ok(get_many::<E>(store, &[id]).await?.pop().flatten())
}

/// One record by id that must be there.
///
/// # Errors
/// `NOUN.not_found`, or the store's.
pub async fn require<E: ById>(store: &dyn Store, id: E::Id) -> Result<Stored<E>> {
    get::<E>(store, id).await?.ok_or_else(|| missing::<E>())
}

/// The answer for a record that is not there, or that the caller may not know of.
#[must_use]
pub fn missing<E: Entity>() -> Error {
    Error::not_found(
        "not_found",
        format!("there is no such {}", E::COLLECTION.replace('_', " ")),
    )
}

/// Records by their whole key, in order.
///
/// # Errors
/// The store's.
pub async fn get_keys<E: Entity>(
    store: &dyn Store,
    keys: &[Key],
) -> Result<Vec<Option<Stored<E>>>> {
    typed_options(store.get(keys).await?)
}

/// The record that has a unique value.
///
/// # Errors
/// The store's.
pub async fn find<E: Entity>(
    store: &dyn Store,
    name: &'static str,
    values: &[&str],
) -> Result<Option<Stored<E>>> {
    let unique = UniqueKey {
        collection: E::COLLECTION,
        name,
        values: values.iter().map(|&v| v.to_owned()).collect(),
    };
    let found = store.find(&[unique]).await?.pop().flatten();
    found.as_ref().map(Raw::typed).transpose()
}

/// A page of a declared list.
///
/// # Errors
/// The store's.
pub async fn list<E: Entity>(
    store: &dyn Store,
    index: &'static str,
    partition: &[&str],
    descending: bool,
    page: PageRequest,
) -> Result<Page<Stored<E>>> {
    list_of(store, Some(index), partition, descending, page).await
}

/// A page of the records in one partition.
///
/// # Errors
/// The store's.
pub async fn children<E: Entity>(
    store: &dyn Store,
    partition: &str,
    descending: bool,
    page: PageRequest,
) -> Result<Page<Stored<E>>> {
    list_of(store, None, &[partition], descending, page).await
}

async fn list_of<E: Entity>(
    store: &dyn Store,
    index: Option<&'static str>,
    partition: &[&str],
    descending: bool,
    page: PageRequest,
) -> Result<Page<Stored<E>>> {
    let list = List {
        collection: E::COLLECTION,
        index,
        partition: partition.iter().map(|&p| p.to_owned()).collect(),
        prefix: String::new(),
        until: None,
        descending,
        page,
    };
    let page = store.list(&[list]).await?.pop().unwrap_or_else(Page::empty);
    typed_page(page)
}

/// Everything in a partition, page by page; for parents with few children.
///
/// # Errors
/// The store's.
pub async fn all_children<E: Entity>(store: &dyn Store, partition: &str) -> Result<Vec<Stored<E>>> {
    drain(|page| children::<E>(store, partition, false, page)).await
}

/// Everything in a declared list; for lists that are known to be short.
///
/// # Errors
/// The store's.
pub async fn list_all<E: Entity>(
    store: &dyn Store,
    index: &'static str,
    partition: &[&str],
) -> Result<Vec<Stored<E>>> {
    drain(|page| list::<E>(store, index, partition, false, page)).await
}

/// What a list showed, as it is now and in the same order: a list may lag, and what it shows may be gone
/// or further on by now. For whoever writes it.
///
/// # Errors
/// The store's.
pub async fn current<E: Entity>(store: &dyn Store, listed: &[Stored<E>]) -> Result<Vec<Stored<E>>> {
    if listed.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<Key> = listed.iter().map(|stored| stored.value.key()).collect();
    let found = get_keys::<E>(store, &keys).await?;
    Ok(found.into_iter().flatten().collect())
}

async fn drain<E, F, Fut>(mut read: F) -> Result<Vec<Stored<E>>>
where
    F: FnMut(PageRequest) -> Fut,
    Fut: Future<Output = Result<Page<Stored<E>>>>,
{
    let mut all = Vec::new();
    let mut request = PageRequest::first(1_000);
    loop {
        let page = read(request.clone()).await?;
        all.extend(page.items);
        match page.next {
            Some(next) => request.after = Some(next),
            None => return Ok(all),
        }
    }
}

/// # Errors
/// `store.corrupt` when a record can't be read.
pub fn typed_page<E: Entity>(page: Page<Raw>) -> Result<Page<Stored<E>>> {
    let items = page
        .items
        .iter()
        .map(Raw::typed)
        .collect::<Result<Vec<_>>>()?;
    Ok(Page {
        items,
        next: page.next,
    })
}

fn typed_options<E: Entity>(raw: Vec<Option<Raw>>) -> Result<Vec<Option<Stored<E>>>> {
    raw.iter()
        .map(|record| record.as_ref().map(Raw::typed).transpose())
        .collect()
}

/// Keeps only ids that parse; for ids that come as text from keys.
#[must_use]
pub fn ids<I: TypedId>(texts: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<I> {
    texts
        .into_iter()
        .filter_map(|text| text.as_ref().parse().ok())
        .collect()
}
