//! What webhooks of the shipped modules name, on bodies of our own in the form that the apps document.

use gna_domain::rules::hook::named;
use gna_integrations::modules::Catalogue;
use serde_json::{Value, json};

#[test]
fn the_account_or_the_project_of_an_invented_webhook_is_read() {
    let catalogue = Catalogue::shipped().expect("they load");
    let none: &[&str] = &[];
    let cases: [(&str, Value, &[&str], &[&str]); 13] = [
        (
            "github",
            json!({"action": "closed", "repository": {"full_name": "acme/web"}}),
            none,
            &["acme/web"],
        ),
        ("github", json!({"zen": "z", "hook_id": 1}), none, none),
        (
            "github-app",
            json!({"repository": {"full_name": "acme/web"}}),
            none,
            &["acme/web"],
        ),
        (
            "gitlab",
            json!({"project": {"id": 42, "path_with_namespace": "acme/web"}}),
            none,
            &["42", "acme/web"],
        ),
        (
            "jira-cloud",
            json!({"issue": {"key": "WEB-1", "fields": {"project": {"id": "10000", "key": "WEB"}}}}),
            none,
            &["10000", "WEB"],
        ),
        ("monday", json!({"event": {"boardId": 9}}), none, &["9"]),
        (
            "sonarqube",
            json!({"project": {"key": "web"}}),
            none,
            &["web"],
        ),
        ("linear", json!({"organizationId": "o"}), &["o"], none),
        ("slack", json!({"team_id": "T1"}), &["T1"], none),
        (
            "hubspot",
            json!([{"portalId": 62_515}, {"portalId": 62_516}]),
            &["62515", "62516"],
            none,
        ),
        (
            "quickbooks",
            json!({"eventNotifications": [{"realmId": "1"}, {"realmId": "2"}]}),
            &["1", "2"],
            none,
        ),
        // A task's parent is not always a project: it may be about any.
        (
            "asana",
            json!({"events": [{"parent": {"gid": "7"}}]}),
            none,
            none,
        ),
        (
            "attio",
            json!({"events": [{"id": {"workspace_id": "w"}}]}),
            &["w"],
            none,
        ),
    ];
    for (module, body, accounts, projects) in cases {
        let loaded = catalogue.by_name(module).expect("it is there");
        let webhook = loaded.module.webhook.as_ref().expect("it sends some");
        assert_eq!(named(&body, &webhook.external_id), accounts, "{module}");
        assert_eq!(named(&body, &webhook.project), projects, "{module}");
    }
}
