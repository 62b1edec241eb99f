//! The recipes as data that come with Gna: one line per file of `recipes/`.

use super::load::load;
use super::run::DataRecipe;

const SHIPPED: &[(&str, &str)] = &[(
    "webhook-notice.toml",
    include_str!("../../../recipes/webhook-notice.toml"),
)];

/// All of them. One that does not load is left out and logged; a test loads each.
pub fn shipped() -> impl Iterator<Item = DataRecipe> {
    SHIPPED
        .iter()
        .filter_map(|(file, text)| match load(file, text) {
            Ok(recipe) => Some(recipe),
            Err(error) => {
                tracing::error!(%error, "a recipe that comes with this program can't be loaded");
                None
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_come_with_us_load() {
        for (file, text) in SHIPPED {
            let recipe = load(file, text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(format!("{}.toml", recipe.name()), *file);
        }
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_with_its_place() {
        let good = SHIPPED[0].1;
        for (from, to, told) in [
            (
                "name = \"webhook-notice\"",
                "name = \"Webhook\"",
                "name: a name has",
            ),
            (
                "call = \"target.send\"",
                "call = \"nobody.send\"",
                "call: write a slot",
            ),
            (
                "call = \"target.send\"",
                "cal = \"target.send\"",
                "unknown field",
            ),
            (
                "event = \"vulnerability.opened\"",
                "event = \"report.completed\"",
                "event: events of",
            ),
            (
                "at_least = \"{input.config.min_severity?|or:HIGH}\"",
                "at_least = \"SEVERE\"",
                "at_least is",
            ),
            (
                "name = \"SEND_TEST\"",
                "name = \"test\"",
                "name: an action's name",
            ),
            ("[display]", "[display", "x.toml:"),
        ] {
            assert!(good.contains(from), "{from}");
            let error = load("x.toml", &good.replace(from, to))
                .err()
                .expect("is refused");
            let text = error.to_string();
            assert!(text.starts_with("x.toml") && text.contains(told), "{text}");
        }
    }
}
