//! The templates of letters: those that come with Gna, or an operator's own in their place.
//!
//! Each letter has three files: `NAME.subject.txt`, `NAME.txt` and `NAME.html`. They are checked when
//! the server starts, with made-up values, so that a mistake is found before a letter is due.

use gna_domain::error::{Error, Result};
use gna_domain::port::mail::{MailText, MailTexts};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::{Value, json};
use std::path::Path;

/// Largest template of an operator's own, in bytes.
const LIMIT: u64 = 262_144;

/// The bundled ones.
const BUNDLED: &[(&str, &str)] = &[
    (
        "notice.subject.txt",
        include_str!("../../templates/notice.subject.txt"),
    ),
    ("notice.txt", include_str!("../../templates/notice.txt")),
    ("notice.html", include_str!("../../templates/notice.html")),
    (
        "digest.subject.txt",
        include_str!("../../templates/digest.subject.txt"),
    ),
    ("digest.txt", include_str!("../../templates/digest.txt")),
    ("digest.html", include_str!("../../templates/digest.html")),
    (
        "report.subject.txt",
        include_str!("../../templates/report.subject.txt"),
    ),
    ("report.txt", include_str!("../../templates/report.txt")),
    ("report.html", include_str!("../../templates/report.html")),
    (
        "leaving.subject.txt",
        include_str!("../../templates/leaving.subject.txt"),
    ),
    ("leaving.txt", include_str!("../../templates/leaving.txt")),
    ("leaving.html", include_str!("../../templates/leaving.html")),
];

/// Words letters.
pub struct Templates {
    environment: Environment<'static>,
}

impl Templates {
    /// `own` is a folder with files that take the place of bundled ones.
    ///
    /// # Errors
    /// `mail.template` with the file and what is wrong.
    pub fn new(own: Option<&Path>) -> Result<Self> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|name| match name.ends_with(".html") {
            true => AutoEscape::Html,
            false => AutoEscape::None,
        });
        for (name, bundled) in BUNDLED {
            let text = match own
                .map(|folder| folder.join(name))
                .filter(|path| path.is_file())
            {
                Some(path) => read(&path)?,
                None => (*bundled).to_owned(),
            };
            environment
                .add_template_owned((*name).to_owned(), text)
                .map_err(|error| broken(name, &error))?;
        }
        let templates = Self { environment };
        for name in ["notice", "digest", "report", "leaving"] {
            templates.word(name, &sample())?;
        }
        Ok(templates)
    }

    fn render(&self, name: &str, values: &Value) -> Result<String> {
        let template = self.environment.get_template(name);
        let text = template.and_then(|template| template.render(values));
        text.map_err(|error| broken(name, &error))
    }
}

fn read(path: &Path) -> Result<String> {
    let too_large = std::fs::metadata(path).is_ok_and(|of| of.len() > LIMIT);
    let text = match too_large {
        true => Err(format!("larger than {LIMIT} bytes")),
        false => std::fs::read_to_string(path).map_err(|error| error.to_string()),
    };
    text.map_err(|why| Error::invalid("mail.template", format!("{}: {why}", path.display())))
}

fn broken(name: &str, error: &minijinja::Error) -> Error {
    Error::invalid(
        "mail.template",
        format!(
            "the template {name} does not work: {error}; see docs/NOTICES.md for what it can name"
        ),
    )
}

/// Everything that a template can name.
fn sample() -> Value {
    let notice = json!({
        "kind": "ASSIGNED", "event": "vulnerability.assigned", "says": "You are responsible for it now",
        "title": "left-pad: <script>", "place": "checkout, left-pad 1.0.0", "group": "acme/shop",
        "level": "HIGH", "at": "2026-01-01T00:00:00Z", "id": "vul_0", "link": "https://gna.example.com/x",
    });
    json!({
        "person": { "name": "Ada", "email": "ada@example.com" },
        "notices": [notice, notice], "more": 1, "count": 3, "report": {
            "group": "acme/shop", "since": "2026-01-01T00:00:00Z", "until": "2026-01-08T00:00:00Z",
            "levels": [{ "level": "HIGH", "open": 2, "change": -1 }], "open": 2, "change": -1, "closed": 1,
        },
        "leaving": { "place": "acme/shop", "role": "DEVELOPER", "ends": "2026-01-08T00:00:00Z" },
        "server": "https://gna.example.com",
    })
}

impl MailTexts for Templates {
    fn word(&self, name: &str, values: &Value) -> Result<MailText> {
        Ok(MailText {
            subject: self
                .render(&format!("{name}.subject.txt"), values)?
                .trim()
                .to_owned(),
            text: self.render(&format!("{name}.txt"), values)?,
            html: Some(self.render(&format!("{name}.html"), values)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_of_others_are_no_markup_and_no_header() {
        let mail = Templates::new(None)
            .expect("work")
            .word("notice", &sample())
            .expect("works");
        let html = mail.html.expect("is there");
        assert!(
            html.contains("left-pad: &lt;script&gt;") && !html.contains("<script"),
            "{html}"
        );
        assert!(mail.text.contains("left-pad: <script>") && !mail.subject.contains('\n'));
    }

    #[test]
    fn an_operators_own_take_their_place_and_must_work() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("digest.subject.txt");
        std::fs::write(&file, "{{ count }} for {{ person.name }}\n").expect("writes");
        let own = Templates::new(Some(folder.path())).expect("work");
        assert_eq!(
            own.word("digest", &sample()).expect("works").subject,
            "3 for Ada"
        );
        for broken in ["{{ nothing.here }}", "{% for %}"] {
            std::fs::write(&file, broken).expect("writes");
            let error = Templates::new(Some(folder.path()))
                .map(|_| ())
                .expect_err("is refused");
            assert!(
                error.message().contains("digest.subject.txt"),
                "{}",
                error.message()
            );
        }
    }
}
