//! Small reports of two real formats, made to measure.

use serde_json::{Value, json};

/// One instance of something.
#[derive(Clone, Debug)]
pub struct Issue {
    pub rule: String,
    pub path: String,
    pub line: u32,
    pub snippet: Option<String>,
    pub suppressed: bool,
}

impl Issue {
    #[must_use]
    pub fn new(rule: &str, path: &str, line: u32) -> Self {
        Self {
            rule: rule.to_owned(),
            path: path.to_owned(),
            line,
            snippet: None,
            suppressed: false,
        }
    }

    #[must_use]
    pub fn snippet(mut self, text: &str) -> Self {
        self.snippet = Some(text.to_owned());
        self
    }

    #[must_use]
    pub fn suppressed(mut self) -> Self {
        self.suppressed = true;
        self
    }
}

/// A SARIF 2.1.0 report of one tool.
#[must_use]
pub fn sarif(tool: &str, issues: &[Issue]) -> Vec<u8> {
    let mut rules: Vec<&str> = issues.iter().map(|issue| issue.rule.as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    let rules: Vec<Value> = rules
        .into_iter()
        .map(
            |rule| json!({ "id": rule, "shortDescription": { "text": format!("Problem {rule}") } }),
        )
        .collect();
    let results: Vec<Value> = issues.iter().map(result).collect();
    let report = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{ "tool": { "driver": { "name": tool, "rules": rules } }, "results": results }],
    });
    report.to_string().into_bytes()
}

fn result(issue: &Issue) -> Value {
    let mut region = json!({ "startLine": issue.line });
    if let (Some(snippet), Some(region)) = (&issue.snippet, region.as_object_mut()) {
        region.insert("snippet".to_owned(), json!({ "text": snippet }));
    }
    let suppressions = if issue.suppressed {
        json!([{ "kind": "inSource", "status": "accepted", "justification": "a test" }])
    } else {
        json!([])
    };
    json!({
        "ruleId": issue.rule,
        "level": "warning",
        "message": { "text": "look here" },
        "locations": [{ "physicalLocation": { "artifactLocation": { "uri": issue.path }, "region": region } }],
        "suppressions": suppressions,
    })
}

/// A Trivy report of one lock file: (CVE, package, version).
#[must_use]
pub fn trivy(path: &str, vulnerabilities: &[(&str, &str, &str)]) -> Vec<u8> {
    let vulnerabilities: Vec<Value> = vulnerabilities
        .iter()
        .map(|(cve, package, version)| {
            json!({
                "VulnerabilityID": cve,
                "PkgName": package,
                "PkgIdentifier": { "PURL": format!("pkg:npm/{package}@{version}") },
                "InstalledVersion": version,
                "Severity": "HIGH",
                "Title": format!("{cve} in {package}"),
            })
        })
        .collect();
    let report = json!({
        "SchemaVersion": 2,
        "ArtifactName": ".",
        "ArtifactType": "filesystem",
        "Results": [{ "Target": path, "Class": "lang-pkgs", "Type": "npm", "Vulnerabilities": vulnerabilities }],
    });
    report.to_string().into_bytes()
}
