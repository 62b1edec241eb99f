//! Reads large XML documents one subtree at a time, so that memory stays flat.
//!
//! A path names the elements to hand out, from the root on: `issues/issue` is every `issue` in the
//! root `issues`; `*` stands for any one name. Each comes as an [`Element`] with all that is in it;
//! the elements around it are [`Open`]: their names and attributes are known, nothing else of them
//! is kept. Namespaces are stripped: `<cdx:bom>` is `bom`.
//!
//! Entities: the five of XML and character references are decoded, any other reference stays as
//! written (`&nbsp;` is text to clean later). A document type is skipped and never fetched; one
//! that defines entities is refused, so nothing ever expands.
//!
//! What it is not: a validator or a query language. Read next: `xml/sweep.rs` for the walk,
//! `xml/json.rs` for how XML becomes JSON in formats as data.

mod json;
mod sweep;

use gna_domain::import::{Position, Refusal};

use crate::input::Input;
pub use json::to_json;
use sweep::Sweep;

/// Most elements and attributes in one subtree that is handed out.
pub const MAX_NODES: usize = 2_000_000;
/// Longest subtree that is handed out, in bytes as written.
pub const MAX_SUBTREE: u64 = 64 << 20;
/// Most attributes of one element.
pub const MAX_ATTRIBUTES: usize = 10_000;

/// One element with everything in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Without a namespace prefix.
    pub name: String,
    /// In their order, without prefixes and without declarations of namespaces.
    pub attributes: Vec<(String, String)>,
    pub children: Vec<Element>,
    /// All text directly in it, CDATA included, in order and untrimmed.
    pub content: String,
    /// Offset of its `<`.
    pub byte: u64,
    /// Line of its `<`, from 1.
    pub line: u64,
}

/// An element that has begun: the root, or one around an item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Open {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    /// The namespace its own tag declares for its own prefix (or as the default).
    pub namespace: Option<String>,
    pub byte: u64,
    pub line: u64,
}

/// One subtree met by a sweep.
#[derive(Debug)]
pub struct Item<'s> {
    pub element: Element,
    /// Which of the sweep's paths it was met on, from 0.
    pub path: usize,
    /// How many were met on this path before it, its offset and its line.
    pub position: Position,
    /// The elements around it, the root first.
    pub parents: &'s [Open],
}

impl Item<'_> {
    /// An attribute of the nearest element around the item that has that name.
    #[must_use]
    pub fn parent_attr(&self, element: &str, attribute: &str) -> Option<&str> {
        let parent = self
            .parents
            .iter()
            .rev()
            .find(|parent| parent.name == element)?;
        filled(&parent.attributes, attribute)
    }
}

impl Open {
    /// The attribute's value, trimmed; `None` where there is none or it is blank.
    #[must_use]
    pub fn attr(&self, name: &str) -> Option<&str> {
        filled(&self.attributes, name)
    }

    /// Checks the root's name.
    ///
    /// # Errors
    /// `report.wrong_format` where it is none of `names`; `what` names the format for people.
    pub fn expect(&self, names: &[&str], what: &str) -> Result<(), Refusal> {
        if names.contains(&self.name.as_str()) {
            return Ok(());
        }
        let found = crate::text::cut(&self.name, 60);
        let message = format!(
            "the root element is <{found}>, a {what} report has <{}>; name the right format",
            names.join("> or <")
        );
        Err(Refusal::new("report.wrong_format", message).at(Position {
            item: 0,
            byte: Some(self.byte),
            line: Some(self.line),
        }))
    }
}

impl Element {
    /// The attribute's value, trimmed; `None` where there is none or it is blank.
    #[must_use]
    pub fn attr(&self, name: &str) -> Option<&str> {
        filled(&self.attributes, name)
    }

    /// The text directly in it, trimmed.
    #[must_use]
    pub fn text(&self) -> &str {
        self.content.trim()
    }

    /// The first child on a path of names like `cvss/score`.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Self> {
        self.all(path).into_iter().next()
    }

    /// Every element on a path of names, in the order of the document.
    #[must_use]
    pub fn all(&self, path: &str) -> Vec<&Self> {
        let mut found = vec![self];
        for name in path.split('/') {
            found = found
                .into_iter()
                .flat_map(|element| {
                    element
                        .children
                        .iter()
                        .filter(move |child| child.name == name)
                })
                .collect();
        }
        found
    }

    /// The text of the first element on the path that has any.
    #[must_use]
    pub fn value(&self, path: &str) -> Option<&str> {
        self.values(path).into_iter().next()
    }

    /// The texts of all elements on the path, those without any left out.
    #[must_use]
    pub fn values(&self, path: &str) -> Vec<&str> {
        self.all(path)
            .into_iter()
            .map(Self::text)
            .filter(|text| !text.is_empty())
            .collect()
    }

    /// Where it stands, as the `item`-th of its kind.
    #[must_use]
    pub fn position(&self, item: u64) -> Position {
        Position {
            item,
            byte: Some(self.byte),
            line: Some(self.line),
        }
    }
}

