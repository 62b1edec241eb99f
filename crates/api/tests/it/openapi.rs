//! The description of REST: what is committed is what is served, and all of it is there.

use gna_api::compat::frigg;
use gna_api::rest::{ROUTES, openapi};
use std::collections::BTreeSet;

#[test]
fn the_description_is_committed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    let mut made = serde_json::to_string_pretty(&openapi::document()).expect("writes as JSON");
    made.push('\n');
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &made).expect("writes the file");
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == made,
        "docs/openapi.json is not what the code says; run this test with UPDATE=1"
    );
}

#[test]
fn the_description_and_the_table_of_routes_say_the_same() {
    let document = serde_json::to_value(openapi::document()).expect("writes as JSON");
    assert!(
        document["openapi"]
            .as_str()
            .is_some_and(|version| version.starts_with("3.1"))
    );
    let described: BTreeSet<String> = document["paths"]
        .as_object()
        .expect("paths")
        .iter()
        .flat_map(|(path, item)| {
            item.as_object()
                .expect("an item")
                .keys()
                .map(move |method| format!("{method} {path}"))
        })
        .collect();
    // Frigg's first version is described in its own document.
    let of_frigg = frigg::ROUTES
        .iter()
        .filter(|route| frigg::is_v2(route.path))
        .map(|route| (route.method, route.path));
    let mounted: BTreeSet<String> = ROUTES
        .iter()
        .map(|route| (route.method, route.path))
        .chain(of_frigg)
        .map(|(method, path)| format!("{method} {path}"))
        .collect();
    assert_eq!(described, mounted);
}
