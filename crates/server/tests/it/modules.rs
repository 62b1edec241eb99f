//! `gna modules`, as somebody who adds an app uses it.

use super::run::{Said, gna, run};

const OWN: &str = "name = 'acme'\ndocs = ['https://acme.example']\n[display]\nlabel = 'Acme'\ndescription = 'Things of Acme.'\n\
    category = 'finance'\ndetails_url = 'https://acme.example'\n[urls]\napi = 'https://acme.example'\n[auth.none]\n[[connection]]\nname = 'site'\n\
    title = 'Site'\n[identity]\nexternal_id = '{connection.site}'\ndisplay_name = 'Acme'\n";

#[test]
fn the_apps_are_listed_and_shown() {
    let folder = tempfile::tempdir().expect("folder");
    let list = run(folder.path(), &["modules", "--json"]).ended(0);
    let modules = list.json()[0]["modules"]
        .as_array()
        .expect("a list")
        .clone();
    assert!(modules.len() > 25 && modules.iter().any(|module| module["name"] == "github"));
    let show = run(folder.path(), &["modules", "show", "github"]).ended(0);
    for part in ["oauth2_code", "create_issue(", "access_token (encrypted)"] {
        assert!(show.stdout.contains(part), "{part}: {}", show.stdout);
    }
    let json = run(folder.path(), &["modules", "show", "github-app", "--json"]).ended(0);
    assert_eq!(
        json.json()[0]["form"]["jsonSchema"]["properties"]["private_key"]["writeOnly"],
        true
    );
    let unknown = run(folder.path(), &["modules", "show", "nope"]).ended(2);
    assert!(
        unknown.stderr.contains("gna modules list"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn an_app_of_ones_own_is_a_file_in_a_folder() {
    let folder = tempfile::tempdir().expect("folder");
    let modules = folder.path().join("apps");
    std::fs::create_dir(&modules).expect("made");
    let with = |args: &[&str]| {
        let output = gna(folder.path())
            .args(args)
            .env("GNA_MODULES__DIR", &modules)
            .output()
            .expect("runs");
        Said::from(output)
    };
    std::fs::write(modules.join("acme.toml"), OWN).expect("written");
    let file = modules.join("acme.toml").display().to_string();
    assert!(
        with(&["modules", "check", &file])
            .ended(0)
            .stdout
            .contains("good")
    );
    assert!(
        with(&["modules"])
            .ended(0)
            .stdout
            .contains("Things of Acme.")
    );

    std::fs::write(modules.join("acme.toml"), OWN.replace("label", "lable")).expect("written");
    let wrong = with(&["modules", "check", &file, "--json"]).ended(2);
    let wrong = &wrong.json()[0]["files"][0];
    assert_eq!(
        (&wrong["line"], &wrong["key"]),
        (&4.into(), &"display.lable".into()),
        "{wrong}"
    );
    let refused = with(&["modules"]).ended(2);
    assert!(
        refused.stderr.contains("acme.toml:4: display.lable"),
        "{}",
        refused.stderr
    );
    with(&["modules", "check", "nowhere.toml"]).ended(3);
}