fn filled<'a>(attributes: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let (_, value) = attributes.iter().find(|(known, _)| known == name)?;
    Some(value.trim()).filter(|value| !value.is_empty())
}

/// Sweeps over the document once and hands out every element on one of `paths`, in the order of
/// the document. An element inside one that is handed out is not handed out again. Returns the
/// root, for [`Open::expect`].
///
/// # Errors
/// `report.empty`, `report.encoding`, `report.truncated`, `report.malformed`, `report.too_deep` or
/// `report.too_large` with the place, `report.wrong_format` where it is no XML at all, or whatever
/// `each` returned.
pub fn for_each(
    input: &Input<'_>,
    paths: &[&str],
    each: impl FnMut(Item<'_>) -> Result<(), Refusal>,
) -> Result<Open, Refusal> {
    for_each_without(input, paths, &[], each)
}

/// As [`for_each`]; of the elements named in `left_out` (at any depth inside an item) only name
/// and attributes are kept: bodies of requests, binary attachments, evidence.
///
/// # Errors
/// As [`for_each`].
pub fn for_each_without(
    input: &Input<'_>,
    paths: &[&str],
    left_out: &[&str],
    mut each: impl FnMut(Item<'_>) -> Result<(), Refusal>,
) -> Result<Open, Refusal> {
    Sweep::new(input, paths, left_out)?.run(&mut each)
}

/// The root's tag, as far as the head of a document shows it. For `detect`: it never fails.
#[must_use]
pub fn root(head: &str) -> Option<Open> {
    sweep::root(head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Limits;

    fn sweep(text: &str, paths: &[&str]) -> Result<Vec<String>, Refusal> {
        let mut met = Vec::new();
        for_each(&Input::new("t.xml", text.as_bytes()), paths, |item| {
            let around: Vec<&str> = item.parents.iter().map(|open| open.name.as_str()).collect();
            let at = usize::try_from(item.element.byte).unwrap();
            assert!(text.get(at..).is_some_and(|rest| rest.starts_with('<')));
            assert_eq!(
                item.element.line as usize,
                text[..at].matches('\n').count() + 1
            );
            met.push(format!(
                "{}:{}>{}={}",
                item.path,
                around.join(">"),
                item.element.name,
                item.element.text()
            ));
            Ok(())
        })?;
        Ok(met)
    }

    #[test]
    fn paths_lead_to_subtrees_and_namespaces_vanish() {
        let document = "<?xml version='1.0'?>\n<r xmlns:n='urn:n'>\n<g name='1'><i>a</i><j>x</j></g>\n<other><i>no</i></other>\n<n:g><n:i>b<i>inner</i></n:i></n:g><i/></r>\n";
        for (paths, expected) in [
            (vec!["r/g/i"], vec!["0:r>g>i=a", "0:r>g>i=b"]),
            (vec!["r/i", "r/*/j"], vec!["1:r>g>j=x", "0:r>i="]),
            (
                vec!["r/*/i"],
                vec!["0:r>g>i=a", "0:r>other>i=no", "0:r>g>i=b"],
            ),
            (vec!["r"], vec!["0:>r="]),
            (vec!["x/i", "g/i"], vec![]),
        ] {
            assert_eq!(sweep(document, &paths).unwrap(), expected, "{paths:?}");
        }
    }

    #[test]
    fn texts_are_decoded_and_attributes_of_parents_are_known() {
        let text = "<!DOCTYPE r [ <!ELEMENT r (i*)> ]><r v='1' xmlns='urn:x:1.5'><i a='&quot;b&#x41;' b=' '>1 &lt; 2 &amp;&nbsp;<![CDATA[<b>&amp;</b>]]>\r\n&#0; a & b<c>x</c>end</i></r>";
        let mut seen = 0;
        let root = for_each(&Input::new("t", text.as_bytes()), &["r/i"], |item| {
            seen += 1;
            assert_eq!(item.parent_attr("r", "v"), Some("1"));
            assert_eq!(item.element.attr("a"), Some("\"bA"));
            assert_eq!(item.element.attr("b"), None);
            assert_eq!(
                item.element.text(),
                "1 < 2 &&nbsp;<b>&amp;</b>\n&#0; a & bend"
            );
            assert_eq!(item.element.value("c"), Some("x"));
            assert_eq!(item.element.value("c/d"), None);
            Ok(())
        })
        .unwrap();
        assert_eq!((seen, root.namespace.as_deref()), (1, Some("urn:x:1.5")));
        assert_eq!(
            root.expect(&["bom"], "CycloneDX").unwrap_err().code,
            "report.wrong_format"
        );
        assert!(root.expect(&["q", "r"], "").is_ok());
    }

    #[test]
    fn what_is_left_out_keeps_only_its_tag() {
        let text = "<r><i><q x='1'>aGVsbG8=<q>deep</q></q><k>v</k></i></r>";
        for_each_without(
            &Input::new("t", text.as_bytes()),
            &["r/i"],
            &["q"],
            |item| {
                let q = item.element.get("q").unwrap();
                assert_eq!(
                    (q.attr("x"), q.text(), q.children.len()),
                    (Some("1"), "", 0)
                );
                assert_eq!(item.element.value("k"), Some("v"));
                Ok(())
            },
        )
        .unwrap();
    }

    #[test]
    fn bad_documents_are_refused_with_their_place() {
        let laughs = "<!DOCTYPE r [\n<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]><r>&b;</r>";
        let external = "<!DOCTYPE r [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><r>&x;</r>";
        let deep = "<r>".repeat(200);
        for (text, code, line) in [
            (laughs, "report.malformed", 1),
            (external, "report.malformed", 1),
            (deep.as_str(), "report.too_deep", 1),
            ("<r>\n<i>text", "report.truncated", 2),
            ("<r>\n<i", "report.truncated", 2),
            ("<r>\n<i a='x", "report.truncated", 2),
            ("<r>\n</i>", "report.malformed", 2),
            ("<r>\n<i a=1 b></i></r>", "report.malformed", 2),
            ("<r/>\n<r/>", "report.malformed", 2),
            ("</r>", "report.malformed", 1),
            ("\n {\"json\": 1}", "report.wrong_format", 2),
            ("<!-- only -->", "report.wrong_format", 1),
            ("<?xml version='1.0'?>\n", "report.truncated", 2),
            (
                "<?xml version='1.0'?>\n<!DOCTYPE r [<!ELEMENT",
                "report.truncated",
                2,
            ),
            ("  ", "report.empty", 0),
        ] {
            let refusal = sweep(text, &["r/i"]).unwrap_err();
            let at = refusal.position.and_then(|position| position.line);
            assert_eq!(
                (refusal.code.as_str(), at.unwrap_or_default()),
                (code, line),
                "{text}"
            );
        }
    }

    #[test]
    fn nothing_is_fetched_or_expanded() {
        // A document type that only points elsewhere is skipped, its entities stay as written.
        let text = "<!DOCTYPE r SYSTEM 'file:///etc/passwd'><r><i>&x;</i></r>";
        assert_eq!(sweep(text, &["r/i"]).unwrap(), ["0:r>i=&x;"]);
    }

    #[test]
    fn limits_hold_inside_items_too() {
        let nested = format!("<r>{}{}</r>", "<i>".repeat(20), "</i>".repeat(20));
        let mut input = Input::new("t", nested.as_bytes());
        input.limits = Limits {
            max_depth: 10,
            ..Limits::default()
        };
        let refusal = for_each(&input, &["r/i"], |_| Ok(())).unwrap_err();
        assert_eq!(refusal.code, "report.too_deep");
        let wide = Input::new("t", b"<r><i><b/><b c='1'/><b/></i></r>");
        for (max, fits) in [(5, true), (4, false)] {
            let mut sweep = Sweep::new(&wide, &["r/i"], &[]).unwrap();
            sweep.max_nodes = max;
            let refusal = sweep.run(&mut |_| Ok(())).err();
            let code = refusal.map(|refusal| refusal.code);
            assert_eq!(code, (!fits).then(|| "report.too_large".to_owned()));
        }
        let many = format!("<r {}/>", "a='' ".repeat(MAX_ATTRIBUTES + 1));
        let refusal =
            for_each(&Input::new("t", many.as_bytes()), &["r/i"], |_| Ok(())).unwrap_err();
        assert_eq!(refusal.code, "report.too_large");
    }

    #[test]
    fn the_receivers_refusal_comes_back_unchanged() {
        let mut calls = 0;
        let input = Input::new("t", b"<r><i/><i/></r>");
        let refusal = for_each(&input, &["r/i"], |_| {
            calls += 1;
            Err(Refusal::new("report.too_many_findings", "enough"))
        });
        assert_eq!(refusal.unwrap_err().code, "report.too_many_findings");
        assert_eq!(calls, 1);
    }

    #[test]
    fn the_root_is_seen_in_a_head_that_ends_anywhere() {
        let head = "<?xml version=\"1.0\"?>\n<!-- c --><!DOCTYPE x [<!ELEMENT x ANY>]><p:x xmlns:p='urn:p' xmlns='urn:d' v=' 2 '><cut";
        let root = root(head).unwrap();
        assert_eq!((root.name.as_str(), root.attr("v")), ("x", Some("2")));
        assert_eq!(root.namespace.as_deref(), Some("urn:p"));
        for none in ["", "{", "text", "<x a='cut", "<!DOCTYPE x ["] {
            assert_eq!(super::root(none), None, "{none}");
        }
    }
}
