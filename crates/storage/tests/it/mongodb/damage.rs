//! Damage that `check` must find and name, without saying whose data it is.

use super::super::backends::open_mongodb;
use gna_storage::conformance::TestClock;
use gna_storage::conformance::make::{append, create, item, listed};
use gna_storage::conformance::mongodb::Place;
use gna_storage::kernel::{Backend, Batch, Error};
use mongodb::bson::{Document, doc};

#[tokio::test]
async fn what_is_missing_or_unreadable_is_named() {
    let Some(place) = Place::fresh() else { return };
    let clock = TestClock::default();
    let store = open_mongodb(&place, &clock).await;
    let (one, two) = (
        item("hunter2", ""),
        listed(item("hunter2", "s"), "hunter2", "1"),
    );
    for item in [&one, &two] {
        let ops = vec![
            create(item),
            append("note.created", &item.key, 1, clock.now()),
        ];
        store.commit(Batch { ops }).await.unwrap();
    }
    let told = append("note.changed", &one.key, 2, clock.now());
    store.commit(Batch { ops: vec![told] }).await.unwrap();
    assert_eq!(store.check().await.unwrap(), []);

    let of = |name: &str| store.db().database().collection::<Document>(name);
    let change = async |name: &str, which: Document, set: Document| {
        let done = of(name).update_one(which, doc! { "$set": set }).await;
        assert_eq!(done.unwrap().modified_count, 1, "{name}");
    };
    change(
        "items",
        doc! { "_id": "note\0hunter2\0\0" },
        doc! { "v": "7" },
    )
    .await;
    let found = of("items")
        .find_one(doc! { "_id": "note\0hunter2\0\0s" })
        .await;
    let found = found.unwrap().expect("the item");
    let field = ["g0", "g1", "g2"]
        .into_iter()
        .find(|field| found.contains_key(field))
        .expect("an entry");
    let moved = found
        .get_str(field)
        .unwrap()
        .replace("hunter2\0\0s", "other\0\0s");
    assert_ne!(moved, found.get_str(field).unwrap());
    change(
        "items",
        doc! { "_id": "note\0hunter2\0\0s" },
        doc! { field: moved },
    )
    .await;
    change("feed", doc! { "_id": 1_i64 }, doc! { "key": "hunter2" }).await;
    for lost in [2_i64, 3] {
        let gone = of("feed").delete_one(doc! { "_id": lost }).await;
        assert_eq!(gone.unwrap().deleted_count, 1);
    }

    let damage = store.check().await.unwrap();
    let told = format!("{damage:?}");
    for named in [
        "no version",
        "names another item",
        "entry 1",
        "entry 2",
        "entry 3",
    ] {
        assert!(told.contains(named), "{named}: {told}");
    }
    assert_eq!(damage.len(), 5, "{told}");
    assert!(!told.contains("hunter2"), "{told}");
    for key in [one.key, two.key] {
        let read = store.get_many(&[key]).await;
        assert!(matches!(read, Err(Error::Corrupt(_))), "{read:?}");
    }
    let read = store.feed(None, 10).await;
    assert!(matches!(read, Err(Error::Corrupt(_))), "{read:?}");
    let place = store.feed_end().await.unwrap();
    assert_eq!(store.feed(Some(&place), 10).await.unwrap(), []);
}
