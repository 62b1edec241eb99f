//! Routes of recipes: whether a path is one of a route, and which routes there may be.

use std::collections::BTreeMap;

use crate::connect::recipe::Route;
use crate::error::{Error, Result};

/// The part of a path that names an integration.
pub const INTEGRATION: &str = "integration";
const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE"];

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.trim_matches('/').split('/')
}

fn named(part: &str) -> Option<&str> {
    part.strip_prefix('{')?.strip_suffix('}')
}

/// What stands for the parts in braces, where the path is one of the pattern. A part is never empty.
#[must_use]
pub fn matched(pattern: &str, path: &str) -> Option<BTreeMap<String, String>> {
    let (mut wanted, mut given) = (parts(pattern), parts(path));
    let mut found = BTreeMap::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(found),
            (Some(wanted), Some(given)) => match named(wanted) {
                Some(name) if !given.is_empty() => {
                    found.insert(name.to_owned(), given.to_owned());
                }
                None if wanted == given => {}
                _ => return None,
            },
            _ => return None,
        }
    }
}

/// Whether two patterns have a path in common.
fn overlap(a: &str, b: &str) -> bool {
    let (a, b): (Vec<&str>, Vec<&str>) = (parts(a).collect(), parts(b).collect());
    a.len() == b.len()
        && a.iter()
            .zip(&b)
            .all(|(a, b)| a == b || named(a).is_some() || named(b).is_some())
}

/// Whether a recipe may have these routes: known methods, paths of plain parts, none that hides
/// another or the webhooks of the recipe.
///
/// # Errors
/// `recipe.routes` with the first one that may not be.
pub fn check(recipe: &str, routes: &[Route]) -> Result<()> {
    let wrong = |route: &Route, what: &str| {
        let text = format!(
            "the route {} {} of {recipe} {what}",
            route.method, route.path
        );
        Err(Error::invalid("recipe.routes", text))
    };
    for (number, route) in routes.iter().enumerate() {
        if !METHODS.contains(&route.method.as_str()) {
            return wrong(
                route,
                "has a method that is none of GET, POST, PUT, PATCH, DELETE",
            );
        }
        let is_plain = |text: &str| {
            !text.is_empty()
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-_.~".contains(c))
        };
        if !route.path.starts_with('/')
            || !parts(&route.path).all(|part| is_plain(named(part).unwrap_or(part)))
        {
            return wrong(route, "is no path of plain parts, like /status/{ticket}");
        }
        if parts(&route.path).next() == Some("webhooks") {
            return wrong(route, "is where the webhooks of apps come in");
        }
        let before = routes.iter().take(number);
        if before
            .filter(|other| other.method == route.method)
            .any(|other| overlap(&other.path, &route.path))
        {
            return wrong(route, "is hidden by one before it");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_of_a_pattern_part_by_part() {
        for (pattern, path, is) in [
            ("/status", "status", true),
            ("/status", "/status/", true),
            ("/status", "/status/1", false),
            ("/{integration}/status", "/7/status", true),
            ("/{integration}/status", "//status", false),
            ("/{integration}/status", "/7/other", false),
        ] {
            assert_eq!(matched(pattern, path).is_some(), is, "{pattern} {path}");
        }
        let found = matched("/a/{x}/{y}", "/a/1/2").expect("is one");
        assert_eq!((found["x"].as_str(), found["y"].as_str()), ("1", "2"));
    }

    #[test]
    fn routes_that_hide_something_are_refused() {
        let route = |method: &str, path: &str| Route {
            method: method.into(),
            path: path.into(),
            name: "x".into(),
        };
        let good = [
            route("GET", "/status/{ticket}"),
            route("POST", "/status/{ticket}"),
            route("GET", "/status"),
        ];
        assert_eq!(check("a", &good), Ok(()));
        for bad in [
            vec![route("get", "/a")],
            vec![route("GET", "a")],
            vec![route("GET", "/")],
            vec![route("GET", "/a//b")],
            vec![route("GET", "/{a/b}")],
            vec![route("GET", "/a?b")],
            vec![route("POST", "/webhooks/{x}")],
            vec![route("GET", "/{x}/b"), route("GET", "/a/{y}")],
        ] {
            let refused = check("a", &bad).expect_err("is refused");
            assert_eq!(refused.code(), "recipe.routes", "{bad:?}");
        }
    }
}
