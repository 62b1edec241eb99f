//! What an issue says, whose words they are, and which vulnerability it is about. Pure.
//!
//! Title and text of an issue that Gna made are Gna's, down to the line `Gna: vul_…`; what stands
//! below that line is people's. An issue that people made names its vulnerability on a line of its
//! own, and all of it is theirs.

use gna_domain::id::VulnerabilityId;
use gna_domain::secret::Secret;

use super::tracker::Issue;
use crate::recipes::subject::Subject;

/// How the line by which an issue is found again begins.
const MARKER: &str = "Gna: ";

fn marker(id: &str) -> String {
    format!("{MARKER}{id}")
}

/// Where that line ends in a text. The start of a longer id is not it.
fn marked(text: &str, id: &str) -> Option<usize> {
    let line = marker(id);
    text.match_indices(&line)
        .map(|(at, _)| at + line.len())
        .find(|end| {
            let rest = text.get(*end..).unwrap_or_default();
            !rest.starts_with(|c: char| c.is_ascii_alphanumeric())
        })
}

/// What people wrote below that line.
pub fn below<'t>(text: &'t str, id: &str) -> &'t str {
    let end = marked(text, id);
    end.and_then(|end| text.get(end..)).unwrap_or_default()
}

/// By what one tells whether title and text are the same: not by how lines end, nor by what people
/// wrote below. A text without our line is compared as a whole.
fn digest(title: &str, text: &str, id: &str) -> String {
    let end = marked(text, id);
    let ours = end.and_then(|end| text.get(..end)).unwrap_or(text);
    let lines: Vec<&str> = ours.lines().map(str::trim_end).collect();
    let said = format!("{}\n{}", title.trim(), lines.join("\n").trim());
    Secret::new(said).digest()
}

/// That of an issue as the tracker shows it; none where it does not show both.
pub fn shown(issue: &Issue, id: &str) -> Option<String> {
    let (title, text) = (issue.title.as_deref()?, issue.body.as_deref()?);
    Some(digest(title, text, id))
}

/// What an issue is to say.
pub struct Said {
    pub title: String,
    pub body: String,
    pub digest: String,
}

impl Said {
    pub fn of(subject: &Subject) -> Self {
        let title = subject.title();
        let id = subject.vulnerability.id.to_string();
        let body = format!("{}\n\n{}", subject.text(), marker(&id));
        let digest = digest(&title, &body, &id);
        Self {
            title,
            body,
            digest,
        }
    }
}

/// Who wrote an issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    Gna,
    Person,
}

/// The vulnerability that an issue is about by what its text says: the one in Gna's own line, else the
/// one whose id, and nothing else, stands on a line. Nothing where people name several.
pub fn named(text: &str) -> Option<(VulnerabilityId, Author)> {
    let id_at = |rest: &str| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let id = rest.get(..end.unwrap_or(rest.len()))?;
        id.parse::<VulnerabilityId>().ok()
    };
    let of_gna = text
        .match_indices(MARKER)
        .find_map(|(at, _)| id_at(text.get(at + MARKER.len()..)?));
    if let Some(id) = of_gna {
        return Some((id, Author::Gna));
    }
    let of_line = |line: &str| line.trim().parse::<VulnerabilityId>().ok();
    let mut lines = text.lines().filter_map(of_line);
    let id = lines.next()?;
    lines
        .all(|other| other == id)
        .then_some((id, Author::Person))
}

/// Who wrote this text, where it is about this vulnerability.
pub fn author(text: &str, id: VulnerabilityId) -> Option<Author> {
    if marked(text, &id.to_string()).is_some() {
        return Some(Author::Gna);
    }
    let (of, author) = named(text)?;
    (of == id).then_some(author)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gna_domain::id::TypedId;
    use uuid::Uuid;

    fn id(number: u128) -> VulnerabilityId {
        VulnerabilityId::from_uuid(Uuid::from_u128(number))
    }

    #[test]
    fn an_issue_is_told_by_the_whole_line_whatever_the_markup_around_it() {
        for (text, id, is) in [
            ("Where: api\n\nGna: vul_12", "vul_12", true),
            ("<p>Where</p><p>Gna: vul_12</p>", "vul_12", true),
            ("Gna: vul_123", "vul_12", false),
            ("Gna: vul_123 Gna: vul_12", "vul_12", true),
            ("gna vul_12", "vul_12", false),
        ] {
            assert_eq!(marked(text, id).is_some(), is, "{text:?}");
        }
    }

    #[test]
    fn what_people_write_below_the_line_and_how_lines_end_is_no_change() {
        let said = digest("Title", "Where: api\n\nGna: vul_12", "vul_12");
        for (title, text, is_same) in [
            ("Title", "Where: api\r\n\r\nGna: vul_12", true),
            (" Title ", "Where: api  \n\nGna: vul_12\nAsk Ann", true),
            ("Titel", "Where: api\n\nGna: vul_12", false),
            ("Title", "Where: web\n\nGna: vul_12", false),
            ("Title", "Where: api", false),
            ("Title", "Ask Ann\nWhere: api\n\nGna: vul_12", false),
        ] {
            let is = digest(title, text, "vul_12") == said;
            assert_eq!(is, is_same, "{title:?} {text:?}");
        }
        let text = "Where: api\n\nGna: vul_12\nAsk Ann";
        assert_eq!(below(text, "vul_12"), "\nAsk Ann");
        assert_eq!(below(text, "vul_13"), "");
    }

    #[test]
    fn an_issue_names_a_vulnerability_by_gnas_line_or_on_a_line_of_its_own() {
        let (one, two) = (id(1), id(2));
        for (text, is) in [
            (
                format!("Where\n\nGna: {one}\nmore"),
                Some((one, Author::Gna)),
            ),
            (format!("<p>Gna: {one}</p>"), Some((one, Author::Gna))),
            (
                format!("See\n  {one} \r\nsoon"),
                Some((one, Author::Person)),
            ),
            (format!("{two}\nGna: {one}"), Some((one, Author::Gna))),
            (format!("{one}\n{one}"), Some((one, Author::Person))),
            (format!("{one}\n{two}"), None),
            (format!("like {one}, but worse"), None),
            ("Gna: is nice".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(named(&text), is, "{text:?}");
        }
        let both = format!("Gna: {two} Gna: {one}");
        assert_eq!(author(&both, one), Some(Author::Gna));
        assert_eq!(author(&two.to_string(), one), None);
    }
}
