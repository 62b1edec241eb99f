//! Signing in by several forms in a row: the call of a step, and what its answer keeps.

use serde_json::{Map, Value};

use super::auth::{Auth, Step};
use super::definition::Module;
use crate::connect::answer::Answer;
use crate::connect::request::Request;
use crate::connect::values::Values;
use crate::error::Result;

impl Module {
    /// The call of a step, from 0, after its form was read into the scope `credential`. It is sent
    /// without the credential, which is not there yet. Nothing where the step has no call.
    ///
    /// # Errors
    /// `module.input`.
    pub fn step_request(&self, number: usize, values: &Values) -> Result<Option<Request>> {
        let Some(call) = self.step(number).and_then(|step| step.call.as_ref()) else {
            return Ok(None);
        };
        let mut call = call.clone();
        call.open = true;
        self.request("sign_in", &call, values).map(Some)
    }

    /// The values with what that step's answer gives in the scope `kept`.
    #[must_use]
    pub fn step_kept(&self, number: usize, answer: &Answer, values: Values) -> Values {
        let keep = self.step(number).map(|step| &step.keep);
        keep.into_iter()
            .flatten()
            .fold(values, |values, (name, take)| {
                match take.from(&answer.body, &values) {
                    Some(value) => values.with_one("kept", name, value),
                    None => values,
                }
            })
    }

    /// What is stored of the forms after the last step: the fields of all of them, without those of
    /// steps that have a call, since such a field (a code sent by mail) has done its work by then.
    #[must_use]
    pub fn step_fields(&self, data: &Map<String, Value>) -> Map<String, Value> {
        let Auth::MultiStep(kind) = &self.auth else {
            return data.clone();
        };
        let spent = |name: &String| {
            kind.steps.iter().any(|step| {
                step.call.is_some() && step.fields.iter().any(|field| field.name == *name)
            })
        };
        data.iter()
            .filter(|(name, _)| !spent(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    fn step(&self, number: usize) -> Option<&Step> {
        match &self.auth {
            Auth::MultiStep(kind) => kind.steps.get(number),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn module() -> Module {
        serde_json::from_value(json!({
            "name": "acme", "docs": ["https://acme.example/docs"],
            "display": {"label": "Acme", "description": "A test.", "category": "files", "details_url": "https://acme.example"},
            "urls": {"api": "https://api.acme.example"},
            "auth": {"multi_step": {
                "send": {"headers": {"X-Session": "{credential.session}"}},
                "steps": [
                    {"title": "Who", "fields": [{"name": "mail", "title": "Mail"}],
                     "call": {"method": "POST", "path": "/codes", "body": {"json": {"mail": "{credential.mail}"}}}, "keep": {"ticket": "/ticket"}},
                    {"title": "Code", "fields": [{"name": "code", "title": "Code", "secret": true}, {"name": "code_name", "title": "Name"}],
                     "call": {"method": "POST", "path": "/sessions/{kept.ticket}", "body": {"json": {"code": "{credential.code}"}}}, "keep": {"session": "/session", "who": "/id"}}
                ]}},
            "identity": {"external_id": "{kept.who}", "display_name": "{credential.mail}"},
            "persist": {"credential": [{"name": "session", "secret": true}]},
            "test": {"path": "/me"}
        }))
        .expect("a module")
    }

    #[test]
    fn steps_follow_each_other_and_leave_a_credential() {
        let module = module();
        assert_eq!(module.mistakes(), Vec::new());
        let values = Values::new().with(
            "credential",
            json!({"mail": "ada@acme.example", "code": "hunter2"}),
        );
        let first = module
            .step_request(0, &values)
            .expect("made")
            .expect("there is one");
        assert_eq!(
            (first.url.as_str(), first.header("x-session")),
            ("https://api.acme.example/codes", None)
        );
        let answer = |body: Value| Answer {
            status: 200,
            headers: Vec::new(),
            body,
        };
        let values = module.step_kept(0, &answer(json!({"ticket": "t 1"})), values);
        let second = module
            .step_request(1, &values)
            .expect("made")
            .expect("there is one");
        assert_eq!(second.url, "https://api.acme.example/sessions/t%201");
        let values = module.step_kept(1, &answer(json!({"session": "hunter3", "id": 7})), values);
        assert_eq!(
            module.credential_properties(&values),
            json!({"session": "hunter3"})
                .as_object()
                .cloned()
                .expect("an object")
        );
        assert_eq!(module.account(&values).expect("known").external_id, "7");
        assert_eq!(module.step_request(2, &values).expect("made"), None);
        let stored = module.step_fields(
            json!({"mail": "a", "code": "hunter2"})
                .as_object()
                .expect("an object"),
        );
        assert!(stored.is_empty(), "{stored:?}");
    }

    #[test]
    fn a_step_can_not_name_what_is_not_there() {
        let mut value = serde_json::to_value(module()).expect("JSON");
        value["auth"]["multi_step"]["steps"][0]["call"]["path"] = json!("/codes/{credential.none}");
        let module: Module = serde_json::from_value(value).expect("a module");
        let mistakes = module.mistakes();
        assert!(
            mistakes.iter().any(|mistake| mistake
                .path
                .starts_with(&["auth".to_owned(), "multi_step".to_owned()])),
            "{mistakes:?}"
        );
    }
}
