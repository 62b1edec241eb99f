//! Lists that an app ends before they are over, read by the shipped modules from an invented HubSpot
//! and SonarQube, which refuse what the real ones refuse.

use gna_domain::connect::module::{Output, PageState};
use gna_domain::connect::request::{Body, Request};
use gna_domain::connect::{Answer, Values};
use gna_domain::time::Timestamp;
use gna_integrations::modules::Catalogue;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What the apps give of one list.
const MOST: u64 = 10_000;

struct List {
    ids: BTreeSet<String>,
    pages: usize,
    is_cut: bool,
}

/// Reads a list to where it ends.
fn read(module: &str, operation: &str, input: &Value, app: impl Fn(&Request) -> Value) -> List {
    let catalogue = Catalogue::shipped().expect("they load");
    let module = &catalogue.by_name(module).expect("it is there").module;
    let values = Values::new()
        .with("connection", json!({"url": "https://sonar.example"}))
        .with("credential", json!({"access_token": "t", "token": "t"}));
    let mut list = List {
        ids: BTreeSet::new(),
        pages: 0,
        is_cut: false,
    };
    let mut page: Option<PageState> = None;
    loop {
        let request = module.page_request(operation, input, &values, page.as_ref());
        let body = app(&request.expect("a request"));
        let answer = Answer::new(200, Vec::new(), body.to_string().as_bytes());
        let output = module.operation_output(operation, &values, page.as_ref(), &answer);
        let Ok(Output::Page {
            items,
            next,
            is_cut,
        }) = output
        else {
            panic!("a page: {output:?}")
        };
        list.pages += 1;
        list.is_cut = is_cut;
        list.ids
            .extend(items.iter().map(|item| item["id"].to_string()));
        match next {
            Some(next) => page = Some(next),
            None => return list,
        }
    }
}

/// A HubSpot whose contacts changed at these times, in order.
fn hubspot(changed: &[i64], request: &Request) -> Value {
    let Body::Json(body) = &request.body else {
        panic!("a search has a body")
    };
    let since = body["filterGroups"][0]["filters"][0]["value"].as_str();
    let since: i64 = since.expect("a text").parse().expect("a number");
    let after: u64 = match body["after"].as_str() {
        Some(after) => after.parse().expect("a number"),
        None => 0,
    };
    let size = body["limit"].as_u64().expect("a size");
    assert!(after + size <= MOST, "400: {after}");
    let found = (0..).zip(changed).filter(|(_, at)| **at >= since);
    let total = u64::try_from(found.clone().count()).expect("a number");
    let some: Vec<Value> = found
        .skip(usize::try_from(after).expect("small"))
        .take(usize::try_from(size).expect("small"))
        .map(|(id, at): (u32, &i64)| {
            json!({"id": id, "updatedAt": Timestamp::from_millis(*at).to_string(), "properties": {}})
        })
        .collect();
    let next = after + size;
    match next < total {
        true => {
            json!({"total": total, "results": some, "paging": {"next": {"after": next.to_string()}}})
        }
        false => json!({"total": total, "results": some}),
    }
}

#[test]
fn all_contacts_of_an_invented_hubspot_are_read_though_a_search_ends_early() {
    let input = json!({"since": "1970-01-01T00:00:00Z"});
    let apart: Vec<i64> = (0..25_000).map(|n| 1_000 + n).collect();
    let all = read("hubspot", "list_contacts", &input, |request| {
        hubspot(&apart, request)
    });
    assert_eq!((all.ids.len(), all.is_cut), (25_000, false));
    assert!(all.pages > 250, "{}", all.pages);
    // More at one time than a search gives: nothing tells how to go on, and that is said.
    let at_once = vec![1_000; 15_000];
    let part = read("hubspot", "list_contacts", &input, |request| {
        hubspot(&at_once, request)
    });
    assert_eq!((part.ids.len(), part.is_cut), (10_000, true));
}

#[test]
fn a_list_of_an_invented_sonarqube_ends_where_it_refuses() {
    let input = json!({"project": "web"});
    for (total, pages, is_cut) in [(250, 3, false), (MOST, 100, false), (MOST + 1, 100, true)] {
        let list = read("sonarqube", "list_findings", &input, |request| {
            let (_, query) = request.url.split_once('?').expect("a query");
            let number = query.split('&').find_map(|pair| pair.strip_prefix("p="));
            let number: u64 = number.expect("a page").parse().expect("a number");
            assert!(number * 100 <= MOST, "400: {number}");
            let first = (number - 1) * 100;
            let issues: Vec<Value> = (first..(first + 100).min(total))
                .map(|id| json!({"key": id}))
                .collect();
            json!({"paging": {"total": total}, "issues": issues})
        });
        assert_eq!((list.pages, list.is_cut), (pages, is_cut), "{total}");
    }
}
