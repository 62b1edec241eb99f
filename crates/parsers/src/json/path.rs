//! A path into a document, taken apart.

/// One step from a value to values in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Into the member of this name.
    Key(String),
    /// Into each element of an array.
    Each,
    /// Into each member of an object.
    AnyKey,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) steps: Vec<Step>,
}

impl Path {
    /// `a.b[].c{}`: names between dots, `[]` and `{}` after a name or alone. A name can hold
    /// anything but dots, as in `@graph`.
    pub(super) fn parse(text: &str) -> Self {
        let mut steps = Vec::new();
        for part in text.split('.') {
            let mut name = part;
            let mut marks = Vec::new();
            loop {
                if let Some(shorter) = name.strip_suffix("[]") {
                    marks.push(Step::Each);
                    name = shorter;
                } else if let Some(shorter) = name.strip_suffix("{}") {
                    marks.push(Step::AnyKey);
                    name = shorter;
                } else {
                    break;
                }
            }
            if !name.is_empty() {
                steps.push(Step::Key(name.to_owned()));
            }
            steps.extend(marks.into_iter().rev());
        }
        Self { steps }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart() {
        let key = |name: &str| Step::Key(name.to_owned());
        for (text, steps) in [
            ("", vec![]),
            ("[]", vec![Step::Each]),
            ("a", vec![key("a")]),
            (
                "a.b[].c{}",
                vec![key("a"), key("b"), Step::Each, key("c"), Step::AnyKey],
            ),
            (
                "[].x[][]",
                vec![Step::Each, key("x"), Step::Each, Step::Each],
            ),
            ("m{}[]", vec![key("m"), Step::AnyKey, Step::Each]),
        ] {
            assert_eq!(Path::parse(text).steps, steps, "{text}");
        }
    }
}
