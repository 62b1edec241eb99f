//! Damage that `check` must find and name, without saying whose data it is.

use crate::backends::open_postgres;
use gna_storage::conformance::TestClock;
use gna_storage::conformance::make::{NOTE, append, create, item, listed};
use gna_storage::conformance::postgres::{Place, VARIABLE};
use gna_storage::kernel::{Backend, Batch, Error, Item};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// Changes one row behind the store's back.
async fn harm(schema: &str, sql: &str) {
    let url = std::env::var(VARIABLE).expect("it named the place");
    let mut conn = PgConnection::connect(&url).await.expect("connects");
    let path = format!("SET search_path = {schema}");
    for (sql, rows) in [(path.as_str(), 0), (sql, 1)] {
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut conn)
            .await
            .expect("is done");
        assert_eq!(done.rows_affected(), rows, "{sql}");
    }
    conn.close().await.expect("closes");
}

#[tokio::test]
async fn what_is_missing_or_unreadable_is_named() {
    let Some(place) = Place::fresh() else { return };
    let clock = TestClock::default();
    let store = open_postgres(&place, &clock).await;
    // Escapes and letters outside ASCII must compare equal after JSON.
    let items: Vec<Item> = (0..6)
        .map(|n| {
            let one = item("hunter2", &n.to_string());
            listed(one, "hunter2 \u{e9}\u{1f}\"", &format!("\\{n}"))
        })
        .collect();
    for one in &items {
        let ops = vec![
            create(one),
            append("note.created", &one.key, 1, clock.now()),
        ];
        store.commit(Batch { ops }).await.unwrap();
    }
    assert_eq!(store.check().await.unwrap(), []);

    let schema = store.db().schema();
    let mut counts: [(&str, usize); 4] = [
        ("entries of an item can't be read", 0),
        ("item without its index entry", 0),
        ("index entry without its item", 0),
        ("outside of the feed", 0),
    ];
    for (sql, adds) in [
        // What can't be read hides nothing of the rest.
        (
            "UPDATE items SET entries = '[' WHERE sort = '0'",
            [1, 0, 0, 0],
        ),
        (
            "DELETE FROM entries WHERE item = (SELECT i.id FROM items i WHERE i.sort = '1')",
            [0, 1, 0, 0],
        ),
        ("DELETE FROM items WHERE sort = '2'", [0, 0, 1, 0]),
        // An entry that is there, but not where the item says.
        (
            "UPDATE entries SET part = 'hunter3' WHERE item = (SELECT i.id FROM items i WHERE i.sort = '3')",
            [0, 1, 1, 0],
        ),
        (
            "UPDATE entries SET sort = 'hunter4' WHERE item = (SELECT i.id FROM items i WHERE i.sort = '4')",
            [0, 1, 1, 0],
        ),
        ("UPDATE feed SET seq = 100 WHERE seq = 6", [0, 0, 0, 1]),
    ] {
        harm(schema, sql).await;
        let damage = store.check().await.unwrap();
        for ((problem, so_far), more) in counts.iter_mut().zip(adds) {
            *so_far += more;
            let told = damage.iter().filter(|one| one.problem.contains(*problem));
            assert_eq!(told.count(), *so_far, "{sql}: {problem}: {damage:?}");
        }
        let told = format!("{damage:?}");
        assert!(!told.contains("hunter"), "{told}");
        let is_named = |place: &str| place.starts_with("collection note, ");
        assert!(damage.iter().all(|one| is_named(&one.place)), "{told}");
        let of_index = damage.iter().filter(|one| one.problem.contains("index"));
        let mut places = of_index.map(|one| one.place.as_str());
        assert!(places.all(|place| place.contains("index all")), "{told}");
    }
    let read = store.scan(NOTE, None, 10).await;
    assert!(matches!(read, Err(Error::Corrupt(_))), "{read:?}");
}
